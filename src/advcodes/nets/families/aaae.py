"""AAAE's encoder, decoder, patch discriminator and code networks (AAAE table III, read as facts 5.12 does).

The table is for sides of 32. Each doubling of the side is one more stage in encoder and decoder, each halving one less,
so that maps end at 2x2 (**assumed**; the paper has "adding or deleting the convolution layers"). Other sides are padded
to the next one with the lowest value, which is black: MNIST's 28 to 32, zero-padded. The table is captioned MNIST and
lists three channels: here as many as the images have (A-9, **assumed**). Its column of batch norm is partly lost: read
as all convolutions of encoder and decoder but the last, and the decoder's fully connected layer (**assumed**).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advcodes.nets.code import mlp
from advcodes.nets.common import Crop, Pad, check_square, normaliser, output_activation, padded_side, stages
from advcodes.nets.config import Aaae
from advcodes.nets.spec import DatasetSpec

WIDEST = 16  #: channels at most, as a multiple of the first convolution's: 1024 of 64
PATCH_STAGES = 4  #: strided convolutions of the patch discriminator


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve; see :func:`~advcodes.nets.common.check_square`."""
    check_square("aaae", shape)


def _norm(a: Aaae, kind: type[nn.Module], n: int) -> nn.Module:
    return kind(n, eps=a.bn_eps, momentum=a.bn_momentum)


def _init(module: nn.Module, std: float) -> None:
    """Weights from N(0, std^2) and zero biases (section IV); batch norm starts as the identity."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(m.weight, std=std)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


def widths(a: Aaae, side: int) -> list[int]:
    """Channels of the encoder's maps from the full side down to 2x2: 64, 128, 256, 512, 1024 for sides of 32."""
    return [a.width * min(WIDEST, 2**i) for i in range(stages(side) + 2)]


class SameMargin(nn.ZeroPad2d):
    """Zeros around maps, with which a convolution of 4x4 and stride 1 keeps their size (TensorFlow's SAME)."""

    about = "margin of 0, 1 before and 2 behind"

    def __init__(self):
        super().__init__((1, 2, 1, 2))


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d]: E of table III.

    Args:
        outputs: numbers for each code: 2 for a mean and a spread.
        normalise: what :func:`~advcodes.nets.common.normaliser` does to codes.
    """

    def __init__(self, a: Aaae, spec: DatasetSpec, latent_dim: int, outputs: int = 1, normalise: str = "none"):
        super().__init__()
        channels, side, _ = spec.shape
        layers: list[nn.Module] = [Pad(side, spec.value_range[0]), SameMargin()]
        for i, width in enumerate(widths(a, side)):
            convolution = nn.Conv2d(channels, width, 4, stride=2, padding=1) if i else nn.Conv2d(channels, width, 4)
            layers += [convolution, _norm(a, nn.BatchNorm2d, width), nn.ELU()]
            channels = width
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels * 4, outputs * latent_dim)
        self.normalise = normaliser(normalise, latent_dim)
        _init(self, a.init_std)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(self.head(self.convolutions(x)))


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range: G of table III.

    The "FC 1024" is read as 1024 channels of 2x2, since four doublings have to end at 32 (A-9).
    """

    def __init__(self, a: Aaae, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        width, *rest = reversed(widths(a, side))
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, width * 4), _norm(a, nn.BatchNorm1d, width * 4), nn.ELU(),
            nn.Unflatten(1, (width, 2, 2)),
        ]  # fmt: skip
        for outputs in rest:
            layers += [
                nn.ConvTranspose2d(width, outputs, 4, stride=2, padding=1),
                _norm(a, nn.BatchNorm2d, outputs), nn.ELU(),
            ]  # fmt: skip
            width = outputs
        last = [nn.Conv2d(width, channels, 3, padding=1), output_activation(spec.value_range), Crop(side)]
        self.net = nn.Sequential(*layers, *last)
        _init(self, a.init_std)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


class Discriminator(nn.Module):
    """Images [N, C, H, W] to a logit for each of P patches, [N, P]: D_omega of table III, without batch norm.

    Strided convolutions, four or as many as leave a map: P is 2x2 for sides of 32, 4x4 for 64, and 1 below.
    """

    def __init__(self, a: Aaae, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        layers: list[nn.Module] = [Pad(side, spec.value_range[0])]
        for i in range(min(PATCH_STAGES, padded_side(side).bit_length() - 1)):
            width = a.width * 2**i
            layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(a.slope)]
            channels = width
        self.net = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1), nn.Flatten())
        _init(self, a.init_std)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class CodeGenerator(nn.Module):
    """Noise [N, noise] to codes [N, d]: the approximator G_phi of table III, ELU inside, linear output.

    Args:
        noise: numbers of noise; as many as a code has, if None.
    """

    def __init__(self, a: Aaae, spec: DatasetSpec, latent_dim: int, noise: int | None = None):
        super().__init__()
        self.net = mlp([noise or latent_dim, *[a.code.width] * a.code.hidden_layers, latent_dim], nn.ELU)
        _init(self, a.init_std)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


class CodeDiscriminator(nn.Module):
    """Codes [N, d] to scores [N]: D_gamma of table III."""

    def __init__(self, a: Aaae, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        sizes = [latent_dim, *[a.code.width] * a.code.hidden_layers, 1]
        self.net = mlp(sizes, lambda: nn.LeakyReLU(a.slope))
        _init(self, a.init_std)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c).squeeze(1)


KINDS = {
    "encoder": Encoder,
    "generator": Generator,
    "discriminator": Discriminator,
    "code_generator": CodeGenerator,
    "code_discriminator": CodeDiscriminator,
}
