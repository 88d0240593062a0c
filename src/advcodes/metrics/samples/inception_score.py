"""The Inception Score, on Inception's logits or on those of another extractor (facts 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from advcodes.core.schema import Count, Model
from advcodes.metrics.extracted import (
    IS_SPLITS,
    SEED,
    Comparison,
    Counts,
    OfFeatures,
    OnFeatures,
    Reference,
    fidelity,
)
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    from torch import Tensor

FORMULA = "exp(mean KL(p(y|x) || p(y)))"


@register("is")
class InceptionScore(OnFeatures):
    """How sure an extractor is of each image's class, and how evenly classes come."""

    class Config(Model):
        """Settings of the Inception Score."""

        is_splits: Count = IS_SPLITS

    order = 20
    quantities = (
        OfFeatures(
            "is", "higher", "Inception Score",
            on_classifier="score_classifier", established="Inception Score", formula=FORMULA, on="predictions",
            usual=Counts(50_000),  # Salimans et al. 2016: in 10 splits
        ),
    )  # fmt: skip

    @classmethod
    def possible(cls, reference: Reference, classes: bool) -> bool:
        return classes

    @classmethod
    def used(cls, settings: Mapping[str, Any], n: int, m: int, n_is: int) -> dict[str, Any]:
        return {"is_splits": min(settings["is_splits"], n_is)}

    @classmethod
    def values(cls, compared: Comparison) -> dict[str, tuple[float, float | None]]:
        return {"is": inception_score(compared.logits, compared.used["is_splits"])}

    @classmethod
    def counted(cls) -> str:
        return r"(_\d+(_in_\d+_splits)?)?"

    @classmethod
    def full(cls, q: OfFeatures, counts: Counts, is_splits: int) -> str:
        n = counts.n_generated
        name = "is" if n == q.usual.n_generated else f"is_{n}"
        return name if is_splits == IS_SPLITS else f"is_{n}_in_{is_splits}_splits"

    @classmethod
    def generated(cls, protocol: Mapping[str, Any]) -> int:
        return protocol.get("n_generated_is", protocol["n_generated"])

    @classmethod
    def over(cls, q: OfFeatures, protocol: Mapping[str, Any]) -> str:
        return f"{cls.generated(protocol):,} generated images in {protocol.get('is_splits', IS_SPLITS)} splits"

    @classmethod
    def against(cls, usual: Counts) -> str:
        return f" in {IS_SPLITS} splits"


def inception_score(logits: Tensor, splits: int) -> tuple[float, float]:
    """``exp(mean KL(p(y|x) || p(y)))``: mean and population standard deviation over splits of shuffled images.

    Salimans et al. 2016; facts 6.3.
    """
    scores = fidelity("metric_isc").isc_features_to_metric(logits, splits=splits, shuffle=True, rng_seed=SEED)
    return scores["inception_score_mean"], scores["inception_score_std"]
