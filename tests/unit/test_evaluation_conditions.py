"""Samples of conditional methods: their conditions lie beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import advcodes
from advcodes.config.sections import Machine, Sampling
from advcodes.core.errors import AdvcodesError
from advcodes.evaluation import sample
from advcodes.evaluation.sample import draw
from advcodes.text.embeddings import Embeddings
from advcodes.training.restore import restore
from advcodes.training.train import train
from conftest import CAPTION, captions_for, run_config
from evaluation_fakes import artifact

SAMPLING = Sampling(batch_size=20, reestimate_batches=2).model_dump()
CPU = torch.device("cpu")


def trained(name: str, prepared: Path, to: Path) -> Path:
    to.mkdir()
    train(run_config(name, budget__images=640), prepared / "digits", to, CPU, text=captions_for(name, prepared))
    return to


@pytest.mark.parametrize("name", ["lpaae_supervised", "lpaae_unsupervised"])
def test_asked_labels_lie_beside_samples_and_are_those_of_sampling(name: str, prepared: Path, tmp_path: Path):
    run = trained(name, prepared, tmp_path / "run")
    made = artifact(tmp_path / "out", "sample/demo/digits/x/seed0", {**SAMPLING, "n_generated": 50}, run=run)
    files, _ = sample.make(made, Machine(device="cpu"))
    assert files == ["samples.npy", "conditions.npy"]
    images, asked = (np.load(tmp_path / "out" / f) for f in files)
    assert asked.shape == (50,) and asked.dtype == np.int64 and set(asked) <= set(range(10)) and len(set(asked)) > 5
    again, same = draw(restore(run), 7, SAMPLING, 0)
    np.testing.assert_array_equal(images[:7], again)
    np.testing.assert_array_equal(asked[:7], same)
    # Asking does not change what is drawn: a caller that only wants images gets these.
    method, generator = restore(run).method, torch.Generator().manual_seed(0)
    assert torch.equal(method.sample(5, generator), method.sample(5, generator.manual_seed(0)))


def test_unconditional_samples_come_alone(prepared: Path, tmp_path: Path):
    run = trained("lpaae", prepared, tmp_path / "run")
    assert draw(restore(run), 3, SAMPLING, 0)[1] is None


def test_text_samples_show_the_captions_of_the_reference_split_in_turn(prepared: Path, tmp_path: Path):
    run = trained("lpaae_text", prepared, tmp_path / "run")
    config = {**SAMPLING, "n_generated": 510, "split": "test"}
    inputs = {"run": run, "text": prepared / "captions", "data": prepared / "digits"}
    files, _ = sample.make(artifact(tmp_path / "out", "sample/x", config, **inputs), Machine(device="cpu"))
    images, asked = (np.load(tmp_path / "out" / f) for f in files)
    np.testing.assert_array_equal(asked, np.arange(510) % 500)
    assert images.shape == (510, 1, 8, 8)
    assert draw(restore(run), 5, SAMPLING, 0)[1] is None  # of captions seen in training: rows of no split


def test_captions_of_rows(tmp_path: Path):
    np.save(tmp_path / "embeddings.npy", np.arange(12, dtype=np.float32).reshape(6, 2))
    np.save(tmp_path / "starts.npy", np.array([0, 1, 3, 6]))
    found = Embeddings(tmp_path, slice(1, 3))
    assert len(found) == 2 and found.size == 2
    assert found.first(torch.tensor([0, 1, 1])).tolist() == [[2, 3], [6, 7], [6, 7]]
    torch.manual_seed(0)
    drawn = found.any(torch.tensor([0, 1]).repeat(300))
    assert {tuple(v) for v in drawn[::2].tolist()} == {(2, 3), (4, 5)}
    shares = torch.tensor([(drawn[1::2, 0] == first).float().mean() for first in (6, 8, 10)])
    assert (shares - 1 / 3).abs().max() < 0.1
    for broken in (slice(1, 4), slice(0, 9)):
        with pytest.raises(AdvcodesError, match=r"no embeddings of this dataset's captions .*run `snakemake`"):
            Embeddings(tmp_path, broken)
    with pytest.raises(AdvcodesError, match="no embeddings of this dataset's captions"):
        Embeddings(tmp_path / "none", slice(0, 1))


def test_a_run_without_a_sentence_encoder_says_so(prepared: Path, tmp_path: Path):
    for name, message in (("lpaae", "lpaae is conditioned on nothing"), ("lpaae_text", "no such sentence encoder")):
        run = advcodes.load(trained(name, prepared, tmp_path / name))
        with pytest.raises(AdvcodesError, match=message):
            run.say(["a white 3"], 4)
    assert run.method.spec.text == CAPTION
