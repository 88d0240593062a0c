"""The MNIST score of samples: the Inception Score's formula on predictions of a classifier of MNIST (facts 6.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from advcodes.metrics.base import COMPUTE, Candidate, Instead, Metric, Quantity, Subject
from advcodes.metrics.extracted import IS_SPLITS
from advcodes.metrics.registry import register
from advcodes.metrics.samples.inception_score import FORMULA, inception_score

if TYPE_CHECKING:
    import numpy as np

MNIST_SCORE = "mnist_score"
USUAL = 10_000  #: generated images for which papers give it, in 10 splits


@register(MNIST_SCORE)
class MnistScore(Metric):
    """How sure MNIST's own classifier is of each sample's digit, and how evenly digits come."""

    order = 120
    quantities = (
        Quantity(
            MNIST_SCORE, "higher", "MNIST score", needed=("mnist_score_images", "mnist_score_splits"),
            floor_beside=False,
        ),
    )  # fmt: skip
    needs = ("samples",)
    inputs = ("data", "mnist_score")
    source = "digits"
    remedy = COMPUTE
    instead = Instead("is", "its classifier is one of MNIST", "the same formula on predictions of another network")

    @classmethod
    def applies(cls, candidate: Candidate) -> bool:
        return candidate.settings.mnist_score is not None and candidate.dataset.digits

    @classmethod
    def settings(cls, candidate: Candidate) -> dict[str, Any]:
        return {"split": candidate.dataset.test_split}

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        return measure(subject)

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        """What the protocol does not say of the classifier is left out."""
        n, splits, about = (
            protocol["mnist_score_images"],
            protocol["mnist_score_splits"],
            protocol.get("mnist_classifier"),
        )
        trained = ""
        if about:
            epochs = "1 epoch" if about["epochs"] == 1 else f"{about['epochs']} epochs"
            right = f"{100 * about['accuracy']['test']:.2f} % right on test images"
            trained = f", trained here for {epochs} on {about['images']:,} images with turned copies, {right}"
        real = protocol.get("mnist_score_of_real")
        ceiling = f"; real test images score {real[0]:.2f} ± {real[1]:.2f}" if real else ""
        usual = (n, splits) == (USUAL, IS_SPLITS)
        return (
            f"MNIST score: {FORMULA} on predictions of its own classifier of MNIST "
            f"(github.com/ChunyuanLI/MNIST_Inception_Score{trained}; not the Inception Score, and not comparable "
            f"with it); {n:,} generated images in {splits} splits"
            f"{'' if usual else f' (usual: {USUAL:,} in {IS_SPLITS})'}"
            f"{', of each the centre 28x28 (assumed)' if protocol.get('mnist_score_cropped') else ''}{ceiling}"
        )

    @classmethod
    def floor_of(cls, protocol: Mapping[str, Any], floor: Mapping[str, Any]) -> tuple[str, int]:
        return f"images of split {protocol['mnist_score_split']}", protocol["mnist_score_real_images"]


def measure(subject: Subject) -> dict[str, dict[str, Any]]:
    """Score a run's samples, and beside them as many real images at most; its entry says their ``split``.

    Of samples larger than 28x28 the centre counts (assumed: facts 6.4). The first ``n_generated`` are scored.

    Returns:
        ``metrics``, ``spread`` (sd over splits), both of real images as ``floor`` and ``floor_spread``, and
        ``protocol``.

    Raises:
        AdvcodesError: the classifier is missing or damaged, or images are not MNIST's.
    """
    config, network = subject.config, subject.network("mnist_score")
    data, split, n = subject.data, config[MNIST_SCORE]["split"], config["n_generated"]

    def score(images: np.ndarray) -> tuple[float, float]:
        logits = network.logits(images, subject.what)
        return inception_score(logits, min(config["is_splits"], len(logits)))

    samples, real = subject.samples[:n], data.split(split).images[:n]
    (value, spread), (floor, floor_spread) = score(samples), score(real)
    protocol = {
        "mnist_score_images": len(samples),
        "mnist_score_splits": min(config["is_splits"], len(samples)),
        "mnist_score_cropped": samples.shape[2:] != (network.side, network.side),
        "mnist_score_of_real": [round(floor, 4), round(floor_spread, 4)],
        "mnist_score_real_images": len(real),
        "mnist_score_split": split,
        "mnist_classifier": {k: network.about[k] for k in ("images", "epochs", "batch_size", "accuracy")},
    }
    return {
        "metrics": {MNIST_SCORE: value},
        "spread": {MNIST_SCORE: spread},
        "floor": {MNIST_SCORE: floor},
        "floor_spread": {MNIST_SCORE: floor_spread},
        "protocol": protocol,
    }
