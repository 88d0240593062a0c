"""The classifier of the MNIST score, and the stage that trains it (facts 6.4).

The score is the Inception Score's formula on another network's predictions: a small convolutional one, trained on
MNIST by its authors' recipe (github.com/ChunyuanLI/MNIST_Inception_Score). Real test images check it: theirs score
9.8793, with an sd of 0.0614 over ten splits. :mod:`advcodes.metrics.samples.mnist_score` measures samples with it.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import Prepared
from advcodes.data.prepared import load as load_prepared
from advcodes.jobs import checkpoint, device
from advcodes.jobs.fit import Plan, Resume, Validation, fit

SEED = 0  #: of initial weights, copies, order and dropout: there is one such classifier
SIDE, CLASSES = 28, 10
HELD_OUT = 12  #: where the dataset has no split `validation`: the first of every 12 training images, 5,000 of 60,000
DEGREES = (-15, 14)  #: that copies are rotated by, whole ones, ends included
SHIFT = (-2, 1)  #: pixels that copies are moved by along each axis, the same way
LR, DECAY = 1e-4, 0.95  #: Adam's learning rate, and the factor on it after each epoch
CHECK = 500  #: steps between looks at the validation images; the weights that get most of them right are kept
BATCH = 500  #: images a pass when not training
SPLITS = 10  #: of the test images' score


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make the `extractor/mnist_score/...` artifact: ``network.pt``, and ``about.json``.

    The latter has the counts, ``accuracy`` on validation and test images, and ``score_of_test_images``: mean and sd
    over ten splits. A job that was killed goes on.

    Raises:
        AdvcodesError: the dataset is not MNIST, or training diverged.
    """
    config, what = artifact.config, artifact.id
    data = load_prepared(artifact.inputs["data"].directory)
    began = time.monotonic()
    with device.claimed(machine) as where:
        images, labels, validation = divided(data)
        network, facts = train(images, labels, validation, config, where, what, Resume.of(artifact))
        test = data.split("test")
        logits = logits_of(network, centre(test.images, what))
        accuracy = {"validation": facts.pop("accuracy"), "test": _right(logits, test.labels)}
        # By name: how numbers are computed and called is no part of what the network has learnt.
        score = importlib.import_module("advcodes.metrics.samples.inception_score").inception_score
        mean, sd = score(logits, min(SPLITS, len(logits)))
    about = {
        **{k: config[k] for k in ("epochs", "batch_size", "copies", "precision")},
        **facts,
        "accuracy": {k: round(v, 4) for k, v in accuracy.items()},
        "score_of_test_images": {"mean": round(mean, 4), "sd": round(sd, 4), "images": len(logits)},
        "parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
    }
    print(f"{what}: {accuracy['test']:.2%} of test images right, which score {mean:.4f} ± {sd:.4f}", flush=True)
    state = {k: v.cpu() for k, v in network.state_dict().items()}
    checkpoint.save(artifact.directory / "network.pt", {"state": state, "about": about})
    write_atomically(artifact.directory / "about.json", json.dumps(about, indent=1) + "\n")
    return ["about.json", "network.pt"], {"seconds": round(time.monotonic() - began, 1), "accuracy": about["accuracy"]}


def load(directory: Path, where: torch.device | str) -> tuple[Network, dict[str, Any]]:
    """The trained network of a directory, frozen, and what about.json says of it.

    Raises:
        AdvcodesError: ``network.pt`` is missing, damaged, or another one.
    """
    path = directory / "network.pt"
    if not path.exists():
        raise AdvcodesError(f"{path}: no classifier for the MNIST score; run `snakemake` to train it")
    content = checkpoint.load(path)
    network = _fresh()
    try:
        network.load_state_dict(content["state"])
        about = dict(content["about"])
    except (KeyError, TypeError, RuntimeError):
        raise AdvcodesError(
            f"{path}: not the MNIST score's classifier; delete {directory} and run `snakemake` again"
        ) from None
    return _on(network, where).eval().requires_grad_(False), about


@dataclass(frozen=True)
class Scorer:
    """The trained classifier as the MNIST score asks it; ``about`` is what about.json says of it."""

    network: Network
    about: Mapping[str, Any]
    side: int = SIDE  #: of the images that it takes; of larger ones the centre counts

    def logits(self, images: np.ndarray, what: str) -> Tensor:
        """Logits [N, 10] of stored images, uint8 [N, 1, H, W]; ``what`` names them in errors."""
        return logits_of(self.network, centre(images, what))


def scorer(directory: Path, where: torch.device | str) -> Scorer:
    """What :func:`load` gives, to score with."""
    return Scorer(*load(directory, where))


# ------------------------------------------------------------------------------------------------------------
# The network


class Network(nn.Module):
    """Two 5x5 convolutions and two dense layers; batch norm after the first of each, without scales, as its authors'.

    ``forward`` maps stored images, uint8 [N, 1, 28, 28], to features [N, 1024] and logits [N, 10].
    """

    def __init__(self) -> None:
        super().__init__()
        conv1 = nn.Conv2d(1, 32, 5, padding=2, bias=False)
        conv2 = nn.Conv2d(32, 64, 5, padding=2)
        dense = nn.Linear(64 * (SIDE // 4) ** 2, 1024, bias=False)
        self.trunk = nn.Sequential(
            conv1, _norm(nn.BatchNorm2d, 32), nn.ReLU(), nn.MaxPool2d(2),
            conv2, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            dense, _norm(nn.BatchNorm1d, 1024), nn.ReLU(), nn.Dropout(1 - 0.7),
        )  # fmt: skip
        self.head = nn.Linear(1024, CLASSES)
        for layer in (conv1, dense):
            nn.init.trunc_normal_(layer.weight, 0, 0.01, -0.02, 0.02)
        for layer in (conv2, self.head):  # the default of their layers
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.get_parameter("bias"))

    def forward(self, stored: Tensor) -> tuple[Tensor, Tensor]:
        x = ((stored.float() - 127.5) / 255).contiguous(memory_format=torch.channels_last)
        features = self.trunk(x)
        return features, self.head(features)


def _norm(kind: type[nn.Module], features: int) -> nn.Module:
    """Batch norm with TensorFlow's epsilon, a decay of 0.9, and no learnt scale."""
    layer = kind(features, eps=1e-3, momentum=1 - 0.9)
    layer.weight.requires_grad_(False)
    return layer


def _fresh() -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return Network()


def _on(network: Network, where: torch.device | str) -> Network:
    return network.to(where).to(memory_format=torch.channels_last)


# ------------------------------------------------------------------------------------------------------------
# Images


def centre(images: np.ndarray, what: str) -> np.ndarray:
    """The centre 28x28 of grey images, uint8 [N, 1, H, W]: what there was before padding to 32x32 (assumed).

    Raises:
        AdvcodesError: colour, or smaller images.
    """
    if images.ndim != 4 or images.shape[1] != 1 or min(images.shape[2:]) < SIDE:
        raise AdvcodesError(
            f"{what}: the MNIST score is of grey images of at least {SIDE}x{SIDE}, got {list(images.shape[1:])}; "
            "leave `size` out of the dataset's view, or set metrics.mnist_score to null"
        )
    top, left = ((side - SIDE) // 2 for side in images.shape[2:])
    return images[:, :, top : top + SIDE, left : left + SIDE]


def divided(data: Prepared) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Images uint8 [N, 1, 28, 28] and labels [N] to train on, and both to choose weights by.

    The latter are the split `validation`, or the first of the training split: 5,000 of MNIST's 60,000.
    """
    training = data.split("train")
    images, labels = centre(training.images, data.dataset), training.labels
    if "validation" in data.splits:
        held_out = data.split("validation")
        return np.array(images), labels, (np.array(centre(held_out.images, data.dataset)), held_out.labels)
    n = max(1, len(images) // HELD_OUT)
    return np.array(images[n:]), labels[n:], (np.array(images[:n]), labels[:n])


def turned(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """One copy of each image, rotated and moved at random, black where nothing was: uint8 [N, 1, 28, 28].

    The angle is drawn from the whole degrees of :data:`DEGREES`, each axis' way from the whole pixels of
    :data:`SHIFT`; rotated by cubic splines, and rounded to 8 bits.
    """
    from scipy import ndimage

    degrees = random.integers(*DEGREES, len(images), endpoint=True)
    shifts = random.integers(*SHIFT, (len(images), 2), endpoint=True)
    copies = np.zeros_like(images)
    for copy, image, angle, (down, right) in zip(copies, images, degrees, shifts, strict=True):
        rotated = ndimage.rotate(image[0].astype(np.float32), angle, reshape=False, order=3)
        moved = ndimage.shift(rotated, (down, right), order=0)  # whole pixels: nothing to interpolate
        copy[0] = moved.round().clip(0, 255)
    return copies


# ------------------------------------------------------------------------------------------------------------
# Training


def train(
    images: np.ndarray,
    labels: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    config: Mapping[str, Any],
    where: torch.device,
    what: str = "MNIST score",
    resume: Resume | None = None,
) -> tuple[Network, dict[str, Any]]:
    """Train the network; on a CPU with the same number of threads the result is always the same.

    Args:
        images: uint8 [N, 1, 28, 28]; turned copies of them are made here, once.
        labels: int64 [N], 0 to 9.
        validation: images and labels by which the weights are chosen: the best of all that are looked at.
        config: ``epochs``, ``batch_size``, ``copies``, ``precision``.
        where: device.
        what: first words of progress lines.
        resume: where a killed training goes on.

    Returns:
        The network in evaluation mode, and facts: ``images`` (copies too), ``steps``, ``kept_step`` and ``accuracy``
        on the validation images.

    Raises:
        AdvcodesError: labels that are no digits, or training diverged.
    """
    if len(labels) == 0 or labels.min() < 0 or labels.max() >= CLASSES:
        raise AdvcodesError(f"{what}: expected labels 0 to 9 of every training image; prepare MNIST again")
    random = np.random.default_rng(SEED)
    stored = torch.from_numpy(np.concatenate([images, *(turned(images, random) for _ in range(config["copies"]))]))
    wanted = torch.from_numpy(np.tile(labels, 1 + config["copies"])).to(where)
    stored, network = stored.to(where), _on(_fresh(), where)
    optimiser = torch.optim.Adam((p for p in network.parameters() if p.requires_grad), lr=LR, fused=True)
    plan = Plan(len(stored), config["batch_size"], config["epochs"], seed=SEED, precision=config["precision"])
    fitted = fit(
        network, plan,
        lambda index, _: (stored[at := index.to(where)], wanted[at]),
        lambda output, target: F.cross_entropy(output[1].float(), target),
        optimiser, LambdaLR(optimiser, lambda step: DECAY ** (step // plan.steps_per_epoch)),
        what=what, validation=Validation(lambda: _right(logits_of(network, validation[0]), validation[1]), CHECK),
        resume=resume,
    )  # fmt: skip
    facts = {"images": len(stored), "steps": plan.steps, "kept_step": fitted.kept_step, "accuracy": fitted.score}
    return network, facts


@torch.inference_mode()
def logits_of(network: Network, images: np.ndarray) -> Tensor:
    """Logits float32 [N, 10] of images uint8 [N, 1, 28, 28], on the CPU; leaves the network in evaluation mode."""
    network.eval()
    where = network.head.weight.device
    batches = (images[start : start + BATCH] for start in range(0, len(images), BATCH))
    return torch.cat([network(torch.from_numpy(np.array(batch)).to(where))[1].float().cpu() for batch in batches])


def _right(logits: Tensor, labels: np.ndarray) -> float:
    """Share of images whose class the logits say."""
    return float((logits.argmax(1).numpy() == labels).mean())
