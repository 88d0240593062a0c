"""Shared by all tests: the repository's own params.yaml as a starting point, one thread for torch."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from advcodes.methods import registry

CAPTION = 6  #: numbers of a caption's embedding
ROOT = Path(__file__).parents[1]
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _tree() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture
def tree(_tree: dict[str, Any]) -> dict[str, Any]:
    """params.yaml, parsed; free to be changed by a test."""
    return copy.deepcopy(_tree)


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run from the repository's root, where pipeline/papers lies; they write to tmp_path only."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, _tree: dict[str, Any]) -> Path:
    """Prepared `digits` and `gaussians`, made once: <prepared>/digits and <prepared>/gaussians.

    Captions of `digits` lie in <prepared>/captions: six numbers that say the class.
    """
    from advcodes.build.produce import produce
    from advcodes.config.params import resolve
    from advcodes.graph.graph import Graph

    folder = tmp_path_factory.mktemp("data")
    graph = Graph(resolve(_tree), data=folder)
    for dataset in ("digits", "gaussians"):
        produce(graph.prepared(dataset), graph.params)
    found = folder / "prepared"
    labels = np.load(found / "digits" / "labels.npy")
    captions = np.random.default_rng(0).standard_normal((10, CAPTION), np.float32)
    (found / "captions").mkdir()
    np.save(found / "captions" / "embeddings.npy", captions[labels])
    np.save(found / "captions" / "starts.npy", np.arange(len(labels) + 1))
    return found


def captions_for(method: str, prepared: Path) -> Path | None:
    """Where training of a method finds captions of `digits`, if it asks for them."""
    from advcodes.methods import registry

    return prepared / "captions" if registry.method(method).conditioned_on == "text" else None


def serves(family: str, method: str) -> bool:
    """Whether an architecture family has every kind of network that a method asks for."""
    from advcodes.methods import registry

    cls = registry.method(method)
    asked = {net.kind for net in cls.nets(cls.Config()).values()}
    return asked <= set(importlib.import_module(f"advcodes.nets.families.{family}").KINDS)


def architecture_for(method: str) -> dict[str, Any]:
    """A small architecture that serves it."""
    if serves("infogan", method):
        return {"family": "infogan", "width": 8, "features": 32, "bn_momentum": 0.1, "code": {"width": 32}}
    return {"family": "ali" if serves("ali", method) else "began", "width": 4}


def run_config(method: str, *, architecture: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A small run's resolved configuration; keyword arguments replace parts of it by dotted name (`__` for dots)."""
    config: dict[str, Any] = {
        "method": {"method": method, "latent_dim": 16},
        "architecture": architecture or architecture_for(method),
        "training": {
            "batch_size": 32, "precision": "float32", "channels_last": True, "compile": False,
            "flip": False, "snapshots": 2,
        },
        "budget": {"images": 320, "epochs": None},
        "view": {"range": [0.0, 1.0], "train_split": "train"},
        "seed": 0,
    }  # fmt: skip
    if "pretrain_steps" in registry.method(method).Config.model_fields:
        config["method"]["pretrain_steps"] = 2  # of hundreds: tests are to see what comes after
    for path, value in changes.items():
        *parents, last = path.split("__")
        node = config
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = value
    return config
