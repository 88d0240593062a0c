"""ALICE's networks: strided convolutions of 5x5, with noise beside all that enters them (facts 5.16).

The table is for sides of 32 (its CIFAR-10) and 64 (its CelebA, which has one more dense layer in encoder and generator;
not here). Encoder maps end at 2x2, and the generator's begin at 4x4. Sides of 16 and 8 have as many stages fewer, above
64 one more with each doubling, and other sides are padded to the next one with the lowest value: ALICE's networks for
MNIST are not known, and its 28 become 32 (all **assumed**).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from advcodes.nets.common import Crop, Pad, check_square, init_xavier, output_activation, padded_side, stages
from advcodes.nets.config import Alice
from advcodes.nets.spec import DatasetSpec

JUDGED = 4  #: strided convolutions of the discriminator at most; above sides of 32 pooling leads to 2x2
WIDEST = 8  #: channels of discriminator and generator at most, as a multiple of the width: 512 of 64


def check(shape: Sequence[int]) -> None:
    """Refuse what these networks cannot serve; see :func:`~advcodes.nets.common.check_square`."""
    check_square("alice", shape)


def _norm(a: Alice, n: int) -> nn.Module:
    return nn.BatchNorm2d(n, eps=a.bn_eps, momentum=a.bn_momentum)


def _convolution(a: int, b: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, 5, stride=2, padding=2, bias=False)


class Noise(nn.Module):
    """Examples [N, n, ...] with channels of noise behind them, [N, n + channels, ...].

    Uniform on [-1, 1] and new for each pass in training. Out of training it is 0, its mean, so that a code or an image
    is a function of the condition (**assumed**).

    Args:
        channels: how many; none leaves examples as they are.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.about = f"{channels} of noise beside" if channels else ""

    def forward(self, x: Tensor) -> Tensor:
        if not self.channels:
            return x
        noise = x.new_zeros(len(x), self.channels, *x.shape[2:])
        return torch.cat([x, noise.uniform_(-1, 1) if self.training else noise], 1)


class Encoder(nn.Module):
    """Images [N, C, H, W] to codes [N, d], each in [-1, 1] with ``bounded_codes``.

    Args:
        outputs: numbers for each code: 2 for a mean and the logarithm of a standard deviation, [N, 2 d]; the mean alone
            is bounded.
    """

    def __init__(self, a: Alice, spec: DatasetSpec, latent_dim: int, outputs: int = 1):
        super().__init__()
        channels, side, _ = spec.shape
        layers: list[nn.Module] = [Pad(side, spec.value_range[0]), Noise(a.noise_channels)]
        channels += a.noise_channels
        for i in range(stages(side) + 1):
            width = max(1, a.width // 2) * 2**i
            layers += [_convolution(channels, width), _norm(a, width), nn.ReLU()]
            channels = width
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels * 4, outputs * latent_dim)
        self.bounded, self.latent_dim = a.bounded_codes, latent_dim
        init_xavier(self)

    def forward(self, x: Tensor) -> Tensor:
        code = self.head(self.convolutions(x))
        if not self.bounded:
            return code
        return torch.cat([code[:, : self.latent_dim].tanh(), code[:, self.latent_dim :]], 1)


class Generator(nn.Module):
    """Codes [N, d] to images [N, C, H, W] in the value range."""

    def __init__(self, a: Alice, spec: DatasetSpec, latent_dim: int):
        super().__init__()
        channels, side, _ = spec.shape
        width = a.width * min(WIDEST, 2 ** stages(side))
        layers: list[nn.Module] = [
            Noise(a.noise_numbers), nn.Linear(latent_dim + a.noise_numbers, width * 16, bias=False),
            nn.Unflatten(1, (width, 4, 4)), _norm(a, width), nn.ReLU(),
        ]  # fmt: skip
        for i in reversed(range(stages(side))):
            outputs = width // 2 if i else channels
            layers.append(nn.ConvTranspose2d(width, outputs, 5, stride=2, padding=2, output_padding=1, bias=i == 0))
            if i:
                layers += [_norm(a, outputs), nn.ReLU()]
            width = outputs
        self.net = nn.Sequential(*layers, output_activation(spec.value_range), Crop(side))
        init_xavier(self)

    def forward(self, c: Tensor) -> Tensor:
        return self.net(c)


class JointDiscriminator(nn.Module):
    """Images [N, C, H, W] and codes [N, d] to logits: a linear layer on features of both, as many of each.

    Args:
        outputs: logits for each pair: [N] for 1, [N, outputs] for more.
    """

    def __init__(self, a: Alice, spec: DatasetSpec, latent_dim: int, outputs: int = 1):
        super().__init__()
        channels, side, _ = spec.shape
        self.outputs = outputs
        layers: list[nn.Module] = [Pad(side, spec.value_range[0]), Noise(a.noise_channels)]
        channels += a.noise_channels
        strided = min(JUDGED, stages(side) + 1)
        for i in range(strided):
            width = a.width * min(WIDEST, 2**i)
            layers += [_convolution(channels, width), _norm(a, width), nn.LeakyReLU(a.slope)]
            channels = width
        pooled = padded_side(side) // 2**strided // 2
        pooling = [nn.AvgPool2d(pooled)] if pooled > 1 else []
        self.of_image = nn.Sequential(*layers, *pooling, nn.Flatten())
        self.of_code = nn.Sequential(
            Noise(a.noise_numbers), nn.Linear(latent_dim + a.noise_numbers, channels * 4), nn.LeakyReLU(a.slope)
        )
        self.head = nn.Linear(2 * channels * 4, outputs)
        init_xavier(self)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        logits = self.head(torch.cat([self.of_image(x), self.of_code(z)], 1))
        return logits.squeeze(1) if self.outputs == 1 else logits


KINDS = {"encoder": Encoder, "generator": Generator, "joint_discriminator": JointDiscriminator}
