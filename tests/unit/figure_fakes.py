"""Trained runs for figures that decode codes, with networks that a test gives."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from pages_fakes import SAMPLING, study_request
from torch import nn

from advcodes.methods.base import Conditional, Method, MethodConfig
from advcodes.nets.spec import DatasetSpec
from advcodes.pages.request import Request
from advcodes.pages.results import Result
from advcodes.papers.items import Item
from advcodes.studies import base
from advcodes.training.restore import Restored, snapshots
from advcodes.training.train import train
from conftest import run_config

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Coder(Method):
    """Encodes, decodes, and draws codes by ``code_generator`` from noise."""

    name = "coder"
    sampling_roles = ("code_generator", "decoder")
    snapshot_roles = ("encoder",)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(x)

    def decode(self, c: torch.Tensor) -> torch.Tensor:
        return self.decoder(c)

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(x))

    def codes(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.code_generator(self.noise(n, generator))

    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return self.decode(self.codes(n, generator))


def coder(encoder: nn.Module, decoder: nn.Module, shift: float = 0.0, shape: tuple[int, ...] = (2,)) -> Restored:
    """A trained run of these networks, with codes of two numbers that are noise, shifted."""
    code_generator = nn.Linear(2, 2)
    code_generator.weight.data, code_generator.bias.data = torch.eye(2), torch.full((2,), shift)
    roles = {"code_generator": code_generator, "encoder": encoder, "decoder": decoder}
    networks = {role: net.eval().requires_grad_(False) for role, net in roles.items()}
    method = Coder(MethodConfig(latent_dim=2), networks, DatasetSpec(shape))
    return Restored(method, shape, (0.0, 1.0), 10, 40, {"seed": 0, "view": {"train_split": "train"}})


class Asked(Conditional, Coder):
    """Codes are what is asked for beside the first number of the noise; one of three labels, unless a test says so."""

    name = "asked"
    conditioned_on = "labels"
    choices = 3

    def conditions(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return torch.randint(self.choices, (n,), generator=generator)

    def codes_given(self, conditions: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        told = conditions.float() if conditions.ndim == 1 else conditions[:, 0]
        return torch.stack([told, noise[:, 0]], 1)


class Clustered(Asked):
    """The same, asked for one of four clusters."""

    conditioned_on = "clusters"
    choices = 4


class Told(Asked):
    """The same, asked in words: the first number of a sentence's embedding counts."""

    conditioned_on = "text"


class Pixels(nn.Module):
    """Images of one brightness: fifty times what was asked for, and the noise between -10 and 10."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape
        self.weight = nn.Parameter(torch.tensor([50.0, 10.0]))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        level = self.weight[0] * codes[:, 0] + self.weight[1] * codes[:, 1].tanh() + 50
        return (level / 255)[:, None, None, None].expand(-1, *self.shape)


def conditional_run(kind: type[Asked], shape: tuple[int, ...], encoder: nn.Module | None = None) -> Restored:
    """A trained run that is asked for something, whose images are :class:`Pixels`."""
    networks = {"code_generator": nn.Linear(1, 1), "encoder": encoder or nn.Flatten(), "decoder": Pixels(shape)}
    method = kind(
        MethodConfig(latent_dim=2), {r: net.eval() for r, net in networks.items()}, DatasetSpec(shape, classes=3)
    )
    return Restored(method, shape, (0.0, 1.0), 10, 40, {"seed": 0, "view": {"train_split": "train"}})


def pretend(root: Path, names: Iterable[str]) -> dict[str, Path]:
    """Directories of runs ``<variant>/seed<k>`` that were never trained."""
    seen = {"config": {"training": {"batch_size": 32}}, "examples": {}, "steps": 6, "images": 192, "snapshots": [6]}
    directories = {name: root / name for name in names}
    for directory in directories.values():
        directory.mkdir(parents=True)
        (directory / "run.json").write_text(json.dumps(seen))
    return directories


def request(
    declared: Mapping[str, Any], prepared: Path, runs: Mapping[str, Path], samples: np.ndarray, **inputs: Any
) -> Request:
    """The request of a figure with one column: numbers are made up, trained runs and data are real.

    Args:
        declared: keys of the item that count.
        prepared: the dataset that serves the column.
        runs: directory of each by ``<variant>/seed<k>``.
        samples: of every run.
        inputs: other artifacts by role.
    """
    usual = {"reference": "Yuan et al.", "better": "lower", "protocol": "none", "paper_measures": False}
    item = Item.model_validate({"title": "A figure", "source": "Figure 0", **usual, **declared})
    dataset, made, results = prepared.name, {f"data/{prepared.name}": SimpleNamespace(directory=prepared), **inputs}, []
    for name, directory in runs.items():
        variant, seed = name.split("/seed")
        made[f"run/demo/{dataset}/{name}"] = SimpleNamespace(directory=directory)
        np.save(directory / "samples.npy", samples)
        made[f"samples/demo/{dataset}/{name}"] = SimpleNamespace(directory=directory, config=SAMPLING)
        metrics = {"fd_classifier": 3.0 + int(seed), "energy_distance": 0.25 + int(seed)}
        protocol = {"n_generated": 2000, "n_reference": 300, "split": "test", "extractor": "classifier"}
        results.append(
            Result(
                dataset=dataset, variant=variant, seed=int(seed), metrics=metrics, protocol=protocol,
                curve=tuple({"step": s, "images": n, **metrics} for s, n in snapshots(directory)),
                curve_protocol=protocol, floor={"metrics": metrics, "protocol": protocol}, images=192, batch_size=32,
            )
        )  # fmt: skip
    served = dataset if runs else None
    return Request(item, "demo", list(item.rows), {item.columns[0]: served}, {}, made, results)


def studied(asked: Request, directory: Path) -> Request:
    """The request with its study made, and left in a directory."""
    made = importlib.import_module(f"advcodes.studies.kinds.{asked.item.kind}").study(
        study_request(asked.item, asked.inputs, asked.columns)
    )
    directory.mkdir(parents=True, exist_ok=True)
    base.write(directory, made)
    return dataclasses.replace(asked, study=base.read(directory))


def render(asked: Request, directory: Path, name: str) -> list[str]:
    """Study a figure and render it; returns the names of its files, which are in ``directory``."""
    kind = importlib.import_module(asked.item.declares.page)
    return kind.render(studied(asked, directory / "study"), directory, name)


def would_be_saved(monkeypatch: pytest.MonkeyPatch, draw: Callable[[], object]) -> Figure:
    """The matplotlib figure that ``draw`` would save."""
    from matplotlib.figure import Figure

    class Saved(Exception):
        """Carries the figure out of what would save it."""

    def savefig(figure: Figure, *args: Any, **kwargs: Any) -> None:
        raise Saved(figure)

    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        with pytest.raises(Saved) as saved:
            draw()
    return saved.value.args[0]


def few_steps(prepared: Path, directory: Path, method: str, dataset: str = "digits", **changes: Any) -> Path:
    """Train a method for two steps, or what ``changes`` say; returns the directory."""
    config = run_config(method, **{"budget__images": 64, **changes})
    train(config, prepared / dataset, directory, torch.device("cpu"))
    return directory
