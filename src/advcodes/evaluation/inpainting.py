"""Images with a rectangle missing, filled in by a trained run, and how far that is right (facts 6.8, 6.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_stored
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation.names import INPAINTED_FEATURE_MSE, INPAINTED_PIXEL_MSE, SEAM
from advcodes.evaluation.reconstruction import over_minibatches, pairs
from advcodes.evaluation.reference import choose
from advcodes.extractors import feature_network
from advcodes.methods import masks as rectangles
from advcodes.training.restore import Restored

_BLOCK = 100  #: masks drawn at a time: fewer masks are then the first of more


def measure(artifact: Artifact, restored: Restored, where: torch.device | str) -> dict[str, dict[str, Any]]:
    """The errors of an `evaluate/...` artifact's run in what is missing of images.

    Args:
        artifact: with inputs ``data`` and ``features`` (the feature network); its ``config["inpainting"]`` has
            ``split`` and ``n_images`` (the most that count), ``minibatch`` (images over whose means the numbers are
            averaged), and of the masks ``smallest``, ``largest`` and ``seed``: see :func:`drawn_masks`.
        restored: the run.
        where: device.

    Returns:
        ``metrics``: the squared error of missing pixels, an image's mean over its missing pixels and the channels, on
        [0, 1]; the squared difference of features of the completed image and the original; and the squared jump across
        the border of the mask (:func:`jumps`). Of the first two ``spread``, the standard deviation over minibatches.
        ``floor`` is the jump in the originals. ``protocol`` says what was measured, and what the mean training image in
        place of every filling would give.

    Raises:
        AdvcodesError: the method cannot inpaint, the dataset or the feature network is missing, or an image is not
            finite.
    """
    config, seed = artifact.config["inpainting"], restored.config["seed"]
    data, train_split = load_prepared(artifact.inputs["data"].directory), restored.config["view"]["train_split"]
    split, n, minibatch = config["split"], config["n_images"], config["minibatch"]
    images, training = data.images[choose(data, split, n)], data.split(train_split).images
    network = feature_network.load(artifact.inputs["features"].directory, where)
    missing = drawn_masks(len(images), restored.shape, config["smallest"], config["largest"], config["seed"])
    mean = torch.from_numpy(data.images[choose(data, train_split, n)].mean(0, dtype=np.float64) / 255)
    pixels, features, baseline = [], [], []
    across = np.zeros(4)  # squared jumps in completed images and their number; the same of the originals
    at = 0
    with torch.inference_mode():
        found = _pairs(restored, images, missing, artifact.config["sampling"], training, seed, artifact.id, _inpaint)
        for x, filled in found:
            real, made = (on_unit(given, restored.value_range) for given in (x, filled))
            mask = missing[at : at + len(x)].to(x.device)
            at += len(x)
            pixels.append(error_inside(made, real, mask))
            baseline.append(error_inside(mean.to(real.device).expand_as(real), real, mask))
            difference = network.features(made.float()) - network.features(real.float())
            features.append(difference.double().square().mean(1))
            across += [*jumps(made, mask), *jumps(real, mask)]
    if not across[1]:
        raise AdvcodesError(
            f"{artifact.id}: no mask leaves a pixel of its image, so nothing can be said about the border; lower "
            "metrics.inpainting.largest"
        )
    (pixel, pixel_sd), (feature, feature_sd), (of_mean, _) = (
        over_minibatches(torch.cat(parts).cpu().numpy(), minibatch) for parts in (pixels, features, baseline)
    )
    seam, floor = float(across[0] / across[1]), float(across[2] / across[3])
    protocol = {
        "inpainting_range": [0, 1],
        "inpainting_images": len(images),
        "inpainting_split": split,
        "inpainting_minibatch": minibatch,
        "inpainting_trained_on": bool({*split.split("+")} & {*train_split.split("+")}),
        "inpainting_smallest": config["smallest"],
        "inpainting_largest": config["largest"],
        "inpainting_seed": config["seed"],
        "inpainting_rectangles": list(extent(restored.shape, config["smallest"], config["largest"])),
        "inpainting_of_mean_image": round(of_mean, 6),
        "inpainting_seam_of_originals": round(floor, 6),
        "inpainting_kind": network.kind,
        "inpainting_units": network.size,
        "inpainting_side": network.side,
        "inpainting_accuracy": network.about["accuracy"],
        "inpainting_network_saw_test": network.about["saw_test"],
    }
    return {
        "metrics": {INPAINTED_PIXEL_MSE: pixel, INPAINTED_FEATURE_MSE: feature, SEAM: seam},
        "spread": {INPAINTED_PIXEL_MSE: pixel_sd, INPAINTED_FEATURE_MSE: feature_sd},
        "floor": {SEAM: floor},
        "protocol": protocol,
    }


# -- masks ------------------------------------------------------------------------------------------------------


def extent(shape: Sequence[int], smallest: float, largest: float) -> tuple[int, int]:
    """Least and largest height and width of a mask in pixels, 1 at least: shares of the shorter side, rounded.

    Args:
        shape: of an image, (C, H, W).
        smallest: share.
        largest: share; 8 and 54 of 64 are what the published script draws for its pictures (facts 6.8).
    """
    side = min(shape[1:])
    low = max(1, round(smallest * side))
    return low, max(low, round(largest * side))


def drawn_masks(n: int, shape: Sequence[int], smallest: float, largest: float, seed: int) -> Tensor:
    """Rectangles that are missing of images, bool [n, 1, H, W], true where a pixel is missing.

    They are drawn on the CPU and depend on nothing else, so that every run fills in the same ones; fewer are the first
    of more. Drawn as in training (:func:`advcodes.methods.masks.draw`; G-6), but from another range of sizes.

    Args:
        n: how many.
        shape: of an image, (C, H, W).
        smallest: least height and width as a share of the side.
        largest: and the most.
        seed: of the drawing.
    """
    generator = torch.Generator().manual_seed(seed)
    low, high = extent(shape, smallest, largest)
    blocks = [rectangles.draw(_BLOCK, shape, low, high, generator) for _ in range(0, n, _BLOCK)]
    return torch.cat(blocks)[:n] if blocks else torch.zeros(0, 1, *shape[1:], dtype=torch.bool)


# -- images -----------------------------------------------------------------------------------------------------


def completed(
    restored: Restored,
    images: np.ndarray,
    masks: Tensor,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    whole: bool = False,
) -> np.ndarray:
    """Images whose missing pixels a run has filled in, quantised to 8 bits: for figures.

    Args:
        restored: a trained run whose method inpaints.
        images: uint8 [N, C, H, W].
        masks: what is missing of each, bool [N, 1, H, W].
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        training_images: uint8 [M, C, H, W], or a memory map: batch norm is re-estimated while some of them are filled
            in, with the same masks.
        seed: of the choice of these; nothing else is drawn.
        whole: G(E(M x)), the whole image that the run makes of a masked one, in place of the missing piece of that in
            the image as it was.

    Returns:
        uint8 [N, C, H, W]. With ``batch_norm: batch`` alone an image depends on the others of its batch.

    Raises:
        AdvcodesError: the method cannot inpaint, or what it fills in is not finite.
    """
    make = _reconstruct_masked if whole else _inpaint
    found = _pairs(restored, images, masks, sampling, training_images, seed, "inpainting", make)
    made = [to_stored(filled, restored.value_range).cpu().numpy() for _, filled in found]
    return np.concatenate(made) if made else np.zeros((0, *restored.shape), np.uint8)


def _inpaint(method: Any, x: Tensor, mask: Tensor) -> Tensor:
    return method.inpaint(x, mask)


def _reconstruct_masked(method: Any, x: Tensor, mask: Tensor) -> Tensor:
    return method.reconstruct(method.occluded(x, mask))


def _pairs(
    restored: Restored,
    images: np.ndarray,
    masks: Tensor,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str,
    make: Callable[[Any, Tensor, Tensor], Tensor],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of images and of what ``make`` (method, images, masks) makes of them, in the run's value range."""
    method, passed = restored.method, 0
    if not method.can("inpaint", method.config):
        raise AdvcodesError(
            f"{what}: {method.name} as it was trained does not inpaint; take a variant with `masked: true`, or take "
            "this one out"
        )

    def masked(x: Tensor, first: int | None) -> Tensor:
        nonlocal passed
        if first is None:  # training images: masks one after the other, and from the first again
            first, passed = passed, passed + len(x)
        chosen = masks[torch.arange(first, first + len(x)) % len(masks)]
        return make(method, x, chosen.to(x.device))

    return pairs(restored, images, sampling, training_images, seed, what, masked, "inpainting")


# -- numbers ----------------------------------------------------------------------------------------------------


def on_unit(x: Tensor, value_range: Sequence[float]) -> Tensor:
    """Images in ``value_range`` on [0, 1], in double precision."""
    low, high = value_range
    return (x.double() - low) / (high - low)


def error_inside(made: Tensor, real: Tensor, mask: Tensor) -> Tensor:
    """Each image's squared error, a mean over channels and masked pixels alone: [N].

    Args:
        made: [N, C, H, W].
        real: the same.
        mask: bool [N, 1, H, W], nowhere empty.
    """
    inside = (made - real).square().masked_fill(~mask, 0).sum((1, 2, 3))
    return inside / (mask.sum((1, 2, 3)) * made.shape[1])


def jumps(x: Tensor, mask: Tensor) -> tuple[float, int]:
    """Squared differences of pixels that are neighbours, one of them masked and one not.

    Args:
        x: images [N, C, H, W].
        mask: bool [N, 1, H, W].

    Returns:
        Their sum over all pairs of such pixels and all channels, and their number.
    """
    total, count = 0.0, 0
    for axis in (2, 3):
        border = mask.int().diff(dim=axis) != 0
        total += float(x.diff(dim=axis).square().masked_fill(~border, 0).sum())
        count += int(border.sum()) * x.shape[1]
    return total, count
