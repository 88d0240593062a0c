"""Precision and recall of samples: how many look real, and how much of what is real they cover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from advcodes.core.schema import Count, Model
from advcodes.metrics.extracted import Comparison, OfFeatures, OnFeatures
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    from torch import Tensor

_ROWS = 2_000  #: rows of a block of the distance matrix, which bounds memory


@register("prc")
class PrecisionRecall(OnFeatures):
    """Shares of images whose features lie within the nearest-neighbour balls of the other side's."""

    class Config(Model):
        """Settings of precision and recall."""

        prc_neighborhood: Count = 3

    order = 40
    quantities = (
        OfFeatures(
            "precision", "higher",
            on_classifier="precision_classifier", established="precision",
            formula="share of generated images within the real images' nearest-neighbour balls",
        ),
        OfFeatures(
            "recall", "higher",
            on_classifier="recall_classifier", established="recall",
            formula="share of real images within the generated images' nearest-neighbour balls",
        ),
    )  # fmt: skip

    @classmethod
    def used(cls, settings: Mapping[str, Any], n: int, m: int, n_is: int) -> dict[str, Any]:
        return {"prc_neighborhood": min(settings["prc_neighborhood"], min(n, m) - 1)}

    @classmethod
    def values(cls, compared: Comparison) -> dict[str, tuple[float, float | None]]:
        neighborhood = compared.used["prc_neighborhood"]
        precision, recall = precision_recall(compared.features, compared.reference.features, neighborhood)
        return {"precision": (precision, None), "recall": (recall, None)}

    @classmethod
    def over(cls, q: OfFeatures, protocol: Mapping[str, Any]) -> str:
        counts = super().over(q, protocol)
        return f"{counts}, {protocol['prc_neighborhood']} neighbours" if "prc_neighborhood" in protocol else counts


def precision_recall(generated: Tensor, real: Tensor, neighborhood: int) -> tuple[float, float]:
    """Share of generated images in the real manifold and the reverse (Kynkäänniemi et al. 2019).

    A manifold is the union of balls around images, each as wide as the distance to its ``neighborhood``-th neighbour.
    """
    import torch

    centre = real.mean(0)  # moves no distance, but keeps float32 from losing digits of small ones
    generated, real = generated - centre, real - centre
    own, others = _radii(generated, neighborhood), _radii(real, neighborhood)
    precise, recalled = [], torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for start in range(0, len(generated), _ROWS):
        rows = slice(start, start + _ROWS)
        distances = torch.cdist(generated[rows], real)  # serves both sides
        precise.append((distances <= others).any(1))
        recalled |= (distances <= own[rows, None]).any(0)
    return torch.cat(precise).float().mean().item(), recalled.float().mean().item()


def _radii(features: Tensor, neighborhood: int) -> Tensor:
    """Distance of each to its ``neighborhood``-th neighbour, [N]; the nearest of all is itself."""
    import torch

    # A few smallest of a row are found sooner than one of a rank, which sorts more.
    nearest = (torch.cdist(block, features).topk(neighborhood + 1, largest=False) for block in features.split(_ROWS))
    return torch.cat([few.values[:, -1] for few in nearest])
