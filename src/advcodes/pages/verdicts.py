"""The page of verdicts on all claims of all papers at a scale."""

from __future__ import annotations

from typing import Any

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.pages import claims
from advcodes.pages.content import as_json
from advcodes.pages.pictures import forest
from advcodes.pages.pictures.drawing import vector
from advcodes.pages.results import read_results


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Write claims.md and claims.json, and a forest plot for each paper whose claims were tested."""
    config = artifact.config
    judged = claims.content(
        config["scale"], config["claims"], config["items"], read_results(artifact.inputs), config["compared"],
        config["paired"], config["equal"],
    )  # fmt: skip
    files = {"claims.md": claims.markdown(judged, config["papers"]), "claims.json": as_json(judged)}
    pictures: list[str] = []
    for name, content in files.items():
        write_atomically(artifact.directory / name, content)
    for paper in config["papers"]:
        ours = [c for c in judged["claims"] if c["paper"] == paper]
        if forest.drawn(ours):
            picture = artifact.directory / forest.name(paper)
            forest.draw(ours, picture)
            pictures += [picture.name, vector(picture).name]
    return [*files, *pictures], {"claims": claims.counts(judged["claims"])}
