"""Whether samples show their conditions, as a classifier of the dataset reads them.

Nothing here but :func:`measure` reads files; conditions come from ``conditions.npy`` of the samples, and whatever is
seen from logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError
from advcodes.core.scenes import COLOURS, STATED
from advcodes.metrics.base import Candidate, Input, Metric, Quantity, Subject, percent
from advcodes.metrics.extracted import COUNTS
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np

LABEL_ACCURACY, CLUSTER_ACCURACY, CLUSTER_NMI = "label_accuracy", "cluster_accuracy", "cluster_nmi"
CAPTION_AGREEMENT = "caption_agreement"
#: How far samples show their conditions, as the dataset's classifiers see them.
CONDITIONAL = (LABEL_ACCURACY, CLUSTER_ACCURACY, CLUSTER_NMI, CAPTION_AGREEMENT)
NOISE_DIVERSITY = "noise_diversity"  #: how much samples of one condition differ; its metric draws them
IGNORED = 0.25  #: of it; below, samples of one condition are nearly one image (our own choice)
SEED = 0  #: of the orders in which clusters are shuffled
SHUFFLES = 20  #: over which the chance level of clusters is averaged


@register("conditional")
class Conditional(Metric):
    """How far samples of a conditional method show their conditions, as classifiers of the dataset see them."""

    order = 60
    entry = "conditioned_on"
    quantities = tuple(
        Quantity(name, "higher", own=name != CLUSTER_NMI, needed=COUNTS, floor_beside=False) for name in CONDITIONAL
    )
    needs = ("samples", "labels", "captions")
    source = "classifier"
    remedy = "only runs of conditional methods have it; take the others out"

    @classmethod
    def applies(cls, candidate: Candidate) -> bool:
        """Whether a classifier can tell if the condition is met: what captions say, of some datasets alone."""
        conditioned_on = candidate.method.conditioned_on
        return conditioned_on in ("labels", "clusters") or (conditioned_on == "text" and candidate.dataset.statements)

    @classmethod
    def settings(cls, candidate: Candidate) -> str | None:
        return candidate.method.conditioned_on

    @classmethod
    def inputs_of(cls, candidate: Candidate) -> Sequence[Input]:
        return "data", "statements" if candidate.method.conditioned_on == "text" else "classifier"

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        return vars(measure(subject))

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        return f"{_sentence(name, protocol)}; {protocol['n_generated']:,} generated images"

    @classmethod
    def floor_of(cls, protocol: Mapping[str, Any], floor: Mapping[str, Any]) -> tuple[str, int]:
        """Samples are compared with images of the reference, whose conditions are what they are."""
        return f"images of split {protocol['split']}", protocol["n_reference"]


def _sentence(metric: str, protocol: Mapping[str, Any]) -> str:
    """What a metric of conditional runs is; what the protocol does not say is left out."""
    right = _reached("statement_accuracy" if metric == CAPTION_AGREEMENT else "class_accuracy", protocol)
    own = "our own choice: the paper shows pictures"
    if metric == LABEL_ACCURACY:
        k = protocol.get("classes")
        by_chance = f"by chance {percent(1 / k)}, " if k else ""
        return (
            "share of generated images in which a classifier trained on this dataset's classes"
            f"{right} sees the class of the condition ({by_chance}{own})"
        )
    if metric == CAPTION_AGREEMENT:
        said = f" ({', '.join(protocol['statements'])})" if protocol.get("statements") else ""
        chance = protocol.get("caption_chance")
        by_chance = f"with a caption drawn at random {percent(chance)}, " if chance is not None else ""
        return (
            f"share of what the given captions say{said} that a classifier trained to read attributes and classes of "
            f"this dataset, with noise added to images in training{right}, sees in the generated images "
            f"({by_chance}{own})"
        )
    k, c = protocol.get("classes"), protocol.get("clusters")
    between = (
        f"{f'the {c}' if c else 'the'} clusters of the conditions and {f'the {k}' if k else 'the'} classes that a "
        f"classifier trained on this dataset's{right} sees"
    )
    if metric == CLUSTER_ACCURACY:
        by_chance = (
            f"by chance {percent(1 / max(c, k))} and a little more, since the best is taken; " if c and k else ""
        )
        return (
            f"share of generated images on the best one-to-one assignment between {between} in them ({by_chance}{own})"
        )
    return (
        f"mutual information, over the mean of the entropies, between {between} in the generated images (from 0, where "
        f"clusters say nothing of classes, to 1; {own})"
    )


def _reached(key: str, protocol: Mapping[str, Any]) -> str:
    return f" ({percent(protocol[key])} right on test images)" if protocol.get(key) is not None else ""


@dataclass(frozen=True)
class Scores:
    """What a conditional run scores.

    Attributes:
        metrics: value by name.
        floor: what real images score, by name; nothing for clusters, which real images have none of.
        chance: by name, what the same samples score on average if conditions are dealt out to them at random.
        agreement: of each statement of captions: ``samples``, ``real`` and ``chance``; empty for labels and clusters.
        protocol: what a reader has to know, the same for all runs on a dataset.
    """

    metrics: dict[str, float]
    floor: dict[str, float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    agreement: dict[str, dict[str, float]] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)


def measure(subject: Subject) -> Scores:
    """Score a run's samples; its entry says of which kind their conditions are: ``labels``, ``clusters`` or ``text``.

    The reference's split is the one whose captions are the conditions, and its images are scored, too.

    Raises:
        AdvcodesError: the dataset has no classes, ``conditions.npy`` does not belong to the samples, or an input is
            missing or damaged. Of captions: the dataset's attributes are not those of drawn scenes.
    """
    conditioned_on, data, reference = subject.config["conditioned_on"], subject.data, subject.reference
    classifier = _classifier(subject, conditioned_on)
    n = subject.config.get("n_generated", len(subject.samples))  # there may be more, for the Inception Score
    conditions, samples = read_conditions(subject.sampled, len(subject.samples))[:n], subject.samples[:n]
    rows = subject.chosen(reference.split, len(reference.features))

    def seen(images: np.ndarray, what: str) -> np.ndarray:
        return classifier.features(images, f"{subject.what}, {what}")[1].numpy()

    known = subject.logits
    logits = seen(samples, "samples") if known is None else known[:n].numpy()
    protocol, right = {"conditioned_on": conditioned_on}, classifier.about["accuracy"]
    if conditioned_on != "text":
        protocol |= {"classes": logits.shape[1], "class_accuracy": right}
    if conditioned_on == "clusters":
        return _with(of_clusters(conditions, logits.argmax(1)), protocol)
    real = seen(data.images[rows], "real images")
    if conditioned_on == "labels":
        _within(conditions, logits.shape[1], "class", subject.sampled)
        return _with(of_labels(conditions, logits.argmax(1), data.labels[rows], real.argmax(1)), protocol)

    captioned, names = data.split(reference.split), data.attribute_names
    _within(conditions, len(captioned), "row of the split", subject.sampled)

    def stated_of(of: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
        return statements(of.labels[rows], of.attributes[rows].astype(int) * 2 - 1, names)

    def read(logits: np.ndarray) -> dict[str, np.ndarray]:
        return statements(logits[:, len(names) :].argmax(1), logits[:, : len(names)], names)

    scores = of_captions(stated_of(captioned, conditions), read(logits), stated_of(data, rows), read(real))
    return _with(scores, protocol | {"statement_accuracy": right})


def _with(scores: Scores, protocol: Mapping[str, Any]) -> Scores:
    scores.protocol.update(protocol)
    return scores


def read_conditions(sampled: Path, n: int) -> np.ndarray:
    """The condition of each of ``n`` samples in a directory: int64 [n].

    Raises:
        AdvcodesError: ``conditions.npy`` is missing, damaged, or has another length.
    """
    import numpy as np

    path = sampled / "conditions.npy"
    try:
        conditions = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        why = getattr(error, "strerror", None) or "damaged"
        raise AdvcodesError(
            f"{path}: cannot read the conditions of the samples ({why}); delete {path.parent} and run `snakemake` again"
        ) from None
    if conditions.shape != (n,) or conditions.dtype != np.int64:
        raise AdvcodesError(
            f"{path}: {conditions.dtype} {list(conditions.shape)}, expected int64 [{n}], one for each sample; delete "
            f"{path.parent} and run `snakemake` again"
        )
    return conditions


def _within(conditions: np.ndarray, n: int, what: str, sampled: Path) -> None:
    if (outside := (conditions < 0) | (conditions >= n)).any():
        raise AdvcodesError(
            f"{sampled / 'conditions.npy'}: has {what} {conditions[outside][0]}, and there are {n}; the dataset "
            "has changed: run `snakemake` to make the samples again"
        )


def _classifier(subject: Subject, conditioned_on: str) -> Any:
    classifier, data = subject.network("statements" if conditioned_on == "text" else "classifier"), subject.data
    if data.labels.max(initial=-1) < 1 if conditioned_on == "text" else classifier.about["task"] != "classes":
        raise AdvcodesError(
            f"{data.dataset}: has no classes, so no classifier can tell whether samples show their conditions "
            f"({conditioned_on}); use a dataset with classes, or an unconditional method"
        )
    return classifier


# ------------------------------------------------------------------------------------------------------------
# Pure functions


def of_labels(conditions: np.ndarray, seen: np.ndarray, labels: np.ndarray, seen_real: np.ndarray) -> Scores:
    """``label_accuracy``: share of samples in which the classifier sees the class that the sample shall show.

    Args:
        conditions: class that each sample shall show, int64 [N].
        seen: class that the classifier sees in it, int64 [N].
        labels: class of real images, int64 [M]; -1 where there is none.
        seen_real: class that the classifier sees in them, int64 [M].
    """
    known = labels >= 0
    floor = {LABEL_ACCURACY: _share(seen_real[known], labels[known])} if known.any() else {}
    return Scores({LABEL_ACCURACY: _share(seen, conditions)}, floor, {LABEL_ACCURACY: by_chance(conditions, seen)})


def of_clusters(conditions: np.ndarray, seen: np.ndarray) -> Scores:
    """``cluster_accuracy`` and ``cluster_nmi`` of the clusters that are conditions [N] and classes seen [N]."""
    import numpy as np

    metrics = {CLUSTER_ACCURACY: cluster_accuracy(conditions, seen), CLUSTER_NMI: cluster_nmi(conditions, seen)}
    random = np.random.default_rng(SEED)
    orders = [random.permutation(conditions) for _ in range(SHUFFLES)]
    chance = {
        CLUSTER_ACCURACY: float(np.mean([cluster_accuracy(order, seen) for order in orders])),
        CLUSTER_NMI: float(np.mean([cluster_nmi(order, seen) for order in orders])),
    }
    return Scores(metrics, chance=chance, protocol={"clusters": len(np.unique(conditions))})


def of_captions(
    conditions: Mapping[str, np.ndarray],
    seen: Mapping[str, np.ndarray],
    real: Mapping[str, np.ndarray],
    seen_real: Mapping[str, np.ndarray],
) -> Scores:
    """``caption_agreement``: mean share of a caption's statements that a classifier reads from the sample.

    Args:
        conditions: of each statement what the captions say, int64 [N].
        seen: what the classifier sees in the samples.
        real: what is true of real images, int64 [M].
        seen_real: what the classifier sees in them.
    """
    import numpy as np

    agreement = {
        name: {
            "samples": _share(seen[name], said),
            "real": _share(seen_real[name], real[name]),
            "chance": by_chance(said, seen[name]),
        }
        for name, said in conditions.items()
    }
    mean = {of: float(np.mean([shares[of] for shares in agreement.values()])) for of in ("samples", "real", "chance")}
    return Scores(
        {CAPTION_AGREEMENT: mean["samples"]},
        {CAPTION_AGREEMENT: mean["real"]},
        {CAPTION_AGREEMENT: mean["chance"]},
        agreement,
        {
            "statements": list(conditions),
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
    import numpy as np

    if missing := [a for a in (*COLOURS, *STATED.values()) if a not in names]:
        raise AdvcodesError(
            f"captions: the dataset lacks the attributes {', '.join(missing)} of `shapes`; prepare it again"
        )
    colours = attributes[:, [names.index(c) for c in COLOURS]]
    stated = {name: (attributes[:, names.index(a)] > 0).astype(np.int64) for name, a in STATED.items()}
    return {"shape": shapes, "colour": colours.argmax(1), **stated}


def by_chance(conditions: np.ndarray, seen: np.ndarray) -> float:
    """Agreement of ``conditions`` [N] and ``seen`` [N] if conditions are shuffled: the exact mean over all orders."""
    import numpy as np

    n = max(conditions.max(), seen.max()) + 1
    a, b = (np.bincount(x, minlength=n) / len(x) for x in (conditions, seen))
    return float(a @ b)


def cluster_accuracy(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Share of samples of the right class, if each cluster stands for one class and no two for the same.

    Of all such assignments it is the best (Hungarian algorithm; Yang et al. 2010). Where there are more clusters than
    classes, those without a class have no right samples.

    Args:
        clusters: int64 [N].
        classes: int64 [N].
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((clusters.max() + 1, classes.max() + 1), np.int64)
    np.add.at(counts, (clusters, classes), 1)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(clusters))


def cluster_nmi(clusters: np.ndarray, classes: np.ndarray) -> float:
    """Mutual information of clusters [N] and classes [N] over the mean of their entropies: 0 to 1.

    Of one class alone nothing can be read, and it is 0 (scikit-learn has 1 where there is but one cluster, too).
    """
    import numpy as np
    from sklearn.metrics import normalized_mutual_info_score

    if len(np.unique(classes)) == 1:
        return 0.0
    return float(min(1.0, normalized_mutual_info_score(clusters, classes)))


def _share(a: np.ndarray, b: np.ndarray) -> float:
    return float((a == b).mean())
