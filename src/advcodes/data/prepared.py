"""Reading prepared datasets (see :mod:`advcodes.data.prepare` for the files)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from advcodes.core.errors import AdvcodesError, unknown


@dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared dataset, or one split of it.

    Attributes:
        dataset: its name.
        images: uint8 [N, C, H, W] (0..255), or float32 [N, D] for points; a read-only memory map.
        labels: class of each row, int64 [N]; -1 where there is none.
        attributes: uint8 0/1 [N, A], or None.
        captions: sentences of each row, or None.
        splits: first row and end of each split.
        classes: class names by label; empty where there are no classes.
        attribute_names: names of the A attributes.
        meta: everything in meta.json.
    """

    dataset: str
    images: np.ndarray
    labels: np.ndarray
    attributes: np.ndarray | None
    captions: list[list[str]] | None
    splits: Mapping[str, tuple[int, int]]
    classes: tuple[str, ...]
    attribute_names: tuple[str, ...]
    meta: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image (C, H, W), or (D,) for points."""
        return self.images.shape[1:]

    @property
    def points(self) -> bool:
        """Whether the rows are points instead of images."""
        return self.images.ndim == 2

    def rows(self, name: str) -> slice:
        """Rows of one split, or of several that follow each other (``train+val+test``).

        Raises:
            AdvcodesError: there is no such split; the message names those that exist.
        """
        parts = name.split("+")
        for part in parts:
            if part not in self.splits:
                raise unknown(f"split of dataset {self.dataset!r}:", part, self.splits)
        ranges = sorted(self.splits[part] for part in parts)
        if any(a[1] != b[0] for a, b in itertools.pairwise(ranges)):
            order = ", ".join(self.splits)
            raise AdvcodesError(
                f"split {name!r} of dataset {self.dataset!r}: join splits that follow each other: {order}"
            )
        return slice(ranges[0][0], ranges[-1][1])

    def split(self, name: str) -> Prepared:
        """Only :meth:`rows` of a split.

        Raises:
            AdvcodesError: there is no such split.
        """
        rows = self.rows(name)
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            attributes=None if self.attributes is None else self.attributes[rows],
            captions=None if self.captions is None else self.captions[rows],
            splits={name: (0, rows.stop - rows.start)},
        )


def load(directory: Path | str) -> Prepared:
    """Open a prepared dataset; images are mapped, not read.

    Raises:
        AdvcodesError: a file is missing, truncated or damaged, or two of them do not fit together.
    """
    directory = Path(directory)
    try:
        meta = json.loads((directory / "meta.json").read_text("utf-8"))
        shape, dtype, splits = (
            tuple(meta["shape"]),
            meta["dtype"],
            {k: (a, b) for k, (a, b) in meta["splits"].items()},
        )
    except FileNotFoundError:
        raise AdvcodesError(f"{directory}: no prepared dataset (no meta.json); run `snakemake` to prepare it") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(directory / "meta.json", error) from None
    rows = max((stop for _, stop in splits.values()), default=0)
    names = tuple(meta.get("attribute_names", ()))
    captions = None
    if (directory / "captions.json").exists():
        try:
            captions = json.loads((directory / "captions.json").read_text("utf-8"))
            if len(captions) != rows:
                raise ValueError(f"{len(captions)} rows, expected {rows}")
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(directory / "captions.json", error) from None
    return Prepared(
        dataset=meta.get("dataset", directory.name),
        images=_array(directory / "images.npy", (rows, *shape), dtype, mapped=True),
        labels=_array(directory / "labels.npy", (rows,), "int64"),
        attributes=_array(directory / "attributes.npy", (rows, len(names)), "uint8") if names else None,
        captions=captions,
        splits=splits,
        classes=tuple(meta.get("classes", ())),
        attribute_names=names,
        meta=meta,
    )


def _array(path: Path, shape: tuple[int, ...], dtype: str, mapped: bool = False) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{array.dtype} {list(array.shape)}, expected {dtype} {list(shape)}")
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, error) from None
    return array


def _damaged(path: Path, error: Exception) -> AdvcodesError:
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return AdvcodesError(f"{path}: damaged ({reason}); delete {path.parent} and run `snakemake` again")
