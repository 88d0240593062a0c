"""Render one table or figure of a paper: reports/<scale>/<paper>/<item>.{md,json,png,...}."""

from __future__ import annotations

import importlib
from typing import Any

from advcodes.build.provenance import Artifact
from advcodes.config.sections import Machine
from advcodes.pages.request import Request


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Render the item of an `item/...` artifact into its directory, which other items share.

    Returns:
        Names of the files, and no facts.

    Raises:
        AdvcodesError: an input is missing or malformed, or lacks what the item shows.
    """
    request = Request.of_artifact(artifact.config, artifact.inputs)
    # By name: how other kinds are drawn is not part of this item's key.
    kind = importlib.import_module(request.item.declares.page)
    return kind.render(request, artifact.directory, request.item.id.partition("/")[2]), {}
