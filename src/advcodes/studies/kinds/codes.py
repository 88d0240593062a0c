"""Codes of runs and what is measured of them: an encoder's, a code generator's, and their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_stored
from advcodes.data.prepared import Prepared
from advcodes.evaluation.sample import normalised_for_samples
from advcodes.extractors.features import Extractor
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import CODES_NEIGHBOURS as NEIGHBOURS
from advcodes.training.restore import Restored

DRAWN = 500  #: points of a side, at most; twice as many where there is but one
EXACT = ("labels", "clusters")  #: conditions that can colour codes
TSNE_ALONE = "t-SNE (Euclidean, perplexity 30, seed 0)"
TSNE = f"{TSNE_ALONE} fitted on both sides together"


@dataclass(frozen=True)
class Codes:
    """Codes of one run.

    Attributes:
        real: E(x), float32 [N, d]; [0, d] where the encoder's side is not shown.
        labels: of x, int64 [N].
        generated: codes that are decoded into samples, float32 [M, d].
        seen: class that the classifier gives to each decoded one, int64 [M]; or its condition, a class or cluster.
        choices: names of conditions; None where ``seen`` is a classifier's.
    """

    real: np.ndarray
    labels: np.ndarray
    generated: np.ndarray
    seen: np.ndarray
    choices: tuple[str, ...] | None = None


def study(request: Request) -> Study:
    """Of each row and column the ``split``, and what :func:`panel` gives.

    And what colours generated codes: their condition (``conditioned_on``), or a classifier, with its
    ``classifier_accuracy``. With a condition, runs whose encoder is shown have ``knn_training``, too: that of training
    images.

    Raises:
        AdvcodesError: a run has no encoder, or its dataset no classes.
    """
    cells, sides = {}, request.options["sides"]
    for place in request.places():
        split = request.prepared(place).split(request.split(place))
        extractor = networks.classifier(request, place.dataset)
        restored = {seed: networks.restored(request, run) for seed, run in place.runs.items()}
        condition = restored[place.seed].method.conditioned_on
        if not extractor.classes and not (condition in EXACT and "encoded" not in sides):
            raise AdvcodesError(
                f"{request.item}: {place.dataset!r} has no classes to colour codes by; serve {place.column!r} by a"
                " dataset that has (stand_ins in params.yaml)"
            )
        runs = {seed: codes_of(run, split, extractor, request.sampling, seed, sides) for seed, run in restored.items()}
        names = list(split.classes) or [str(c) for c in range(int(split.labels.max()) + 1)]
        coloured = (
            {"conditioned_on": condition}
            if condition in EXACT
            else {"classifier_accuracy": extractor.about["accuracy"]}
        )
        numbers = panel(runs, names)
        if condition in EXACT and "encoded" in sides:
            for seed, run in restored.items():
                training = request.prepared(place).split(run.config["view"]["train_split"])
                numbers["runs"][str(seed)]["knn_training"] = separated(run, training)
        cells[place.key] = Cell({"split": request.split(place), **coloured, **numbers})
    return cells


def separated(restored: Restored, data: Prepared) -> float:
    """How well classes separate in codes of a split's first images, 2,000 at most: see :func:`neighbours`."""
    codes = networks.encoded(restored, data.images[: networks.MEASURED])
    return round(neighbours(codes.numpy(), data.labels[: len(codes)]), 4)


def codes_of(
    restored: Restored,
    data: Prepared,
    extractor: Extractor,
    sampling: Mapping[str, Any],
    seed: int,
    sides: Sequence[str] = ("encoded", "generated"),
) -> Codes:
    """Encode images of a split, generate as many codes, and classify what these are decoded into.

    Of a method whose codes are conditioned on labels or clusters, these are known and nothing is decoded.

    Args:
        restored: a trained run.
        data: a split with labels; its first images are taken, 2,000 at most.
        extractor: a classifier of the dataset.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: how samples of the run were decoded.
        seed: of the noise.
        sides: those wanted; without ``encoded`` there are 2,000 generated codes, whatever the split has.
    """
    images, method = data.images[: networks.MEASURED], restored.method
    n, points = len(images) if "encoded" in sides else networks.MEASURED, data.points
    real = networks.encoded(restored, images) if "encoded" in sides else torch.zeros(0, method.config.latent_dim)
    labels = data.labels[: len(real)]
    # A code generator may have batch norm, too.
    with torch.inference_mode(), normalised_for_samples(method, sampling, torch.Generator().manual_seed(seed)):
        if method.conditioned_on in EXACT:
            generator = torch.Generator().manual_seed(seed)
            conditions = method.conditions(n, generator)
            generated = method.codes_given(conditions, method.noise(n, generator)).float().cpu()
            names = data.classes if method.conditioned_on == "labels" else map(str, range(method.choices))
            return Codes(real.numpy(), labels, generated.numpy(), conditions.cpu().numpy(), tuple(names))
        generated = networks.generated(restored, n, seed)
        decoded = [to_stored(method.decode(c), restored.value_range, points) for c in generated.split(networks.BATCH)]
    _, logits = extractor.features(torch.cat(decoded).cpu().numpy(), "classes of decoded codes")
    return Codes(real.numpy(), labels, generated.cpu().numpy(), logits.argmax(1).numpy())


def panel(runs: Mapping[int, Codes], classes: Sequence[str]) -> dict[str, Any]:
    """Numbers of every seed, and the points of the first.

    Args:
        runs: codes by seed.
        classes: names by label.

    Returns:
        ``classes``; ``dimensions`` of the codes; ``projection`` into the plane (None: they lie in it); ``seed``,
        ``real`` and ``generated``: points ``x``, ``y``, ``label`` of that seed; ``runs``: ``measured`` (codes a side),
        ``mismatch``, ``rank_real``, ``rank_generated``, and the shares of classes ``share_real`` and
        ``share_generated``, by seed. Where generated codes are coloured by what was asked for, ``choices`` are the
        names of these colours, and ``runs`` have ``knn_real`` and ``knn_generated`` (:func:`neighbours`) in place of
        shares. Of the encoder's side there is nothing where it is not shown.
    """
    seed, first = next(iter(runs.items()))
    most = DRAWN if len(first.real) else 2 * DRAWN
    left, right = first.real[:most], first.generated[:most]
    plane = projected(np.concatenate([left, right]))
    clouds = {"real": (plane[: len(left)], first.labels[:most])} if len(left) else {}
    clouds["generated"] = (plane[len(left) :], first.seen[:most])
    dimensions = first.generated.shape[1]
    return {
        "classes": list(classes),
        **({} if first.choices is None else {"choices": list(first.choices)}),
        "dimensions": dimensions,
        "projection": (TSNE if len(left) else TSNE_ALONE) if dimensions > 2 else None,
        "seed": seed,
        **{k: {**networks.coordinates(xy), "label": labels.tolist()} for k, (xy, labels) in clouds.items()},
        "runs": {str(s): _numbers(codes, len(classes)) for s, codes in runs.items()},
    }


def _numbers(codes: Codes, classes: int) -> dict[str, Any]:
    real, generated = torch.from_numpy(codes.real), torch.from_numpy(codes.generated)
    sides = [("real", real, codes.labels), ("generated", generated, codes.seen)]
    sides = [side for side in sides if len(side[1])]
    numbers: dict[str, Any] = {"measured": len(generated)}
    if len(sides) == 2:
        numbers["mismatch"] = round(float(losses.codes.mismatch(real, generated)), 5)
    numbers |= {f"rank_{k}": round(float(losses.codes.effective_rank(c)), 3) for k, c, _ in sides}
    if codes.choices is not None:
        return numbers | {f"knn_{k}": round(neighbours(c.numpy(), l), 4) for k, c, l in sides}
    return numbers | {f"share_{k}": (np.bincount(l, minlength=classes) / len(l)).round(4).tolist() for k, _, l in sides}


def neighbours(codes: np.ndarray, labels: np.ndarray) -> float:
    """Share of codes [N, d] that have the label, of [N], of most of their 10 nearest others (k-NN, leave one out)."""
    from sklearn.neighbors import NearestNeighbors

    count = min(NEIGHBOURS, len(codes) - 1)
    nearest = NearestNeighbors(n_neighbors=count).fit(codes).kneighbors(return_distance=False)  # never itself
    votes = (labels[nearest][:, :, None] == np.arange(labels.max() + 1)).sum(1)
    return float((votes.argmax(1) == labels).mean())


def projected(codes: np.ndarray) -> np.ndarray:
    """Codes [N, d] in the plane, [N, 2]: as they are if d is 2, on a line if it is 1, else by t-SNE."""
    if codes.shape[1] <= 2:
        return np.pad(codes, ((0, 0), (0, 2 - codes.shape[1])))
    from sklearn.manifold import TSNE

    return TSNE(init="pca", perplexity=min(30, (len(codes) - 1) / 3), random_state=0).fit_transform(codes)
