"""Measuring speed: the steps that are timed, and noise that stands in for data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from advcodes.config.sections import Machine
from advcodes.data.prepared import load
from advcodes.text.embeddings import Embeddings
from advcodes.training.loop import Loop
from advcodes.training.speed import measure, write_random_captions, write_random_data
from conftest import run_config


@pytest.mark.parametrize(
    ("method", "images", "steps"),
    [
        ("gan", 32_000, [500, 500, 501, 502]),  # a step to warm up, and three more
        ("wgan_gp", 32_000, [*range(500, 505), *range(500, 505)]),  # the generator is updated in each fifth step
        ("gan", 32, [0, 0, 0, 0]),  # never beyond the end
    ],
)
def test_whole_cycles_from_the_middle_of_the_run(
    method: str, images: int, steps: list[int], prepared: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[int] = []
    real = Loop.train_step
    monkeypatch.setattr(Loop, "train_step", lambda self, *args: seen.append(self.step) or real(self, *args))
    config = run_config(method, budget__images=images)
    speed, device = measure(config, prepared / "digits", Machine(device="cpu"), seconds=0.0)
    assert seen == steps
    assert speed > 0 and device == f"CPU, {torch.get_num_threads()} threads"


@pytest.mark.parametrize(("shape", "dtype"), [((3, 16, 16), "uint8"), ((2,), "float32")])
def test_noise_reads_as_a_prepared_dataset(shape: tuple[int, ...], dtype: str, tmp_path: Path):
    count = write_random_data(tmp_path, shape, 5, 3, 8, "train+val+test")
    data = load(tmp_path).split("train+val+test")
    assert count == len(data) == 32
    assert data.images.shape == (32, *shape) and data.images.dtype == dtype
    assert len(data.classes) == 5 and set(data.labels) <= set(range(5)) and data.attributes.shape == (32, 3)
    write_random_data(tmp_path, shape, 0, 0, 8, "train")
    assert set(load(tmp_path).labels) == {-1} and load(tmp_path).attributes is None
    write_random_captions(tmp_path, count, 6)
    captions = Embeddings(tmp_path, slice(8, 32))
    assert len(captions) == 24 and captions.size == 6
