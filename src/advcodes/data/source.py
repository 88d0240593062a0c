"""What every reader of a dataset hands to :mod:`advcodes.data.prepare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset as its files have it, before cropping and resizing; images are made one at a time.

    Attributes:
        splits: number of rows of each split, in row order.
        labels: class of every row, int64 [N]; -1 where there is none.
        image: the i-th image; must be safe to call from several threads.
        points: float32 [N, D] in place of images (2-D toys).
        name: what messages call the i-th row.
        classes: class names by label.
        attributes: uint8 0/1 [N, A].
        attribute_names: names of the A attributes.
        captions: sentences of every row.
        channels: 1 or 3 where the images are to be brought to one; None keeps each image's own.
        files: the files it was read from: name, checksum, bytes, origin.
    """

    splits: dict[str, int]
    labels: np.ndarray
    image: Callable[[int], Image] | None = None
    points: np.ndarray | None = None
    name: Callable[[int], str] = "image {}".format
    classes: Sequence[str] = ()
    attributes: np.ndarray | None = None
    attribute_names: Sequence[str] = ()
    captions: list[list[str]] | None = None
    channels: int | None = None
    files: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(self.splits.values())
