"""Adam in one call a step, in torch's own fused arithmetic.

Small networks spend as long in the bookkeeping of ``torch.optim.Adam`` as in its arithmetic, and making one imports
torch's compiler, which takes longer than importing torch. Steps here are bit for bit those of
``torch.optim.Adam(fused=True)``, and so is what is saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Adam:
    """Adam (Kingma and Ba 2015) over groups of parameters.

    Args:
        groups: each with ``params``, ``lr`` and ``betas``.
        eps: added to the root of the second moment.
        weight_decay: L2 penalty added to the gradient.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], eps: float, weight_decay: float):
        self.param_groups = [{**group, "eps": eps, "weight_decay": weight_decay} for group in groups]
        self._state: dict[Tensor, tuple[Tensor, ...]] = {}  #: step and both moments of each that had a gradient

    def _parameters(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group["params"]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self._parameters():
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if not moved:
                continue
            for p in moved:
                if p not in self._state:
                    count = torch.zeros((), dtype=torch.float32, device=p.device)
                    self._state[p] = count, torch.zeros_like(p), torch.zeros_like(p)
            counts, means, squares = (list(s) for s in zip(*(self._state[p] for p in moved), strict=True))
            torch._foreach_add_(counts, 1)
            beta1, beta2 = group["betas"]
            torch._fused_adam_(
                moved, [p.grad for p in moved], means, squares, [], counts, amsgrad=False, maximize=False,
                lr=group["lr"], beta1=beta1, beta2=beta2, eps=group["eps"], weight_decay=group["weight_decay"],
            )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Moments by the parameter's number, and the groups' settings: what torch's Adam saves."""
        number = {p: n for n, p in enumerate(self._parameters())}
        groups = [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups]
        state = {number[p]: dict(zip(_MOMENTS, moments, strict=True)) for p, moments in self._state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        parameters = list(self._parameters())
        self._state = {
            parameters[n]: tuple(moments[name].to(parameters[n].device) for name in _MOMENTS)
            for n, moments in saved["state"].items()
        }
        for group, settings in zip(self.param_groups, saved["param_groups"], strict=True):
            group.update({name: settings[name] for name in ("lr", "betas", "eps", "weight_decay")})
