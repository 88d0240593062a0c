"""InfoGAN-style networks of "Are GANs created equal", which ACL's "setup in [32]" points to (facts 5.1).

The same layers serve every side divisible by 4; only the size of the fully connected layers follows the image.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advcodes.errors import AdvcodesError
from advcodes.nets import code
from advcodes.nets.common import FeatureDiscriminator, output_activation
from advcodes.nets.config import Infogan


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
            nn.init.zeros_(m.bias)


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range (facts 5.1, row G)."""

    def __init__(self, a: Infogan, shape: tuple[int, ...], value_range: tuple[float, ...], latent_dim: int):
        super().__init__()
        channels, side, _ = shape
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
            nn.ConvTranspose2d(a.width, channels, 4, stride=2, padding=1), output_activation(value_range),
        )  # fmt: skip
        _init(self, a.init_std)

    def forward(self, c: Tensor) -> Tensor:
        return self.conv(self.fc(c).unflatten(1, self.start))


class _Trunk(nn.Module):
    """Images [N, C, H, W] to features [N, features]: two convolutions and a fully connected layer."""

    def __init__(self, a: Infogan, shape: tuple[int, ...], batch_norm: bool):
        super().__init__()
        channels, side, _ = shape

        def norm(kind: type[nn.Module], n: int) -> nn.Module:
            return kind(n, eps=a.bn_eps, momentum=a.bn_momentum) if batch_norm else nn.Identity()

        self.convolutions = nn.Sequential(
            _conv(channels, a.width), nn.LeakyReLU(a.slope),
            _conv(a.width, 2 * a.width), norm(nn.BatchNorm2d, 2 * a.width), nn.LeakyReLU(a.slope), nn.Flatten(),
        )  # fmt: skip
        self.dense = nn.Sequential(
            nn.Linear(2 * a.width * (side // 4) ** 2, a.features),
            norm(nn.BatchNorm1d, a.features), nn.LeakyReLU(a.slope),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(self.convolutions(x))


class Discriminator(FeatureDiscriminator):
    """Images [N, C, H, W] to logits [N] (facts 5.1, row D).

    Args:
        batch_norm: a critic under a gradient penalty has none (facts 5.2).
    """

    def __init__(
        self,
        a: Infogan,
        shape: tuple[int, ...],
        value_range: tuple[float, ...],
        latent_dim: int,
        batch_norm: bool = True,
    ):
        super().__init__(_Trunk(a, shape, batch_norm and a.discriminator_batch_norm), a.features)
        _init(self, a.init_std)


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d]: the discriminator's trunk and a linear layer (facts 5.10, assumed)."""

    def __init__(self, a: Infogan, shape: tuple[int, ...], value_range: tuple[float, ...], latent_dim: int):
        super().__init__()
        self.trunk = _Trunk(a, shape, batch_norm=True)
        self.head = nn.Linear(a.features, latent_dim)
        _init(self, a.init_std)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x))


KINDS = {"generator": Generator, "discriminator": Discriminator, "encoder": Encoder, **code.KINDS}
