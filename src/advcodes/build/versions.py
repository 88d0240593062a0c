"""Results told to DVC when something else than DVC made them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import yaml

from advcodes.build.provenance import write_atomically

AFFECTS_RESULTS = False
LOCK = Path("dvc.lock")
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
    stages = [] if complete else [stage for stage, out in _OUTS.items() if Path(out).is_dir()]
    if not (complete or stages):
        return
    command = [sys.executable, "-m", "dvc", "commit", "--force", *stages]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = " ".join(done.stderr.removeprefix("ERROR: ").split())
        print(f"the results are there, but not recorded in dvc.lock; run `dvc commit`: {why}", file=sys.stderr)
        return
    if not complete:
        lock = yaml.safe_load(LOCK.read_text())
        for stage in stages:
            for origin in ("deps", "params"):
                lock["stages"][stage].pop(origin, None)
        write_atomically(LOCK, yaml.safe_dump(lock, sort_keys=False))
