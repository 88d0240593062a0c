"""Errors of reconstructions as GALI's table 1 has them: of pixels, and of a classifier's features (facts 6.5, 6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation.names import FEATURE_MSE, PIXEL_MSE
from advcodes.evaluation.reconstruction import over_minibatches, pairs
from advcodes.evaluation.reference import choose
from advcodes.extractors import feature_network
from advcodes.nets.features import FeatureNetwork
from advcodes.training.restore import Restored


def measure(artifact: Artifact, restored: Restored, where: torch.device | str) -> dict[str, dict[str, Any]]:
    """Both errors of an `evaluate/...` artifact's run.

    Args:
        artifact: with inputs ``data`` and ``features`` (the feature network); its ``config["feature_error"]`` has
            ``split`` (whose images are reconstructed), ``n_images`` (the most that count) and ``minibatch``.
        restored: the run.
        where: device.

    Returns:
        ``metrics`` and ``spread``: mean and standard deviation over minibatches in the dataset's order, of which the
        last may be smaller (:func:`advcodes.evaluation.reconstruction.over_minibatches`). ``protocol``: counts, and
        what the feature network is.

    Raises:
        AdvcodesError: the dataset lacks a split, the feature network is missing or damaged, or a reconstruction is not
            finite.
    """
    config, seed = artifact.config["feature_error"], restored.config["seed"]
    data = load_prepared(artifact.inputs["data"].directory)
    split, train_split = config["split"], restored.config["view"]["train_split"]
    images, training = data.images[choose(data, split, config["n_images"])], data.split(train_split).images
    network = feature_network.load(artifact.inputs["features"].directory, where)
    found = errors(restored, images, artifact.config["sampling"], training, network, seed, artifact.id)
    size = config["minibatch"]
    (pixel, pixel_sd), (feature, feature_sd) = (over_minibatches(of_images, size) for of_images in found)
    protocol = {
        "feature_range": [0, 1],
        "feature_images": len(images),
        "feature_split": split,
        "feature_trained_on": bool({*split.split("+")} & {*train_split.split("+")}),
        "feature_encoder": "deterministic",
        "feature_minibatch": size,
        "feature_minibatches": -(-len(images) // size),
        "feature_kind": network.kind,
        "feature_units": network.size,
        "feature_side": network.side,
        "feature_accuracy": network.about["accuracy"],
        "feature_network_saw_test": network.about["saw_test"],
    }
    return {
        "metrics": {PIXEL_MSE: pixel, FEATURE_MSE: feature},
        "spread": {PIXEL_MSE: pixel_sd, FEATURE_MSE: feature_sd},
        "protocol": protocol,
    }


@torch.inference_mode()
def errors(
    restored: Restored,
    images: np.ndarray,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    network: FeatureNetwork,
    seed: int,
    what: str = "reconstructing",
) -> tuple[np.ndarray, np.ndarray]:
    """Of each image the mean squared error of its reconstruction's pixels on [0, 1], and of its features.

    Neither images nor reconstructions are rounded to 8 bits; squares and means are in double precision.

    Args:
        restored: a trained run whose method reconstructs, by the encoder's mean where it draws codes in training.
        images: uint8 [N, C, H, W].
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        training_images: uint8 [M, C, H, W]: batch norm is re-estimated on reconstructions of some.
        network: whose features are compared.
        seed: of the choice of training images; nothing else is drawn.
        what: first words of progress lines and errors.

    Returns:
        Pixels' and features' errors, float64 [N] each.

    Raises:
        AdvcodesError: there are no images, the method cannot reconstruct, or a reconstruction is not finite.
    """
    if len(images) == 0:
        raise AdvcodesError(f"{what}: no images to reconstruct; expected at least one")
    low, high = restored.value_range
    where = network.head.weight.device
    pixels, features = [], []
    for pair in pairs(restored, images, sampling, training_images, seed, what):
        x, again = ((part.double() - low) / (high - low) for part in pair)
        pixels.append((again - x).square().flatten(1).mean(1))
        real, made = (network.features(part.float().to(where)).double() for part in (x, again))
        features.append((made - real).square().mean(1))
    of_pixels, of_features = (torch.cat(parts).cpu().numpy() for parts in (pixels, features))
    return of_pixels, of_features
