"""Small methods on small data, for tests of what methods do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from advcodes.methods.base import Examples, Method
from advcodes.training.data import TrainingData
from advcodes.training.restore import build_method
from conftest import CAPTION, run_config

CPU = torch.device("cpu")
MLP = {"family": "mlp", "width": 16, "code": {"width": 16}}


def make(name: str, shape: tuple[int, ...] = (1, 8, 8), **changes: Any) -> Method:
    torch.manual_seed(0)
    config = run_config(name, architecture=None if len(shape) == 3 else MLP, **changes)
    seen = Examples(shape, tuple(config["view"]["range"]), classes=10, attributes=3, text=CAPTION)
    return build_method(config, seen, CPU)


def cycle(method: Method) -> int:
    """Steps until every phase has run."""
    return max(phase.after + phase.every for phase in method.phases(method.config))


def batches(prepared: Path, dataset: str = "digits") -> TrainingData:
    text = prepared / "captions" if dataset == "digits" else None
    return TrainingData(prepared / dataset, "train", (0.0, 1.0), 32, 0, CPU, text=text)
