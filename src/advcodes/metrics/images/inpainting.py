"""Images with a rectangle missing, filled in by a trained run, and how far that is right (facts 6.8, 6.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Fraction, Model, Natural
from advcodes.methods import masks as rectangles
from advcodes.metrics.base import Candidate, Metric, Quantity, Subject, Trained
from advcodes.metrics.images.feature_error import CAPABLE, compared, network_sentence
from advcodes.metrics.images.reconstruction import over_minibatches, pairs
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

INPAINTED_PIXEL_MSE, INPAINTED_FEATURE_MSE = "inpainted_pixel_mse", "inpainted_feature_mse"  #: facts 6.8, 6.6
SEAM = "inpainted_seam"  #: jumps across the border of what was filled in
INPAINTED = (INPAINTED_PIXEL_MSE, INPAINTED_FEATURE_MSE, SEAM)
_NEEDED = ("inpainting_images", "inpainting_split", "inpainting_rectangles")
_BLOCK = 100  #: masks drawn at a time: fewer masks are then the first of more


@register("inpainting")
class Inpainting(Metric):
    """Errors of what is filled in, and how well it agrees with its surroundings."""

    class Config(Model):
        """Masks of the inpainting metrics: rectangles, the same for every run (facts 6.8)."""

        smallest: Annotated[Fraction, Field(gt=0)] = Field(
            0.125,
            description="least height and width as a share of the side: 8 of 64 (assumed: the range of the figures)",
        )
        largest: Annotated[float, Field(gt=0, le=1)] = Field(0.84375, description="and the most: 54 of 64 (assumed)")
        seed: Natural = 0

    order = 90
    quantities = (
        Quantity(
            INPAINTED_PIXEL_MSE, "lower", "pixel-MSE of inpainting", over="batches",
            needed=(*_NEEDED, "inpainting_minibatch"), of_mean_image="inpainting_of_mean_image",
        ),
        Quantity(
            INPAINTED_FEATURE_MSE, "lower", "feature-MSE of inpainting", over="batches",
            needed=(*_NEEDED, "inpainting_minibatch", "inpainting_kind", "inpainting_units", "inpainting_side"),
        ),
        Quantity(SEAM, "lower", needed=_NEEDED),
    )  # fmt: skip
    needs = ("reconstructions",)
    inputs = ("data", "features")
    on_demand = True
    remedy = CAPABLE

    @classmethod
    def settings(cls, candidate: Candidate) -> dict[str, Any]:
        return {**compared(candidate), **super().settings(candidate)}

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        return measure(subject)

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        return {
            INPAINTED_PIXEL_MSE: _inpainted_pixel_mse,
            INPAINTED_FEATURE_MSE: _inpainted_feature_mse,
            SEAM: _seam,
        }[name](protocol)

    @classmethod
    def floor_of(cls, protocol: Mapping[str, Any], floor: Mapping[str, Any]) -> tuple[str, int]:
        """Jumps are compared with those in the originals."""
        return f"images of split {protocol['inpainting_split']}", protocol["inpainting_images"]


# -- sentences --------------------------------------------------------------------------------------------------


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
        f"{network_sentence(protocol, 'inpainting')}; {_over_minibatches(protocol)}; {_inpainted(protocol)}"
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


# -- measuring --------------------------------------------------------------------------------------------------


def measure(subject: Subject) -> dict[str, dict[str, Any]]:
    """The errors of a run in what is missing of images.

    Its entry says ``split`` and ``n_images`` (the most that count), ``minibatch`` (images over whose means the numbers
    are averaged), and of the masks ``smallest``, ``largest`` and ``seed``: see :func:`drawn_masks`.

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
    import numpy as np
    import torch

    config, restored, data = subject.config["inpainting"], subject.restored, subject.data
    seed, train_split = restored.config["seed"], restored.config["view"]["train_split"]
    split, n, minibatch = config["split"], config["n_images"], config["minibatch"]
    images, training = data.images[subject.chosen(split, n)], data.split(train_split).images
    network, sampling = subject.network("features"), subject.config["sampling"]
    missing = drawn_masks(len(images), restored.shape, config["smallest"], config["largest"], config["seed"])
    mean = torch.from_numpy(data.images[subject.chosen(train_split, n)].mean(0, dtype=np.float64) / 255)
    pixels, features, baseline = [], [], []
    across = np.zeros(4)  # squared jumps in completed images and their number; the same of the originals
    at = 0
    with torch.inference_mode():
        pairs = _pairs(restored, images, missing, sampling, training, seed, subject.what, _inpaint)
        for x, filled in pairs:
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
            f"{subject.what}: no mask leaves a pixel of its image, so nothing can be said about the border; lower "
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
    import torch

    generator = torch.Generator().manual_seed(seed)
    low, high = extent(shape, smallest, largest)
    blocks = [rectangles.draw(_BLOCK, shape, low, high, generator) for _ in range(0, n, _BLOCK)]
    return torch.cat(blocks)[:n] if blocks else torch.zeros(0, 1, *shape[1:], dtype=torch.bool)


# -- images -----------------------------------------------------------------------------------------------------


def completed(
    restored: Trained,
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
    import numpy as np

    from advcodes.core.values import to_stored

    make = _reconstruct_masked if whole else _inpaint
    pairs = _pairs(restored, images, masks, sampling, training_images, seed, "inpainting", make)
    made = [to_stored(filled, restored.value_range).cpu().numpy() for _, filled in pairs]
    return np.concatenate(made) if made else np.zeros((0, *restored.shape), np.uint8)


def _inpaint(method: Any, x: Tensor, mask: Tensor) -> Tensor:
    return method.inpaint(x, mask)


def _reconstruct_masked(method: Any, x: Tensor, mask: Tensor) -> Tensor:
    return method.reconstruct(method.occluded(x, mask))


def _pairs(
    restored: Trained,
    images: np.ndarray,
    masks: Tensor,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str,
    make: Callable[[Any, Tensor, Tensor], Tensor],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of images and of what ``make`` (method, images, masks) makes of them, in the run's value range."""
    import torch

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
