"""ALI's encoder, generator and joint discriminator, and GALI's, whose discriminator alone differs (facts 5.15).

Sides of 64 have the networks of ALI's CelebA, sides of 32 those of its SVHN or its CIFAR-10. All their convolutions are
without padding and end at 1x1. Sides of 16 and 8 have shortened versions of the networks for 32, and above 64 each
doubling is one more convolution of 4x4 and stride 2 next to the images (both **assumed**). Other sides are padded to
the next one with the lowest value: MNIST's 28 to 32 (**assumed**).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from advcodes.core.errors import AdvcodesError
from advcodes.nets.common import Crop, Pad, check_square, output_activation, padded_side
from advcodes.nets.config import Ali
from advcodes.nets.spec import DatasetSpec

PIECES = 2  #: of a maxout unit
LARGEST = 64  #: side of the largest table
INPUT_DROPOUT = 0.2  #: at most, of what enters the discriminator; its hidden layers may have more (CIFAR-10's have 0.5)

Layer = tuple[int, int, int]  #: kernel, stride, and channels as a multiple of the first convolution's


@dataclass(frozen=True)
class Table:
    """Layers for one side.

    Attributes:
        width: channels of the first convolution.
        slope: of leaky ReLU.
        down: convolutions of encoder and D_x, from the image to 1x1.
        dense: hidden units behind the encoder's, as multiples of the width.
        up: transposed convolutions of the generator, from 1x1 to the image.
        pixels: channels of convolutions of 1x1 behind them, before the one that gives the image.
    """

    width: int
    slope: float
    down: tuple[Layer, ...]
    dense: tuple[int, ...]
    up: tuple[Layer, ...]
    pixels: tuple[int, ...]


TABLES = {
    8: Table(
        32, 0.01, ((3, 1, 1), (3, 1, 4), (4, 1, 16)), (16,), ((4, 1, 4), (3, 1, 1), (3, 1, 1)), (1,)
    ),
    16: Table(
        32, 0.01,
        ((3, 1, 1), (4, 2, 2), (3, 1, 8), (4, 1, 16)), (16,),
        ((4, 1, 8), (3, 1, 2), (4, 2, 1), (3, 1, 1)), (1,),
    ),
    32: Table(
        32, 0.01,
        ((5, 1, 1), (4, 2, 2), (4, 1, 4), (4, 2, 8), (4, 1, 16)), (16,),
        ((4, 1, 8), (4, 2, 4), (4, 1, 2), (4, 2, 1), (5, 1, 1)), (1,),
    ),
    64: Table(
        64, 0.02,
        ((2, 1, 1), (7, 2, 2), (5, 2, 4), (7, 2, 4), (4, 1, 8)), (),
        ((4, 1, 8), (7, 2, 4), (5, 2, 4), (7, 2, 2), (2, 1, 1)), (),
    ),
}  # fmt: skip
CIFAR_SLOPE = 0.1
OF_CODE, OF_BOTH = (16, 16), (32, 32)  #: hidden units of D_z and D_xz, as multiples of the width


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve; see :func:`~advcodes.nets.common.check_square`."""
    check_square("ali", shape)


class _Plan:
    """An architecture's settings for one side, with what is left to the table filled in."""

    def __init__(self, a: Ali, side: int):
        padded = padded_side(side)
        self.a, self.table = a, TABLES[min(padded, LARGEST)]
        cifar = a.networks == "cifar10" and padded < LARGEST
        self.extra = padded.bit_length() - LARGEST.bit_length() if padded > LARGEST else 0
        self.width = self.table.width if a.width is None else a.width
        self.slope = a.slope if a.slope is not None else CIFAR_SLOPE if cifar else self.table.slope
        self.norm = a.discriminator_norm or ("none" if cifar else "batch")
        self.maxout = cifar
        #: ALI's discriminators have biases in the first layer of D_x and in D_xz, GALI's everywhere.
        self.biases = self.norm != "batch" and not cifar
        usual = 0.0 if self.norm == "spectral" else 0.5 if cifar else 0.2
        self.dropout = usual if a.dropout is None else a.dropout

    def batch_norm(self, kind: type[nn.Module], n: int) -> nn.Module:
        return kind(n, eps=self.a.bn_eps, momentum=self.a.bn_momentum)

    def down(self) -> list[tuple[int, int, int, int]]:
        """Kernel, stride, padding and channels of each convolution from the image to 1x1."""
        extra = [(4, 2, 1, self.width)] * self.extra
        return extra + [(kernel, stride, 0, n * self.width) for kernel, stride, n in self.table.down]

    def up(self) -> list[tuple[int, int, int, int]]:
        """The same of transposed convolutions from 1x1 to the image."""
        extra = [(4, 2, 1, self.width)] * self.extra
        return [(kernel, stride, 0, n * self.width) for kernel, stride, n in self.table.up] + extra

    def init(self, module: nn.Module) -> None:
        """Weights from N(0, std^2), zero biases; batch norm starts as the identity."""
        for m in module.modules():
            if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(m.weight, std=self.a.init_std)
                if m.bias is not None:
                    nn.init.zeros_(m.bias)


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d]: batch norm and leaky ReLU after each layer but the last.

    Args:
        outputs: numbers for each code: 2 for a mean and the logarithm of a standard deviation, [N, 2 d].
    """

    def __init__(self, a: Ali, spec: DatasetSpec, latent_dim: int, outputs: int = 1):
        super().__init__()
        channels, side, _ = spec.shape
        plan = _Plan(a, side)
        layers: list[nn.Module] = [Pad(side, spec.value_range[0])]
        for kernel, stride, padding, width in plan.down():
            layers += [
                nn.Conv2d(channels, width, kernel, stride, padding, bias=False),
                plan.batch_norm(nn.BatchNorm2d, width), nn.LeakyReLU(plan.slope),
            ]  # fmt: skip
            channels = width
        layers.append(nn.Flatten())
        for units in plan.table.dense:
            width = units * plan.width
            layers += [
                nn.Linear(channels, width, bias=False), plan.batch_norm(nn.BatchNorm1d, width),
                nn.LeakyReLU(plan.slope),
            ]  # fmt: skip
            channels = width
        self.net = nn.Sequential(*layers, nn.Linear(channels, outputs * latent_dim))
        plan.init(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class PixelBias(nn.Module):
    """A bias [C, H, W] of its own for each number of an image."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(shape))
        self.about = "a bias for each pixel"

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range; batch norm and leaky ReLU after all but the last."""

    def __init__(self, a: Ali, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        plan, width = _Plan(a, side), latent_dim
        layers: list[nn.Module] = [nn.Unflatten(1, (latent_dim, 1, 1))]
        for kernel, stride, padding, outputs in plan.up():
            layers += [
                nn.ConvTranspose2d(width, outputs, kernel, stride, padding, bias=False),
                plan.batch_norm(nn.BatchNorm2d, outputs), nn.LeakyReLU(plan.slope),
            ]  # fmt: skip
            width = outputs
        for n in plan.table.pixels:
            outputs = n * plan.width
            layers += [
                nn.Conv2d(width, outputs, 1, bias=False),
                plan.batch_norm(nn.BatchNorm2d, outputs), nn.LeakyReLU(plan.slope),
            ]  # fmt: skip
            width = outputs
        self.net = nn.Sequential(*layers, nn.Conv2d(width, channels, 1, bias=False))
        self.value_range, self.pad = spec.value_range, Pad(side, spec.value_range[0])
        self.bias = PixelBias((channels, padded_side(side), padded_side(side)))
        self.activation, self.crop = output_activation(spec.value_range), Crop(side)
        plan.init(self)

    def forward(self, c: Tensor) -> Tensor:
        return self.crop(self.activation(self.bias(self.net(c))))

    @torch.no_grad()
    def start_from(self, images: Tensor) -> None:
        """Set the bias of each pixel so that an input of zeros to it gives the mean of ``images`` [N, C, H, W].

        It is the logit of the mean on [0, 1], clamped to [1e-7, 1 - 1e-7], or half of it where the activation is tanh
        rather than a sigmoid (facts 5.15).
        """
        low, high = self.value_range
        mean = ((self.pad(images).float() - low) / (high - low)).mean(0)
        share = 0.5 if isinstance(self.activation, nn.Tanh) else 1.0
        self.bias.bias.copy_(share * mean.clamp(1e-7, 1 - 1e-7).logit())


class Maxout(nn.Module):
    """Features [N, 2 F, ...] to the larger one of each neighbouring two, [N, F, ...]."""

    about = f"maxout of {PIECES}"

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, PIECES)).amax(2)


class JointDiscriminator(nn.Module):
    """Images [N, C, H, W] and codes [N, d] to logits: D_xz of what D_x and D_z make of them (facts 5.15).

    With batch norm (in D_x but for its first layer) and dropout before every layer it is ALI's, with spectral norm of
    every layer and without both GALI's. CIFAR-10's has maxout units and no batch norm.

    GALI's sees tuples of several images and codes, on each of which the same D_x or D_z works, and features that a
    pretrained network gives (facts 5.17).

    Args:
        outputs: logits for each tuple: [N] for 1, [N, outputs] for more.
        images: in a tuple; of more than one they are [N, images, C, H, W].
        codes: in a tuple; of more than one they are [N, codes, d].
        features: vectors of ``examples.features`` numbers in a tuple; of more than one they are [N, features, F].
    """

    def __init__(
        self,
        a: Ali,
        spec: DatasetSpec,
        latent_dim: int,
        outputs: int = 1,
        images: int = 1,
        codes: int = 1,
        features: int = 0,
    ):
        super().__init__()
        channels, side, _ = spec.shape
        plan = self._plan = _Plan(a, side)
        self.outputs, self.shape, self.size = outputs, tuple(spec.shape), latent_dim
        if features and not spec.features:
            raise AdvcodesError(
                "this discriminator is conditioned on the features of a pretrained network, and there is none; train "
                "the run by the pipeline, or leave features out of `tuples`"
            )
        layers: list[nn.Module] = [Pad(side, spec.value_range[0])]
        for i, (kernel, stride, padding, width) in enumerate(plan.down()):
            convolution = nn.Conv2d(channels, width, kernel, stride, padding, bias=plan.biases or i == 0)
            norm = [plan.batch_norm(nn.BatchNorm2d, width)] if plan.norm == "batch" and i else []
            layers += [*self._dropout(first=i == 0), convolution, *norm, self._activation()]
            channels = self._after(width)
        self.of_image = nn.Sequential(*layers, nn.Flatten())
        code_sizes = [latent_dim, *(n * plan.width for n in OF_CODE)]
        self.of_code = nn.Sequential(*self._dense(code_sizes, bias=plan.biases, first=True))
        joined = images * channels + codes * self._after(code_sizes[-1])
        if features:
            known = plan.down()[-1][-1]  # as wide as what D_x makes of an image: 512
            self.of_features = nn.Sequential(*self._dense([spec.features, known, known], bias=plan.biases, first=True))
            joined += features * self._after(known)
        both = [joined, *(n * plan.width for n in OF_BOTH)]
        head = nn.Linear(self._after(both[-1]), outputs)
        self.of_both = nn.Sequential(*self._dense(both, bias=True), *self._dropout(), head)
        plan.init(self)
        if plan.norm == "spectral":
            for m in list(self.modules()):
                if isinstance(m, nn.Conv2d | nn.Linear):
                    spectral_norm(m)

    def _after(self, units: int) -> int:
        """What is left of so many units behind their activation."""
        return units // PIECES if self._plan.maxout else units

    def _activation(self) -> nn.Module:
        return Maxout() if self._plan.maxout else nn.LeakyReLU(self._plan.slope)

    def _dropout(self, first: bool = False) -> list[nn.Module]:
        p = min(self._plan.dropout, INPUT_DROPOUT) if first else self._plan.dropout
        return [nn.Dropout(p)] if p else []

    def _dense(self, sizes: list[int], bias: bool, first: bool = False) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(sizes)):
            linear = nn.Linear(self._after(a) if i else a, b, bias=bias)
            layers += [*self._dropout(first and i == 0), linear, self._activation()]
        return layers

    def forward(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of images ``x``, codes ``z`` and features ``y``, as many of each in a tuple as it was built for."""

        def each(network: nn.Module, parts: Tensor, shape: Sequence[int]) -> Tensor:
            """The same network on every part of each tuple: [N, parts x F]."""
            return network(parts.reshape(-1, *shape)).reshape(len(parts), -1)

        features = [each(self.of_image, x, self.shape), each(self.of_code, z, (self.size,))]
        if y is not None:
            features.append(each(self.of_features, y, y.shape[-1:]))
        logits = self.of_both(torch.cat(features, 1))
        return logits.squeeze(1) if self.outputs == 1 else logits


KINDS: dict[str, Callable[..., nn.Module]] = {
    "encoder": Encoder,
    "generator": Generator,
    "joint_discriminator": JointDiscriminator,
    "tuple_discriminator": JointDiscriminator,
}
