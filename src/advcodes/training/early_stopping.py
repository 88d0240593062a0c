"""Early stopping: which step's networks a run keeps, and when it need not go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from advcodes.core.errors import AdvcodesError
from advcodes.methods.base import Method
from advcodes.training.data import TrainingData

BATCH = 500  #: held-out images reconstructed at a time


class EarlyStopping:
    """Reconstructs held-out images at even intervals of a run, and remembers the networks that did it best.

    Args:
        settings: ``checks`` and ``patience`` of :class:`advcodes.methods.base.EarlyStoppingConfig`.
        method: in training.
        data: with held-out images.
        total: steps of the whole run.

    Raises:
        AdvcodesError: the method cannot reconstruct.
    """

    def __init__(self, settings: Mapping[str, Any], method: Method, data: TrainingData, total: int):
        if not method.can("reconstruct"):
            raise AdvcodesError(
                f"training.early_stopping: {method.name!r} cannot reconstruct, so nothing says when to stop; set it to "
                "null for this variant"
            )
        self.method, self.data, self.patience = method, data, settings["patience"]
        self.steps = {max(1, round(total * k / settings["checks"])) for k in range(1, settings["checks"] + 1)}
        self.errors: list[tuple[int, float]] = []  #: (step, squared error per pixel) of every check
        self.best: dict[str, Any] | None = None  #: step, networks and method of the best one

    def check(self, step: int) -> None:
        """Reconstruct the held-out images where this is a step for it.

        Raises:
            AdvcodesError: their error is not finite.
        """
        if step not in self.steps:
            return
        error = self._error()
        if error != error or error == float("inf"):
            raise AdvcodesError(
                f"training diverged: the error of held-out reconstructions became {error} at step {step}; lower the "
                "learning rate (optimiser.lr of the variant)"
            )
        if all(error < before for _, before in self.errors):
            weights = {
                role: {name: tensor.clone() for name, tensor in net.state_dict().items()}
                for role, net in self.method.networks.items()
            }
            self.best = {"step": step, "networks": weights, "method": self.method.state()}
        self.errors.append((step, error))

    def _error(self) -> float:
        """Mean over all held-out images, by networks in evaluation mode, which are put back into training."""
        for net in self.method.networks.values():
            net.eval()
        total, count = 0.0, 0
        with torch.inference_mode():
            for images in self.data.validation(BATCH):
                total += float(self.method.validation_error(images)) * len(images)
                count += len(images)
        for net in self.method.networks.values():
            net.train()
        return total / count

    @property
    def over(self) -> bool:
        """Whether training need not go on."""
        return self.best is not None and sum(step > self.best["step"] for step, _ in self.errors) >= self.patience

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"errors": self.errors, "best": self.best}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        self.errors, self.best = [tuple(e) for e in state["errors"]], state["best"]
