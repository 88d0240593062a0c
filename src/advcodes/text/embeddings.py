"""Embeddings of a dataset's captions, as the stage `text` wrote them, for training and sampling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError


class Embeddings:
    """Captions of consecutive rows of a prepared dataset, one or more a row.

    Args:
        directory: of a `text/...` artifact: ``embeddings.npy`` float32 [S, E] and ``starts.npy`` int64 [N + 1].
        rows: of the dataset, as a split has them.
        device: that holds the embeddings.

    Raises:
        AdvcodesError: a file is missing or damaged, or the rows are none of its.
    """

    def __init__(self, directory: Path, rows: slice, device: torch.device | str = "cpu"):
        try:
            vectors = np.load(directory / "embeddings.npy", mmap_mode="r", allow_pickle=False)
            starts = np.load(directory / "starts.npy", allow_pickle=False)
            if rows.stop >= len(starts) or starts[-1] != len(vectors):
                raise ValueError(f"{len(starts) - 1} rows and {len(vectors)} captions")
        except (OSError, ValueError, EOFError) as error:
            raise AdvcodesError(
                f"{directory}: no embeddings of this dataset's captions ({error}); run `snakemake` to make them"
            ) from None
        starts = starts[rows.start : rows.stop + 1]
        self.vectors = torch.from_numpy(np.array(vectors[starts[0] : starts[-1]])).to(device)
        self.starts = torch.from_numpy(starts - starts[0]).to(device)
        self.size = self.vectors.shape[1]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def first(self, rows: Tensor) -> Tensor:
        """Embedding of the first caption of each of these rows (counted from the first), [n, E]."""
        return self.vectors[self.starts[rows.to(self.starts.device)]]

    def any(self, rows: Tensor) -> Tensor:
        """Embedding of one caption of each of these rows, drawn from torch's global stream, [n, E]."""
        first, following = self.starts[rows], self.starts[rows + 1]
        offset = torch.rand(len(rows), device=first.device) * (following - first)
        return self.vectors[first + offset.long().minimum(following - first - 1)]
