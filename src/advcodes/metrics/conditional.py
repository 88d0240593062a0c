"""Whether samples show what they were asked to show, as a classifier of the dataset reads them.

Nothing here but :func:`measure` reads files; whatever is asked comes from ``asked.npy`` of the samples, and whatever is
seen from logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError
from advcodes.core.scenes import COLOURS, TOLD
from advcodes.metrics.base import Candidate, Input, Metric, Quantity, Subject, percent
from advcodes.metrics.extracted import COUNTS
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np

LABEL_ACCURACY, CLUSTER_ACCURACY, CLUSTER_NMI = "label_accuracy", "cluster_accuracy", "cluster_nmi"
CAPTION_AGREEMENT = "caption_agreement"
#: How far samples show what they were asked to, as the dataset's classifiers see them.
CONDITIONAL = (LABEL_ACCURACY, CLUSTER_ACCURACY, CLUSTER_NMI, CAPTION_AGREEMENT)
SEED = 0  #: of the orders in which clusters are shuffled
SHUFFLES = 20  #: over which the chance level of clusters is averaged


@register("conditional")
class Conditional(Metric):
    """How far samples of a conditional method show what they were asked to, as classifiers of the dataset see them."""

    order = 60
    entry = "asks"
    quantities = tuple(
        Quantity(name, "higher", own=name != CLUSTER_NMI, needed=COUNTS, floor_beside=False) for name in CONDITIONAL
    )
    needs = ("samples", "labels", "captions")
    source = "classifier"
    remedy = "only runs have it whose samples are asked to show something; take the others out"

    @classmethod
    def applies(cls, candidate: Candidate) -> bool:
        """Whether something is asked that a classifier can tell: what captions say, of some datasets alone."""
        asks = candidate.method.asks
        return asks in ("labels", "clusters") or (asks == "text" and candidate.dataset.told)

    @classmethod
    def settings(cls, candidate: Candidate) -> str | None:
        return candidate.method.asks

    @classmethod
    def inputs_of(cls, candidate: Candidate) -> Sequence[Input]:
        return "data", "statements" if candidate.method.asks == "text" else "classifier"

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        return vars(measure(subject))

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        return f"{_sentence(name, protocol)}; {protocol['n_generated']:,} generated images"

    @classmethod
    def floor_of(cls, protocol: Mapping[str, Any], floor: Mapping[str, Any]) -> tuple[str, int]:
        """Samples are compared with images of the reference, asked for what they are."""
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
            f"{right} sees the class that was asked for ({by_chance}{own})"
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
        f"{f'the {c}' if c else 'the'} clusters asked for and {f'the {k}' if k else 'the'} classes that a classifier "
        f"trained on this dataset's{right} sees"
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


def measure(subject: Subject) -> Scores:
    """Score a run's samples; its entry says what was asked of them: ``labels``, ``clusters`` or ``text``.

    The reference's split is the one whose captions were asked, and its images are scored, too.

    Raises:
        AdvcodesError: the dataset has no classes, ``asked.npy`` does not belong to the samples, or an input is missing
            or damaged. Of captions: the dataset's attributes are not those of drawn scenes.
    """
    asks, data, reference = subject.config["asks"], subject.data, subject.reference
    classifier = _classifier(subject, asks)
    n = subject.config.get("n_generated", len(subject.samples))  # there may be more, for the Inception Score
    asked, samples = read_asked(subject.sampled, len(subject.samples))[:n], subject.samples[:n]
    rows = subject.chosen(reference.split, len(reference.features))

    def seen(images: np.ndarray, what: str) -> np.ndarray:
        return classifier.features(images, f"{subject.what}, {what}")[1].numpy()

    known = subject.logits
    logits = seen(samples, "samples") if known is None else known[:n].numpy()
    protocol, right = {"asks": asks}, classifier.about["accuracy"]
    if asks != "text":
        protocol |= {"classes": logits.shape[1], "class_accuracy": right}
    if asks == "clusters":
        return _with(of_clusters(asked, logits.argmax(1)), protocol)
    real = seen(data.images[rows], "real images")
    if asks == "labels":
        _within(asked, logits.shape[1], "class", subject.sampled)
        return _with(of_labels(asked, logits.argmax(1), data.labels[rows], real.argmax(1)), protocol)

    captioned, names = data.split(reference.split), data.attribute_names
    _within(asked, len(captioned), "row of the split", subject.sampled)

    def told(of: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
        return statements(of.labels[rows], of.attributes[rows].astype(int) * 2 - 1, names)

    def read(logits: np.ndarray) -> dict[str, np.ndarray]:
        return statements(logits[:, len(names) :].argmax(1), logits[:, : len(names)], names)

    found = of_captions(told(captioned, asked), read(logits), told(data, rows), read(real))
    return _with(found, protocol | {"statement_accuracy": right})


def _with(found: Scores, protocol: Mapping[str, Any]) -> Scores:
    found.protocol.update(protocol)
    return found


def read_asked(sampled: Path, n: int) -> np.ndarray:
    """What each of ``n`` samples in a directory was asked to show: int64 [n].

    Raises:
        AdvcodesError: ``asked.npy`` is missing, damaged, or has another length.
    """
    import numpy as np

    path = sampled / "asked.npy"
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


def _within(asked: np.ndarray, n: int, what: str, sampled: Path) -> None:
    if (outside := (asked < 0) | (asked >= n)).any():
        raise AdvcodesError(
            f"{sampled / 'asked.npy'}: asks for {what} {asked[outside][0]}, and there are {n}; the dataset "
            "has changed: run `snakemake` to make the samples again"
        )


def _classifier(subject: Subject, asks: str) -> Any:
    found, data = subject.network("statements" if asks == "text" else "classifier"), subject.data
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
    import numpy as np

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
    import numpy as np

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
    import numpy as np

    if missing := [a for a in (*COLOURS, *TOLD.values()) if a not in names]:
        raise AdvcodesError(
            f"captions: the dataset lacks the attributes {', '.join(missing)} of `shapes`; prepare it again"
        )
    colours = attributes[:, [names.index(c) for c in COLOURS]]
    told = {name: (attributes[:, names.index(a)] > 0).astype(np.int64) for name, a in TOLD.items()}
    return {"shape": shapes, "colour": colours.argmax(1), **told}


def by_chance(asked: np.ndarray, seen: np.ndarray) -> float:
    """Agreement of ``asked`` [N] and ``seen`` [N] if ``asked`` is shuffled: the exact mean over all orders."""
    import numpy as np

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
