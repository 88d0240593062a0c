"""How much samples of one condition differ: whether a conditional method uses its noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from advcodes.core.schema import Count, Model
from advcodes.methods.base import Conditional
from advcodes.metrics.base import Candidate, Metric, Quantity, Subject, Trained
from advcodes.metrics.registry import register
from advcodes.metrics.samples.conditional import NOISE_DIVERSITY

if TYPE_CHECKING:
    import numpy as np

_BLOCK = 500  #: images of a sum at a time, which bounds memory


@register(NOISE_DIVERSITY)
class NoiseDiversity(Metric):
    """Spread of samples that have the same condition, over that of real images: 0 where noise is ignored."""

    class Config(Model):
        """What is drawn for it."""

        conditions: Annotated[Count, Field(ge=2)] = Field(64, description="classes, clusters or sentences, at random")
        draws: Annotated[Count, Field(ge=2)] = Field(16, description="draws of noise for each")

    order = 62
    quantities = (
        Quantity(
            NOISE_DIVERSITY, "higher", "diversity of samples of one condition",
            needed=("noise_diversity_conditions", "noise_diversity_draws"), floor_beside=False,
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
    def measure(cls, subject: Subject) -> dict[str, Any]:
        """Of images made for it: samples seldom have the same sentence twice."""
        import numpy as np

        settings, split = subject.config[cls.key], subject.reference.split
        rows = subject.chosen(split, len(subject.reference.features))
        real, labels = subject.data.images[rows], subject.data.labels[rows]
        made = drawn(subject.restored, settings["conditions"], settings["draws"], subject.config["sampling"])
        within, _ = spread_within(made, np.tile(np.arange(settings["conditions"]), settings["draws"]))
        whole, _ = spread_within(real, labels * 0)
        protocol = {f"noise_diversity_{key}": settings[key] for key in ("conditions", "draws")}
        about = {"protocol": protocol | {"noise_diversity_real": len(real)}}
        if not whole:  # one image, again and again
            return {"metrics": {}, **about}
        if subject.restored.method.conditioned_on == "labels":
            about["floor"] = {NOISE_DIVERSITY: spread_within(real, labels)[0] / whole}
        return {"metrics": {NOISE_DIVERSITY: within / whole}, **about}

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        return (
            "standard deviation of pixels over generated images of the same condition, over that of real images "
            "whatever they show; 0 where noise changes nothing (our own choice: the paper shows pictures); "
            f"{protocol['noise_diversity_draws']} images of each of {protocol['noise_diversity_conditions']} conditions"
        )

    @classmethod
    def floor_of(cls, protocol: Mapping[str, Any], floor: Mapping[str, Any]) -> tuple[str, int]:
        """Real images of one class differ, too."""
        return f"images of split {protocol['split']}", protocol["noise_diversity_real"]


def drawn(restored: Trained, conditions: int, draws: int, sampling: Mapping[str, Any]) -> np.ndarray:
    """Images of conditions at random: uint8 [draws * conditions, C, H, W], all of one draw of noise after another.

    Args:
        restored: a trained run of a conditional method.
        conditions: how many; the same for all draws.
        draws: of noise.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``, as for samples.
    """
    import torch

    from advcodes.core.values import to_stored
    from advcodes.nets.batch_norm import normalised

    method, seed = restored.method, restored.config["seed"]
    assert isinstance(method, Conditional)  # or the metric would not apply
    generator, other = (torch.Generator().manual_seed(s) for s in (2 * seed, 2 * seed + 1))

    def passes() -> None:
        for _ in range(sampling["reestimate_batches"]):
            method.sample(sampling["batch_size"], other)

    networks = [method.networks[role] for role in method.sampling_roles or method.networks]
    with torch.inference_mode(), normalised(networks, sampling["batch_norm"], passes):
        asked = method.conditions(conditions, generator)
        made = [method.sample_given(asked, method.noise(conditions, generator)) for _ in range(draws)]
    return to_stored(torch.cat(made), restored.value_range).cpu().numpy()


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

    numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    freedom = len(images) - len(sizes)
    if not freedom:
        return 0.0, 0
    total = 0.0
    order = np.argsort(numbers, kind="stable")
    for members in np.split(order, np.cumsum(sizes)[:-1]):
        if len(members) > 1:
            sums, squares = (np.zeros(images.shape[1:], np.int64) for _ in range(2))
            for start in range(0, len(members), _BLOCK):
                values = images[np.sort(members[start : start + _BLOCK])].astype(np.int64)
                sums += values.sum(0)
                squares += np.square(values).sum(0)
            total += float((squares - sums * (sums / len(members))).mean())
    return max(0.0, total / freedom) ** 0.5 / 255, freedom
