"""What is left of a run that diverges, where that is a result: its last networks whose numbers are finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from advcodes.methods.base import Method


class LastFinite:
    """Remembers networks of a run in training, as long as all of their numbers are finite.

    Attributes:
        kept: step, networks and state of the method of the newest such ones; None before the first.
    """

    def __init__(self, method: Method):
        self.method = method
        self.kept: dict[str, Any] | None = None

    def remember(self, step: int) -> None:
        """Keep the networks as they are after a step, unless a number in them is not finite."""
        weights = {role: net.state_dict() for role, net in self.method.networks.items()}
        if not all(torch.isfinite(t).all() for state in weights.values() for t in state.values()):
            return
        copies = {role: {name: t.clone() for name, t in state.items()} for role, state in weights.items()}
        self.kept = {"step": step, "networks": copies, "method": self.method.state()}

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"kept": self.kept}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state`."""
        self.kept = state["kept"]
