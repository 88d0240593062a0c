"""The stage that trains GALI's auxiliary classifiers: of attributes where a dataset has them, else of classes.

Feature-MSE compares images by them (:mod:`advcodes.metrics.images.feature_error`), and GALI-PT learns from the digits'
one. The networks are those of :mod:`advcodes.nets.features`, and the recipes those of facts 5.17.
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
from torch.optim.lr_scheduler import LambdaLR

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_float
from advcodes.data.expected import held_out_split
from advcodes.data.prepared import Prepared
from advcodes.data.prepared import load as load_prepared
from advcodes.jobs import checkpoint, device
from advcodes.jobs.fit import Plan, Resume, Validation, fit
from advcodes.nets.features import FeatureNetwork, build

SEED = 0  #: of initial weights, held-out images, order and dropout: one network a dataset
MOMENTUM, WEIGHT_DECAY = 0.9, 5e-4  #: of the digits' SGD
DECAY, DECAY_STEPS = 0.9, 10_000  #: the factor on its learning rate, and after how many steps each time
UNIT = (0.0, 1.0)  #: range of images that networks are given
BATCH = 500  #: images a pass when not training
TRAINED_TO = {
    "classes": "tell the dataset's classes: a substitute for the multi-digit classifier of SVHN (facts 5.17)",
    "attributes": "tell the dataset's binary attributes, each on its own",
}


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make an `extractor/features/...` artifact: ``network.pt``, and ``about.json``.

    The latter has ``kind`` (``attributes`` or ``classes``), ``features`` (their number), counts, ``accuracy`` on
    training, validation and test images (the share of right answers), and ``saw_test`` (whether the last were trained
    on, too). A job that was killed goes on.

    Raises:
        AdvcodesError: the dataset has neither attributes nor classes, or training diverged.
    """
    config, what = artifact.config, artifact.id
    data = load_prepared(artifact.inputs["data"].directory)
    began = time.monotonic()
    with device.claimed(machine) as where:
        kind, outputs = task_of(data)
        training, validation = divided(data, kind, config)
        test = examples(data.split(config["test_split"]), kind)
        network, facts = train(training, validation, kind, outputs, config, where, what, Resume.of(artifact))
        parts = {"train": training, "validation": validation, "test": test}
        accuracy = {name: round(accuracy_of(network, part), 4) for name, part in parts.items()}
    about = {
        "kind": kind,
        "trained_to": TRAINED_TO[kind],
        "features": network.size,
        "outputs": outputs,
        "side": network.side,
        **facts,
        "accuracy": accuracy,
        "saw_test": bool({*config["train_split"].split("+")} & {*config["test_split"].split("+")}),
        "parameters": sum(p.numel() for p in network.parameters()),
        "config": dict(config),
    }
    print(f"{what}: {accuracy['test']:.2%} of {kind} right on {config['test_split']}", flush=True)
    state = {k: v.cpu() for k, v in network.state_dict().items()}
    content = {"channels": data.shape[0], "state": state, "about": about}
    checkpoint.save(artifact.directory / "network.pt", content)
    write_atomically(artifact.directory / "about.json", json.dumps(about, indent=1) + "\n")
    return ["about.json", "network.pt"], {"seconds": round(time.monotonic() - began, 1), "accuracy": accuracy}


def load(directory: Path, where: torch.device | str) -> FeatureNetwork:
    """The trained network of a directory, frozen and in evaluation mode; ``about`` is what about.json says of it.

    Raises:
        AdvcodesError: ``network.pt`` is missing, damaged, or another one.
    """
    path = directory / "network.pt"
    if not path.exists():
        raise AdvcodesError(f"{path}: no network for features; run `snakemake` to train it")
    content = checkpoint.load(path)
    try:
        about = dict(content["about"])
        network = _fresh(about["kind"], content["channels"], about["outputs"], about["config"])
        network.load_state_dict(content["state"])
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise AdvcodesError(
            f"{path}: not a network for features of this version; delete {directory} and run `snakemake` again"
        ) from None
    network.about = about
    return _on(network, where).eval().requires_grad_(False)


def _fresh(kind: str, channels: int, outputs: int, config: Mapping[str, Any]) -> FeatureNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return build(kind, channels, outputs, config)


def _on(network: FeatureNetwork, where: torch.device | str) -> FeatureNetwork:
    return network.to(where).to(memory_format=torch.channels_last)


# ------------------------------------------------------------------------------------------------------------
# Images and what is to be told of them


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images and their targets.

    Attributes:
        images: uint8 [N, C, H, W].
        targets: classes int64 [N], or attributes uint8 [N, A].
    """

    images: np.ndarray
    targets: np.ndarray

    def rows(self, chosen: np.ndarray) -> LabelledImages:
        """Only some rows."""
        return LabelledImages(self.images[chosen], self.targets[chosen])


def task_of(data: Prepared) -> tuple[str, int]:
    """What is told of a dataset's images, ``attributes`` or ``classes``, and how many there are.

    Raises:
        AdvcodesError: points, or a dataset with neither.
    """
    classes = int(data.labels.max(initial=-1)) + 1
    if data.points or (data.attributes is None and classes < 2):
        lack = "points, not images" if data.points else "has neither attributes nor two classes"
        raise AdvcodesError(
            f"{data.dataset}: {lack}, so no network for features can be trained on it; use another dataset, or leave "
            "out the items that print feature_mse"
        )
    return ("classes", classes) if data.attributes is None else ("attributes", data.attributes.shape[1])


def examples(data: Prepared, kind: str) -> LabelledImages:
    """Those images of a split of which it is known."""
    if kind == "attributes":
        assert data.attributes is not None  # or task_of had not said so
        return LabelledImages(data.images, data.attributes)
    known = data.labels >= 0
    return (
        LabelledImages(data.images, data.labels)
        if known.all()
        else LabelledImages(data.images[known], data.labels[known])
    )


def divided(data: Prepared, kind: str, config: Mapping[str, Any]) -> tuple[LabelledImages, LabelledImages]:
    """Images to train on, and images to choose weights by.

    The latter are the split ``validation`` (or ``val``) where there is one apart from those of ``train_split`` and
    ``test_split``; else a share of the training split, ``held_out``, drawn at random.

    Raises:
        AdvcodesError: fewer than two training images.
    """
    training = examples(data.split(config["train_split"]), kind)
    if name := held_out_split(data.splits, config["train_split"], config["test_split"]):
        return training, examples(data.split(name), kind)
    n = len(training.images)
    if n < 2:
        raise AdvcodesError(
            f"{data.dataset}: split {config['train_split']!r} has {n} image(s) of known {kind}, expected at least 2 to "
            "train the network for features on; use another split"
        )
    order = np.random.default_rng(SEED).permutation(n)
    held_out = min(n - 1, max(1, round(config["held_out"] * n)))
    return training.rows(np.sort(order[held_out:])), training.rows(np.sort(order[:held_out]))


# ------------------------------------------------------------------------------------------------------------
# Training


def train(
    training: LabelledImages,
    validation: LabelledImages,
    kind: str,
    outputs: int,
    config: Mapping[str, Any],
    where: torch.device,
    what: str = "features",
    resume: Resume | None = None,
) -> tuple[FeatureNetwork, dict[str, Any]]:
    """Train a network; on a CPU with the same number of threads the result is always the same.

    Args:
        training: images and targets.
        validation: likewise; the weights are kept of that epoch after which most of them are right.
        kind: ``classes`` or ``attributes``.
        outputs: number of these.
        config: of :class:`advcodes.config.sections.FeatureNetworkSettings`.
        where: device.
        what: first words of progress lines.
        resume: where a killed training goes on.

    Returns:
        The network in evaluation mode, and facts: ``images``, ``epochs``, ``steps``, ``kept_epoch``.

    Raises:
        AdvcodesError: training diverged.
    """
    stored, wanted = (torch.from_numpy(np.array(a)).to(where) for a in (training.images, training.targets))
    network = _on(_fresh(kind, stored.shape[1], outputs, config), where)
    mine = "digits" if kind == "classes" else "attributes"
    size, epochs, lr = (config[f"{mine}_{k}"] for k in ("batch_size", "epochs", "lr"))
    plan = Plan(len(stored), size, epochs, seed=SEED, precision=config["precision"])
    optimiser: torch.optim.Optimizer
    schedule = None
    if kind == "classes":
        optimiser = torch.optim.SGD(network.parameters(), lr, MOMENTUM, weight_decay=WEIGHT_DECAY)
        schedule = LambdaLR(optimiser, lambda step: DECAY ** (step // DECAY_STEPS))
    else:
        optimiser = torch.optim.Adam(network.parameters(), lr, fused=True)
    fitted = fit(
        network, plan,
        lambda index, _: (to_float(stored[at := index.to(where)], UNIT), wanted[at]),
        lambda output, target: _loss(output[1].float(), target),
        optimiser, schedule, what=what, advice=f"lower metrics.feature_network.{mine}_lr ({lr})",
        validation=Validation(lambda: accuracy_of(network, validation), plan.steps_per_epoch), resume=resume,
    )  # fmt: skip
    kept = fitted.kept_step // plan.steps_per_epoch
    return network, {"images": len(stored), "epochs": epochs, "steps": plan.steps, "kept_epoch": kept}


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of classes, or of each attribute by itself, averaged (assumed: not published)."""
    if targets.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, targets.float())
    return F.cross_entropy(logits, targets)


@torch.inference_mode()
def accuracy_of(network: nn.Module, part: LabelledImages) -> float:
    """Share of right answers, one an image or one an attribute; leaves the network in evaluation mode."""
    network.eval()
    where, right = next(network.parameters()).device, 0
    for start in range(0, len(part.images), BATCH):
        batch, target = (torch.from_numpy(np.array(a[start : start + BATCH])) for a in (part.images, part.targets))
        logits = network(to_float(batch.to(where), UNIT))[1].cpu()
        right += int(((logits > 0) == (target > 0) if target.ndim == 2 else logits.argmax(1) == target).sum())
    return right / max(part.targets.size, 1)
