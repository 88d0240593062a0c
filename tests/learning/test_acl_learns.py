"""Adversarial code learning makes models generative: on a toy, and on models of one's own as the docs show it."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from torch import nn

from advcodes.config.sections import Sampling
from advcodes.data.generated import MODES, SIGMA
from advcodes.data.prepared import load
from advcodes.evaluation.sample import generate
from advcodes.training.restore import restore
from advcodes.training.train import train
from conftest import ROOT, run_config

CPU = torch.device("cpu")
GAIN = 5  #: how many times closer to the data than before training


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased: 0 on average for equal distributions."""
    within = sum(cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b))
    return 2 * cdist(a, b).mean() - within


BAR = 0.15  #: energy distance of generated points to the data; noise N(0, I) is at 0.73


@pytest.mark.parametrize("prior", ["normal", "four_modes"])
def test_acl_ae_covers_all_modes_of_the_toy(prior: str, prepared: Path, tmp_path: Path):
    """Figure 11 in small: no mode is lost, and few points lie between them."""
    steady = {"code_generator": [0, 0.999], "code_discriminator": [0, 0.999]}
    config = run_config(
        "acl_ae", architecture={"family": "mlp", "width": 64}, method__latent_dim=2, method__prior=prior,
        method__optimiser={"lr": 1e-3}, method__learning_rates={}, method__betas=steady,
        training__batch_size=256, budget__images=256 * 3000,
    )  # fmt: skip
    train(config, prepared / "gaussians", tmp_path, CPU)
    data = np.array(load(prepared / "gaussians").split("test").images)[:1000]
    points = generate(restore(tmp_path), 1000, Sampling().model_dump(), 0)
    from_modes = cdist(points, np.array(MODES))
    share = np.bincount(from_modes.argmin(1), minlength=len(MODES)) / len(points)
    near = (from_modes.min(1) < 4 * SIGMA).mean()
    found = energy_distance(points, data)
    print(f"{prior}: share of each mode {share}, near one {near:.2f}, energy distance {found:.3f}")
    assert energy_distance(np.random.default_rng(0).normal(size=(1000, 2)), data) > 4 * BAR
    assert share.min() > 0.15 and near > 0.85
    assert found < BAR


def examples() -> list[str]:
    """The code blocks of the page on models of one's own."""
    section = (ROOT / "docs/acl_module.md").read_text().split("## Put ACL on your own model")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def digits(prepared: Path, split: str) -> tuple[torch.Tensor, np.ndarray]:
    data = load(prepared / "digits").split(split)
    return torch.from_numpy(np.array(data.images)).float().flatten(1) / 255, np.array(data.labels)


def layers(*sizes: int) -> list[nn.Module]:
    return [m for a, b in itertools.pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())][:-1]


def run_example(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a block of that page, which must stay under 20 lines."""
    assert len(code.strip().splitlines()) < 20
    exec(code, names)
    return names


def batches(x: torch.Tensor, epochs: int) -> list[torch.Tensor]:
    return [batch for _ in range(epochs) for batch in x[torch.randperm(len(x))].split(64)]


def test_the_page_makes_a_plain_autoencoder_generative(prepared: Path):
    torch.manual_seed(0)
    x, _ = digits(prepared, "train")
    test, _ = digits(prepared, "test")
    encoder = nn.Sequential(*layers(64, 256, 10))
    decoder = nn.Sequential(*layers(10, 256, 64), nn.Sigmoid())
    with torch.no_grad():
        before = energy_distance(decoder(torch.randn(500, 10)).numpy(), test.numpy())
    found = run_example(examples()[0], {"encoder": encoder, "decoder": decoder, "batches": batches(x, 60)})
    assert found["images"].shape == (64, 64)
    with torch.no_grad():
        after = energy_distance(decoder(found["acl"].sample(500)).numpy(), test.numpy())
        directly = energy_distance(decoder(torch.randn(500, 10)).numpy(), test.numpy())
    print(f"before {before:.3f}, noise decoded by the trained autoencoder {directly:.3f}, with ACL {after:.3f}")
    assert after < before / GAIN and after < directly / GAIN


def test_the_page_makes_a_classifier_generative(prepared: Path):
    torch.manual_seed(0)
    x, labels = digits(prepared, "train")
    test, test_labels = digits(prepared, "test")
    classifier = nn.Sequential(*layers(64, 128, 32), nn.LeakyReLU(), nn.Linear(32, 10))
    adam = torch.optim.Adam(classifier.parameters(), 1e-3)
    for _ in range(30):
        for i in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(classifier(x[i]), torch.from_numpy(labels)[i])
            adam.zero_grad()
            loss.backward()
            adam.step()
    weights = [p.detach().clone() for p in classifier.parameters()]
    decoder = nn.Sequential(*layers(32, 256, 64), nn.Sigmoid())
    with torch.no_grad():
        before = energy_distance(decoder(torch.randn(500, 32)).numpy(), test.numpy())
    found = run_example(examples()[1], {"classifier": classifier, "decoder": decoder, "batches": batches(x, 60)})
    assert all(torch.equal(a, b) for a, b in zip(weights, classifier.parameters(), strict=True))
    with torch.no_grad():
        codes = found["acl"].sample(500)
        images, says = decoder(codes).numpy(), classifier[-2:](codes).argmax(1).numpy()
    after = energy_distance(images, test.numpy())
    judge = LogisticRegression(max_iter=2000).fit(x.numpy(), labels)
    agreed = (judge.predict(images) == says).mean()
    print(f"before {before:.3f}, after {after:.3f}; an independent classifier agrees on {agreed:.0%} of the labels")
    assert after < before / GAIN
    assert len(set(says)) == 10 and agreed > 0.7
    assert judge.score(test.numpy(), test_labels) > 0.9  # the judge can judge
