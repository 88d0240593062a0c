"""What the architecture families share."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from advcodes.errors import AdvcodesError


class FeatureDiscriminator(nn.Module):
    """A discriminator whose last hidden layer can be asked for.

    Args:
        trunk: examples [N, ...] to features [N, features].
        features: their number.
    """

    def __init__(self, trunk: nn.Module, features: int):
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(features, 1)

    def features(self, x: Tensor, layer: str = "last") -> Tensor:
        """A hidden layer: the one before the logit [N, features], or the flattened last ``convolution``.

        Raises:
            AdvcodesError: there is no convolution.
        """
        if layer == "last":
            return self.trunk(x)
        if not hasattr(self.trunk, "convolutions"):
            raise AdvcodesError("this architecture has no convolutions to take features from; set `phi: last`")
        return self.trunk.convolutions(x)

    def logit(self, features: Tensor) -> Tensor:
        """Logits [N] of :meth:`features`."""
        return self.head(features).squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N]."""
        return self.logit(self.features(x))


def normaliser(kind: str, latent_dim: int) -> nn.Module:
    """What standardises codes [N, d] without weights of its own: over the ``batch``, over each ``layer``, or not."""
    return {
        "none": nn.Identity,
        "batch": lambda: nn.BatchNorm1d(latent_dim, affine=False),
        "layer": lambda: nn.LayerNorm(latent_dim, elementwise_affine=False),
    }[kind]()


def output_activation(value_range: Sequence[float]) -> nn.Module:
    """Sigmoid for images in [0, 1], tanh for [-1, 1]."""
    activations = {(0.0, 1.0): nn.Sigmoid, (-1.0, 1.0): nn.Tanh}
    try:
        return activations[tuple(float(v) for v in value_range)]()
    except KeyError:
        raise AdvcodesError(
            f"datasets: range {list(value_range)} has no output activation; use [0, 1] or [-1, 1]"
        ) from None
