"""GALI's auxiliary classifiers, whose features feature-MSE compares and GALI-PT learns from (facts 5.17)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (48, 64, 128, 160, 192, 192, 192, 192)  #: of the digits' eight convolutions at full width
STRIDES = (2, 1, 2, 1, 2, 1, 2, 1)  #: of the pooling behind each
DROPOUT = 0.2
ATTRIBUTES_SIDE = 64  #: of images that the attributes' network takes


class FeatureNetwork(nn.Module):
    """A classifier of images, and a hidden layer of it.

    Attributes:
        kind: what it tells: ``classes`` or ``attributes``.
        size: number of features.
        side: of the images it takes; others are resized to it by the nearest neighbour.
        about: where it was trained, what about.json says.
    """

    kind: ClassVar[str]
    noisy: ClassVar[bool]  #: whether dropout is active where another network is trained on its features

    def __init__(self, trunk: nn.Sequential, size: int, outputs: int, side: int):
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(size, outputs)
        self.size, self.side = size, side
        self.about: dict[str, Any] = {}

    def features(self, x: Tensor) -> Tensor:
        """Features [N, size] of images float [N, C, H, W] on [0, 1]; the gradient reaches the images."""
        side = (self.side, self.side)
        if x.shape[2:] != side:
            x = F.interpolate(x, size=side, mode="nearest")
        return self.trunk((2 * x - 1).contiguous(memory_format=torch.channels_last))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, size] and logits [N, outputs] of images float [N, C, H, W] on [0, 1]."""
        features = self.features(x)
        return features, self.head(features)

    def for_training(self) -> Self:
        """Be as GALI-PT has it in its own training: parameters frozen, batch norm in evaluation mode.

        Of the digits' network dropout stays active, as in the published code. The attributes' network, which stands
        in for Inception there, has none.
        """
        self.eval().requires_grad_(False)
        for layer in self.modules():
            if isinstance(layer, nn.Dropout):
                layer.train(self.noisy)
        return self


class Digits(FeatureNetwork):
    """The trunk of the multi-digit classifier of SVHN, with a head for a dataset's K classes: a **substitute**.

    Goodfellow et al. 2014 read whole house numbers; theirs, as GALI uses it (github.com/potterhsu/SVHNClassifier-
    PyTorch), has heads for a number's length and each of five digits. To train them takes SVHN's format 1 (boxes of
    each digit, in HDF5 .mat files), which is not read here. Facts 5.17 give this substitute: the same trunk, learning
    the classes of single crops (format 2), without its random crops. Features are the second dense layer's output
    (assumed): 3072 at full size, behind 192 x 7 x 7.

    Args:
        channels: of images.
        outputs: classes.
        width: channels of the first convolution, 48 at full size; the others are in proportion.
        units: of both dense layers, 3072 at full size.
        side: of images, 54 at full size.
    """

    kind, noisy = "classes", True

    def __init__(self, channels: int, outputs: int, width: int = 48, units: int = 3072, side: int = 54):
        layers: list[nn.Module] = []
        across, inputs = side, channels
        for full, stride in zip(CHANNELS, STRIDES, strict=True):
            n = max(1, round(full * width / CHANNELS[0]))
            layers += [
                nn.Conv2d(inputs, n, 5, padding=2), nn.BatchNorm2d(n), nn.ReLU(),
                nn.MaxPool2d(2, stride, padding=1), nn.Dropout(DROPOUT),
            ]  # fmt: skip
            across, inputs = across // stride + 1, n
        layers += [nn.Flatten(), nn.Linear(inputs * across**2, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU()]
        super().__init__(nn.Sequential(*layers), units, outputs, side)


class Attributes(FeatureNetwork):
    """The classifier of CelebA's attributes (facts 5.17): features are the second dense layer's output.

    There is no activation between dense layers, so the features are linear in the convolutions' output. Images that
    are not 64x64 are resized (assumed).

    Args:
        channels: of images.
        outputs: attributes.
        width: channels of the first convolution, 64 at full size; every other layer is in proportion: 256 features.
    """

    kind, noisy = "attributes", False

    def __init__(self, channels: int, outputs: int, width: int = 64):
        layers: list[nn.Module] = []
        across, inputs = ATTRIBUTES_SIDE, channels
        for n in (width, 2 * width, 4 * width, 8 * width):
            layers += [nn.Conv2d(inputs, n, 3), nn.MaxPool2d(2), nn.ReLU()]
            across, inputs = (across - 2) // 2, n
        flat = inputs * across**2
        layers += [nn.Dropout(DROPOUT), nn.Flatten(), nn.Linear(flat, 16 * width), nn.Linear(16 * width, 4 * width)]
        super().__init__(nn.Sequential(*layers), 4 * width, outputs, ATTRIBUTES_SIDE)


def build(kind: str, channels: int, outputs: int, config: Mapping[str, Any]) -> FeatureNetwork:
    """A network with initial weights from torch's global random stream.

    Args:
        kind: ``classes`` or ``attributes``.
        channels: of images.
        outputs: number of classes or attributes.
        config: ``digits_width``, ``digits_units``, ``digits_side``, or ``attributes_width``.
    """
    if kind == "classes":
        return Digits(channels, outputs, *(config[f"digits_{k}"] for k in ("width", "units", "side")))
    return Attributes(channels, outputs, config["attributes_width"])
