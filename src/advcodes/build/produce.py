"""Making what is not fresh: the one place where an artifact's stage is run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from advcodes.build.provenance import Artifact

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
        stage = artifact.id.partition("/")[0]
        if stage == "train":
            options["log_every"] = params.training.log_every
            options["checkpoint_seconds"] = params.training.checkpoint_seconds
        # The module that makes a stage is the first that its key depends on.
        make = importlib.import_module(artifact.modules[0]).make
        files, facts = make(artifact, params.machine, **options)
        artifact.finish(files, facts=facts)
    return True


def produce_all(artifact: Artifact, params: Params) -> None:
    """Make an artifact, and of what it is made from as much as is not fresh; one that is fresh needs none of it."""
    if not (artifact.fresh() or artifact.restore()):
        for needed in artifact.inputs.values():
            produce_all(needed, params)
    produce(artifact, params)
