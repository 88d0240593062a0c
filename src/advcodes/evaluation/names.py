"""Names of metrics. A name states its protocol, so that no number can pass for another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from advcodes.core.errors import AdvcodesError, unknown


@dataclass(frozen=True)
class Protocol:
    """Counts for which a metric on Inception features bears its short name.

    Attributes:
        n_generated: generated images.
        n_reference: real images; None for a metric that compares with none.
        split: of the real images.
    """

    n_generated: int
    n_reference: int | None = None
    split: str | None = None


#: ``fid`` as ACL and AAAE report it (facts 6.2: 10,000 against 10,000 test images), ``is`` after Salimans et al. 2016
#: (facts 6.3: 50,000 images in 10 splits); the others are given with the FID's counts.
PROTOCOLS = {
    "fid": Protocol(10_000, 10_000, "test"),
    "is": Protocol(50_000),
    "kid": Protocol(10_000, 10_000, "test"),
    "precision": Protocol(10_000, 10_000, "test"),
    "recall": Protocol(10_000, 10_000, "test"),
}
IS_SPLITS = 10
#: The same formulas on features of a classifier that the pipeline trains: other numbers, hence other names.
ON_CLASSIFIER = {
    "fid": "fd_classifier",
    "is": "score_classifier",
    "kid": "kd_classifier",
    "precision": "precision_classifier",
    "recall": "recall_classifier",
}
EXTRACTORS = ("classifier", "inception")
ENERGY = "energy_distance"  #: of points (`gaussians`), in place of an extractor's features
MSE = "mse"  #: of reconstructions (facts 6.5)
MNIST_SCORE = "mnist_score"  #: the Inception Score's formula on predictions of MNIST's own classifier (facts 6.4)
PIXEL_MSE, FEATURE_MSE = "pixel_mse", "feature_mse"  #: of reconstructions, over minibatches (facts 6.5, 6.6)
INPAINTED_PIXEL_MSE, INPAINTED_FEATURE_MSE = "inpainted_pixel_mse", "inpainted_feature_mse"  #: facts 6.8, 6.6
SEAM = "inpainted_seam"  #: jumps across the border of what was filled in
SVM_ERROR = "svm_error"  #: of linear SVMs on an encoder's features (facts 6.7)
SETTLING_IMAGES = "settling_images"  #: training images until BEGAN's controller has settled (facts 6.9)
#: Metrics that need no extractor, and what they are taken from; each has one name, whatever the counts.
ALONE = {
    ENERGY: "points",
    **dict.fromkeys(
        (MSE, PIXEL_MSE, FEATURE_MSE, INPAINTED_PIXEL_MSE, INPAINTED_FEATURE_MSE, SEAM, SVM_ERROR), "images"
    ),
    MNIST_SCORE: "digits",
    SETTLING_IMAGES: "losses",
}
#: Means over minibatches, whose sd over these papers print; ``spread`` in metrics.json.
OVER_MINIBATCHES = (PIXEL_MSE, FEATURE_MSE, INPAINTED_PIXEL_MSE, INPAINTED_FEATURE_MSE)
MNIST_SCORE_IMAGES = 10_000  #: generated images for which papers give it, in 10 splits
LABEL_ACCURACY, CLUSTER_ACCURACY, CLUSTER_NMI = "label_accuracy", "cluster_accuracy", "cluster_nmi"
CAPTION_AGREEMENT = "caption_agreement"
#: Of conditional runs: how far samples show what they were asked to, as the dataset's classifiers see them.
CONDITIONAL = (LABEL_ACCURACY, CLUSTER_ACCURACY, CLUSTER_NMI, CAPTION_AGREEMENT)


def metric_name(
    metric: str, extractor: str, n_generated: int, n_reference: int, split: str, is_splits: int = IS_SPLITS
) -> str:
    """The name under which a number is stored and printed.

    On Inception features the short names (``fid``, ``is``, ``kid``, ``precision``, ``recall``) are reserved for the
    counts in :data:`PROTOCOLS`; other counts are part of the name: ``fid_2000_vs_10000_test``, ``is_2000``.

    Args:
        metric: ``fid``, ``is``, ``kid``, ``precision`` or ``recall``; or of :data:`ALONE` or :data:`CONDITIONAL`.
        extractor: ``inception`` or ``classifier``; for :data:`ALONE` what they are taken from; ``classifier`` alone for
            those of conditional runs.
        n_generated: generated images.
        n_reference: real images.
        split: of the real images.
        is_splits: splits over which an ``is`` is averaged.

    Raises:
        AdvcodesError: unknown metric or extractor.
    """
    if ALONE.get(metric) == extractor:
        return metric  # its protocol says the counts
    if metric in CONDITIONAL and extractor == "classifier":
        return metric  # a share, at any counts; no other extractor gives it
    if metric not in PROTOCOLS:
        raise unknown("metric", metric, PROTOCOLS)
    if extractor not in EXTRACTORS:
        raise unknown("extractor", extractor, EXTRACTORS)
    if extractor == "classifier":
        return ON_CLASSIFIER[metric]
    if metric == "is":
        name = "is" if n_generated == PROTOCOLS["is"].n_generated else f"is_{n_generated}"
        return name if is_splits == IS_SPLITS else f"is_{n_generated}_in_{is_splits}_splits"
    if Protocol(n_generated, n_reference, split) == PROTOCOLS[metric]:
        return metric
    return f"{metric}_{n_generated}_vs_{n_reference}_{split}"


def parse(name: str) -> tuple[str, str]:
    """Metric and extractor of a name: ``fid_2000_vs_10000_test`` is ``("fid", "inception")``.

    ``energy_distance`` is ``("energy_distance", "points")``, and likewise every other of :data:`ALONE`.

    Raises:
        AdvcodesError: no name that :func:`metric_name` gives.
    """
    if name in ALONE:
        return name, ALONE[name]
    if name in CONDITIONAL:
        return name, "classifier"
    for metric, ours in ON_CLASSIFIER.items():
        if name == ours:
            return metric, "classifier"
        counts = r"(_\d+(_in_\d+_splits)?)?" if metric == "is" else r"(_\d+_vs_\d+_.+)?"
        if re.fullmatch(metric + counts, name):
            return metric, "inception"
    raise unknown("metric", name, [*PROTOCOLS, *ON_CLASSIFIER.values(), *ALONE, *CONDITIONAL])


FORMULAS = {
    "fid": "Fréchet distance",
    "is": "exp(mean KL(p(y|x) || p(y)))",
    "kid": "kernel distance (unbiased MMD², cubic polynomial kernel)",
    "precision": "share of generated images within the real images' nearest-neighbour balls",
    "recall": "share of real images within the generated images' nearest-neighbour balls",
}
_ESTABLISHED = {"fid": "FID", "is": "Inception Score", "kid": "KID", "precision": "precision", "recall": "recall"}


def describe(name: str, protocol: Mapping[str, Any]) -> str:
    """One sentence for a table's footnote: what the number is, over how many images, and what it is not.

    Args:
        name: as :func:`metric_name` gave it.
        protocol: of metrics.json: ``n_generated``, ``n_reference``, ``split`` and, where known, ``is_splits``,
            ``prc_neighborhood``, ``torch_fidelity`` and the classifier's ``extractor_task`` and ``extractor_accuracy``;
            of conditional runs ``classes``, ``clusters``, ``statements``, ``class_accuracy``, ``statement_accuracy``
            and ``caption_chance``. Of ``mse`` and ``mnist_score`` the keys that begin with their names.

    Raises:
        AdvcodesError: the name does not belong to that protocol.
    """
    metric, extractor = parse(name)
    from advcodes.evaluation.descriptions import DESCRIBED

    needed, sentence = DESCRIBED.get(metric, (("n_generated", "n_reference", "split"), None))
    if missing := [k for k in needed if k not in protocol]:
        raise AdvcodesError(
            f"metric {name!r}: its protocol lacks {', '.join(missing)}; evaluate every run at the same one"
        )
    if sentence:
        return f"{name}: {sentence(protocol)}."
    n, m, split = protocol["n_generated"], protocol["n_reference"], protocol["split"]
    if metric == ENERGY:
        return (
            f"{name}: 2 E|X-Y| - E|X-X'| - E|Y-Y'| of the points themselves (Székely and Rizzo 2013), in the data's "
            "unit; unbiased, so 0 on average for equal distributions, and by chance a little below (our own choice: no "
            f"paper reports it); {n:,} generated and {m:,} real points (split {split})."
        )
    if metric in CONDITIONAL:
        return f"{name}: {_conditional(metric, protocol)}; {n:,} generated images."
    if metric == "is":
        n = protocol.get("n_generated_is", n)
    splits = protocol.get("is_splits", IS_SPLITS)
    right = metric_name(metric, protocol.get("extractor", extractor), n, m, split, splits)
    if right != name:
        raise AdvcodesError(
            f"metric {name!r}: its protocol ({n} generated, {m} {split}) is that of {right!r}; evaluate again"
        )
    established = _ESTABLISHED[metric]
    if extractor == "inception":
        version = f", torch-fidelity {protocol['torch_fidelity']}" if protocol.get("torch_fidelity") else ""
        of, usual = "logits" if metric == "is" else "features", PROTOCOLS[metric]
        if name != metric:
            against = (
                f" against {usual.n_reference:,} {usual.split} images" if usual.split else f" in {IS_SPLITS} splits"
            )
            established += f" at other counts than the usual {usual.n_generated:,}{against}"
        kind = f"{established}: {FORMULAS[metric]} on {of} of the 2015 Inception network{version}"
    else:
        task = {"attributes": "on this dataset's attributes", "rotations": "to tell rotations of this dataset's images"}
        accuracy = protocol.get("extractor_accuracy")
        reached = "" if accuracy is None else f", {100 * accuracy:.1f} % right on test images"
        kind = (
            f"{FORMULAS[metric]} on {'predictions' if metric == 'is' else 'features'} of a classifier trained "
            f"{task.get(protocol.get('extractor_task', ''), 'on this dataset')}{reached} "
            f"(not the {'' if metric == 'is' else 'Inception-based '}{established}, and not comparable with it)"
        )
    if metric == "is":
        counts = f"{n:,} generated images in {splits} splits"
    else:
        counts = f"{n:,} generated and {m:,} real images (split {split})"
    if metric in ("precision", "recall") and "prc_neighborhood" in protocol:
        counts += f", {protocol['prc_neighborhood']} neighbours"
    return f"{name}: {kind}; {counts}."


def _conditional(metric: str, protocol: Mapping[str, Any]) -> str:
    """What a metric of conditional runs is; what the protocol does not say is left out."""
    right = _reached("statement_accuracy" if metric == CAPTION_AGREEMENT else "class_accuracy", protocol)
    own = "our own choice: the paper shows pictures"
    if metric == LABEL_ACCURACY:
        k = protocol.get("classes")
        by_chance = f"by chance {_percent(1 / k)}, " if k else ""
        return (
            "share of generated images in which a classifier trained on this dataset's classes"
            f"{right} sees the class that was asked for ({by_chance}{own})"
        )
    if metric == CAPTION_AGREEMENT:
        said = f" ({', '.join(protocol['statements'])})" if protocol.get("statements") else ""
        chance = protocol.get("caption_chance")
        by_chance = f"with a caption drawn at random {_percent(chance)}, " if chance is not None else ""
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
            f"by chance {_percent(1 / max(c, k))} and a little more, since the best is taken; " if c and k else ""
        )
        return (
            f"share of generated images on the best one-to-one assignment between {between} in them ({by_chance}{own})"
        )
    return (
        f"mutual information, over the mean of the entropies, between {between} in the generated images (from 0, where "
        f"clusters say nothing of classes, to 1; {own})"
    )


def _reached(key: str, protocol: Mapping[str, Any]) -> str:
    return f" ({_percent(protocol[key])} right on test images)" if protocol.get(key) is not None else ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
