"""What a table or figure is rendered from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advcodes.build.provenance import Artifact
from advcodes.pages.content import frame
from advcodes.pages.pictures.styles import styles
from advcodes.pages.results import Result, of_cell, read_results
from advcodes.papers.items import Item
from advcodes.studies.base import Cell, Study, read


@dataclass(frozen=True)
class Request:
    """An item, its runs, and where their files lie.

    Attributes:
        item: its declaration.
        scale: at which it was run.
        rows: variants that are trained: the paper's, then those that params.yaml adds.
        columns: the paper's columns, and the dataset that served each (None: not run).
        whole: images that a run sees at scale `paper`, by column, as far as known.
        inputs: artifacts by role: ``<run>`` metrics, ``run/<run>``, and ``study`` where its kind has one.
        results: of all runs.
        study: what networks, samples and data had to say.
        labels: of rows that params.yaml adds, where it names them.
    """

    item: Item
    scale: str
    rows: list[str]
    columns: Mapping[str, str | None]
    whole: Mapping[str, int]
    inputs: Mapping[str, Artifact]
    results: list[Result]
    study: Study = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_artifact(cls, config: Mapping[str, Any], inputs: Mapping[str, Artifact]) -> Request:
        """The request of an `item/...` artifact.

        Raises:
            AdvcodesError: an input is missing or malformed.
        """
        scale, rows, columns, whole = (config[name] for name in ("scale", "rows", "columns", "whole"))
        study = read(inputs["study"].directory) if "study" in inputs else {}
        item = Item.model_validate(config["item"])
        labels = config.get("labels", {})
        return cls(item, scale, rows, columns, whole, inputs, read_results(inputs), study, labels)

    def frame(self, along_training: bool = False) -> dict[str, Any]:
        """The item's content before its numbers, see :func:`advcodes.pages.content.frame`."""
        return frame(
            self.item, self.scale, self.rows, self.columns, self.results, self.whole, along_training, self.labels
        )

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

    def styles(self) -> dict[str, dict[str, Any]]:
        """How the rows that ran are drawn: :func:`~advcodes.pages.pictures.styles.styles` by variant."""
        known = {r.variant: r.method for r in self.results}
        declared = {v: row.style.line for v, row in self.item.rows.items() if row.style}
        return styles({v: known[v] for v in self.rows if v in known}, declared)

    def id(self, result: Result) -> str:
        """The run that gave a result: ``<scale>/<dataset>/<variant>/seed<k>``."""
        return f"{self.scale}/{result.dataset}/{result.variant}/seed{result.seed}"

    def run(self, result: Result) -> Path:
        """Directory of the trained run."""
        return self.inputs[f"run/{self.id(result)}"].directory

    def studied(self, column: str, results: Sequence[Result]) -> Cell:
        """What the study found of a column and the row of these results."""
        return self.study[results[0].variant, column]
