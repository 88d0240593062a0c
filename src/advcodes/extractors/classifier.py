"""The classifier whose features stand in for Inception's: trained on each dataset by the pipeline itself.

Metrics on its features bear names of their own (:mod:`advcodes.metrics.extracted`); they say nothing beyond the
dataset that it was trained on.
"""

from __future__ import annotations

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
from torch.optim.lr_scheduler import OneCycleLR

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import Prepared
from advcodes.data.prepared import load as load_prepared
from advcodes.extractors.features import Extractor, sha256
from advcodes.jobs import checkpoint, device
from advcodes.jobs.fit import Plan, Resume, fit

SEED = 0  #: of initial weights and order: one classifier a dataset
MIN_STEPS = 200  #: at least so many updates, whatever ``epochs`` says: a small dataset makes few in an epoch
BATCH = 500  #: images a pass when not training
#: Where statements are learnt, images get Gaussian noise in training, of an sd from 0 to this (of 255): a network that
#: has seen clean ones only misreads slightly noisy ones, as generated images are.
NOISE = 40
ENOUGH = 10_000  #: images that accuracy, mean and sd of a split are taken from, about
TRAINED_TO = {
    "classes": "tell the dataset's classes",
    "attributes": "tell the dataset's binary attributes, each on its own",
    "statements": "tell the dataset's binary attributes and, where it has classes, whether an image shows each of "
    "them, every answer on its own and with noise added to images",
    "rotations": "tell by which of 0, 90, 180 and 270 degrees an image was turned (RotNet, Gidaris et al. 2018): the "
    "dataset has neither classes nor attributes, or they shall not matter",
}


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make an `extractor/classifier/...` artifact: ``classifier.pt`` and ``classifier.json``."""
    config = artifact.config
    data = load_prepared(artifact.inputs["data"].directory)
    train_split, test_split = data.split(config["train_split"]), data.split(config["test_split"])
    with device.claimed(machine) as where:
        began = time.monotonic()
        network, task, facts = train(train_split, config, where, artifact.id, Resume.of(artifact))
        accuracy = {name: round(accuracy_of(network, split, task), 4) for name, split in
                    (("train", train_split), ("test", test_split))}  # fmt: skip
    about = {
        "task": task.name,
        "trained_to": TRAINED_TO[task.name],
        "accuracy": accuracy,
        "features": network.head.in_features,
        "outputs": task.outputs,
        "parameters": sum(p.numel() for p in network.parameters()),
        **facts,
    }
    print(f"{artifact.id}: accuracy {accuracy['train']:.1%} on {config['train_split']}, {accuracy['test']:.1%} on "
          f"{config['test_split']}", flush=True)  # fmt: skip
    content = {
        "shape": list(data.shape),
        "outputs": task.outputs,
        "width": config["width"],
        "task": task.name,
        "accuracy": accuracy["test"],
        "state": {k: v.cpu() for k, v in network.state_dict().items()},
    }
    checkpoint.save(artifact.directory / "classifier.pt", content)
    write_atomically(artifact.directory / "classifier.json", json.dumps(about, indent=1) + "\n")
    return ["classifier.pt", "classifier.json"], {"seconds": round(time.monotonic() - began, 1), "accuracy": accuracy}


def load(directory: Path, where: torch.device | str) -> Extractor:
    """The trained classifier of a directory.

    Raises:
        AdvcodesError: ``classifier.pt`` is missing, damaged, or not a classifier's.
    """
    path = directory / "classifier.pt"
    if not path.exists():
        raise AdvcodesError(f"{path}: no such classifier; run `snakemake` to train it")
    content = checkpoint.load(path)
    try:
        network = Classifier(tuple(content["shape"]), content["outputs"], content["width"])
        network.load_state_dict(content["state"])
    except (KeyError, TypeError, RuntimeError):
        raise AdvcodesError(f"{path}: not a classifier of this version; delete it and run `snakemake` again") from None
    network = _on(network, where).eval().requires_grad_(False)
    about = {"task": content["task"], "accuracy": content["accuracy"]}
    return Extractor(network, sha256(path), BATCH, "none", content["task"] == "classes", about)


# ------------------------------------------------------------------------------------------------------------
# The network


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm, and a 1x1 convolution beside them (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip
        self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.skip(x))


class Classifier(nn.Module):
    """Residual network for images of any size, or a perceptron for points.

    Args:
        shape: of one example, (C, H, W) or (D,).
        outputs: logits.
        width: channels of the first layer; there are ``4 * width`` features.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int):
        super().__init__()
        dims, features = [1, -1] + [1] * (len(shape) - 1), 4 * width
        self.register_buffer("mean", torch.zeros(shape[0]).view(dims))
        self.register_buffer("sd", torch.ones(shape[0]).view(dims))
        if len(shape) == 1:
            self.trunk = nn.Sequential(nn.Linear(*shape, features), nn.ReLU(), nn.Linear(features, features), nn.ReLU())
        else:
            stride = 2 if min(shape[1:]) > 40 else 1  # 64x64 images then cost what 32x32 ones do
            self.trunk = nn.Sequential(
                nn.Conv2d(shape[0], width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                nn.MaxPool2d(2, ceil_mode=True), Block(width, 2 * width),
                nn.MaxPool2d(2, ceil_mode=True), Block(2 * width, 4 * width),
                nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            )  # fmt: skip
        self.head = nn.Linear(features, outputs)

    def forward(self, stored: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, 4 * width] and logits [N, outputs] of stored images (uint8) or points (float32)."""
        x = (stored.float() - self.mean) / self.sd
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        features = self.trunk(x)
        return features, self.head(features)


def _on(network: Classifier, where: torch.device | str) -> Classifier:
    return network.to(where).to(memory_format=torch.channels_last)


# ------------------------------------------------------------------------------------------------------------
# Training


@dataclass(frozen=True)
class Task:
    """What a dataset lets a classifier learn.

    Attributes:
        name: ``classes``, ``attributes``, ``statements`` or ``rotations``.
        outputs: logits; of statements those of the attributes come first, then those of the classes.
    """

    name: str
    outputs: int

    @property
    def binary(self) -> bool:
        """Whether each output answers a question of its own."""
        return self.name in ("attributes", "statements")


def task_of(data: Prepared, wanted: str = "auto") -> Task:
    """Classes where the split has two or more, else attributes, else rotations; or what is wanted.

    Args:
        data: the training split.
        wanted: ``auto``, ``statements`` (attributes and classes, each as a binary target) or ``rotations``.

    Raises:
        AdvcodesError: points without classes; there is nothing to learn from them. Or there are no attributes.
    """
    classes = int(data.labels.max(initial=-1)) + 1
    if wanted == "statements":
        if data.attributes is None:
            raise AdvcodesError(f"{data.dataset}: has no attributes for a classifier to learn; use another dataset")
        return Task("statements", data.attributes.shape[1] + (classes if classes >= 2 else 0))
    if wanted == "auto" and classes >= 2:
        return Task("classes", classes)
    if wanted == "auto" and data.attributes is not None:
        return Task("attributes", data.attributes.shape[1])
    if data.points:
        raise AdvcodesError(f"{data.dataset}: points without classes give the classifier nothing to learn; add labels")
    return Task("rotations", 4)


def _examples(data: Prepared, task: Task) -> tuple[np.ndarray, np.ndarray | None]:
    """Images that the task can use, and their targets; rotations are made batch by batch and have none."""
    if task.name == "classes":
        known = data.labels >= 0
        return (data.images, data.labels) if known.all() else (data.images[known], data.labels[known])
    if task.name == "statements":
        assert data.attributes is not None  # or task_of had not said so
        if classes := task.outputs - data.attributes.shape[1]:
            known = data.labels >= 0
            told = np.hstack([data.attributes, data.labels[:, None] == np.arange(classes)]).astype(np.uint8)
            return (data.images, told) if known.all() else (data.images[known], told[known])
    return data.images, data.attributes if task.binary else None


def _some(n: int) -> slice:
    """Evenly spaced rows of ``n``, at least 10,000 where there are as many."""
    return slice(None, None, max(1, n // ENOUGH))


def _rotated(images: Tensor, quarters: Tensor) -> Tensor:
    """The centre square of each image, turned by as many quarters."""
    h, w = images.shape[2:]
    side = min(h, w)
    square = images[:, :, (h - side) // 2 :, (w - side) // 2 :][:, :, :side, :side]
    turned = torch.stack([torch.rot90(square, k, (2, 3)) for k in range(4)])
    return turned[quarters, torch.arange(len(images), device=images.device)]


def _noisy(images: Tensor, generator: torch.Generator) -> Tensor:
    """Images with noise, of another strength each, rounded and clipped as stored ones are: float32 [N, C, H, W]."""
    sd = NOISE * torch.rand(len(images), 1, 1, 1, generator=generator)
    noise = sd * torch.randn(images.shape, generator=generator)
    return (images.float() + noise.to(images.device)).round().clamp(0, 255)


def train(
    data: Prepared,
    config: Mapping[str, Any],
    where: torch.device,
    what: str = "classifier",
    resume: Resume | None = None,
) -> tuple[Classifier, Task, dict[str, Any]]:
    """Train on one split; on a CPU with the same number of threads the result is always the same.

    Args:
        data: the training split.
        config: ``width``, ``epochs``, ``batch_size``, ``lr``, ``precision``; ``task`` where it is not to be chosen.
        where: device.
        what: first words of progress lines.
        resume: where a killed training goes on.

    Returns:
        The network in evaluation mode, its task, and facts: ``steps``, ``epochs``, ``images``.

    Raises:
        AdvcodesError: nothing to learn from, or training diverged.
    """
    task = task_of(data, config.get("task", "auto"))
    images, targets = _examples(data, task)
    stored = torch.from_numpy(np.array(images))
    wanted = None if targets is None else torch.from_numpy(np.array(targets)).to(where)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = Classifier(data.shape, task.outputs, config["width"])
    axes = (0, *range(2, stored.ndim))
    sd, mean = torch.std_mean(stored[_some(len(stored))].float(), axes, correction=0)
    network.mean.copy_(mean.view_as(network.mean))
    network.sd.copy_(sd.clamp_min(1e-6).view_as(network.sd))
    network, stored = _on(network, where), stored.to(where)
    plan = Plan(len(stored), config["batch_size"], config["epochs"], MIN_STEPS, SEED, config["precision"])

    def batch(index: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        index = index.to(where)
        if wanted is None:
            quarters = torch.randint(4, (len(index),), generator=random).to(where)
            return _rotated(stored[index], quarters), quarters
        return _noisy(stored[index], random) if task.name == "statements" else stored[index], wanted[index]

    def loss_of(output: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        logits = output[1].float()
        if task.binary:
            return F.binary_cross_entropy_with_logits(logits, target.float())
        return F.cross_entropy(logits, target)

    optimiser = torch.optim.AdamW(network.parameters(), lr=config["lr"], weight_decay=1e-2, fused=True)
    fit(
        network, plan, batch, loss_of, optimiser, OneCycleLR(optimiser, config["lr"], total_steps=plan.steps),
        what=what, advice=f"lower metrics.classifier.lr ({config['lr']})",
        order=lambda n, random: torch.randperm(n, generator=random), resume=resume,
    )  # fmt: skip
    epochs = round(plan.steps / plan.steps_per_epoch, 1)
    return network, task, {"images": len(stored), "steps": plan.steps, "epochs": epochs}


@torch.inference_mode()
def accuracy_of(network: Classifier, data: Prepared, task: Task) -> float:
    """Share of right answers on a split (or on 10,000 or more of it): of classes, rotations or binary targets."""
    images, targets = _examples(data, task)
    images, targets = images[_some(len(images))], None if targets is None else targets[_some(len(targets))]
    where, right, total = network.head.weight.device, 0.0, 0
    for start in range(0, len(images), BATCH):
        batch = torch.from_numpy(np.array(images[start : start + BATCH])).to(where)
        if targets is None:
            target = torch.arange(len(batch), device=where) % 4
            batch = _rotated(batch, target)
        else:
            target = torch.from_numpy(np.array(targets[start : start + BATCH])).to(where)
        logits = network(batch)[1]
        answers = (logits > 0) == (target > 0) if task.binary else logits.argmax(1) == target
        right, total = right + answers.sum().item(), total + answers.numel()
    return right / max(total, 1)
