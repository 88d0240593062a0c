"""Random numbers: one seed for a run, every stream of it in the checkpoint."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import SEEDS


def seed_all(seed: int) -> None:
    """Seed Python, numpy and torch on every device.

    Raises:
        AdvcodesError: the seed is no 32-bit number.
    """
    if not 0 <= seed < SEEDS:
        raise AdvcodesError(f"seed {seed}: expected 0 to {SEEDS - 1}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """State of every stream, as tensors and plain values that a checkpoint can hold."""
    version, words, gauss = random.getstate()
    numpy_state: Any = np.random.get_state()  # a tuple, unless `legacy` is false
    kind, keys, *rest = numpy_state
    return {
        "python": [version, list(words), gauss],
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Inverse of :func:`random_state`."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def epoch_order(n: int, seed: int, epoch: int) -> torch.Tensor:
    """The order of ``n`` examples in one epoch, int64 [n]: a function of seed and epoch, so it needs no state."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(n, generator=generator)
