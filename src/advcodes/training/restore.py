"""A trained run back as a method that samples and encodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from advcodes.core.errors import AdvcodesError
from advcodes.jobs import checkpoint
from advcodes.methods import registry
from advcodes.methods.base import Method, MethodConfig
from advcodes.nets.build import build
from advcodes.nets.config import Architecture
from advcodes.nets.spec import DatasetSpec

SENTENCES = "sentences.pt"  #: in a run's directory: the sentence encoder of a method that asks for text


@dataclass(frozen=True)
class Restored:
    """A trained method and what it was trained as.

    Attributes:
        method: its networks loaded, on the device, in evaluation mode.
        shape: of one image, (C, H, W), or (D,) for points.
        value_range: of its images.
        step: training steps behind these weights.
        images: real images seen by then.
        config: the run's resolved configuration.
    """

    method: Method
    shape: tuple[int, ...]
    value_range: tuple[float, ...]
    step: int
    images: int
    config: dict[str, Any]


def method_config(config: Mapping[str, Any]) -> MethodConfig:
    """The validated hyperparameters in a run's configuration."""
    hyperparameters = dict(config["method"])
    return registry.method(hyperparameters.pop("method")).Config.model_validate(hyperparameters)


def build_method(config: Mapping[str, Any], spec: DatasetSpec, device: torch.device | str) -> Method:
    """A method with freshly initialised networks (from torch's global random stream) on ``device``."""
    settings = method_config(config)
    cls = registry.method(config["method"]["method"])
    architecture = TypeAdapter(Architecture).validate_python(config["architecture"])
    networks = build(architecture, cls.nets(settings), spec, settings.latent_dim)
    if config["training"]["channels_last"] and len(spec.shape) == 3:
        networks = {role: net.to(memory_format=torch.channels_last) for role, net in networks.items()}
    return cls(settings, {role: net.to(device) for role, net in networks.items()}, spec)


def normalised_roles(networks: Mapping[str, nn.Module]) -> list[str]:
    """Roles of networks with batch norm."""
    return [role for role, net in networks.items() if any(isinstance(m, _BatchNorm) for m in net.modules())]


def read_run(directory: Path) -> dict[str, Any]:
    """What the run was: config, shape, steps, images.

    Raises:
        AdvcodesError: the directory holds no finished run.
    """
    try:
        run = json.loads((directory / "run.json").read_text())
    except (OSError, ValueError):
        raise AdvcodesError(f"{directory}: no trained run here; train it first (`advcodes train <run>`)") from None
    if missing := {"config", "examples", "steps", "images", "snapshots"} - set(run):
        raise AdvcodesError(
            f"{directory / 'run.json'}: lacks {', '.join(sorted(missing))}: written by another version; train again"
        )
    return run


def snapshots(directory: Path) -> list[tuple[int, int]]:
    """(step, images seen) of every kept generator in ascending order; the last is the end of training."""
    run = read_run(directory)
    return [(step, step * run["config"]["training"]["batch_size"]) for step in run["snapshots"]]


def restore(directory: Path | str, device: torch.device | str = "cpu", step: int | None = None) -> Restored:
    """Load a trained run, or one of its snapshots (which hold what sampling needs only).

    Raises:
        AdvcodesError: nothing trained there, no such snapshot, or weights of another variant.
    """
    directory = Path(directory)
    run = read_run(directory)
    final = run["snapshots"][-1]
    step = final if step is None else step
    if step not in run["snapshots"]:
        raise AdvcodesError(
            f"{directory}: no snapshot at step {step} (there are: {', '.join(map(str, run['snapshots']))})"
        )
    path = directory / ("networks.pt" if step == final else f"snapshots/{step:09d}.pt")
    content = checkpoint.load(path, device)
    config, seen = run["config"], run["examples"]
    examples: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in seen.items()}
    spec = DatasetSpec(**examples)
    with torch.random.fork_rng():
        method = build_method(config, spec, device)
    try:
        for role, state in content["networks"].items():
            method.networks[role].load_state_dict(state)
        method.load_state(content["method"])
    except (KeyError, RuntimeError):
        raise AdvcodesError(
            f"{path}: holds weights of another variant than {directory / 'run.json'} says; train again"
        ) from None
    for net in method.networks.values():
        net.eval().requires_grad_(False)
    images = step * config["training"]["batch_size"]
    return Restored(method, spec.shape, spec.value_range, step, images, config)
