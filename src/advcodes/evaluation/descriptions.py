"""What metrics are that need no extractor: sentences for footnotes, by what was measured and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from advcodes.evaluation.names import (
    FEATURE_MSE,
    FORMULAS,
    INPAINTED_FEATURE_MSE,
    INPAINTED_PIXEL_MSE,
    IS_SPLITS,
    MNIST_SCORE,
    MNIST_SCORE_IMAGES,
    MSE,
    PIXEL_MSE,
    SEAM,
    SETTLING_IMAGES,
    SVM_ERROR,
)


def _mse(protocol: Mapping[str, Any]) -> str:
    """What the squared error of reconstructions is."""
    seen = ", which were trained on, too" if protocol.get("mse_trained_on") else ""
    mean = protocol.get("mse_of_mean_image")
    baseline = f"; the mean training image in place of each would give {mean:.3f}" if mean is not None else ""
    return (
        "mean squared error of reconstructions over pixels and channels, images on [-1, 1] (on [0, 1] it would be a "
        f"quarter); {protocol['mse_images']:,} images of split {protocol['mse_split']}{seen}, by a deterministic "
        "encoder, not rounded to 8 bits (range, split and encoder assumed: papers that print it do not say)"
        f"{baseline}"
    )


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


def _pixel_mse(protocol: Mapping[str, Any]) -> str:
    """What GALI's error of reconstructed pixels is."""
    return (
        "mean squared error of reconstructions over pixels and channels, images on [0, 1] (on [-1, 1] it would be four "
        f"times as large); {_reconstructed(protocol)}"
    )


def _feature_mse(protocol: Mapping[str, Any]) -> str:
    """What GALI's error of reconstructed features is, and by which network."""
    return (
        f"mean squared difference between features of images and of their reconstructions, "
        f"{_features(protocol, 'feature')}; {_reconstructed(protocol)}"
    )


def _features(protocol: Mapping[str, Any], subject: str) -> str:
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


def _mnist_score(protocol: Mapping[str, Any]) -> str:
    """What the MNIST score is; what the protocol does not say of its classifier is left out."""
    n, splits, about = protocol["mnist_score_images"], protocol["mnist_score_splits"], protocol.get("mnist_classifier")
    trained = ""
    if about:
        epochs = "1 epoch" if about["epochs"] == 1 else f"{about['epochs']} epochs"
        right = f"{100 * about['accuracy']['test']:.2f} % right on test images"
        trained = f", trained here for {epochs} on {about['images']:,} images with turned copies, {right}"
    real = protocol.get("mnist_score_of_real")
    ceiling = f"; real test images score {real[0]:.2f} ± {real[1]:.2f}" if real else ""
    usual = (n, splits) == (MNIST_SCORE_IMAGES, IS_SPLITS)
    return (
        f"MNIST score: {FORMULAS['is']} on predictions of its own classifier of MNIST "
        f"(github.com/ChunyuanLI/MNIST_Inception_Score{trained}; not the Inception Score, and not comparable with it); "
        f"{n:,} generated images in {splits} splits"
        f"{'' if usual else f' (usual: {MNIST_SCORE_IMAGES:,} in {IS_SPLITS})'}"
        f"{', of each the centre 28x28 (assumed)' if protocol.get('mnist_score_cropped') else ''}{ceiling}"
    )


def _inpainted(protocol: Mapping[str, Any]) -> str:
    """On which images something is filled in, and what is missing of them."""
    low, high = protocol["inpainting_rectangles"]
    seen = ", which were trained on, too" if protocol.get("inpainting_trained_on") else ""
    return (
        f"{protocol['inpainting_images']:,} images of split {protocol['inpainting_split']}{seen}, of each a rectangle "
        f"{low} to {high} pixels high and wide, the same for every run (range assumed: the published pictures'), not "
        "rounded to 8 bits"
    )


def _over_minibatches(protocol: Mapping[str, Any]) -> str:
    size, n = protocol["inpainting_minibatch"], protocol["inpainting_images"]
    if n <= size:
        return "one minibatch"
    smaller = " (the last is smaller)" if n % size else ""
    return f"mean and standard deviation over {-(-n // size):,} minibatches of {size}{smaller}"


def _inpainted_pixel_mse(protocol: Mapping[str, Any]) -> str:
    """What the error of filled-in pixels is."""
    mean = protocol.get("inpainting_of_mean_image")
    baseline = f"; the mean training image in place of each would give {mean:.3f}" if mean is not None else ""
    return (
        "mean squared error of filled-in pixels alone, over them and channels, images on [0, 1]; "
        f"{_over_minibatches(protocol)}; {_inpainted(protocol)}{baseline}"
    )


def _inpainted_feature_mse(protocol: Mapping[str, Any]) -> str:
    """What the error of features of completed images is."""
    return (
        "mean squared difference between features of images and of the same with a piece filled in, "
        f"{_features(protocol, 'inpainting')}; {_over_minibatches(protocol)}; {_inpainted(protocol)}"
    )


def _seam(protocol: Mapping[str, Any]) -> str:
    """What the jump across the border of what was filled in is."""
    floor = protocol.get("inpainting_seam_of_originals")
    real = f"; in the originals it is {floor:.4f}" if floor is not None else ""
    return (
        "mean squared jump between neighbouring pixels across the border of what was filled in, over such pairs and "
        "channels, images on [0, 1] (our own measure of whether it agrees with its surroundings); "
        f"{_inpainted(protocol)}{real}"
    )


def _svm_error(protocol: Mapping[str, Any]) -> str:
    """What the misclassification rate of linear SVMs is."""
    size, draws, pixels = protocol.get("svm_features"), protocol["svm_draws"], protocol.get("svm_error_of_pixels")
    over = f"mean and standard deviation over {draws:,} sets" if draws > 1 else "one set"
    few = protocol.get("svm_draws_of_pixels", draws)
    fewer = f", over {few:,} of the sets" if few < draws else ""
    baseline = f"; on pixels in place of features it is {pixels:.2f}{fewer}" if pixels is not None else ""
    return (
        f"percent of the {protocol['svm_test_images']:,} images of split {protocol['svm_test_split']} that linear SVMs "
        f"misclassify (one class against the others, squared hinge, L2 penalty) on {f'{size:,} ' if size else ''}"
        "features of a deterministic encoder, its code and three hidden layers, not standardised; "
        f"{over} of {protocol['svm_labelled']:,} labelled images, as many of each class, drawn from the first "
        f"{protocol['svm_pool']:,} of split {protocol['svm_split']}; C chosen once, by its last "
        f"{protocol['svm_validation']:,}{baseline}"
    )


def _settling_images(protocol: Mapping[str, Any]) -> str:
    """What the settling time of BEGAN's controller is, and of how many runs it is none."""
    window, every = protocol["settling_window"], protocol.get("settling_every")
    span = f" ({window * every:,} images)" if every else ""
    never, runs = protocol.get("settling_never", (0, 0))
    whole = f"; {never} of {runs} runs never settled; they count as the whole training" if never else ""
    return (
        "training images seen until the error of BEGAN's controller, e = eta L_d - L_g (with reconstructions, - alpha "
        f"L_v, too), stays within ±{100 * protocol['settling_band']:g} % of eta L_d to the end of training, both as "
        f"means over the last {window} logged points{span}, so never fewer than these (the settling time of control "
        f"theory; our own choice: no paper reports it){whole}"
    )


_MASKED = ("inpainting_images", "inpainting_split", "inpainting_rectangles")
_RECONSTRUCTED = ("feature_images", "feature_split", "feature_minibatch", "feature_minibatches")

#: By metric: entries of its protocol that must be there, and what makes a sentence of it, without name and full stop.
DESCRIBED: dict[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], str]]] = {
    MSE: (("mse_images", "mse_split"), _mse),
    PIXEL_MSE: (_RECONSTRUCTED, _pixel_mse),
    FEATURE_MSE: ((*_RECONSTRUCTED, "feature_kind", "feature_units", "feature_side"), _feature_mse),
    MNIST_SCORE: (("mnist_score_images", "mnist_score_splits"), _mnist_score),
    INPAINTED_PIXEL_MSE: ((*_MASKED, "inpainting_minibatch"), _inpainted_pixel_mse),
    INPAINTED_FEATURE_MSE: (
        (*_MASKED, "inpainting_minibatch", "inpainting_kind", "inpainting_units", "inpainting_side"),
        _inpainted_feature_mse,
    ),
    SEAM: (_MASKED, _seam),
    SVM_ERROR: (
        ("svm_test_images", "svm_test_split", "svm_draws", "svm_labelled", "svm_pool", "svm_split", "svm_validation"),
        _svm_error,
    ),
    SETTLING_IMAGES: (("settling_band", "settling_window"), _settling_images),
}
