"""Metrics that compare samples with real images (or points), and names of those on an extractor's features."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from advcodes.core.errors import AdvcodesError, unknown
from advcodes.metrics.base import COMPUTE, EXTRACTORS, Candidate, Facts, Metric, Quantity
from advcodes.metrics.registry import metrics, parse, quantities

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SEED = 2020  #: of IS's shuffle and KID's subsets; torch-fidelity's default
IS_SPLITS = 10
COUNTS = ("n_generated", "n_reference", "split")  #: entries of the protocol
#: Networks beside Inception that are fetched.
FETCHED = {"dinov2": "DINOv2 ViT-B/14", "clip": "CLIP's image encoder ViT-B/32"}


def fidelity(module: str) -> ModuleType:
    """``torch_fidelity.<module>``, imported on first use only: it takes over a second, with all of torchvision.

    Raises:
        AdvcodesError: torch-fidelity is not installed.
    """
    try:
        return importlib.import_module(f"torch_fidelity.{module}")
    except ModuleNotFoundError as error:
        raise AdvcodesError(
            f"metrics need torch-fidelity ({error}); install it with `pip install torch-fidelity`"
        ) from None


@dataclass(frozen=True)
class Statistics:
    """Mean [F] and unbiased covariance [F, F] of features, float64."""

    mean: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Reference:
    """Real images (or points) that samples are compared with.

    Attributes:
        features: float32 [M, F].
        statistics: of these features.
        split: that they are from.
        points: float32 [M, D]; None for images.
    """

    features: Tensor
    statistics: Statistics
    split: str
    points: np.ndarray | None = None


@dataclass(frozen=True)
class Comparison:
    """Samples beside a reference.

    Attributes:
        features: of generated images, [N, F].
        statistics: of these features.
        logits: of those images that the Inception Score is of, [L, K].
        reference: the real images.
        points: generated, [N, D], where the reference has points.
        used: counts and settings as they are used; fewer than were asked for where there are too few images.
    """

    features: Tensor
    statistics: Statistics
    logits: Tensor
    reference: Reference
    points: np.ndarray | None
    used: Mapping[str, Any]


@dataclass(frozen=True)
class Counts:
    """Counts for which a metric on Inception features bears its short name.

    Attributes:
        n_generated: generated images.
        n_reference: real images; None for a metric that compares with none.
        split: of the real images.
    """

    n_generated: int
    n_reference: int | None = None
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class OfFeatures(Quantity):
    """A number on an extractor's features.

    Attributes:
        on_classifier: its name where a classifier that the pipeline trains gives the features: another number.
        established: what it is called on Inception's.
        formula: it, in words.
        usual: counts for which it bears its short name.
        on: what of the extractor it is about.
    """

    on_classifier: str
    established: str
    formula: str
    usual: Counts = Counts(10_000, 10_000, "test")  #: as ACL and AAAE report the FID (facts 6.2)
    on: str = "features"
    needed: tuple[str, ...] = COUNTS

    def on_extractor(self, extractor: str) -> str:
        """Its name where another network than Inception gives the features: ``fd_classifier``, ``fd_dinov2``."""
        return self.on_classifier.removesuffix("classifier") + extractor


class Compared(Metric):
    """A metric of samples beside real images; those are compared with others alike, which gives its floor."""

    remedy = COMPUTE

    @classmethod
    def applies_to(cls, dataset: Facts) -> bool:
        """Whether samples and real images of a dataset are measured by it."""
        return True

    @classmethod
    def applies(cls, candidate: Candidate) -> bool:
        return cls.applies_to(candidate.dataset)

    @classmethod
    def settings(cls, candidate: Candidate) -> None:
        """No entry of its own: its settings stand beside the counts, which it shares with its like."""

    @classmethod
    def possible(cls, reference: Reference, classes: bool) -> bool:
        """Whether samples can be compared with that reference, and by an extractor that tells classes or does not."""
        return True

    @classmethod
    def used(cls, settings: Mapping[str, Any], n: int, m: int, n_is: int) -> dict[str, Any]:
        """Settings as they are used of ``n`` generated and ``m`` real images, and ``n_is`` for an Inception Score."""
        return {}

    @classmethod
    def named(cls, quantity: str, extractor: str, protocol: Mapping[str, Any]) -> str:
        """The full name of a quantity under a protocol."""
        return quantity

    @classmethod
    def values(cls, compared: Comparison) -> dict[str, tuple[float, float | None]]:
        """Numbers by name, each with its sd over splits or subsets, or None."""
        raise NotImplementedError(f"metric {cls.key}: define values(compared)")


class OnFeatures(Compared):
    """A metric of an extractor's features; its key stands under `metrics.compute`."""

    quantities: ClassVar[tuple[OfFeatures, ...]]
    needs = ("samples", "features")
    flat = True

    @classmethod
    def parsed(cls, name: str) -> tuple[str, str] | None:
        for q in cls.quantities:
            for extractor in EXTRACTORS:
                if extractor != "inception" and name == q.on_extractor(extractor):
                    return q.name, extractor
            if re.fullmatch(q.name + cls.counted(), name):
                return q.name, "inception"
        return None

    @classmethod
    def named(cls, quantity: str, extractor: str, protocol: Mapping[str, Any]) -> str:
        counts = cls.generated(protocol), protocol["n_reference"], protocol["split"]
        return metric_name(quantity, extractor, *counts, protocol.get("is_splits", IS_SPLITS))

    @classmethod
    def counted(cls) -> str:
        """Pattern of what follows its short name at other counts than the usual ones."""
        return r"(_\d+_vs_\d+_.+)?"

    @classmethod
    def full(cls, q: OfFeatures, counts: Counts, is_splits: int) -> str:
        """Its name on Inception features, which states the counts if they are others than the usual ones."""
        return q.name if counts == q.usual else f"{q.name}_{counts.n_generated}_vs_{counts.n_reference}_{counts.split}"

    @classmethod
    def over(cls, q: OfFeatures, protocol: Mapping[str, Any]) -> str:
        """Over what it is, in words."""
        return (
            f"{protocol['n_generated']:,} generated and {protocol['n_reference']:,} real images "
            f"(split {protocol['split']})"
        )

    @classmethod
    def against(cls, usual: Counts) -> str:
        """What the usual number of generated images is compared with."""
        return f" against {usual.n_reference:,} {usual.split} images"

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        metric, extractor = parse(name)
        (q,) = (q for q in cls.quantities if q.name == metric)
        right = cls.named(metric, protocol.get("extractor", extractor), protocol)
        if right != name:
            n, m, split = cls.generated(protocol), protocol["n_reference"], protocol["split"]
            raise AdvcodesError(
                f"metric {name!r}: its protocol ({n} generated, {m} {split}) is that of {right!r}; evaluate again"
            )
        if extractor == "inception":
            kind = _on_inception(cls, q, name, protocol)
        else:
            kind = _on_classifier(q, protocol) if extractor == "classifier" else _on_fetched(q, extractor, protocol)
        return f"{kind}; {cls.over(q, protocol)}"

    @classmethod
    def generated(cls, protocol: Mapping[str, Any]) -> int:
        """Number of generated images that it is of."""
        return protocol["n_generated"]


def _on_inception(cls: type[OnFeatures], q: OfFeatures, name: str, protocol: Mapping[str, Any]) -> str:
    version = f", torch-fidelity {protocol['torch_fidelity']}" if protocol.get("torch_fidelity") else ""
    established, on = q.established, "logits" if q.on == "predictions" else q.on
    if name != q.name:
        established += f" at other counts than the usual {q.usual.n_generated:,}{cls.against(q.usual)}"
    return f"{established}: {q.formula} on {on} of the 2015 Inception network{version}"


def _on_fetched(q: OfFeatures, extractor: str, protocol: Mapping[str, Any]) -> str:
    version = f", torch-fidelity {protocol['torch_fidelity']}" if protocol.get("torch_fidelity") else ""
    return f"{q.formula} on {q.on} of {FETCHED[extractor]}{version} (not {_other(q)}, and not comparable with it)"


def _other(q: OfFeatures) -> str:
    """What a number on another network than Inception could be taken for."""
    return f"the {q.established if 'Inception' in q.established else f'Inception-based {q.established}'}"


def _on_classifier(q: OfFeatures, protocol: Mapping[str, Any]) -> str:
    task = {"attributes": "on this dataset's attributes", "rotations": "to tell rotations of this dataset's images"}
    accuracy = protocol.get("extractor_accuracy")
    reached = "" if accuracy is None else f", {100 * accuracy:.1f} % right on test images"
    return (
        f"{q.formula} on {q.on} of a classifier trained "
        f"{task.get(protocol.get('extractor_task', ''), 'on this dataset')}{reached} "
        f"(not {_other(q)}, and not comparable with it)"
    )


def metric_name(
    metric: str, extractor: str, n_generated: int, n_reference: int, split: str, is_splits: int = IS_SPLITS
) -> str:
    """The name under which a number is stored and printed.

    On Inception features the short names (``fid``, ``is``, ``kid``, ``precision``, ``recall``) are reserved for the
    usual counts; other counts are part of the name: ``fid_2000_vs_10000_test``, ``is_2000``. Every other metric has
    one name, and its protocol says the counts.

    Args:
        metric: name of a quantity.
        extractor: of `EXTRACTORS`; or what else the metric is taken from.
        n_generated: generated images.
        n_reference: real images.
        split: of the real images.
        is_splits: splits over which an ``is`` is averaged.

    Raises:
        AdvcodesError: unknown metric or extractor.
    """
    cls, q = quantities().get(metric, (None, None))
    if cls is not None and cls.source == extractor and not isinstance(q, OfFeatures):
        return metric
    if cls is None or not issubclass(cls, OnFeatures) or not isinstance(q, OfFeatures):
        raise unknown("metric", metric, [name for name, (_, q) in quantities().items() if isinstance(q, OfFeatures)])
    if extractor not in EXTRACTORS:
        raise unknown("extractor", extractor, EXTRACTORS)
    if extractor != "inception":
        return q.on_extractor(extractor)
    return cls.full(q, Counts(n_generated, n_reference, split), is_splits)


def compared_metrics() -> list[type[Compared]]:
    """Metrics that compare samples with real images, in their order."""
    return [cls for cls in metrics().values() if issubclass(cls, Compared)]
