"""What networks consist of, for tests of architectures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

INVISIBLE = ("Identity", "ReLU", "LeakyReLU", "Pad", "Crop", "Tanh", "Sigmoid", "Unflatten", "Flatten")


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def sizes(net: nn.Module, x: Tensor, but: tuple[str, ...] = ()) -> list[tuple[str, tuple[int, ...]]]:
    """Kind and output size of each layer but those of some kinds, in order, with a residual block as one."""
    found: list[tuple[str, tuple[int, ...]]] = []

    def watch(module: nn.Module, _: Any, y: Tensor) -> None:
        found.append((type(module).__name__, tuple(y.shape[1:])))

    def whole(module: nn.Module) -> list[nn.Module]:
        children = [] if type(module).__name__ == "Block" else list(module.children())
        return [leaf for child in children for leaf in whole(child)] if children else [module]

    handles = [m.register_forward_hook(watch) for m in whole(net)]
    with torch.no_grad():
        net.eval()(x)
    for handle in handles:
        handle.remove()
    return [row for row in found if row[0] not in but]
