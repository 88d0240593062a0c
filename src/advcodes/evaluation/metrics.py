"""Metrics under a fixed protocol: of features by torch-fidelity's own functions, and of points as they are.

torch-fidelity is imported on first use only: it takes over a second (all of torchvision with it, whichever of its
modules is asked for), and neither training nor sampling needs it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.evaluation.names import ENERGY, metric_name

SEED = 2020  #: of IS's shuffle and KID's subsets; torch-fidelity's default
_PRC_ROWS = 2_000  #: rows of a block of the distance matrix, which bounds memory
_ENERGY_ROWS = 250  #: the same, small enough for a processor's cache


def fidelity(module: str) -> ModuleType:
    """``torch_fidelity.<module>``.

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


def statistics(features: Tensor) -> Statistics:
    """Statistics of features [N, F], accumulated in float64.

    Raises:
        AdvcodesError: fewer than two rows have no covariance.
    """
    if len(features) < 2:
        raise AdvcodesError(
            f"Fréchet distance: got {len(features)} images, expected at least 2; raise metrics.n_generated"
        )
    found = fidelity("metric_fid").fid_features_to_statistics(features.double())
    return Statistics(found["mu"], np.atleast_2d(found["sigma"]))


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """``|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`` (Heusel et al. 2017, equation 6)."""
    one, two = ({"mu": s.mean, "sigma": s.covariance} for s in (a, b))
    (value,) = fidelity("metric_fid").fid_statistics_to_metric(one, two, verbose=False).values()
    return value


def inception_score(logits: Tensor, splits: int) -> tuple[float, float]:
    """``exp(mean KL(p(y|x) || p(y)))``: mean and population standard deviation over splits of shuffled images.

    Salimans et al. 2016; facts 6.3.
    """
    found = fidelity("metric_isc").isc_features_to_metric(logits, splits=splits, shuffle=True, rng_seed=SEED)
    return found["inception_score_mean"], found["inception_score_std"]


def kernel_distance(generated: Tensor, real: Tensor, subsets: int, subset_size: int) -> tuple[float, float]:
    """KID (Binkowski et al. 2018): unbiased MMD^2 under ``(x.y / F + 1)^3``, mean and sd over random subsets."""
    found = fidelity("metric_kid").kid_features_to_metric(
        generated.double(),
        real.double(),
        kid_subsets=subsets,
        kid_subset_size=subset_size,
        rng_seed=SEED,
        verbose=False,
    )
    return found["kernel_inception_distance_mean"], found["kernel_inception_distance_std"]


def precision_recall(generated: Tensor, real: Tensor, neighborhood: int) -> tuple[float, float]:
    """Share of generated images in the real manifold and the reverse (Kynkäänniemi et al. 2019).

    A manifold is the union of balls around images, each as wide as the distance to its ``neighborhood``-th neighbour.
    """
    centre = real.mean(0)  # moves no distance, but keeps float32 from losing digits of small ones
    found = fidelity("metric_prc").prc_features_to_metric(
        generated - centre,
        real - centre,
        prc_neighborhood=neighborhood,
        prc_batch_size=_PRC_ROWS,
        save_cpu_ram=True,
        verbose=False,
    )
    return found["precision"], found["recall"]


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` of points [N, D] and [M, D], in their unit (Székely & Rizzo 2013).

    Norms are Euclidean, and expectations are means over pairs of different points (a U-statistic, in float64): without
    bias whatever the counts, 0 on average for equal distributions, and so by chance a little below it.

    Raises:
        AdvcodesError: fewer than two points on a side have no distance to each other.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if min(len(x), len(y)) < 2:
        raise AdvcodesError(
            f"energy distance: got {len(x)} generated and {len(y)} real points, expected at least 2 of each; raise "
            "metrics.n_generated and metrics.n_reference"
        )

    def total(a: np.ndarray, b: np.ndarray) -> float:
        return sum(float(cdist(a[i : i + _ENERGY_ROWS], b).sum()) for i in range(0, len(a), _ENERGY_ROWS))

    between = total(x, y) / (len(x) * len(y))
    return 2 * between - sum(total(s, s) / (len(s) * (len(s) - 1)) for s in (x, y))


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


def measure(
    features: Tensor,
    logits: Tensor,
    reference: Reference,
    extractor: str,
    classes: bool,
    settings: Mapping[str, Any],
    points: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
    """Every metric that ``settings["compute"]`` asks for, under its full name; for points the energy distance, too.

    Args:
        features: of generated images, [N, F].
        logits: of generated images, [N, K]. All of them count for the IS, the first ``n_generated`` for all else.
        reference: the real images.
        extractor: ``inception`` or ``classifier``.
        classes: whether logits are those of a softmax over classes; if not, there is no IS.
        settings: ``compute`` (of ``fd``, ``is``, ``kid``, ``prc``), ``n_generated``, ``is_splits``, ``kid_subsets``,
            ``kid_subset_size``, ``prc_neighborhood``; lowered where there are too few images for them.
        points: generated, [N, D], where the reference has points.

    Returns:
        ``metrics``: value by name; ``spread``: sd over splits or subsets by name; ``protocol``: counts and settings
        as they were used.

    Raises:
        AdvcodesError: too few images.
    """
    n, m = min(len(features), settings.get("n_generated", len(features))), len(reference.features)
    features, points = features[:n], None if points is None else points[:n]
    compute, of_is = settings["compute"], min(len(logits), settings.get("n_generated_is") or n)
    statistics_ = statistics(features)
    fewer = min(n, m)
    subset_size = min(settings["kid_subset_size"], fewer)
    used = {
        "n_generated": n,
        "n_generated_is": of_is,
        "n_reference": m,
        "split": reference.split,
        "is_splits": min(settings["is_splits"], of_is),
        # A subset that is the whole set gives the same value each time.
        "kid_subsets": settings["kid_subsets"] if subset_size < max(n, m) else 1,
        "kid_subset_size": subset_size,
        "prc_neighborhood": min(settings["prc_neighborhood"], fewer - 1),
    }
    values: dict[str, tuple[float, float | None]] = {}
    if "fd" in compute:
        values["fid"] = frechet_distance(statistics_, reference.statistics), None
    if "is" in compute and classes:
        values["is"] = inception_score(logits[:of_is], used["is_splits"])
    if "kid" in compute:
        values["kid"] = kernel_distance(features, reference.features, used["kid_subsets"], subset_size)
    if "prc" in compute:
        precision, recall = precision_recall(features, reference.features, used["prc_neighborhood"])
        values |= {"precision": (precision, None), "recall": (recall, None)}
    if reference.points is not None:
        values[ENERGY] = energy_distance(points, reference.points), None
        used[ENERGY] = "of the points themselves, Euclidean norm, unbiased (U-statistic)"

    def name(metric: str) -> str:
        space = "points" if metric == ENERGY else extractor
        return metric_name(metric, space, of_is if metric == "is" else n, m, reference.split, used["is_splits"])

    return {
        "metrics": {name(k): value for k, (value, _) in values.items()},
        "spread": {name(k): sd for k, (_, sd) in values.items() if sd is not None},
        "protocol": used,
    }
