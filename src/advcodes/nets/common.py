"""What the architecture families share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from advcodes.core.errors import AdvcodesError

CONDITION_FEATURES = 128  #: of an embedding once it is projected (facts 5.11, L-5)


class Trunk(nn.Module):
    """Examples [N, ...] to features: convolutions that end flat [N, F], where there are any, then dense layers.

    Args:
        convolutions: None for examples that are only flattened.
        dense: takes what they give, and whatever a condition joins to it.
    """

    def __init__(self, convolutions: nn.Module | None, dense: nn.Module):
        super().__init__()
        self.convolutions = convolutions
        self.dense = dense

    def forward(self, x: Tensor, joined: Tensor | None = None) -> Tensor:
        flat = x.flatten(1) if self.convolutions is None else self.convolutions(x)
        return self.dense(flat if joined is None else torch.cat([flat, joined], 1))


class FeatureDiscriminator(nn.Module):
    """A discriminator whose hidden layers can be asked for.

    Args:
        trunk: examples [N, ...] to features [N, features].
        features: their number.
        condition: numbers in what says to it what examples shall show (the embedding of a sentence, a one-hot class); 0
            without. They are projected to :data:`CONDITION_FEATURES` with a leaky ReLU of 0.2, as Reed et al. (2016)
            do, and joined to what the trunk's dense layers get.
    """

    def __init__(self, trunk: Trunk, features: int, condition: int = 0):
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(features, 1)
        self.projection = (
            nn.Sequential(nn.Linear(condition, CONDITION_FEATURES), nn.LeakyReLU(0.2)) if condition else None
        )

    def features(self, x: Tensor, layer: str = "last", condition: Tensor | None = None) -> Tensor:
        """A hidden layer: the one before the logit [N, features], or the flattened last ``convolution``.

        Args:
            x: examples [N, ...].
            layer: ``last`` or ``convolution``; no condition has been joined to the latter yet.
            condition: [N, E], for a discriminator that was built with one.

        Raises:
            AdvcodesError: there is no convolution, or the condition is missing or not wanted.
        """
        if layer == "last":
            if condition is None and self.projection is None:
                return self.trunk(x)
            if condition is None or self.projection is None:
                raise AdvcodesError(
                    "this discriminator is not built for a condition; give its network the option `condition`"
                    if self.projection is None
                    else "this discriminator judges examples together with a condition, and none is given"
                )
            return self.trunk(x, self.projection(condition))
        if self.trunk.convolutions is None:
            raise AdvcodesError(
                "this architecture has no convolutions to take features from; set `phi: last` (LPAAE: `features: last`)"
            )
        return self.trunk.convolutions(x)

    def logit(self, features: Tensor) -> Tensor:
        """Logits [N] of :meth:`features`."""
        return self.head(features).squeeze(1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits [N]."""
        return self.logit(self.features(x, condition=condition))


def joined(condition: int) -> int:
    """How much wider a condition of this size makes the input of a discriminator's dense layers."""
    return CONDITION_FEATURES if condition else 0


SMALLEST = 8  #: side that convolutions of these families take; larger ones are its doubles


def padded_side(side: int) -> int:
    """The next side, itself included, that halves to 4: 8, 16, 32, 64 and so on."""
    padded = SMALLEST
    while padded < side:
        padded *= 2
    return padded


def stages(side: int) -> int:
    """Halvings from the (padded) side to 4: 3 for 28 and 32."""
    return padded_side(side).bit_length() - 3


def check_square(family: str, shape: Sequence[int]) -> None:
    """Refuse all but square images; sides between those of :func:`padded_side` are padded.

    Raises:
        AdvcodesError: points, images that are not square, or with a side below 5.
    """
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] <= SMALLEST // 2:
        raise AdvcodesError(
            f"architecture family {family!r} needs square images with a side of at least {SMALLEST // 2 + 1}, "
            f"got {tuple(shape)}; set datasets.<name>.size, or datasets.<name>.architecture to one of family 'mlp'"
        )


class Pad(nn.Module):
    """Images [N, C, s, s] in the middle of larger ones, whose margin has the lowest value (facts 5.11, **assumed**).

    Args:
        side: s.
        value: of the margin.
    """

    def __init__(self, side: int, value: float):
        super().__init__()
        missing = padded_side(side) - side
        self.margins, self.value = (missing // 2, missing - missing // 2) * 2, value
        self.about = f"margin of {value:g}" if missing else ""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x, self.margins, value=self.value) if any(self.margins) else x


class Crop(nn.Module):
    """The inverse of :class:`Pad`: the middle [N, C, s, s] of what a generator made."""

    def __init__(self, side: int):
        super().__init__()
        self.side, self.start = side, (padded_side(side) - side) // 2
        self.about = f"middle {side}x{side}" if padded_side(side) > side else ""

    def forward(self, x: Tensor) -> Tensor:
        span = slice(self.start, self.start + self.side)
        return x[:, :, span, span]


def init_uniform(module: nn.Module, glorot: Sequence[nn.Module] = ()) -> None:
    """Initial weights as improved_wgan_training's: zero biases, uniform weights of variance g / (fan in + fan out).

    g is 4 for convolutions and 2 for linear layers and the convolutions ``glorot``. With a stride s, s^2 times fewer
    inputs (of transposed convolutions) or outputs meet each weight.
    """
    for m in module.modules():
        if not isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        if isinstance(m, nn.Linear):
            gain, fans = 2, float(m.in_features + m.out_features)
        else:
            area, skipped = m.kernel_size[0] ** 2, m.stride[0] ** 2
            wide, narrow = m.out_channels * area, m.in_channels * area
            fans = wide + narrow / skipped if isinstance(m, nn.ConvTranspose2d) else wide / skipped + narrow
            gain = 2 if any(m is other for other in glorot) else 4
        bound = math.sqrt(3 * gain / fans)
        nn.init.uniform_(m.weight, -bound, bound)
        if m.bias is not None:
            nn.init.zeros_(m.bias)


def init_xavier(module: nn.Module) -> None:
    """Xavier uniform weights and zero biases; batch norm keeps what PyTorch gives it, the identity."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.xavier_uniform_(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


def normaliser(kind: str, latent_dim: int) -> nn.Module:
    """What standardises codes [N, d] without weights of its own: over the ``batch``, over each ``layer``, or not."""
    kinds: dict[str, Callable[[], nn.Module]] = {
        "none": nn.Identity,
        "batch": lambda: nn.BatchNorm1d(latent_dim, affine=False),
        "layer": lambda: nn.LayerNorm(latent_dim, elementwise_affine=False),
    }
    return kinds[kind]()


def output_activation(value_range: Sequence[float]) -> nn.Module:
    """Sigmoid for images in [0, 1], tanh for [-1, 1]."""
    activations: dict[tuple[float, ...], type[nn.Module]] = {(0.0, 1.0): nn.Sigmoid, (-1.0, 1.0): nn.Tanh}
    try:
        return activations[tuple(float(v) for v in value_range)]()
    except KeyError:
        raise AdvcodesError(
            f"datasets: range {list(value_range)} has no output activation; use [0, 1] or [-1, 1]"
        ) from None


def hidden_layers(network: nn.Module, x: Tensor, last: int) -> tuple[Tensor, list[Tensor]]:
    """What a network makes of ``x``, and its last normalised layers before their activations, each flat [N, F].

    Args:
        network: with batch norm.
        x: its input [N, ...].
        last: how many of them, in order; fewer where it has fewer.
    """
    hidden: list[Tensor] = []
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)][-last:]
    hooks = [m.register_forward_hook(lambda _module, _input, output: hidden.append(output.flatten(1))) for m in norms]
    try:
        return network(x), hidden
    finally:
        for hook in hooks:
            hook.remove()
