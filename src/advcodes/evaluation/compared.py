"""Samples, or real images in their place, beside a reference: every metric that compares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from advcodes.metrics.extracted import Comparison, OnFeatures, Reference, compared_metrics
from advcodes.metrics.samples.frechet import statistics


def measure(
    features: Tensor,
    logits: Tensor,
    reference: Reference,
    extractor: str,
    classes: bool,
    settings: Mapping[str, Any],
    points: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Every metric that ``settings["compute"]`` asks for, under its full name; for points those of points, too.

    Args:
        features: of generated images, [N, F].
        logits: of generated images, [N, K]. All of them count for the IS, the first ``n_generated`` for all else.
        reference: the real images.
        extractor: of :data:`advcodes.metrics.base.EXTRACTORS`.
        classes: whether logits are those of a softmax over classes; if not, there is no IS.
        settings: ``compute`` (keys of metrics on features), ``n_generated``, and what these metrics have under
            `metrics` of params.yaml; lowered where there are too few images for them.
        points: generated, [N, D], where the reference has points.

    Returns:
        ``metrics``: value by name; ``spread``: sd over splits or subsets by name; ``protocol``: counts and settings
        as they were used.

    Raises:
        AdvcodesError: too few images.
    """
    n, m = min(len(features), settings.get("n_generated", len(features))), len(reference.features)
    features, points = features[:n], None if points is None else points[:n]
    of_is = min(len(logits), settings.get("n_generated_is") or n)
    used: dict[str, Any] = {"n_generated": n, "n_generated_is": of_is, "n_reference": m, "split": reference.split}
    taken = []
    for metric in compared_metrics():
        possible, on_features = metric.possible(reference, classes), issubclass(metric, OnFeatures)
        if on_features or possible:
            used |= metric.used(settings, n, m, of_is)
        if possible and (not on_features or metric.key in settings["compute"]):
            taken.append(metric)
    compared = Comparison(features, statistics(features), logits[:of_is], reference, points, used)
    values: dict[str, tuple[float, float | None]] = {}
    for metric in taken:
        values |= {metric.named(q, extractor, used): score for q, score in metric.values(compared).items()}
    return {
        "metrics": {name: value for name, (value, _) in values.items()},
        "spread": {name: sd for name, (_, sd) in values.items() if sd is not None},
        "protocol": used,
    }


def along_training(
    features: Tensor, logits: Tensor, reference: Reference, extractor: str, classes: bool, points: np.ndarray | None
) -> dict[str, float]:
    """What of :func:`measure` is measured on snapshots, too, by full name; its arguments are those."""
    used = {"n_generated": len(features), "n_reference": len(reference.features), "split": reference.split}
    compared = Comparison(features, statistics(features), logits, reference, points, used)
    values: dict[str, float] = {}
    for metric in compared_metrics():
        along = {q.name for q in metric.quantities if q.over_training}
        if along and metric.possible(reference, classes):
            scores = metric.values(compared)
            values |= {metric.named(q, extractor, used): value for q, (value, _) in scores.items() if q in along}
    return values
