"""The front page of the results, reports/table1.md: one table, and what it says of the paper's claims."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.pages import claims
from advcodes.pages.results import read_results
from advcodes.papers.items import FRONT_ITEM


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Write ``table1.md`` of a `front/...` artifact."""
    config, inputs = artifact.config, artifact.inputs
    scale = config["scale"]
    if not config["items"]:
        page = f"`{FRONT_ITEM}` is not among `items` in params.yaml, so it was not made at scale `{scale}`.\n"
    else:
        item = inputs[FRONT_ITEM]
        judged = claims.content(
            scale, config["claims"], config["items"], read_results(inputs), config["compared"], config["paired"]
        )
        # Holm's correction is over all claims of a paper: it stands on their page.
        shown = [{k: v for k, v in claim.items() if not k.endswith("_holm")} for claim in judged["claims"]]
        page = relink(beside(item, ".md").read_text(), f"{scale}/{FRONT_ITEM.partition('/')[0]}")
        page += (
            f"\n## What the paper claims of it\n\n{claims.table(shown)}\n\n"
            "How a verdict is reached, p corrected for the number of claims, and the verdicts on all others: "
            f"[{scale}/claims.md]({scale}/claims.md), which `snakemake --cores 8` writes.\n"
        )
    write_atomically(artifact.directory / "table1.md", page)
    return ["table1.md"], {}


def beside(item: Artifact, suffix: str) -> Path:
    """A file of a rendered item: its manifest is called <item>.manifest.json."""
    return item.directory / (item.manifest.name.removesuffix(".manifest.json") + suffix)


def relink(page: str, directory: str) -> str:
    """Markdown of a page in ``directory``, moved here: relative links and images go through ``directory``."""
    return re.sub(r"\]\((?![a-z]+:|[/#])", f"]({directory}/", page)
