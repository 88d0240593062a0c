"""Keys and manifests: what each result was made from, and whether it is still right.

An :class:`Artifact` is one output directory (or one report). Its key is a hash of the resolved configuration, the
keys of its inputs, and the source code that it depends on; its manifest, written last and atomically, records that
key and the files made. A result is fresh exactly when its manifest says so: file times never matter.

This module knows nothing of methods, datasets or metrics; :mod:`advcodes.graph.graph` says which artifacts exist.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from advcodes.build.keys import STATE, code, digest
from advcodes.core.errors import AdvcodesError

AFFECTS_RESULTS = False
LOCKS = STATE
UNFINISHED = "unfinished"  #: subdirectory of work in progress


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that it is either whole or not there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise AdvcodesError(
            f"{path}: cannot write: {error.strerror}; free some space or fix permissions, then run again"
        ) from None


@dataclass(frozen=True, eq=False)
class Artifact:
    """One result.

    Attributes:
        id: unique name, ``<stage>/<what>``: ``train/demo/digits/gan/seed0``.
        manifest: path of its manifest.
        config: everything resolved from params.yaml that its content depends on (JSON).
        inputs: other artifacts it is made from, by the role they play.
        modules: entry modules of the code that makes it.
        home: directory of its files, where that is not the manifest's.
    """

    id: str
    manifest: Path
    config: Mapping[str, Any]
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    home: Path | None = None

    @property
    def directory(self) -> Path:
        """Where the result's files lie."""
        return self.home or self.manifest.parent

    @functools.cached_property
    def spec(self) -> dict[str, Any]:
        """What the key is the hash of."""
        return {
            "id": self.id,
            "config": dict(self.config),
            "inputs": {name: a.key for name, a in self.inputs.items()},
            "code": code(*self.modules),
        }

    @functools.cached_property
    def key(self) -> str:
        return digest(self.spec)

    def record(self) -> dict[str, Any] | None:
        """The manifest on disk, or None where there is none or it is unreadable."""
        try:
            record = json.loads(self.manifest.read_text())
            return record if isinstance(record, dict) and isinstance(record.get("files"), dict) else None
        except (OSError, ValueError):
            return None

    def fresh(self) -> bool:
        """Whether the files on disk were made for exactly this key and are all there, at their sizes."""
        record = self.record()
        return record is not None and record.get("key") == self.key and self._complete(record)

    def _complete(self, record: Mapping[str, Any]) -> bool:
        try:
            return all(os.path.getsize(self.directory / name) == f["bytes"] for name, f in record["files"].items())
        except (OSError, TypeError, KeyError):
            return False

    def begin(self, expected: str | None = None) -> FileLock | None:
        """First act of a job: wait for an orphan of this very job, then clear the old manifest.

        Args:
            expected: the key the planner computed; a different one now means that params.yaml or the sources were
                edited meanwhile.

        Returns:
            The lock to hold while working, or None if the result is already there.

        Raises:
            AdvcodesError: the plan is out of date, or an input is missing or stale.
        """
        if expected is not None and expected != self.key:
            raise AdvcodesError(
                f"{self.id}: params.yaml or the sources changed while the pipeline was running; run it again"
            )
        for directory in (self.directory, self.manifest.parent):
            directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock())
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{self.id}: another process is making this; waiting for it", flush=True)
            lock.acquire()
        if self.fresh():
            lock.release()
            return None
        for name, artifact in self.inputs.items():
            if not artifact.fresh():
                lock.release()
                raise AdvcodesError(
                    f"{self.id}: its {name} ({artifact.id}) is missing or stale; "
                    f"run `snakemake --cores all {artifact.manifest}`"
                )
        self.manifest.unlink(missing_ok=True)
        return lock

    def _lock(self) -> Path:
        """The lock's file: with the project's others; for results elsewhere (an absolute path) beside the manifest.

        So two places may make the same thing at once, each for itself, but not two jobs in one place.
        """
        if self.manifest.is_absolute():
            return self.manifest.with_name(f".{self.manifest.name}.lock")
        LOCKS.mkdir(parents=True, exist_ok=True)
        return LOCKS / (self.id.replace("/", "-") + ".lock")

    def finish(self, files: list[str], **extra: Any) -> None:
        """Last act of a job: the manifest, with the size and SHA-256 of every file (paths within the directory).

        Only then may go what a killed job would go on from.
        """
        self._write(self.key, self.spec, {f: _measure(self.directory / f) for f in sorted(files)}, extra)
        shutil.rmtree(self.directory / UNFINISHED, ignore_errors=True)

    def _write(self, key: str, spec: dict, files: dict, extra: Mapping[str, Any]) -> None:
        record = {"key": key, "spec": spec, "files": files, **extra}
        write_atomically(self.manifest, json.dumps(record, indent=1) + "\n")

    def accept(self, reason: str) -> bool:
        """Declare the result on disk still valid although the code changed; see `advcodes accept`.

        Only code may differ: with another configuration or another set of inputs nothing is accepted.

        Returns:
            Whether the manifest was rewritten.
        """
        record = self.record()
        if record is None or record.get("key") == self.key or not self._complete(record):
            return False
        old = record["spec"]
        if old["config"] != json.loads(json.dumps(self.spec["config"])) or set(old["inputs"]) != set(
            self.spec["inputs"]
        ):
            return False
        if not all(a.fresh() for a in self.inputs.values()):
            return False
        extra = {k: v for k, v in record.items() if k not in ("key", "spec", "files")}
        history = [*extra.pop("accepted", []), {"reason": reason, "key": record["key"], "code": old["code"]}]
        self._write(self.key, self.spec, record["files"], {**extra, "accepted": history})
        return True


def _measure(path: Path) -> dict[str, Any]:
    with open(path, "rb") as f:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(f, "sha256").hexdigest()}


def ancestors_first(artifacts: list[Artifact]) -> Iterator[Artifact]:
    """The artifacts and all they depend on, each once, inputs before what is made from them."""
    seen: set[str] = set()

    def visit(a: Artifact) -> Iterator[Artifact]:
        if a.id not in seen:
            seen.add(a.id)
            for i in a.inputs.values():
                yield from visit(i)
            yield a

    for a in artifacts:
        yield from visit(a)


def hold_pipeline() -> FileLock:
    """Wait until no other pipeline runs in this directory, then hold that until the process ends."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    lock = FileLock(LOCKS / "pipeline.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(
            "another snakemake is working in this directory; waiting until it has finished",
            file=sys.stderr,
            flush=True,
        )
        lock.acquire()
    return lock
