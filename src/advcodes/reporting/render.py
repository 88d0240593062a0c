"""Render one table or figure of a paper: reports/<scale>/<paper>/<item>.{md,json,png,...}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from advcodes.params import Machine
from advcodes.provenance import Artifact, write_atomically
from advcodes.reporting import curves, images, table, text
from advcodes.reporting.content import label, ran
from advcodes.reporting.items import Item
from advcodes.reporting.results import read_results

_SHOWN = 24  #: images in a block of the sheet, at most


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Render the item of an `item/...` artifact into its directory, which other items share.

    Returns:
        Names of the files, and no facts.

    Raises:
        AdvcodesError: an input is missing or malformed, or lacks the metric that the item shows.
    """
    config, inputs = artifact.config, artifact.inputs
    item = Item.model_validate(config["item"])
    name = item.id.partition("/")[2]
    kind = {"table": table, "curves": curves}[item.kind]
    content = kind.content(item, config["scale"], config["rows"], config["columns"], read_results(inputs))
    picture = artifact.directory / f"{name}.png"
    pages = {f"{name}.json": json.dumps(content, indent=1, ensure_ascii=False) + "\n"}
    if item.kind == "table":
        caption = _samples(content, inputs, picture)
        pages[f"{name}.tex"] = table.tex(content)
        pages[f"{name}.md"] = table.markdown(content, picture.name, caption, list(pages))
    else:
        curves.draw(content, picture)
        pages[f"{name}.md"] = curves.markdown(content, picture.name, list(pages))
    for file, page in pages.items():
        write_atomically(artifact.directory / file, page)
    return [*pages, picture.name], {}


def _samples(content: Mapping[str, Any], inputs: Mapping[str, Artifact], path: Any) -> str:
    """Draw samples of the first seed of every cell as a sheet; returns its caption."""
    rows = {v: row for v, row in content["rows"].items() if row["kind"] != "cited"}
    columns = ran(content) or content["columns"]
    seeds = set()
    blocks = []
    for variant, row in rows.items():
        blocks.append([])
        for name, column in columns.items():
            runs = row["cells"][name]["runs"]
            block: np.ndarray | str = "not run"
            if runs:
                seeds.add(runs[0]["seed"])
                run = f"{content['scale']}/{column['served_by']}/{variant}/seed{runs[0]['seed']}"
                block = np.load(inputs[f"samples/{run}"].directory / "samples.npy", mmap_mode="r")[:_SHOWN]
                if block.ndim != 4:
                    block = "no images"
            blocks[-1].append(block)
    heads = [text.column(name, c["served_by"]) for name, c in columns.items()]
    shape = images.sheet(blocks, [label(row) for row in rows.values()], heads, path)
    if not seeds:
        return "Nothing was run at this scale."
    return (
        f"The first {shape[0] * shape[1]} samples of seed {text.listing([str(s) for s in sorted(seeds)])} "
        "of each row, not selected; small images are enlarged without smoothing."
    )
