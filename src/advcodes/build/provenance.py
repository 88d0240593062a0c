"""Keys and manifests: what each result was made from, and whether it is still right.

An :class:`Artifact` is one output directory (or one report). Its key is a hash of the resolved configuration, the
keys of its inputs, and the source code that it depends on; its manifest, written last and atomically, records that
key and the files made. A result is fresh exactly when its manifest says so: file times never matter.

Snakemake deletes the manifest of a job that it starts, or that it takes for failed; `dvc exp run` puts every output
of dvc.yaml back to what dvc.lock names, and deletes it whole where that names nothing. So each result has a second
record, `data/finished/<id>`, where neither of them looks: what was finished is brought back by it, and never made
twice. For the same reason work in progress lies in `data/unfinished/<id>`.

This module knows nothing of methods, datasets or metrics; :mod:`advcodes.graph.graph` says which artifacts exist.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advcodes.build.files import damaged, record_of
from advcodes.build.keys import STATE, code, digest
from advcodes.build.writing import REMEDY, reason
from advcodes.core.errors import AdvcodesError
from advcodes.core.locks import FileLock, Timeout

AFFECTS_RESULTS = False
LOCKS = STATE
UNFINISHED = "unfinished"  #: directory of work in progress
FINISHED = "finished"  #: directory of second records, and of links to the files until DVC has recorded them
LINKS = "files"  #: subdirectory of links


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
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise AdvcodesError(f"{path}: cannot write: {reason(error)}; {REMEDY}") from None


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

    @property
    def unfinished(self) -> Path:
        """Directory of work in progress; it goes when the artifact is done."""
        return self._apart(UNFINISHED)

    @property
    def second_record(self) -> Path:
        """Copy of the manifest that neither Snakemake nor DVC knows."""
        return self._apart(FINISHED) / self.manifest.name.replace("manifest", "record")

    def _apart(self, name: str) -> Path:
        """A directory that is no part of the result: below `data/<name>`; of results elsewhere beside the manifest."""
        if self.manifest.is_absolute():
            return self.manifest.parent / name
        return Path(self.manifest.parts[0], name, self._name)

    @property
    def _name(self) -> str:
        return self.id.replace("/", "-")

    @property
    def _lock(self) -> FileLock:
        """With the project's others; of results elsewhere (an absolute path) beside the manifest.

        So two places may make the same thing at once, each for itself, but not two jobs in one place.
        """
        if self.manifest.is_absolute():
            self.manifest.parent.mkdir(parents=True, exist_ok=True)
            return FileLock(self.manifest.with_name(f".{self.manifest.name}.lock"))
        LOCKS.mkdir(parents=True, exist_ok=True)
        return FileLock(LOCKS / f"{self._name}.lock")

    @property
    def _memory(self) -> Path:
        """How its files looked when they were last found whole."""
        return STATE / "verified" / f"{self._name}.json"

    def record(self) -> dict[str, Any] | None:
        """The manifest on disk, or None where there is none or it is unreadable."""
        return _read(self.manifest)

    def fresh(self) -> bool:
        """Whether the files on disk were made for exactly this key and are all there, at their sizes."""
        record = self.record()
        return record is not None and record.get("key") == self.key and self._complete(record)

    def _complete(self, record: Mapping[str, Any]) -> bool:
        try:
            return all(os.path.getsize(self.directory / name) == f["bytes"] for name, f in record["files"].items())
        except (OSError, TypeError, KeyError):
            return False

    def damaged(self, everything: bool = False) -> list[Path]:
        """Files of the manifest that do not hold what was written.

        Args:
            everything: read also what looks as it did when it was last found whole.
        """
        files = (self.record() or {"files": {}})["files"]
        return [self.directory / name for name in damaged(self.directory, files, self._memory, everything)]

    def forget(self) -> None:
        """Let the result count as missing; its files stay where they are."""
        self.manifest.unlink(missing_ok=True)
        self.second_record.unlink(missing_ok=True)
        if self.home is None:
            shutil.rmtree(self.second_record.parent, ignore_errors=True)

    def restore(self) -> bool:
        """Bring back what was finished for this key and lost its manifest, or its files, since then.

        Returns:
            Whether the result is there again; False also while another process works on it.
        """
        if not self.second_record.exists():
            return False
        try:
            with self._lock.acquire(timeout=0):
                return self._restore()
        except Timeout:
            return False

    def _restore(self) -> bool:
        record = _read(self.second_record)
        if record is None or record.get("key") != self.key:
            return False
        links = self.second_record.parent / LINKS
        lost = {name: record["files"][name] for name in damaged(self.directory, record["files"], self._memory)}
        if lost and damaged(links, lost, self._memory.with_suffix(".links")):
            return False
        self.manifest.unlink(missing_ok=True)  # of what is there in its place
        for name in lost:
            _link(links / name, self.directory / name)
        write_atomically(self.manifest, self.second_record.read_text())
        print(f"{self.id}: finished before; its manifest is restored", file=sys.stderr, flush=True)
        return True

    def begin(self, expected: str | None = None) -> FileLock | None:
        """First act of a job: wait for an orphan of this very job, then clear the old manifest.

        Args:
            expected: the key the planner computed; a different one now means that params.yaml or the sources were
                edited meanwhile.

        Returns:
            The lock to hold while working, or None if the result is already there.

        Raises:
            AdvcodesError: the plan is out of date, or an input is missing, stale or damaged.
        """
        if expected is not None and expected != self.key:
            raise AdvcodesError(
                f"{self.id}: params.yaml or the sources changed while the pipeline was running; run it again"
            )
        lock = self._lock
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"{self.id}: another process is making this; waiting for it", flush=True)
            lock.acquire()
        if self.fresh() or self._restore():
            lock.release()
            return None
        try:
            for name, artifact in self.inputs.items():
                self._check_input(name, artifact)
        except AdvcodesError:
            lock.release()
            raise
        for directory in (self.directory, self.manifest.parent):
            directory.mkdir(parents=True, exist_ok=True)
        self.forget()
        return lock

    def _check_input(self, name: str, artifact: Artifact) -> None:
        again = f"run `snakemake --cores all {artifact.manifest}`"
        if not artifact.fresh():
            raise AdvcodesError(f"{self.id}: its {name} ({artifact.id}) is missing or stale; {again}")
        if bad := artifact.damaged():
            artifact.forget()
            raise AdvcodesError(
                f"{self.id}: its {name} ({artifact.id}) is damaged: {bad[0]} does not hold what was written; "
                f"it counts as missing now: {again}"
            )

    def finish(self, files: list[str], **extra: Any) -> None:
        """Last act of a job: the manifest, with the size and SHA-256 of every file (paths within the directory).

        Only then may go what a killed job would go on from.
        """
        measured = record_of(self.directory, sorted(files), self._memory)
        if self.home is None:
            for name in measured:
                # Where a file system has no links, or data/ spans two, `dvc exp run` can still delete what it was not
                # told of.
                with contextlib.suppress(OSError):
                    _link(self.directory / name, self.second_record.parent / LINKS / name)
        self._write(self.key, self.spec, measured, extra)
        shutil.rmtree(self.unfinished, ignore_errors=True)

    def _write(self, key: str, spec: dict, files: dict, extra: Mapping[str, Any]) -> None:
        text = json.dumps({"key": key, "spec": spec, "files": files, **extra}, indent=1) + "\n"
        self.second_record.parent.mkdir(parents=True, exist_ok=True)
        for path in (self.second_record, self.manifest):
            write_atomically(path, text)

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
        # An input that has not changed may be gone; one that has must be there, declared valid itself.
        if not all(old["inputs"][name] == a.key or a.fresh() for name, a in self.inputs.items()):
            return False
        extra = {k: v for k, v in record.items() if k not in ("key", "spec", "files")}
        history = [*extra.pop("accepted", []), {"reason": reason, "key": record["key"], "code": old["code"]}]
        self._write(self.key, self.spec, record["files"], {**extra, "accepted": history})
        return True


def _read(manifest: Path) -> dict[str, Any] | None:
    """What a manifest says; None where there is none or it is unreadable."""
    try:
        record = json.loads(manifest.read_text())
        return record if isinstance(record, dict) and isinstance(record.get("files"), dict) else None
    except (OSError, ValueError):
        return None


def _link(file: Path, place: Path) -> None:
    """Let ``place`` be another name of a file, in one step and whatever was there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    os.link(file, temporary)
    os.replace(temporary, place)


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
