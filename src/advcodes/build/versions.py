"""Results told to DVC when something else than DVC made them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from advcodes.build.keys import STATE
from advcodes.build.provenance import FINISHED, LINKS, write_atomically
from advcodes.core.errors import AdvcodesError

AFFECTS_RESULTS = False
LOCK = Path("dvc.lock")
KEPT = STATE / "dvc.lock"  #: copy of the last whole one
_OUTS = {  # of dvc.yaml
    "data": "data/prepared",
    "train": "data/runs",
    "evaluate": "data/evaluation",
    "study": "data/studies",
}


def record(complete: bool) -> None:
    """Record what lies on disk in dvc.lock, so that DVC keeps it.

    `dvc exp run` first restores what dvc.lock names and deletes the rest. Where DVC itself is the caller, or is not
    used, nothing is done; where DVC refuses (it is busy), a line says so.

    Args:
        complete: whether these are all results that params.yaml asks for. If not, they are recorded as made from
            nothing in particular: DVC keeps them and takes every stage for changed.
    """
    if os.environ.get("DVC_STAGE") or not (Path(".dvc").is_dir() and importlib.util.find_spec("dvc")):
        return
    stages = [] if complete else list(_OUTS)
    if not complete:
        if not any(any(Path(out).rglob("*manifest.json")) for out in _OUTS.values()):
            return  # the first job failed
        for out in _OUTS.values():  # DVC commits no stage one of whose dependencies is not there
            Path(out).mkdir(parents=True, exist_ok=True)
    links = {path: path.stat().st_ino for path in Path("data", FINISHED).glob(f"*/{LINKS}")}
    command = [sys.executable, "-m", "dvc", "commit", "--force", *stages]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = " ".join(done.stderr.removeprefix("ERROR: ").split())
        print(f"the results are there, but not recorded in dvc.lock; run `dvc commit`: {why}", file=sys.stderr)
        return
    if not complete:
        lock = yaml.safe_load(LOCK.read_text())
        for stage in stages:
            lock["stages"][stage].pop("deps", None)
        write_atomically(LOCK, yaml.safe_dump(lock, sort_keys=False))
    keep_lock()
    for path, inode in links.items():  # of what DVC keeps now; not of what was finished meanwhile
        if path.exists() and path.stat().st_ino == inode:
            shutil.rmtree(path)


def keep_lock() -> None:
    """Keep a copy of dvc.lock, or put it back where DVC was killed while it wrote.

    DVC empties the file before it writes, and refuses every command once it finds it cut off.
    """
    text = _text(LOCK)
    if text is None or text == _text(KEPT):
        return
    if _whole(text):
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(KEPT, text)
        return
    time.sleep(1)
    if _text(LOCK) != text:  # DVC is still at it
        return
    kept = _text(KEPT)
    if kept is None:
        os.replace(LOCK, KEPT.with_name("dvc.lock.damaged"))
        what = f"it is set aside as {KEPT}.damaged, and there is no copy; `git checkout {LOCK}` if you committed one"
    else:
        write_atomically(LOCK, kept)
        what = "its last whole version is put back"
    print(f"{LOCK} was cut off when DVC was killed: {what}", file=sys.stderr, flush=True)


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise AdvcodesError(f"{path}: cannot read: {error}; delete it and run again") from None


def _whole(text: str) -> bool:
    """Whether DVC would read it, and its last line has an end."""
    try:
        lock = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return False
    stages = lock.get("stages") if isinstance(lock, dict) else None
    return (
        text.endswith("\n")
        and isinstance(stages, dict)
        and all(isinstance(stage, dict) and isinstance(stage.get("cmd"), str) for stage in stages.values())
        and all(
            isinstance(entry, dict) and isinstance(entry.get("path"), str)
            for stage in stages.values()
            for entry in (*stage.get("deps", ()), *stage.get("outs", ()))
        )
    )
