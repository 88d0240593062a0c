"""LPAAE's residual encoder and decoder, and its image discriminator (LPAAE tables A.1 to A.3, read as facts 5.11 does).

The tables are for sides of 32. Each doubling of the side is one more stage in every network; other sides are padded to
the next one (MNIST's 28 to 32).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advcodes.nets import code
from advcodes.nets.common import (
    Crop,
    FeatureDiscriminator,
    Pad,
    Trunk,
    check_square,
    joined,
    normaliser,
    output_activation,
    padded_side,
    stages,
)
from advcodes.nets.config import Residual
from advcodes.nets.spec import DatasetSpec

FEW_CHANNELS = 8  #: below, a skip takes the path of :meth:`Block._skipped`


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve; see :func:`~advcodes.nets.common.check_square`."""
    check_square("residual", shape)


def _norm(a: Residual, kind: type[nn.Module], n: int, on: bool = True) -> nn.Module:
    return kind(n, eps=a.bn_eps, momentum=a.bn_momentum) if on else nn.Identity()


class Block(nn.Module):
    """Residual block of table A.2: two convolutions of 3x3 with ReLU, the input added, ReLU.

    In encoders ``change`` is ``down``: the first convolution has stride 2, and the skip is a strided convolution of
    1x1, since the raw input would not fit (L-2). In decoders it is ``up``: a transposed convolution of 4x4 comes first,
    and the skip is a convolution of 1x1, enlarged by nearest neighbours (**assumed**; in this order it is the same and
    cheaper than a convolution of the enlarged input).

    Args:
        a: for batch norm.
        inputs: channels of the input [N, inputs, s, s].
        outputs: channels of the output [N, outputs, S, S].
        change: of the side: S is s / 2, 2 s or s.
        batch_norm: before each ReLU of the main path.
    """

    def __init__(self, a: Residual, inputs: int, outputs: int, change: str = "none", batch_norm: bool = False):
        super().__init__()
        self.about = f"residual block{'' if change == 'none' else f' {change}'}, ReLU of the sum"
        if change == "up":
            first: nn.Module = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)
            self.skip: nn.Module = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Upsample(scale_factor=2))
        else:
            stride = 2 if change == "down" else 1
            first = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
            same = stride == 1 and inputs == outputs
            self.skip = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride=stride)
        self.main = nn.Sequential(
            first, _norm(a, nn.BatchNorm2d, outputs, batch_norm), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1), _norm(a, nn.BatchNorm2d, outputs, batch_norm), nn.ReLU(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return (self.main(x) + self._skipped(x)).relu()

    def _skipped(self, x: Tensor) -> Tensor:
        """The skip's output. Of few channels, the pixels that its stride keeps are picked first: the same sum.

        That path is sound on every CPU; without it PyTorch 2.14.1 damages memory on some (those without AVX-512).
        """
        if isinstance(self.skip, nn.Conv2d) and self.skip.stride[0] > 1 and self.skip.in_channels < FEW_CHANNELS:
            step = self.skip.stride[0]
            return nn.functional.conv2d(x[:, :, ::step, ::step], self.skip.weight, self.skip.bias)
        return self.skip(x)


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d] (table A.1).

    The first convolution has stride 1: with the table's 2, a map of 2x2 would meet its average pooling of 4x4 (L-1).

    Args:
        outputs: numbers for each code: 2 for a mean and a spread.
        normalise: what :func:`~advcodes.nets.common.normaliser` does to codes.
    """

    def __init__(self, a: Residual, spec: DatasetSpec, latent_dim: int, outputs: int = 1, normalise: str = "none"):
        super().__init__()
        channels, side, _ = spec.shape
        blocks = [Block(a, a.width, a.width, "none", a.resblock_bn == "all")]
        width = a.width
        for _ in range(stages(side)):
            blocks.append(Block(a, width, 2 * width, "down", a.resblock_bn == "all"))
            width *= 2
        self.convolutions = nn.Sequential(
            Pad(side, spec.value_range[0]), nn.Conv2d(channels, a.width, 3, padding=1), nn.ReLU(), *blocks,
            nn.AvgPool2d(4), nn.Flatten(),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Linear(width, 2 * latent_dim), _norm(a, nn.BatchNorm1d, 2 * latent_dim), nn.ReLU(),
            nn.Linear(2 * latent_dim, outputs * latent_dim),
        )  # fmt: skip
        self.normalise = normaliser(normalise, latent_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(self.head(self.convolutions(x)))


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range: the decoder of table A.1."""

    def __init__(self, a: Residual, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        width = a.width * 2 ** stages(side)
        layers = [
            nn.Unflatten(1, (latent_dim, 1, 1)),
            nn.ConvTranspose2d(latent_dim, width, 4), _norm(a, nn.BatchNorm2d, width), nn.ReLU(),
        ]  # fmt: skip
        for _ in range(stages(side)):
            layers.append(Block(a, width, width // 2, "up", a.resblock_bn != "none"))
            width //= 2
        last = [nn.Conv2d(width, channels, 3, padding=1), output_activation(spec.value_range), Crop(side)]
        self.net = nn.Sequential(*layers, *last)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


class Discriminator(FeatureDiscriminator):
    """Images [N, C, H, W] to logits [N]: the image discriminator of table A.3 with its four lost rows (L-3).

    Strided convolutions down to 4x4, two at least, then a fully connected layer.

    Args:
        batch_norm: a critic under a gradient penalty has none.
        condition: what it is conditioned on (L-5): see :class:`~advcodes.nets.common.FeatureDiscriminator`.
    """

    def __init__(
        self,
        a: Residual,
        spec: DatasetSpec,
        latent_dim: int,
        batch_norm: bool = True,
        condition: str | int | None = None,
    ):
        channels, side, _ = spec.shape
        layers: list[nn.Module] = [Pad(side, spec.value_range[0])]
        depth = max(2, stages(side))
        for i in range(depth):
            width = a.width * 2**i
            layers += [
                nn.Conv2d(channels, width, 4, stride=2, padding=1),
                _norm(a, nn.BatchNorm2d, width, batch_norm and i > 0), nn.LeakyReLU(a.slope),
            ]  # fmt: skip
            channels = width
        size = spec.condition_size(condition)
        flat = channels * (padded_side(side) // 2**depth) ** 2
        dense = nn.Sequential(nn.Linear(flat + joined(size), a.features), nn.LeakyReLU(a.slope))
        super().__init__(Trunk(nn.Sequential(*layers, nn.Flatten()), dense), a.features, size)


KINDS = {"generator": Generator, "discriminator": Discriminator, "encoder": Encoder, **code.KINDS}
