"""LPAAE's samples show what they are asked for, judged by a classifier that has nothing to do with the pipeline's.

The digits, a few seconds of training, fixed seeds.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from sklearn.svm import SVC

from advcodes.config.sections import Sampling
from advcodes.data.prepared import load
from advcodes.evaluation.sample import draw
from advcodes.text.embeddings import Embeddings
from advcodes.training.restore import restore
from advcodes.training.train import train
from conftest import captions_for, run_config

CPU = torch.device("cpu")
RESIDUAL = {
    "family": "residual",
    "width": 8,
    "features": 64,
    "code": {"generator_width": "double", "generator_batch_norm": True, "discriminator_widths": [64, 32]},
}
#: Share of samples in which the judge sees the class of the condition; by chance 0.1.
BAR = 0.8


@pytest.fixture(scope="module")
def judge(prepared: Path) -> SVC:
    """A support vector machine on pixels; it gets 98 % of the test digits right."""
    data = load(prepared / "digits")
    train_, test = ((np.array(s.images).reshape(len(s), -1), s.labels) for s in map(data.split, ("train", "test")))
    found = SVC().fit(*train_)
    assert found.score(*test) > 0.97
    return found


def asked_and_seen(name: str, prepared: Path, to: Path, judge: SVC, **changes: object) -> tuple[np.ndarray, np.ndarray]:
    config = run_config(
        name,
        architecture=RESIDUAL,
        method__optimiser={"lr": 1e-3, "betas": (0.5, 0.999)},
        training__batch_size=64,
        training__snapshots=1,
        budget__images=64 * 500,
        view__range=[-1.0, 1.0],
        **changes,
    )
    text = captions_for(name, prepared)
    train(config, prepared / "digits", to, CPU, text=text)
    test = load(prepared / "digits").rows("test")
    given = Embeddings(text, test) if text else None
    samples, asked = draw(restore(to), 1000, Sampling().model_dump(), 0, given=given)
    if given:  # rows of the split: what their captions say
        asked = load(prepared / "digits").labels[test][asked]
    return asked, judge.predict(samples.reshape(1000, -1))


@pytest.mark.parametrize("name", ["lpaae_supervised", "lpaae_text"])
def test_samples_show_what_they_are_asked_for(name: str, prepared: Path, tmp_path: Path, judge: SVC):
    asked, seen = asked_and_seen(name, prepared, tmp_path, judge, method__latent_dim=32)
    accuracy = (asked == seen).mean()
    print(f"{name}: {accuracy:.3f}")
    assert accuracy > BAR


def test_clusters_mean_something(prepared: Path, tmp_path: Path, judge: SVC):
    """Clusters that had nothing to do with digits would share an information of about 0.01 with what is seen."""
    asked, seen = asked_and_seen("lpaae_unsupervised", prepared, tmp_path, judge, method__latent_dim=32)
    information = normalized_mutual_info_score(asked, seen)
    print(f"lpaae_unsupervised: {information:.3f}")
    assert information > 0.3
