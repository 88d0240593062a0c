"""The Fréchet distance of features: the FID on Inception's (facts 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advcodes.core.errors import AdvcodesError
from advcodes.metrics.extracted import Comparison, OfFeatures, OnFeatures, Statistics, fidelity
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register("fd")
class FrechetDistance(OnFeatures):
    """The distance between normal distributions that have the means and covariances of both sides' features."""

    order = 10
    quantities = (
        OfFeatures(
            "fid", "lower", "FID", over_training=True,
            on_classifier="fd_classifier", established="FID", formula="Fréchet distance",
        ),
    )  # fmt: skip

    @classmethod
    def values(cls, compared: Comparison) -> dict[str, tuple[float, float | None]]:
        return {"fid": (frechet_distance(compared.statistics, compared.reference.statistics), None)}


def statistics(features: Tensor) -> Statistics:
    """Statistics of features [N, F], accumulated in float64.

    Raises:
        AdvcodesError: fewer than two rows have no covariance.
    """
    import numpy as np

    if len(features) < 2:
        raise AdvcodesError(
            f"Fréchet distance: got {len(features)} images, expected at least 2; raise metrics.n_generated"
        )
    moments = fidelity("metric_fid").fid_features_to_statistics(features.double())
    return Statistics(moments["mu"], np.atleast_2d(moments["sigma"]))


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """``|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`` (Heusel et al. 2017, equation 6)."""
    one, two = ({"mu": s.mean, "sigma": s.covariance} for s in (a, b))
    (value,) = fidelity("metric_fid").fid_statistics_to_metric(one, two, verbose=False).values()
    return value
