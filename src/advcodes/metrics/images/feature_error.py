"""Errors of reconstructions as GALI's table 1 has them: of pixels, and of a classifier's features (facts 6.5, 6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError
from advcodes.metrics.base import Candidate, Metric, Quantity, Subject, Trained
from advcodes.metrics.images.reconstruction import over_minibatches, pairs
from advcodes.metrics.registry import quantity, register

if TYPE_CHECKING:
    import numpy as np

    from advcodes.nets.features import FeatureNetwork

PIXEL_MSE, FEATURE_MSE = "pixel_mse", "feature_mse"
_NEEDED = ("feature_images", "feature_split", "feature_minibatch", "feature_minibatches")
_BLOCK = 500  #: images whose features are computed at a time
CAPABLE = (
    "only runs on images have it whose method can what it measures (reconstruct, inpaint or represent them); take the "
    "others out"
)  #: remedy where another run has none


@register("feature_error")
class FeatureError(Metric):
    """Errors of reconstructed pixels, and of the features of a classifier trained here; means over minibatches."""

    order = 80
    quantities = (
        Quantity(
            PIXEL_MSE, "lower", "pixel-MSE", over="batches", needed=_NEEDED, repeats="mse",
            of_mean_image="feature_of_mean_image_pixels",
        ),
        Quantity(
            FEATURE_MSE, "lower", "feature-MSE", over="batches",
            needed=(*_NEEDED, "feature_kind", "feature_units", "feature_side"), of_mean_image="feature_of_mean_image",
        ),
    )  # fmt: skip
    needs = ("reconstructions",)
    inputs = ("data", "features")
    on_demand = True
    remedy = CAPABLE

    @classmethod
    def settings(cls, candidate: Candidate) -> dict[str, Any]:
        return compared(candidate)

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        return measure(subject)

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        if name == PIXEL_MSE:
            return (
                "mean squared error of reconstructions over pixels and channels, images on [0, 1] (on [-1, 1] it would "
                f"be four times as large); {_reconstructed(protocol)}{of_mean_image(protocol, PIXEL_MSE)}"
            )
        return (
            f"mean squared difference between features of images and of their reconstructions, "
            f"{network_sentence(protocol, 'feature')}; {_reconstructed(protocol)}"
            f"{of_mean_image(protocol, FEATURE_MSE)}"
        )


def of_mean_image(protocol: Mapping[str, Any], name: str) -> str:
    """What the mean training image in place of each would give, in words, if the protocol says."""
    value = protocol.get(quantity(name).of_mean_image or "")
    return "" if value is None else f"; the mean training image in place of each would give {value:.3g}"


def compared(candidate: Candidate) -> dict[str, Any]:
    """Which images are compared with what a run makes of them: ``split``, ``n_images`` at most, and ``minibatch``."""
    return {
        "split": candidate.dataset.test_split,
        "n_images": candidate.reconstructed,
        "minibatch": candidate.settings.minibatch,
    }


def _reconstructed(protocol: Mapping[str, Any]) -> str:
    """Of which images errors are, and over what they are averaged."""
    n, size = protocol["feature_minibatches"], protocol["feature_minibatch"]
    seen = ", which were trained on, too" if protocol.get("feature_trained_on") else ""
    smaller = " (the last is smaller)" if protocol["feature_images"] % size else ""
    over = f"mean and standard deviation over {n:,} minibatches of {size}{smaller}" if n > 1 else "one minibatch"
    return (
        f"{protocol['feature_images']:,} images of split {protocol['feature_split']}{seen}, reconstructed by a "
        f"deterministic encoder and not rounded to 8 bits; {over}"
    )


def network_sentence(protocol: Mapping[str, Any], subject: str) -> str:
    """What the feature network is; entries of the protocol begin with ``subject``."""
    kind, units, side, accuracy, seen = (
        protocol.get(f"{subject}_{key}") for key in ("kind", "units", "side", "accuracy", "network_saw_test")
    )
    saw, right = ", which it was trained on, too" if seen else "", ""
    if accuracy and "test" in accuracy:
        right = f" ({100 * accuracy['test']:.1f} % right on test images{saw})"
    substitute = (
        ", a substitute for the paper's classifiers of attributes and of whole house numbers (the latter's layers, at "
        f"{side}x{side})"
        if kind == "classes"
        else ""
    )
    return (
        f"the {units:,} outputs of the last hidden layer of a classifier trained here on this dataset's {kind}{right}"
        f"{substitute}; it depends on that classifier, so it compares the rows of one column, and is not comparable in "
        "absolute value with the paper's"
    )


def measure(subject: Subject) -> dict[str, dict[str, Any]]:
    """Both errors of a run.

    Its entry says ``split`` (whose images are reconstructed), ``n_images`` (the most that count) and ``minibatch``.

    Returns:
        ``metrics`` and ``spread``: mean and standard deviation over minibatches in the dataset's order, of which the
        last may be smaller (:func:`advcodes.metrics.images.reconstruction.over_minibatches`). ``protocol``: counts, and
        what the feature network is.

    Raises:
        AdvcodesError: the dataset lacks a split, the feature network is missing or damaged, or a reconstruction is not
            finite.
    """
    config, restored, data = subject.config["feature_error"], subject.restored, subject.data
    split, train_split = config["split"], restored.config["view"]["train_split"]
    images, training = data.images[subject.chosen(split, config["n_images"])], data.split(train_split).images
    network, seed = subject.network("features"), restored.config["seed"]
    per_image = errors(restored, images, subject.config["sampling"], training, network, seed, subject.what)
    size, sampled = config["minibatch"], data.images[subject.chosen(train_split, config["n_images"])]
    trivial = _errors_of_mean(restored, images, sampled, network)
    (pixel, pixel_sd), (feature, feature_sd) = (over_minibatches(of_images, size) for of_images in per_image)
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
        "feature_of_mean_image_pixels": float(f"{over_minibatches(trivial[0], size)[0]:.6g}"),
        "feature_of_mean_image": float(f"{over_minibatches(trivial[1], size)[0]:.6g}"),
    }
    return {
        "metrics": {PIXEL_MSE: pixel, FEATURE_MSE: feature},
        "spread": {PIXEL_MSE: pixel_sd, FEATURE_MSE: feature_sd},
        "protocol": protocol,
    }


def _errors_of_mean(
    restored: Trained, images: np.ndarray, training_images: np.ndarray, network: FeatureNetwork
) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`errors` gives if the mean training image is put in place of every reconstruction."""
    import numpy as np
    import torch

    mean = torch.from_numpy(training_images.mean(0, dtype=np.float64) / 255).to(restored.method.device)
    pixels, features = [], []
    with torch.inference_mode():
        known = network.features(mean[None].float())
        for start in range(0, len(images), _BLOCK):
            x = torch.from_numpy(np.array(images[start : start + _BLOCK])).to(mean.device).double() / 255
            pixels.append((x - mean).square().mean((1, 2, 3)).cpu().numpy())
            features.append((network.features(x.float()) - known).double().square().mean(1).cpu().numpy())
    return np.concatenate(pixels), np.concatenate(features)


def errors(
    restored: Trained,
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
    import torch

    low, high = restored.value_range
    where = network.head.weight.device
    pixels, features = [], []
    with torch.inference_mode():
        for pair in pairs(restored, images, sampling, training_images, seed, what):
            x, again = ((part.double() - low) / (high - low) for part in pair)
            pixels.append((again - x).square().flatten(1).mean(1))
            real, made = (network.features(part.float().to(where)).double() for part in (x, again))
            features.append((made - real).square().mean(1))
    of_pixels, of_features = (torch.cat(parts).cpu().numpy() for parts in (pixels, features))
    return of_pixels, of_features
