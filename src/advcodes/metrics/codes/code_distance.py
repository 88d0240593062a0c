"""How far a model's codes of images and the codes that its samples are decoded from lie apart (our own metric)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from advcodes.metrics.base import Candidate, Metric, Quantity, Subject, Trained
from advcodes.metrics.registry import register
from advcodes.metrics.samples.energy_distance import energy_distance

if TYPE_CHECKING:
    import numpy as np

NAME = "code_distance"
_BATCH = 500


@register(NAME)
class CodeDistance(Metric):
    """Whether codes align: those of an encoder, and those of a code generator or a prior."""

    order = 55
    quantities = (Quantity(NAME, "lower", over_training=True, needed=("code_distance_n", "code_distance_split")),)
    needs = ("codes", "samples")
    inputs = ("data",)
    source = "codes"
    on_demand = True
    along_training = True
    remedy = "only runs have it that an item or claim asks it of, and whose snapshots keep the encoder; take others out"

    @classmethod
    def settings(cls, candidate: Candidate) -> dict[str, Any]:
        return {"split": candidate.dataset.test_split, "n": candidate.settings.curve_n_generated}

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        config = subject.config[NAME]
        n = len(subject.chosen(config["split"], config["n"]))
        protocol = {"code_distance_n": n, "code_distance_split": config["split"]}
        return {"metrics": cls.along(subject, subject.restored), "protocol": protocol}

    @classmethod
    def along(cls, subject: Subject, restored: Trained) -> dict[str, float]:
        import torch

        from advcodes.core.values import to_float

        config, method = subject.config[NAME], restored.method
        images = subject.data.images[subject.chosen(config["split"], config["n"])]
        noise = torch.Generator().manual_seed(restored.config["seed"])
        codes: Any = method.codes  # every method that samples from codes has it
        with torch.inference_mode():
            parts = torch.from_numpy(images).split(_BATCH)
            real = torch.cat(
                [method.encode(to_float(x.to(method.device), restored.value_range)).float() for x in parts]
            )
            generated = codes(len(images), noise).float()
        return {NAME: apart(real.cpu().numpy(), generated.cpu().numpy())}

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        return (
            "energy distance of encoder's codes and of those that samples are decoded from, as a share of 2 E|X-Y|: 0 "
            "where they are distributed alike, 1 where each kind is one point, whatever their unit (our own choice: no "
            f"paper reports it); {protocol['code_distance_n']:,} images of split {protocol['code_distance_split']} and "
            "as many codes"
        )


def apart(x: np.ndarray, y: np.ndarray) -> float:
    """The energy distance of points [N, D] and [M, D] over 2 E|X - Y|, which is their unit's (Székely & Rizzo 2013)."""
    import numpy as np
    from scipy.spatial.distance import cdist

    blocks = np.array_split(np.asarray(x, np.float64), max(1, len(x) // 250))
    between = sum(float(cdist(block, np.asarray(y, np.float64)).sum()) for block in blocks) / (len(x) * len(y))
    return energy_distance(x, y) / (2 * between) if between else 0.0
