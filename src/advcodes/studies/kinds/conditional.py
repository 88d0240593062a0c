"""What is asked for: images of each class or cluster and the same noise, and what a classifier sees in samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from advcodes.evaluation.sample import shown as sampled
from advcodes.extractors.features import Extractor
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import CONDITIONAL_SHOWN as SHOWN


def study(request: Request) -> Study:
    """Of the first seed of each row and column ``images``, uint8 [draws, choices, C, H, W], and numbers.

    Numbers are ``conditioned_on`` (``labels`` or ``clusters``), ``choices`` (how many there are), ``order`` (those
    shown, from left to right) and their ``names``, ``seed``, and what :func:`by_choice` gives.

    Raises:
        AdvcodesError: a run is not conditioned on labels or clusters, or makes no images.
    """
    cells = {}
    for place in request.places():
        restored = networks.restored(request, place.first)
        networks.check_condition(restored, ("labels", "clusters"), request.where(place))
        method = restored.method
        assert method.conditioned_on is not None  # as checked
        extractor = networks.classifier(request, place.dataset)
        classes = list(request.prepared(place).classes)
        tables = {}
        if extractor.classes:
            # Other seeds have other clusters.
            for seed, run in place.runs.items() if method.conditioned_on == "labels" else [(place.seed, place.first)]:
                samples, conditions = (a[: networks.MEASURED] for a in (request.samples(run), request.conditions(run)))
                tables[seed] = shares(samples, conditions, extractor, method.choices, len(classes))
        seen = by_choice(method.conditioned_on, tables, classes)
        order = seen.pop("order", list(range(method.choices)))[:SHOWN]
        names = [f"cluster {k}" for k in order] if method.conditioned_on == "clusters" else [classes[k] for k in order]
        numbers = {
            "conditioned_on": method.conditioned_on,
            "choices": method.choices,
            "order": order,
            "names": names,
            "seed": place.seed,
        }
        images = sampled(restored, torch.tensor(order), SHOWN, request.sampling, place.seed)
        cells[place.key] = Cell({**numbers, "seen": seen}, {"images": images})
    return cells


def shares(samples: np.ndarray, conditions: np.ndarray, extractor: Extractor, choices: int, classes: int) -> np.ndarray:
    """Share of samples asked for one thing in which the classifier sees a class, [choices, classes].

    Args:
        samples: uint8 [N, C, H, W].
        conditions: int64 [N].
        extractor: a classifier of the dataset's classes.
        choices: how many things can be asked for.
        classes: of the dataset.
    """
    _, logits = extractor.features(samples, "classes of what was asked for")
    counts = np.zeros((choices, classes))
    np.add.at(counts, (np.asarray(conditions), logits.argmax(1).numpy()), 1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def by_choice(condition: str, tables: Mapping[int, np.ndarray], classes: Sequence[str]) -> dict[str, Any]:
    """What the classifier sees in samples of each class or cluster.

    Args:
        condition: ``labels`` or ``clusters``.
        tables: :func:`shares` by seed; none where the dataset has no classes.
        classes: names by label.

    Returns:
        For labels ``accuracy``: by seed the share of each class's samples that are taken for it. For clusters
        ``order``: clusters by the class that is seen most in their samples, and ``most``: in this order that class and
        its share, of the first seed.
    """
    if not tables:
        return {}
    if condition == "labels":
        return {"accuracy": {str(seed): table.diagonal().round(4).tolist() for seed, table in tables.items()}}
    table = next(iter(tables.values()))
    order = np.argsort(table.argmax(1), kind="stable").tolist()
    most = [{"class": classes[table[k].argmax()], "share": round(float(table[k].max()), 4)} for k in order]
    return {"order": order, "most": most}
