"""Small methods on small data, for tests of what methods do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advcodes.methods.base import Method
from advcodes.nets.spec import DatasetSpec
from advcodes.training.data import TrainingData
from advcodes.training.restore import build_method
from conftest import CAPTION, run_config

CPU = torch.device("cpu")
MLP = {"family": "mlp", "width": 16, "code": {"width": 16}}


def make(name: str, shape: tuple[int, ...] = (1, 8, 8), **changes: Any) -> Method:
    torch.manual_seed(0)
    config = run_config(name, architecture=None if len(shape) == 3 else MLP, **changes)
    seen = DatasetSpec(shape, tuple(config["view"]["range"]), classes=10, attributes=3, text=CAPTION)
    return build_method(config, seen, CPU)


def cycle(method: Method) -> int:
    """Steps until every phase has run."""
    return max(phase.after + phase.every for phase in method.phases(method.config))


def batches(prepared: Path, dataset: str = "digits") -> TrainingData:
    text = prepared / "captions" if dataset == "digits" else None
    return TrainingData(prepared / dataset, "train", (0.0, 1.0), 32, 0, CPU, text=text)


class OneStep:
    """A step without a loop: shared values are computed once, what is logged is kept, and nothing is frozen.

    Args:
        images: of its batch.
        progress: of training, from 0 to 1.
        batch: labels and whatever else comes with the images.
    """

    def __init__(self, images: Tensor, progress: float = 0.0, **batch: Tensor):
        self.images, self.progress = images, progress
        vars(self).update(batch)
        self.shared: dict[str, Any] = {}
        self.logged: dict[str, float] = {}

    def once(self, key: str, roles: tuple[str, ...], make: Callable[[], Any]) -> Any:
        if key not in self.shared:
            self.shared[key] = make()
        return self.shared[key]

    def log(self, name: str, value: Callable[[], Any]) -> None:
        self.logged[name] = float(torch.as_tensor(value()).detach())


def in_float64(method: Method, n: int = 7, **step: Any) -> OneStep:
    """A step of ``n`` random images on [-1, 1] in float64, and the method's networks in the same."""
    for net in method.networks.values():
        net.double()
    return OneStep(torch.rand(n, 1, 8, 8, dtype=torch.float64) * 2 - 1, **step)
