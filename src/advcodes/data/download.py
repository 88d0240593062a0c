"""Downloads that resume, are verified and are moved into place; archives that stay in their folder."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import lzma
import os
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path

from advcodes.build.writing import REMEDY
from advcodes.core.errors import AdvcodesError
from advcodes.core.locks import FileLock
from advcodes.core.progress import Progress

AFFECTS_RESULTS = False  # what a download gives is fixed by its checksum
ATTEMPTS = 4
BACKOFF = 1.0  #: seconds before the first retry; doubled for each further one
TIMEOUT = 30.0  #: seconds without an answer
_BLOCK = 1 << 20


def checksum(path: Path, algorithm: str) -> str:
    """Hex digest of a file: ``md5`` or ``sha256``."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def mismatch(path: Path, *, sha256_prefix: str | None = None, md5: str | None = None) -> str | None:
    """Compare a file with what its checksum should be: None, or ``MD5 is ..., expected ...``."""
    for algorithm, expected in (("md5", md5), ("sha256", sha256_prefix)):
        if expected and not (got := checksum(path, algorithm)).startswith(expected.lower()):
            return f"{algorithm.upper()} is {got[: len(expected)]}, expected {expected.lower()}"
    return None


def fetch(url: str, path: Path, *, sha256_prefix: str | None = None, md5: str | None = None) -> Path:
    """Download a file unless it is there, whole and right.

    The bytes go to ``<path>.part`` first: an interrupted download goes on where it stopped (if the server
    can), and ``path`` is either whole and verified or not there. A second process waits for the first.

    Args:
        url: http or https.
        path: where the file shall lie; folders are made.
        sha256_prefix: hex digits that its SHA-256 begins with.
        md5: its MD5.

    Returns:
        ``path``.

    Raises:
        AdvcodesError: no network, no such file on the server, a wrong checksum, or a full disk.
    """
    if not url.startswith(("http://", "https://")):
        raise AdvcodesError(f"{url}: expected an http or https address")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock")):
            if path.is_file():
                problem = mismatch(path, sha256_prefix=sha256_prefix, md5=md5)
                if problem is None:
                    return path
                print(f"{path}: {problem}; downloading it again", flush=True)
            _download(url, part)
            problem = mismatch(part, sha256_prefix=sha256_prefix, md5=md5)
            if problem:
                part.unlink()
                raise AdvcodesError(f"{url}: {problem}; the download was deleted: run again, or check the address")
            os.replace(part, path)
    except OSError as error:
        raise AdvcodesError(f"{path}: cannot write: {error.strerror}; {REMEDY}") from None
    return path


def _download(url: str, part: Path) -> None:
    """Bring the whole of ``url`` into ``part``, with retries where the network or the server may recover."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACKOFF * 2 ** (attempt - 1))
        try:
            _receive(url, part)
            return
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 425, 429):
                raise AdvcodesError(f"{url}: {reason}; check the address") from None
        except urllib.error.URLError as error:
            reason = str(getattr(error.reason, "strerror", None) or error.reason)
        except (ConnectionError, TimeoutError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
    raise AdvcodesError(f"{url}: cannot be downloaded ({reason}; {ATTEMPTS} attempts)")


def _receive(url: str, part: Path) -> None:
    """One attempt: go on behind what ``part`` holds, or from the start where that is impossible."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "advcodes", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        # Nothing lies behind what we have: it is the whole file, or longer than it.
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return
        part.unlink()
        return _receive(url, part)
    with response:
        start = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if response.status != 206:
            have = 0
        elif start != str(have):
            part.unlink(missing_ok=True)
            raise ConnectionError(f"the server sent bytes from {start or '?'} instead of from {have:,}")
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        progress = Progress(f"downloading {url}", total, "bytes", start=have)
        with open(part, "ab" if have else "wb") as f:
            while True:
                try:
                    block = response.read(_BLOCK)
                except OSError as error:  # not to be taken for a full disk
                    raise ConnectionError(str(error)) from None
                if not block:
                    break
                f.write(block)
                have += len(block)
                progress.at(have)
    if total is not None and have < total:
        raise ConnectionError(f"the connection ended after {have:,} of {total:,} bytes")


class _Outside(Exception):
    """A member of an archive that would leave its folder, or is neither a file nor a folder."""


def _extract(tar: tarfile.TarFile, folder: Path) -> None:
    """Unpack what stays within ``folder``; Python has a filter for that from 3.11.4 on."""
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, filter="data")
        return
    root = folder.resolve()
    for member in tar:
        if not ((member.isfile() or member.isdir()) and (root / member.name).resolve().is_relative_to(root)):
            raise _Outside(member.name)
        tar.extract(member, root)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar (plain or compressed) into ``folder``.

    Raises:
        AdvcodesError: a damaged archive, a member that would leave the folder, or a full disk.
    """
    try:
        with tarfile.open(archive, "r:*") as tar:
            _extract(tar, folder)
    except (_Outside, getattr(tarfile, "FilterError", _Outside)) as error:
        raise AdvcodesError(
            f"{archive}: refused, since a member would leave its folder ({error}); use the original file"
        ) from None
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise AdvcodesError(f"{archive}: damaged archive ({error}); copy or download it again") from None
    except OSError as error:
        raise AdvcodesError(f"{archive}: cannot be unpacked into {folder}: {error.strerror or error}") from None


def gunzip(archive: Path, path: Path) -> None:
    """Unpack one gzipped file to ``path``.

    Raises:
        AdvcodesError: a damaged file or a full disk.
    """
    try:
        with gzip.open(archive, "rb") as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target, _BLOCK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise AdvcodesError(f"{archive}: damaged gzip file ({error}); copy or download it again") from None
    except OSError as error:
        raise AdvcodesError(f"{archive}: cannot be unpacked to {path}: {error.strerror or error}") from None
