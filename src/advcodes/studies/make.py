"""The stage that computes what a figure needs of networks, samples and data: data/studies/<scale>/<paper>/<item>."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from advcodes.build.provenance import Artifact
from advcodes.config.sections import Machine
from advcodes.papers.kinds import KINDS
from advcodes.studies.base import write
from advcodes.studies.request import Request


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make a `study/...` artifact, on a device where its kind runs networks.

    Returns:
        Names of the files, and no facts.

    Raises:
        AdvcodesError: a run or its dataset lacks what the item shows.
    """
    request = Request.of_artifact(artifact)
    with _claimed(request.kind, machine) as where:
        # By name: how other kinds are studied is not part of this study's key.
        study = importlib.import_module(f"advcodes.studies.kinds.{request.kind}").study(replace(request, device=where))
    return write(artifact.directory, study), {}


@contextlib.contextmanager
def _claimed(kind: str, machine: Machine) -> Iterator[Any]:
    """A device where a kind needs one; a kind that but copies images does without torch."""
    if not {"networks", "classifier", "statements"} & set(KINDS[kind].needs):
        yield "cpu"
        return
    from advcodes.jobs.device import claimed

    with claimed(machine) as where:
        yield where
