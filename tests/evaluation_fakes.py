"""Small stand-ins for what evaluation reads: a prepared dataset, a trained run, an artifact."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from advcodes.evaluation.subject import EvaluatedRun
from advcodes.methods.base import Method, MethodConfig
from advcodes.metrics.base import Metric
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import Restored

MEASURED = {
    "compute": ["fd", "is", "kid", "prc"],
    "is_splits": 10,
    "kid_subsets": 5,
    "kid_subset_size": 20,
    "prc_neighborhood": 3,
}
SAMPLING = {"batch_norm": "reestimate", "batch_size": 20, "reestimate_batches": 3}


def write_prepared(
    directory: Path,
    images: np.ndarray,
    splits: dict[str, int],
    labels: np.ndarray | None = None,
    attributes: np.ndarray | None = None,
) -> Path:
    """A prepared dataset of these arrays; ``splits`` gives counts in row order."""
    directory.mkdir(parents=True, exist_ok=True)
    ends = np.cumsum([0, *splits.values()])
    meta = {
        "dataset": "tiny",
        "shape": list(images.shape[1:]),
        "dtype": str(images.dtype),
        "splits": {name: [int(a), int(b)] for name, a, b in zip(splits, ends, ends[1:], strict=False)},
        "attribute_names": [] if attributes is None else [f"a{i}" for i in range(attributes.shape[1])],
    }
    np.save(directory / "images.npy", images)
    np.save(directory / "labels.npy", np.full(len(images), -1) if labels is None else labels.astype(np.int64))
    if attributes is not None:
        np.save(directory / "attributes.npy", attributes.astype(np.uint8))
    (directory / "meta.json").write_text(json.dumps(meta))
    return directory


def digits(directory: Path, **kwargs: Any) -> Path:
    """scikit-learn's digits, 1,297 to train on and 500 to test on; labels unless others are given."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.images))
    images = np.rint(data.images[order, None] * (255 / 16)).astype(np.uint8)
    kwargs = kwargs or {"labels": data.target[order]}
    return write_prepared(directory, images, {"train": 1297, "test": 500}, **kwargs)


def digit_labels() -> np.ndarray:
    """Labels in the order of :func:`digits`."""
    from sklearn.datasets import load_digits

    return load_digits().target[np.random.default_rng(0).permutation(1797)]


def artifact(directory: Path, id: str, config: dict[str, Any], key: str = "key", **inputs: Any) -> Any:
    """What a stage's ``make`` sees of an artifact; an input is another one, or a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    given = {k: SimpleNamespace(directory=v, key=k) if isinstance(v, Path) else v for k, v in inputs.items()}
    return SimpleNamespace(directory=directory, unfinished=directory, id=id, config=config, key=key, inputs=given)


def measured_by(
    metric: type[Metric], artifact: Any, restored: Any, samples: np.ndarray | None = None
) -> dict[str, Any]:
    """What a metric measures of a run, as the stage that evaluates it has it."""
    return metric.measure(EvaluatedRun(artifact, restored, "cpu", samples))


class Fake(Method):
    """Samples are what ``generator`` makes of the noise."""

    name = "fake"
    sampling_roles = ("generator",)

    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.networks["generator"](self.noise(n, generator))


def run(
    generator: nn.Module,
    shape: tuple[int, ...],
    latent_dim: int = 2,
    value_range: tuple[float, float] = (0.0, 1.0),
    seed: int = 0,
    step: int = 10,
) -> Restored:
    """A trained run whose generator is given."""
    method = Fake(
        MethodConfig(latent_dim=latent_dim), {"generator": generator.eval().requires_grad_(False)}, DatasetSpec(shape)
    )
    return Restored(method, shape, value_range, step, step * 4, {"seed": seed})


DAMAGES = ("missing", "truncated", "another file", "another network")


def damaged(how: str, whole: Path, copy: Path, alter: Callable[[dict[str, Any]], Any]) -> None:
    """Write a network's file damaged in one of the ways of `DAMAGES`; ``alter`` makes its content another network's."""
    if how == "truncated":
        copy.write_bytes(whole.read_bytes()[:-500])
    elif how == "another file":
        torch.save({"format": 1}, copy)
    elif how == "another network":
        content = torch.load(whole, weights_only=True)
        alter(content)
        torch.save(content, copy)
