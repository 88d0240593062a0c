"""What a table or figure is rendered from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import Prepared, load
from advcodes.pages.content import frame
from advcodes.pages.results import Result, of_cell, read_results
from advcodes.papers.items import Item


@dataclass(frozen=True)
class Request:
    """An item, its runs, and where their files lie.

    Attributes:
        item: its declaration.
        scale: at which it was run.
        rows: variants that are trained: the paper's, then those that params.yaml adds.
        columns: the paper's columns, and the dataset that served each (None: not run).
        whole: images that a run sees at scale `paper`, by column, as far as known.
        inputs: artifacts by role: ``<run>`` metrics, ``run/<run>``, ``samples/<run>``, ``data/<dataset>``, ...
        results: of all runs.
    """

    item: Item
    scale: str
    rows: list[str]
    columns: Mapping[str, str | None]
    whole: Mapping[str, int]
    inputs: Mapping[str, Artifact]
    results: list[Result]

    @classmethod
    def of_artifact(cls, config: Mapping[str, Any], inputs: Mapping[str, Artifact]) -> Request:
        """The request of an `item/...` artifact.

        Raises:
            AdvcodesError: an input is missing or malformed.
        """
        own = (config[name] for name in ("scale", "rows", "columns", "whole"))
        return cls(Item.model_validate(config["item"]), *own, inputs, read_results(inputs))

    def frame(self, along_training: bool = False) -> dict[str, Any]:
        """The item's content before its numbers, see :func:`advcodes.pages.content.frame`."""
        return frame(self.item, self.scale, self.rows, self.columns, self.results, self.whole, along_training)

    def of(self, column: str, variant: str) -> list[Result]:
        """Results of a row in a column, by seed."""
        return of_cell(self.item, self.results, self.columns, column, variant)

    def cells(self, figure: Mapping[str, Any], key: str) -> Iterator[tuple[dict[str, Any], str, list[Result]]]:
        """Row of a figure, column, and its results by seed, of all that ran; ``row[key]`` is empty, for the column."""
        for variant, row in figure["rows"].items():
            row[key] = {}
            for column in self.columns:
                if results := self.of(column, variant):
                    yield row, column, results

    def id(self, result: Result) -> str:
        """The run that gave a result: ``<scale>/<dataset>/<variant>/seed<k>``."""
        return f"{self.scale}/{result.dataset}/{result.variant}/seed{result.seed}"

    def run(self, result: Result) -> Path:
        """Directory of the trained run."""
        return self.inputs[f"run/{self.id(result)}"].directory

    def samples(self, result: Result) -> np.ndarray:
        """Generated images uint8 [N, C, H, W], or points float32 [N, D]; a memory map."""
        path = self.inputs[f"samples/{self.id(result)}"].directory / "samples.npy"
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def asked(self, result: Result) -> np.ndarray:
        """What a conditional run's samples were asked to show, int64 [N]: a class, a cluster, or a caption's row."""
        return np.load(self.inputs[f"samples/{self.id(result)}"].directory / "asked.npy", allow_pickle=False)

    def prepared(self, column: str) -> Prepared:
        """The dataset that serves a column."""
        return load(self.inputs[f"data/{self.columns[column]}"].directory)

    def pictured(self, column: str) -> Prepared:
        """The dataset that serves a column, of images.

        Raises:
            AdvcodesError: it has points.
        """
        if (data := self.prepared(column)).points:
            raise AdvcodesError(
                f"{self.item.id}: {self.columns[column]!r} has points, no images; serve {column!r} by images "
                "(`stand_ins`)"
            )
        return data
