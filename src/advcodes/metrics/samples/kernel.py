"""The kernel distance of features: the KID on Inception's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from advcodes.core.schema import Count, Model
from advcodes.metrics.extracted import SEED, Comparison, OfFeatures, OnFeatures, fidelity
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register("kid")
class KernelDistance(OnFeatures):
    """An unbiased squared distance between both sides' mean features under a cubic kernel."""

    class Config(Model):
        """Settings of the kernel distance."""

        kid_subsets: Count = 100
        kid_subset_size: Count = 1000

    order = 30
    quantities = (
        OfFeatures(
            "kid", "lower", own=False,
            on_classifier="kd_classifier", established="KID",
            formula="kernel distance (unbiased MMD², cubic polynomial kernel)",
        ),
    )  # fmt: skip

    @classmethod
    def used(cls, settings: Mapping[str, Any], n: int, m: int, n_is: int) -> dict[str, Any]:
        size = min(settings["kid_subset_size"], n, m)
        # A subset that is the whole set gives the same value each time.
        return {"kid_subsets": settings["kid_subsets"] if size < max(n, m) else 1, "kid_subset_size": size}

    @classmethod
    def values(cls, compared: Comparison) -> dict[str, tuple[float, float | None]]:
        subsets, size = (compared.used[k] for k in ("kid_subsets", "kid_subset_size"))
        return {"kid": kernel_distance(compared.features, compared.reference.features, subsets, size)}


def kernel_distance(generated: Tensor, real: Tensor, subsets: int, subset_size: int) -> tuple[float, float]:
    """KID (Binkowski et al. 2018): unbiased MMD^2 under ``(x.y / F + 1)^3``, mean and sd over random subsets."""
    scores = fidelity("metric_kid").kid_features_to_metric(
        generated.double(),
        real.double(),
        kid_subsets=subsets,
        kid_subset_size=subset_size,
        rng_seed=SEED,
        verbose=False,
    )
    return scores["kernel_inception_distance_mean"], scores["kernel_inception_distance_std"]
