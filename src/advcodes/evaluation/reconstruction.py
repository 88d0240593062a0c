"""Reconstructions of images by a trained run, and their squared error (facts 6.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.core.progress import Progress
from advcodes.core.values import to_float, to_stored
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation.names import MSE
from advcodes.evaluation.reference import choose
from advcodes.evaluation.sample import normalised
from advcodes.training.restore import Restored


def measure(artifact: Artifact, restored: Restored) -> dict[str, dict[str, Any]]:
    """The squared error of an `evaluate/...` artifact's run.

    Args:
        artifact: with input ``data``; its ``config["mse"]`` has ``split`` (whose images are reconstructed),
            ``train_split`` and ``n_images`` (the most that count of each).
        restored: the run.

    Returns:
        ``metrics``, and ``protocol``: ``mse_range``, ``mse_images``, ``mse_split``, ``mse_encoder``, ``mse_trained_on``
        (whether the images were trained on, too) and ``mse_of_mean_image``, what the mean training image in place of
        every reconstruction would give.

    Raises:
        AdvcodesError: the dataset lacks a split, or a reconstruction is not finite.
    """
    config, seed = artifact.config["mse"], restored.config["seed"]
    data = load_prepared(artifact.inputs["data"].directory)
    split, train_split, n = config["split"], config["train_split"], config["n_images"]
    images, training = data.images[choose(data, split, n)], data.split(train_split).images
    error = squared_error(restored, images, artifact.config["sampling"], training, seed, artifact.id)
    protocol = {
        "mse_range": [-1, 1],
        "mse_images": len(images),
        "mse_split": split,
        "mse_encoder": "deterministic",
        "mse_trained_on": bool({*split.split("+")} & {*train_split.split("+")}),
        "mse_of_mean_image": round(error_of_mean(images, data.images[choose(data, train_split, n)]), 6),
    }
    return {"metrics": {MSE: error}, "protocol": protocol}


def reconstructions(
    restored: Restored, images: np.ndarray, sampling: Mapping[str, Any], training_images: np.ndarray, seed: int
) -> np.ndarray:
    """What a run makes of the codes of images, quantised to 8 bits: for figures.

    Args:
        restored: a trained run whose method reconstructs.
        images: uint8 [N, C, H, W].
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        training_images: uint8 [M, C, H, W], or a memory map: batch norm is re-estimated on reconstructions of some.
        seed: of the choice of these; nothing else is drawn.

    Returns:
        uint8 [N, C, H, W]. With ``batch_norm: batch`` alone an image depends on the others of its batch.

    Raises:
        AdvcodesError: the method cannot reconstruct, or a reconstruction is not finite.
    """
    found = pairs(restored, images, sampling, training_images, seed, "reconstructing")
    made = [to_stored(again, restored.value_range).cpu().numpy() for _, again in found]
    return np.concatenate(made) if made else np.zeros((0, *restored.shape), np.uint8)


def squared_error(
    restored: Restored,
    images: np.ndarray,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str = "reconstructing",
) -> float:
    """Mean over images, channels and pixels of (x - x̂)², both on [-1, 1] whatever range the networks see.

    Computed in double precision of what the networks give, which is not rounded to 8 bits. The other arguments are
    those of :func:`reconstructions`; ``what`` names the work in progress lines and errors.

    Raises:
        AdvcodesError: as :func:`reconstructions`, or there are no images.
    """
    if len(images) == 0:
        raise AdvcodesError(f"{what}: no images to reconstruct; expected at least one")
    low, high = restored.value_range
    total = 0.0
    for x, again in pairs(restored, images, sampling, training_images, seed, what):
        total += float((again.double() - x.double()).mul(2 / (high - low)).square().sum())
    return total / images.size


def error_of_mean(images: np.ndarray, training_images: np.ndarray) -> float:
    """The squared error on [-1, 1] of the mean training image in place of every reconstruction.

    Args:
        images: uint8 [N, C, H, W].
        training_images: uint8 [M, C, H, W].
    """
    mean = training_images.mean(0, dtype=np.float64)
    total = sum(float(np.square((image - mean) / 127.5).sum()) for image in images)
    return total / images.size


def over_minibatches(errors: np.ndarray, size: int) -> tuple[float, float]:
    """Mean and standard deviation (population) of the means of minibatches, as GALI prints errors (facts 6.5).

    The last minibatch may be smaller and counts as any other, as in the published scripts.

    Args:
        errors: of each image, [N].
        size: images of a minibatch.
    """
    means = [errors[start : start + size].mean() for start in range(0, len(errors), size)]
    return float(np.mean(means)), float(np.std(means))


@torch.inference_mode()
def pairs(
    restored: Restored,
    images: np.ndarray,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str,
    make: Callable[[Tensor, int | None], Tensor] | None = None,
    noun: str = "reconstruction",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of images and of what a run makes of them, float32 [B, C, H, W] in the run's value range.

    Args:
        restored: a trained run.
        images: uint8 [N, C, H, W], in whose order the batches come.
        sampling: as :func:`reconstructions`.
        training_images: uint8 [M, C, H, W]; some of them re-estimate batch norm, or fill up the last batch.
        seed: of the choice of these.
        what: first words of progress lines and errors.
        make: of images [B, C, H, W] makes others, a row each; also told which of ``images`` the first one is (the
            others follow it, and training images may follow those), or None where batch norm is re-estimated. None:
            the run's reconstructions.
        noun: what it makes, in progress lines and errors.

    Raises:
        AdvcodesError: what is made is not finite.
    """
    method, size, mode = restored.method, sampling["batch_size"], sampling["batch_norm"]
    make = make or (lambda x, _: method.reconstruct(x))
    order = np.random.default_rng(seed).permutation(len(training_images))

    def floats(stored: np.ndarray) -> Tensor:
        return to_float(torch.from_numpy(np.array(stored)).to(method.device), restored.value_range)

    def passes() -> None:
        batches = max(1, min(sampling["reestimate_batches"], len(order) // size))  # whole ones, no image twice
        for rows in np.array_split(order[: batches * size], batches):
            make(floats(training_images[np.sort(rows)]), None)

    progress = Progress(f"{what}: {noun}s", len(images), "images")
    with normalised(method.networks.values(), mode, passes):
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            n = len(batch)
            if mode == "batch":  # the last batch has statistics of a whole one, too
                batch = np.concatenate([batch, training_images[np.sort(order[: size - n])]])
            x = floats(batch)
            made = make(x, start)[:n].float()
            finite = torch.isfinite(made.flatten(1)).all(1)
            if not finite.all():
                bad = start + int((~finite).nonzero()[0])
                raise AdvcodesError(
                    f"{what}: the {noun} of image {bad} by {method.name!r} at step {restored.step} is not finite (NaN "
                    "or infinite); the run has diverged: lower its learning rate (optimiser.lr) and train again"
                )
            yield x[:n], made
            progress.at(start + n)
