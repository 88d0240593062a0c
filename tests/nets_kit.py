"""What networks consist of, for tests of architectures."""

from __future__ import annotations

from collections.abc import Mapping
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


def assert_padding_does_not_leak(at_28: Mapping[str, nn.Module], at_32: Mapping[str, nn.Module], codes: int) -> None:
    """Encoder, generator and discriminator of 28x28 are those of 32x32 with a black margin, and draw none.

    Args:
        at_28: ``e``, ``g`` and ``d`` for grey images of 28x28.
        at_32: the same for 32x32, which are given their weights.
        codes: dimensions of a code.
    """
    x, code = torch.rand(3, 1, 28, 28), torch.randn(3, codes)
    framed = nn.functional.pad(x, (2, 2, 2, 2), value=-1.0)
    for role in at_28:
        at_32[role].load_state_dict(at_28[role].state_dict())
        at_28[role].eval(), at_32[role].eval()
    with torch.no_grad():
        assert torch.equal(at_28["e"](x), at_32["e"](framed)) and torch.equal(at_28["d"](x), at_32["d"](framed))
        assert torch.equal(at_28["g"](code), at_32["g"](code)[:, :, 2:30, 2:30])
