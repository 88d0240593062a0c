"""The networks of tolstikhin/wae for CelebA: its encoder, its decoder `dcgan_mod` and its code adversary (facts 5.13).

They are published for sides of 64. Each halving of the side is one stage less in the encoder, whose maps end at 4x4;
the decoder begins at 8x8 for 64 and at 4x4 below (**assumed**). Other sides are padded to the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advcodes.nets.code import mlp
from advcodes.nets.common import Crop, Pad, check_square, normaliser, output_activation, padded_side, stages
from advcodes.nets.config import Wae
from advcodes.nets.spec import DatasetSpec

DOUBLINGS = 3  #: of the decoder, at most
SMALLEST_MAP = 4


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve; see :func:`~advcodes.nets.common.check_square`."""
    check_square("wae", shape)


def _norm(a: Wae, n: int) -> nn.Module:
    return nn.BatchNorm2d(n, eps=a.bn_eps, momentum=a.bn_momentum)


def _init(module: nn.Module, std: float) -> None:
    """Weights from N(0, std^2), zero biases; batch norm starts as the identity."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(m.weight, std=std)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d]: convolutions of 5x5 down to 4x4, and a linear layer.

    Args:
        outputs: numbers for each code: 2 for a mean and a spread.
        normalise: what :func:`~advcodes.nets.common.normaliser` does to codes.
    """

    def __init__(self, a: Wae, spec: DatasetSpec, latent_dim: int, outputs: int = 1, normalise: str = "none"):
        super().__init__()
        channels, side, _ = spec.shape
        layers: list[nn.Module] = [Pad(side, spec.value_range[0])]
        for i in range(stages(side)):
            width = a.width * 2**i
            layers += [nn.Conv2d(channels, width, 5, stride=2, padding=2), _norm(a, width), nn.ReLU()]
            channels = width
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels * SMALLEST_MAP**2, outputs * latent_dim)
        self.normalise = normaliser(normalise, latent_dim)
        _init(self, a.init_std)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(self.head(self.convolutions(x)))


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range: three doublings at most, and a layer that keeps sides."""

    def __init__(self, a: Wae, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        doublings = min(DOUBLINGS, stages(side))
        first, width = padded_side(side) >> doublings, a.width * 2**doublings
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, width * first**2), nn.ReLU(), nn.Unflatten(1, (width, first, first)),
        ]  # fmt: skip
        for _ in range(doublings):
            layers += [
                nn.ConvTranspose2d(width, width // 2, 5, stride=2, padding=2, output_padding=1),
                _norm(a, width // 2), nn.ReLU(),
            ]  # fmt: skip
            width //= 2
        last = [nn.ConvTranspose2d(width, channels, 5, padding=2), output_activation(spec.value_range), Crop(side)]
        self.net = nn.Sequential(*layers, *last)
        _init(self, a.init_std)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


class CodeDiscriminator(nn.Module):
    """Codes [N, d] to logits [N]: four hidden layers, ReLU."""

    def __init__(self, a: Wae, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        self.net = mlp([latent_dim, *[a.code.width] * a.code.hidden_layers, 1], nn.ReLU)
        _init(self, a.init_std)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c).squeeze(1)


KINDS = {"encoder": Encoder, "generator": Generator, "code_discriminator": CodeDiscriminator}
