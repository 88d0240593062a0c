"""InfoGAN-style networks of "Are GANs created equal", which ACL's "setup in [32]" points to (facts 5.1).

The same layers serve every side divisible by 4; only the size of the fully connected layers follows the image.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advcodes.core.errors import AdvcodesError
from advcodes.nets import code
from advcodes.nets.common import FeatureDiscriminator, Trunk, joined, normaliser, output_activation
from advcodes.nets.config import Infogan
from advcodes.nets.spec import DatasetSpec


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve.

    Raises:
        AdvcodesError: not square images with a side divisible by 4.
    """
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] % 4:
        raise AdvcodesError(
            f"architecture family 'infogan' needs square images with a side divisible by 4, got {tuple(shape)}; "
            "set datasets.<name>.size, or datasets.<name>.architecture to one of family 'mlp'"
        )


def _conv(a: int, b: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, 4, stride=2, padding=1)


def _init(module: nn.Module, std: float) -> None:
    """N(0, std) weights and zero biases (compare_gan's ops.py)."""
    for m in module.modules():
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, std=std)
            else:
                nn.init.trunc_normal_(m.weight, std=std, a=-2 * std, b=2 * std)
            if m.bias is not None:
                nn.init.zeros_(m.bias)


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range (facts 5.1, row G)."""

    def __init__(self, a: Infogan, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        self.start = (2 * a.width, side // 4, side // 4)
        flat = 2 * a.width * (side // 4) ** 2

        def norm(kind: type[nn.Module], n: int) -> nn.Module:
            return kind(n, eps=a.bn_eps, momentum=a.bn_momentum)

        self.fc = nn.Sequential(
            nn.Linear(latent_dim, a.features), norm(nn.BatchNorm1d, a.features), nn.LeakyReLU(a.slope),
            nn.Linear(a.features, flat), norm(nn.BatchNorm1d, flat), nn.LeakyReLU(a.slope),
        )  # fmt: skip
        self.conv = nn.Sequential(
            nn.ConvTranspose2d(2 * a.width, a.width, 4, stride=2, padding=1),
            norm(nn.BatchNorm2d, a.width), nn.LeakyReLU(a.slope),
            nn.ConvTranspose2d(a.width, channels, 4, stride=2, padding=1), output_activation(spec.value_range),
        )  # fmt: skip
        _init(self, a.init_std)

    def forward(self, c: Tensor) -> Tensor:
        return self.conv(self.fc(c).unflatten(1, self.start))


def _trunk(a: Infogan, spec: DatasetSpec, batch_norm: bool, joined: int = 0) -> Trunk:
    """Images [N, C, H, W] to features [N, features]: two convolutions and a fully connected layer."""
    channels, side, _ = spec.shape

    def norm(kind: type[nn.Module], n: int) -> nn.Module:
        return kind(n, eps=a.bn_eps, momentum=a.bn_momentum) if batch_norm else nn.Identity()

    convolutions = nn.Sequential(
        _conv(channels, a.width), nn.LeakyReLU(a.slope),
        _conv(a.width, 2 * a.width), norm(nn.BatchNorm2d, 2 * a.width), nn.LeakyReLU(a.slope), nn.Flatten(),
    )  # fmt: skip
    dense = nn.Sequential(
        nn.Linear(2 * a.width * (side // 4) ** 2 + joined, a.features),
        norm(nn.BatchNorm1d, a.features), nn.LeakyReLU(a.slope),
    )  # fmt: skip
    return Trunk(convolutions, dense)


class Discriminator(FeatureDiscriminator):
    """Images [N, C, H, W] to logits [N] (facts 5.1, row D).

    Args:
        batch_norm: a critic under a gradient penalty has none (facts 5.2).
        condition: what it is conditioned on: see :class:`~advcodes.nets.common.FeatureDiscriminator`.
    """

    def __init__(
        self,
        a: Infogan,
        spec: DatasetSpec,
        latent_dim: int,
        batch_norm: bool = True,
        condition: str | int | None = None,
    ):
        size = spec.condition_size(condition)
        trunk = _trunk(a, spec, batch_norm and a.discriminator_batch_norm, joined(size))
        super().__init__(trunk, a.features, size)
        _init(self, a.init_std)


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d]: the discriminator's trunk (facts 5.10) or three convolutions (5.9), linear.

    Args:
        outputs: numbers for each code: 2 for a mean and a spread.
        normalise: what :func:`~advcodes.nets.common.normaliser` does to codes.
    """

    def __init__(self, a: Infogan, spec: DatasetSpec, latent_dim: int, outputs: int = 1, normalise: str = "none"):
        super().__init__()
        self.trunk: nn.Module
        if a.encoder == "discriminator":
            self.trunk, features = _trunk(a, spec, batch_norm=True), a.features
        else:
            self.trunk, features = _convolutions(a, spec)
        self.head = nn.Linear(features, outputs * latent_dim)
        self.normalise = normaliser(normalise, latent_dim)
        _init(self, a.init_std)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(self.head(self.trunk(x)))


def _convolutions(a: Infogan, spec: DatasetSpec) -> tuple[nn.Module, int]:
    """Three strided convolutions of an autoencoder's encoder, and the number of their features."""
    channels, side, _ = spec.shape
    layers: list[nn.Module] = []
    for width in (a.width, 2 * a.width, 4 * a.width):
        norm = nn.BatchNorm2d(width, eps=a.bn_eps, momentum=a.bn_momentum)
        layers += [_conv(channels, width), norm, nn.LeakyReLU(a.slope)]
        channels, side = width, side // 2
    return nn.Sequential(*layers, nn.Flatten()), channels * side**2


KINDS = {"generator": Generator, "discriminator": Discriminator, "encoder": Encoder, **code.KINDS}
