"""Whether samples show what they were asked to show, as a classifier of the dataset reads them.

Nothing here but :func:`measure` reads files; whatever is asked comes from ``asked.npy`` of the samples, and whatever is
seen from logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.data.generated import COLOURS
from advcodes.data.prepared import Prepared
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation import reference as references
from advcodes.evaluation.metrics import Reference
from advcodes.evaluation.names import CAPTION_AGREEMENT, CLUSTER_ACCURACY, CLUSTER_NMI, LABEL_ACCURACY
from advcodes.extractors.features import Extractor, load_extractor

SEED = 0  #: of the orders in which clusters are shuffled
SHUFFLES = 20  #: over which the chance level of clusters is averaged
#: What a caption of `shapes` says beside shape and colour, and the attribute that tells it.
TOLD = {"size": "large", "outline": "outlined", "ground": "dark background", "row": "top", "column": "left"}


@dataclass(frozen=True)
class Scores:
    """What a conditional run scores.

    Attributes:
        metrics: value by name.
        floor: what real images score, by name; nothing for clusters, which nobody asks of real images.
        chance: by name, what the same samples score on average if what was asked is dealt out to them at random.
        agreement: of each statement of captions: ``samples``, ``real`` and ``chance``; empty for labels and clusters.
        protocol: what a reader has to know, the same for all runs on a dataset.
    """

    metrics: dict[str, float]
    floor: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    agreement: dict[str, dict[str, float]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)


def measure(
    artifact: Artifact, samples: np.ndarray, logits: Tensor | None, reference: Reference, where: torch.device | str
) -> Scores:
    """Score the samples of an `evaluate/...` artifact whose ``config["asks"]`` says what was asked of them.

    Args:
        artifact: with inputs ``samples``, ``data`` and ``classifier``, or for captions ``statements``.
        samples: uint8 [N, C, H, W], or points float32 [N, D].
        logits: of the samples by that classifier, [N, K], where they are known.
        reference: real images; its split is the one whose captions were asked, and the same images are scored.
        where: device.

    Raises:
        AdvcodesError: the dataset has no classes, ``asked.npy`` does not belong to the samples, or an input is missing
            or damaged. Of captions: the dataset's attributes are not those of `shapes`.
    """
    asks, inputs = artifact.config["asks"], artifact.inputs
    data = load_prepared(inputs["data"].directory)
    classifier = _classifier(inputs["statements" if asks == "text" else "classifier"], data, asks, where)
    n = artifact.config.get("n_generated", len(samples))  # there may be more, for the Inception Score
    asked, samples = read_asked(inputs["samples"], len(samples))[:n], samples[:n]
    rows = references.choose(data, reference.split, len(reference.features))

    def seen(images: np.ndarray, what: str) -> np.ndarray:
        return classifier.features(images, f"{artifact.id}, {what}")[1].numpy()

    logits = seen(samples, "samples") if logits is None else logits[:n].numpy()
    protocol, right = {"asks": asks}, classifier.about["accuracy"]
    if asks != "text":
        protocol |= {"classes": logits.shape[1], "class_accuracy": right}
    if asks == "clusters":
        return _with(of_clusters(asked, logits.argmax(1)), protocol)
    real = seen(data.images[rows], "real images")
    if asks == "labels":
        _within(asked, logits.shape[1], "class", inputs["samples"])
        return _with(of_labels(asked, logits.argmax(1), data.labels[rows], real.argmax(1)), protocol)

    captioned, names = data.split(reference.split), data.attribute_names
    _within(asked, len(captioned), "row of the split", inputs["samples"])

    def told(of: Prepared, rows: np.ndarray) -> dict[str, np.ndarray]:
        return statements(of.labels[rows], of.attributes[rows].astype(int) * 2 - 1, names)

    def read(logits: np.ndarray) -> dict[str, np.ndarray]:
        return statements(logits[:, len(names) :].argmax(1), logits[:, : len(names)], names)

    found = of_captions(told(captioned, asked), read(logits), told(data, rows), read(real))
    return _with(found, protocol | {"statement_accuracy": right})


def _with(found: Scores, protocol: Mapping[str, Any]) -> Scores:
    found.protocol.update(protocol)
    return found


def read_asked(samples: Artifact, n: int) -> np.ndarray:
    """What each of ``n`` samples was asked to show: int64 [n].

    Raises:
        AdvcodesError: ``asked.npy`` is missing, damaged, or has another length.
    """
    path = samples.directory / "asked.npy"
    try:
        asked = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = getattr(error, "strerror", None) or "damaged"
        raise AdvcodesError(
            f"{path}: cannot read what samples were asked to show ({why}); delete {path.parent} and run `snakemake` "
            "again"
        ) from None
    if asked.shape != (n,) or asked.dtype != np.int64:
        raise AdvcodesError(
            f"{path}: {asked.dtype} {list(asked.shape)}, expected int64 [{n}], one for each sample; delete "
            f"{path.parent} and run `snakemake` again"
        )
    return asked


def _within(asked: np.ndarray, n: int, what: str, samples: Artifact) -> None:
    if (outside := (asked < 0) | (asked >= n)).any():
        raise AdvcodesError(
            f"{samples.directory / 'asked.npy'}: asks for {what} {asked[outside][0]}, and there are {n}; the dataset "
            "has changed: run `snakemake` to make the samples again"
        )


def _classifier(artifact: Artifact, data: Prepared, asks: str, where: torch.device | str) -> Extractor:
    found = load_extractor(artifact.directory, "classifier", where)
    if data.labels.max(initial=-1) < 1 if asks == "text" else found.about["task"] != "classes":
        raise AdvcodesError(
            f"{data.dataset}: has no classes, so no classifier can tell whether samples show what they were asked "
            f"({asks}); use a dataset with classes, or a method that is asked nothing"
        )
    return found


# ------------------------------------------------------------------------------------------------------------
# Pure functions


def of_labels(asked: np.ndarray, seen: np.ndarray, labels: np.ndarray, seen_real: np.ndarray) -> Scores:
    """``label_accuracy``: share of samples in which the classifier sees the class that was asked.

    Args:
        asked: class asked of each sample, int64 [N].
        seen: class that the classifier sees in it, int64 [N].
        labels: class of real images, int64 [M]; -1 where there is none.
        seen_real: class that the classifier sees in them, int64 [M].
    """
    known = labels >= 0
    floor = {LABEL_ACCURACY: _share(seen_real[known], labels[known])} if known.any() else {}
    return Scores({LABEL_ACCURACY: _share(seen, asked)}, floor, {LABEL_ACCURACY: by_chance(asked, seen)})


def of_clusters(asked: np.ndarray, seen: np.ndarray) -> Scores:
    """``cluster_accuracy`` and ``cluster_nmi`` of clusters asked [N] and classes seen [N]."""
    metrics = {CLUSTER_ACCURACY: cluster_accuracy(asked, seen), CLUSTER_NMI: cluster_nmi(asked, seen)}
    random = np.random.default_rng(SEED)
    orders = [random.permutation(asked) for _ in range(SHUFFLES)]
    chance = {
        CLUSTER_ACCURACY: float(np.mean([cluster_accuracy(order, seen) for order in orders])),
        CLUSTER_NMI: float(np.mean([cluster_nmi(order, seen) for order in orders])),
    }
    return Scores(metrics, chance=chance, protocol={"clusters": len(np.unique(asked))})


def of_captions(
    asked: Mapping[str, np.ndarray],
    seen: Mapping[str, np.ndarray],
    real: Mapping[str, np.ndarray],
    seen_real: Mapping[str, np.ndarray],
) -> Scores:
    """``caption_agreement``: mean share of a caption's statements that a classifier reads from the sample.

    Args:
        asked: of each statement what the captions say, int64 [N].
        seen: what the classifier sees in the samples.
        real: what is true of real images, int64 [M].
        seen_real: what the classifier sees in them.
    """
    agreement = {
        name: {
            "samples": _share(seen[name], said),
            "real": _share(seen_real[name], real[name]),
            "chance": by_chance(said, seen[name]),
        }
        for name, said in asked.items()
    }
    mean = {of: float(np.mean([shares[of] for shares in agreement.values()])) for of in ("samples", "real", "chance")}
    return Scores(
        {CAPTION_AGREEMENT: mean["samples"]},
        {CAPTION_AGREEMENT: mean["real"]},
        {CAPTION_AGREEMENT: mean["chance"]},
        agreement,
        {
            "statements": list(asked),
            "caption_chance": float(np.mean([by_chance(values, values) for values in real.values()])),
        },
    )


def statements(shapes: np.ndarray, attributes: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """What is said of scenes of `shapes`, each int64 [N]: shape, colour, size, outline, ground, row and column.

    Args:
        shapes: class of each scene, [N].
        attributes: [N, A]; above 0 where an attribute holds. Colours exclude each other: the largest holds.
        names: of the A attributes.

    Raises:
        AdvcodesError: an attribute of `shapes` is missing.
    """
    if missing := [a for a in (*COLOURS, *TOLD.values()) if a not in names]:
        raise AdvcodesError(
            f"captions: the dataset lacks the attributes {', '.join(missing)} of `shapes`; prepare it again"
        )
    colours = attributes[:, [names.index(c) for c in COLOURS]]
    told = {name: (attributes[:, names.index(a)] > 0).astype(np.int64) for name, a in TOLD.items()}
    return {"shape": shapes, "colour": colours.argmax(1), **told}


def by_chance(asked: np.ndarray, seen: np.ndarray) -> float:
    """Agreement of ``asked`` [N] and ``seen`` [N] if ``asked`` is shuffled: the exact mean over all orders."""
    n = max(asked.max(), seen.max()) + 1
    a, b = (np.bincount(x, minlength=n) / len(x) for x in (asked, seen))
    return float(a @ b)


def cluster_accuracy(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Share of samples of the right class, if each cluster stands for one class and no two for the same.

    Of all such assignments it is the best (Hungarian algorithm; Yang et al. 2010). Where there are more clusters than
    classes, those without a class have no right samples.

    Args:
        clusters: int64 [N].
        classes: int64 [N].
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((clusters.max() + 1, classes.max() + 1), np.int64)
    np.add.at(counts, (clusters, classes), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(clusters))


def cluster_nmi(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Mutual information of clusters [N] and classes [N] over the mean of their entropies: 0 to 1.

    Of one class alone nothing can be read, and it is 0 (scikit-learn has 1 where there is but one cluster, too).
    """
    from sklearn.metrics import normalized_mutual_info_score

    if len(np.unique(classes)) == 1:
        return 0.0
    return float(min(1.0, normalized_mutual_info_score(clusters, classes)))


def _share(a: np.ndarray, b: np.ndarray) -> float:
    return float((a == b).mean())
