"""How much samples of one condition differ: whether a conditional method uses its noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from advcodes.metrics.base import Candidate, Metric, Quantity, Subject
from advcodes.metrics.conditional import read_conditions
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np

NOISE_DIVERSITY = "noise_diversity"
_BLOCK = 500  #: images of a sum at a time, which bounds memory
IGNORED = 0.25  #: of real images' spread; below it, samples of one condition are nearly one image (our own choice)


@register(NOISE_DIVERSITY)
class NoiseDiversity(Metric):
    """Spread of samples that have the same condition, over that of real images: 0 where noise is ignored."""

    order = 62
    quantities = (
        Quantity(
            NOISE_DIVERSITY, "higher", "diversity of samples of one condition", needed=("noise_diversity_pairs",),
            floor_beside=False,
        ),
    )  # fmt: skip
    needs = ("samples", "captions", "labels")
    inputs = ("data",)
    on_images = True
    remedy = "only runs of conditional methods have it; take the others out"

    @classmethod
    def applies(cls, candidate: Candidate) -> bool:
        return candidate.method.conditioned_on is not None and super().applies(candidate)

    @classmethod
    def settings(cls, candidate: Candidate) -> str | None:
        return candidate.method.conditioned_on

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        """Of all samples with their conditions; without two of one condition there is no such number."""
        samples, split = subject.samples, subject.reference.split
        rows = subject.chosen(split, len(subject.reference.features))
        real, labels = subject.data.images[rows], subject.data.labels[rows]
        within, pairs = spread_within(samples, read_conditions(subject.sampled, len(samples)))
        whole, _ = spread_within(real, labels * 0)
        protocol = {"noise_diversity_pairs": pairs, "noise_diversity_real": len(real)}
        if not pairs or not whole:
            return {"metrics": {}, "protocol": protocol}
        found: dict[str, Any] = {"metrics": {NOISE_DIVERSITY: within / whole}, "protocol": protocol}
        if subject.config[cls.key] == "labels":
            found["floor"] = {NOISE_DIVERSITY: spread_within(real, labels)[0] / whole}
        return found

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        return (
            "standard deviation of pixels over generated images of the same condition, over that of real images "
            "whatever they show; 0 where noise changes nothing (our own choice: the paper shows pictures); "
            f"{protocol['noise_diversity_pairs']:,} degrees of freedom"
        )

    @classmethod
    def floor_of(cls, protocol: Mapping[str, Any], floor: Mapping[str, Any]) -> tuple[str, int]:
        """Real images of one class differ, too."""
        return f"images of split {protocol['split']}", protocol["noise_diversity_real"]


def spread_within(images: np.ndarray, groups: np.ndarray) -> tuple[float, int]:
    """Standard deviation of pixels within groups, pooled, and its degrees of freedom.

    Args:
        images: uint8 [N, C, H, W].
        groups: of each, int64 [N].

    Returns:
        The root of the mean over pixels of the pooled, unbiased variance, with pixels from 0 to 1; and N less the
        number of groups. 0 and 0 where no group has two images.
    """
    import numpy as np

    found, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    freedom = len(images) - len(sizes)
    if not freedom:
        return 0.0, 0
    total = 0.0
    order = np.argsort(found, kind="stable")
    for members in np.split(order, np.cumsum(sizes)[:-1]):
        if len(members) > 1:
            sums, squares = (np.zeros(images.shape[1:], np.int64) for _ in range(2))
            for start in range(0, len(members), _BLOCK):
                values = images[np.sort(members[start : start + _BLOCK])].astype(np.int64)
                sums += values.sum(0)
                squares += np.square(values).sum(0)
            total += float((squares - sums * (sums / len(members))).mean())
    return max(0.0, total / freedom) ** 0.5 / 255, freedom
