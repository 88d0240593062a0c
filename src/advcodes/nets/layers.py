"""A network as a list of its layers, read off a forward pass of the network as it is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

AFFECTS_RESULTS = False


@dataclass
class Layer:
    """One line of a network's table.

    Attributes:
        about: what it is, with the activation and the normalisation behind it: ``conv 3x3, stride 1, pad 1, BN, ReLU``.
        output: size of what it gives, without the batch.
        parameters: their number; None for a line that only names the block of the following ones.
        depth: how many blocks it is in.
    """

    about: str
    output: tuple[int, ...] = ()
    parameters: int | None = 0
    depth: int = 0
    seen: list[nn.Module] = field(default_factory=list, repr=False)


def _conv(m: nn.Conv2d | nn.ConvTranspose2d) -> str:
    kind = "transposed conv" if isinstance(m, nn.ConvTranspose2d) else "conv"
    return f"{kind} {m.kernel_size[0]}x{m.kernel_size[1]}, stride {m.stride[0]}, pad {m.padding[0]}"


#: Layers with a line of their own; others stand behind the line before, or are not worth a word (an empty text).
LINES: dict[type[nn.Module], Callable[[Any], str]] = {
    nn.Conv2d: _conv,
    nn.ConvTranspose2d: _conv,
    nn.Linear: lambda m: "linear",
    nn.AvgPool2d: lambda m: f"average pooling {m.kernel_size}x{m.kernel_size}",
    nn.Upsample: lambda m: f"nearest neighbours x{m.scale_factor:g}",
}
BEHIND: dict[type[nn.Module], Callable[[Any], str]] = {
    nn.BatchNorm1d: lambda m: "BN",
    nn.BatchNorm2d: lambda m: "BN",
    nn.LayerNorm: lambda m: "layer norm",
    nn.ReLU: lambda m: "ReLU",
    nn.LeakyReLU: lambda m: f"LReLU {m.negative_slope:g}" if m.negative_slope else "ReLU",
    nn.ELU: lambda m: "ELU",
    nn.Tanh: lambda m: "tanh",
    nn.Sigmoid: lambda m: "sigmoid",
    nn.Dropout: lambda m: f"dropout {m.p:g}",
    nn.Unflatten: lambda m: f"as {'x'.join(map(str, m.unflattened_size))}",
    nn.Flatten: lambda m: "",
    nn.Identity: lambda m: "",
}


def layers(net: nn.Module, *inputs: Tensor) -> list[Layer]:
    """The layers in the order in which a forward pass of ``inputs`` uses them; the first line is the input.

    A module with an attribute ``about`` has a line with that text (none if it is empty), and if it has modules of its
    own they follow one step deeper. Names of children that are ``skip`` or ``projection`` stand before their lines.
    """
    lines = [Layer("condition" if i else "input", tuple(x.shape[1:])) for i, x in enumerate(inputs)]
    # What reparametrises a layer's weight is part of that layer.
    marks = {m: name.rpartition(".")[2] for name, m in net.named_modules() if ".parametrizations" not in name}
    depth, branch, handles = 0, [], []

    def enter(module: nn.Module, _: Any) -> None:
        nonlocal depth
        if marks[module] in ("skip", "projection"):
            branch.append(marks[module])
        if _composed(module) and _about(module):
            lines.append(Layer(_about(module), (), None, depth, [module]))
            depth += 1

    def leave(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal depth
        size, composed = tuple(output.shape[1:]), _composed(module)
        if composed and _about(module):
            depth -= 1
            next(line for line in lines if line.seen == [module]).output = size
        elif not composed:
            _add(lines, module, size, depth, branch[-1] if branch else "")
        if marks[module] in ("skip", "projection"):
            branch.pop()

    for module in marks:
        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        net(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return lines


def _composed(module: nn.Module) -> bool:
    return bool(list(module.children())) and not is_parametrized(module)


def _about(module: nn.Module, otherwise: str = "") -> str:
    """What the module says of itself, if it says something."""
    return getattr(module, "about", otherwise)


def _add(lines: list[Layer], module: nn.Module, size: tuple[int, ...], depth: int, branch: str) -> None:
    """A line for a module without modules of its own, or a word behind the line before."""
    parameters = sum(p.numel() for p in module.parameters())
    kind = type(module).__mro__[1] if is_parametrized(module) else type(module)
    if kind in BEHIND:
        words, line = BEHIND[kind](module), lines[-1]
        if not words:
            return
        if line.parameters is None or line.depth != depth:  # first of a block, or first behind one
            lines.append(Layer(words, size, parameters, depth))
        else:
            line.about += f", {words}"
            line.output, line.parameters = size, line.parameters + parameters
        return
    describe = LINES.get(kind, lambda m: _about(m, kind.__name__))
    if about := describe(module):
        about += ", spectral norm" if is_parametrized(module) else ""
        lines.append(Layer(f"{branch}: {about}" if branch else about, size, parameters, depth))
