"""What a trained run makes of images: reconstructions, their squared error (facts 6.5), and features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError
from advcodes.core.progress import Progress
from advcodes.metrics.base import Candidate, Metric, Quantity, Subject, Trained
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

MSE = "mse"


@register(MSE)
class SquaredError(Metric):
    """The squared error of pixels of reconstructions (facts 6.5)."""

    order = 70
    quantities = (Quantity(MSE, "lower", "MSE", needed=("mse_images", "mse_split"), of_mean_image="mse_of_mean_image"),)
    needs = ("reconstructions",)
    inputs = ("data",)
    on_images = True
    remedy = "only runs on images have it whose method reconstructs them; take the others out"

    @classmethod
    def settings(cls, candidate: Candidate) -> dict[str, Any]:
        dataset = candidate.dataset
        return {
            "split": dataset.test_split,
            "train_split": dataset.train_split,
            "n_images": candidate.reconstructed,
        }

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        return measure(subject)

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        seen = ", which were trained on, too" if protocol.get("mse_trained_on") else ""
        mean = protocol.get("mse_of_mean_image")
        baseline = f"; the mean training image in place of each would give {mean:.3f}" if mean is not None else ""
        return (
            "mean squared error of reconstructions over pixels and channels, images on [-1, 1] (on [0, 1] it would be "
            f"a quarter); {protocol['mse_images']:,} images of split {protocol['mse_split']}{seen}, by a deterministic "
            "encoder, not rounded to 8 bits (range, split and encoder assumed: papers that print it do not say)"
            f"{baseline}"
        )


def measure(subject: Subject) -> dict[str, dict[str, Any]]:
    """The squared error of a run; its entry says ``split``, ``train_split`` and ``n_images``, the most that count.

    Returns:
        ``metrics``, and ``protocol``: ``mse_range``, ``mse_images``, ``mse_split``, ``mse_encoder``, ``mse_trained_on``
        (whether the images were trained on, too) and ``mse_of_mean_image``, what the mean training image in place of
        every reconstruction would give.

    Raises:
        AdvcodesError: the dataset lacks a split, or a reconstruction is not finite.
    """
    config, restored, data = subject.config["mse"], subject.restored, subject.data
    split, train_split, n = config["split"], config["train_split"], config["n_images"]
    images, training = data.images[subject.chosen(split, n)], data.split(train_split).images
    sampling, seed = subject.config["sampling"], restored.config["seed"]
    error = squared_error(restored, images, sampling, training, seed, subject.what)
    protocol = {
        "mse_range": [-1, 1],
        "mse_images": len(images),
        "mse_split": split,
        "mse_encoder": "deterministic",
        "mse_trained_on": bool({*split.split("+")} & {*train_split.split("+")}),
        "mse_of_mean_image": round(error_of_mean(images, data.images[subject.chosen(train_split, n)]), 6),
    }
    return {"metrics": {MSE: error}, "protocol": protocol}


def reconstructions(
    restored: Trained, images: np.ndarray, sampling: Mapping[str, Any], training_images: np.ndarray, seed: int
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
    import numpy as np

    from advcodes.core.values import to_stored

    batches = pairs(restored, images, sampling, training_images, seed, "reconstructing")
    made = [to_stored(again, restored.value_range).cpu().numpy() for _, again in batches]
    return np.concatenate(made) if made else np.zeros((0, *restored.shape), np.uint8)


def squared_error(
    restored: Trained,
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
    import numpy as np

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
    import numpy as np

    means = [errors[start : start + size].mean() for start in range(0, len(errors), size)]
    return float(np.mean(means)), float(np.std(means))


def pairs(
    restored: Trained,
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
    import torch

    made = make or (lambda x, _: restored.method.reconstruct(x))
    # The mode is not the caller's between two batches, as it would be if it were entered in the generator itself.
    return torch.inference_mode()(_pairs)(restored, images, sampling, training_images, seed, what, made, noun)


def _pairs(
    restored: Trained,
    images: np.ndarray,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str,
    make: Callable[[Tensor, int | None], Tensor],
    noun: str,
) -> Iterator[tuple[Tensor, Tensor]]:
    """:func:`pairs`, with gradients switched off around it."""
    import numpy as np
    import torch

    from advcodes.core.values import to_float
    from advcodes.nets.batch_norm import normalised

    method, size, mode = restored.method, sampling["batch_size"], sampling["batch_norm"]
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


def represent(
    restored: Trained,
    images: np.ndarray,
    rows: np.ndarray,
    seen: np.ndarray,
    sampling: Mapping[str, Any],
    where: torch.device | str,
    what: str = "representing",
) -> np.ndarray:
    """Features of some images, float32 [N, F].

    Args:
        restored: a run whose method represents images.
        images: of the whole dataset, uint8 [M, C, H, W], or a memory map.
        rows: of the images, int64 [N].
        seen: rows of images that the run was trained on: batch norm is re-estimated on some, by the run's seed.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        where: device.
        what: names the work in progress lines and errors.

    Raises:
        AdvcodesError: the method cannot represent images, or a feature is not finite.
    """
    import numpy as np
    import torch

    from advcodes.core.values import to_float
    from advcodes.nets.batch_norm import normalised

    method, size, mode = restored.method, sampling["batch_size"], sampling["batch_norm"]
    order = np.random.default_rng(restored.config["seed"]).permutation(seen)

    def features_of(some: np.ndarray) -> torch.Tensor:
        x = torch.from_numpy(np.array(images[some])).to(where)
        return method.represent(to_float(x, restored.value_range)).float()

    def passes() -> None:
        batches = max(1, min(sampling["reestimate_batches"], len(order) // size))  # whole ones, no image twice
        for some in np.array_split(order[: batches * size], batches):
            features_of(np.sort(some))

    made: np.ndarray | None = None
    progress = Progress(f"{what}: features", len(rows), "images")
    with torch.inference_mode(), normalised(method.networks.values(), mode, passes):
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            n = len(batch)
            if mode == "batch":  # the last batch has statistics of a whole one, too
                batch = np.concatenate([batch, order[: size - n]])
            features = features_of(batch)[:n]
            if not torch.isfinite(features).all():
                raise AdvcodesError(
                    f"{what}: features of images by {method.name!r} at step {restored.step} are not finite (NaN or "
                    "infinite); the run has diverged: lower its learning rate (optimiser.lr) and train again"
                )
            if made is None:  # filled in place: those of SVHN take 2 GB
                made = np.empty((len(rows), features.shape[1]), np.float32)
            made[start : start + n] = features.cpu().numpy()
            progress.at(start + n)
    assert made is not None  # there is a row at least
    return made
