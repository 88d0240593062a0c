"""What an item's study is made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import Prepared, load

if TYPE_CHECKING:
    import torch


SHOWN = 0  #: seed of the order in which images are shown


def drawn(images: int, count: int, more: bool = False) -> np.ndarray:
    """Positions of the images that figures show: the first so many of a permutation, the same for every figure.

    Not of the split as it is: Oxford-102's test images begin with 88 of one species.

    Args:
        images: of the split.
        count: wanted; there may be fewer.
        more: those that come after, for a figure that shows more than another of its kind.
    """
    return shown(np.random.default_rng(SHOWN).permutation(images), count, more)


def shown(images: np.ndarray, count: int, more: bool = False) -> np.ndarray:
    """The first ``count`` of something, or those that come after; the last ones where there are not so many."""
    return (
        images[count : 2 * count] if more and len(images) >= 2 * count else images[-count:] if more else images[:count]
    )


class Place(NamedTuple):
    """A row in a column, and the runs that were made for both.

    Attributes:
        variant: of the row.
        column: of the item.
        dataset: that serves the column.
        runs: ``<scale>/<dataset>/<variant>/seed<k>`` by seed, in ascending order.
    """

    variant: str
    column: str
    dataset: str
    runs: Mapping[int, str]

    @property
    def key(self) -> tuple[str, str]:
        """Variant and column, by which a study is ordered."""
        return self.variant, self.column

    @property
    def seed(self) -> int:
        """The first one, whose images are shown."""
        return next(iter(self.runs))

    @property
    def first(self) -> str:
        """Its run."""
        return self.runs[self.seed]


@dataclass(frozen=True)
class Request:
    """An item, as far as its study depends on it, and where the files of its runs lie.

    Attributes:
        item: its id, named in errors.
        kind: its kind.
        cells: by variant and column the dataset that serves the column.
        options: what the item says of itself that its kind studies.
        splits: by dataset whose images are shown and measured.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        masks: ``smallest``, ``largest`` and ``seed`` of what is missing of images.
        inputs: artifacts by role: ``run/<run>``, ``samples/<run>``, ``data/<dataset>``, ...
        device: to compute on.
    """

    item: str
    kind: str
    cells: Mapping[str, Mapping[str, str]]
    options: Mapping[str, Any]
    splits: Mapping[str, str]
    sampling: Mapping[str, Any]
    masks: Mapping[str, Any]
    inputs: Mapping[str, Artifact]
    device: torch.device | str = "cpu"

    @classmethod
    def of_artifact(cls, artifact: Artifact) -> Request:
        """The request of a `study/<scale>/<item>` artifact."""
        config = artifact.config
        item = artifact.id.split("/", 2)[2]
        options, splits, sampling, masks = (config.get(k, {}) for k in ("options", "splits", "sampling", "masks"))
        return cls(item, config["kind"], config["cells"], options, splits, sampling, masks, artifact.inputs)

    def places(self) -> Iterator[Place]:
        """Every row and column that has runs, row by row."""
        made = dict.fromkeys(role.partition("/")[2] for role in self.inputs if role.startswith(("run/", "samples/")))
        by_cell: dict[tuple[str, str], dict[int, str]] = {}
        for run in made:
            _, dataset, variant, seed = run.split("/")
            by_cell.setdefault((variant, dataset), {})[int(seed.removeprefix("seed"))] = run
        for variant, columns in self.cells.items():
            for column, dataset in columns.items():
                if runs := by_cell.get((variant, dataset)):
                    yield Place(variant, column, dataset, dict(sorted(runs.items())))

    def where(self, place: Place) -> str:
        """Item and row, for errors."""
        return f"{self.item}, {place.variant}"

    def run(self, run: str) -> Path:
        """Directory of a trained run."""
        return self.inputs[f"run/{run}"].directory

    def samples(self, run: str) -> np.ndarray:
        """Generated images uint8 [N, C, H, W], or points float32 [N, D]; a memory map."""
        path = self.inputs[f"samples/{run}"].directory / "samples.npy"
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def conditions(self, run: str) -> np.ndarray:
        """The conditions of a run's samples, int64 [N]: a class, a cluster, or a caption's row."""
        return np.load(self.inputs[f"samples/{run}"].directory / "conditions.npy", allow_pickle=False)

    def split(self, place: Place) -> str:
        """Split of the place's dataset whose images are shown and measured."""
        return self.splits[place.dataset]

    def prepared(self, place: Place) -> Prepared:
        """The place's dataset."""
        return load(self.inputs[f"data/{place.dataset}"].directory)

    @property
    def more(self) -> bool:
        """Whether the item shows more: other images than figures do else."""
        return self.options.get("more", False)

    def real(self, place: Place, count: int) -> np.ndarray:
        """So many real images (or points) of the place's split, fewer if there are fewer: see :func:`drawn`."""
        images = self.prepared(place).split(self.split(place)).images
        return np.array(images[drawn(len(images), count, self.more)])

    def sampled(self, place: Place, count: int) -> np.ndarray:
        """So many samples (or points) of the first seed: the first ones, or the next where the item shows more."""
        return np.array(shown(self.samples(place.first), count, self.more))

    def pictured(self, place: Place) -> Prepared:
        """The place's dataset, of images.

        Raises:
            AdvcodesError: it has points.
        """
        if (data := self.prepared(place)).points:
            raise AdvcodesError(
                f"{self.item}: {place.dataset!r} has points, no images; serve {place.column!r} by images (`stand_ins`)"
            )
        return data
