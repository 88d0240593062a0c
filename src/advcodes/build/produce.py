"""Making what is not fresh: the one place where an artifact's stage is run."""

from __future__ import annotations

import importlib
import json
import shutil
from typing import TYPE_CHECKING, Any

from advcodes.build.provenance import Artifact
from advcodes.build.writing import written

if TYPE_CHECKING:
    from advcodes.config.params import Params

AFFECTS_RESULTS = False


def produce(artifact: Artifact, params: Params, key: str | None = None, **options: Any) -> bool:
    """Make one artifact whose inputs are there, unless it is fresh already.

    Args:
        artifact: what to make.
        params: for the machine's settings, and what never changes results.
        key: the key for which the job was planned.
        options: for the stage's ``make``; they never change results.

    Returns:
        Whether anything had to be made.
    """
    lock = artifact.begin(key)
    if lock is None:
        print(f"{artifact.id}: already made", flush=True)
        return False
    with lock:
        training = artifact.id.startswith("train/")
        if training:
            options["log_every"] = params.training.log_every
            options["checkpoint_seconds"] = params.training.checkpoint_seconds
        # The module that makes a stage is the first that its key depends on.
        make = importlib.import_module(artifact.modules[0]).make
        files, facts = (training and _taken_over(artifact)) or make(artifact, params.machine, **options)
        artifact.finish(files, facts=facts)
    return True


def _taken_over(artifact: Artifact) -> tuple[list[str], dict[str, Any]] | None:
    """A training of the same configuration from the same inputs that is there under another variant's name, copied.

    Returns:
        Names of the files, and the other's facts with its id as ``same_as``; None where there is none.
    """
    wanted = json.loads(json.dumps(artifact.spec))
    for manifest in sorted(artifact.directory.parents[1].glob(f"*/{artifact.directory.name}/manifest.json")):
        record = Artifact("", manifest, {}).record()
        if record is None or {**record["spec"], "id": artifact.id} != wanted:
            continue
        other = Artifact(record["spec"]["id"], manifest, {})
        if not other.damaged():
            print(f"{artifact.id}: the same training as {other.id}; copied", flush=True)
            shutil.rmtree(artifact.directory / "snapshots", ignore_errors=True)
            for name in record["files"]:
                place = artifact.directory / name
                place.parent.mkdir(exist_ok=True)
                with written(place):
                    place.unlink(missing_ok=True)  # it may be another name of a file in DVC's cache
                    shutil.copyfile(other.directory / name, place)
            return list(record["files"]), {**record["facts"], "same_as": other.id}
    return None


def produce_all(artifact: Artifact, params: Params) -> None:
    """Make an artifact, and of what it is made from as much as is not fresh; one that is fresh needs none of it."""
    if not (artifact.fresh() or artifact.restore()):
        for needed in artifact.inputs.values():
            produce_all(needed, params)
    produce(artifact, params)
