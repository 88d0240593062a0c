"""The MNIST score of samples: the Inception Score's formula on predictions of a classifier of MNIST (facts 6.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from advcodes.build.provenance import Artifact
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation.metrics import inception_score
from advcodes.evaluation.names import MNIST_SCORE
from advcodes.extractors import mnist_classifier


def measure(artifact: Artifact, samples: np.ndarray, where: torch.device | str) -> dict[str, dict[str, Any]]:
    """Score the samples of an `evaluate/...` artifact, and beside them as many real test images at most.

    Args:
        artifact: with inputs ``mnist_score`` (the classifier) and ``data``; its ``config["mnist_score"]`` says the
            ``split`` of the real images.
        samples: uint8 [N, 1, H, W]; of images larger than 28x28 the centre counts (assumed: facts 6.4). The first
            ``n_generated`` are scored.
        where: device.

    Returns:
        ``metrics``, ``spread`` (sd over splits), both of real images as ``floor`` and ``floor_spread``, and
        ``protocol``.

    Raises:
        AdvcodesError: the classifier is missing or damaged, or images are not MNIST's.
    """
    config, inputs = artifact.config, artifact.inputs
    network, about = mnist_classifier.load(inputs["mnist_score"].directory, where)
    data, split, n = load_prepared(inputs["data"].directory), config["mnist_score"]["split"], config["n_generated"]

    def score(images: np.ndarray) -> tuple[float, float]:
        logits = mnist_classifier.logits_of(network, mnist_classifier.centre(images, artifact.id))
        return inception_score(logits, min(config["is_splits"], len(logits)))

    samples, real = samples[:n], data.split(split).images[:n]
    (value, spread), (floor, floor_spread) = score(samples), score(real)
    protocol = {
        "mnist_score_images": len(samples),
        "mnist_score_splits": min(config["is_splits"], len(samples)),
        "mnist_score_cropped": samples.shape[2:] != (mnist_classifier.SIDE, mnist_classifier.SIDE),
        "mnist_score_of_real": [round(floor, 4), round(floor_spread, 4)],
        "mnist_score_real_images": len(real),
        "mnist_score_split": split,
        "mnist_classifier": {k: about[k] for k in ("images", "epochs", "batch_size", "accuracy")},
    }
    return {
        "metrics": {MNIST_SCORE: value},
        "spread": {MNIST_SCORE: spread},
        "floor": {MNIST_SCORE: floor},
        "floor_spread": {MNIST_SCORE: floor_spread},
        "protocol": protocol,
    }
