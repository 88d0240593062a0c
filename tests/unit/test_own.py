"""Training on anyone's own images: every method, going on, and what is never done unasked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter

import advcodes
from advcodes.app.cli import main
from advcodes.app.own.settings import settings_for
from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError, Interrupted
from advcodes.methods import registry
from advcodes.nets.build import build
from advcodes.nets.config import Architecture
from advcodes.nets.spec import DatasetSpec
from conftest import ROOT

SMALL = ["--size=8", "--set=architectures.infogan.width=4", "--set=architectures.infogan.features=8",
         "--set=training.batch_size=16", "--set=training.snapshots=1", "--set=sampling.batch_size=64",
         "--set=sampling.reestimate_batches=1"]  # fmt: skip
WITHOUT_CAPTIONS = [name for name, cls in registry.methods().items() if cls.conditioned_on != "text"]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos", 30)
    return tmp_path / "photos"


def draw(folder: Path, count: int, seed: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    for i in range(count):
        Image.fromarray(random.integers(0, 256, (8, 12, 3), dtype=np.uint8)).save(folder / f"{i:02d}.png")


def train(*arguments: str, method: str = "ae", data: str = "photos", out: str = "run") -> int:
    return main(["train", "--data", data, "--method", method, "--out", out, *SMALL, *arguments])


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("method", WITHOUT_CAPTIONS)
def test_every_method_has_networks_for_every_size(method: str, size: int, tmp_path: Path):
    params = resolve(settings_for(tmp_path, method, size, 64, 0, []))
    variant = params.variants[method]
    architecture = TypeAdapter(Architecture).validate_python(params.architectures[variant.architecture].model_dump())
    spec = DatasetSpec((3, size, size), tuple(variant.value_range or (0, 1)), 2, 0, 0)
    with torch.device("meta"):
        networks = build(architecture, registry.method(method).nets(variant), spec, variant.latent_dim)
    assert sum(p.numel() for net in networks.values() for p in net.parameters()) < 140e6


@pytest.mark.parametrize("method", ["ali", "began"])
def test_methods_with_networks_of_their_own_train(method: str, photos: Path):
    narrow = f"--set=architectures.{method}.width=4"
    assert train("--images=32", narrow, method=method) == 0
    assert Path(f"run/grids/{method}_seed0/samples.png").exists()


def test_the_start_says_what_will_be_done(photos: Path, capsys: pytest.CaptureFixture):
    (photos / "notes.txt").write_text("no image")
    assert train("--images=32") == 0
    said = capsys.readouterr().out
    for words in (
        "30 images found: 27 to train on, 3 held out (test)",
        "skipped: 1 file, no images by their names (1 .txt)",
        "each cut to its centre square of 8x8 pixels, colour; the prepared array takes 0.0 MB on disk",
        "from the start, to 2 steps",
    ):
        assert words in said
    assert np.load("run/prepared/images/images.npy").shape == (30, 3, 8, 8)
    assert train("--images=32") == 0 and "already made" in capsys.readouterr().out


def test_photos_are_not_squashed_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = 255  # the middle third is white
    for i in range(20):
        Image.fromarray(pixels).save(tmp_path / f"photos/{i}.png")
    for fit, mean in (("crop", 255), ("squash", 85), ("pad", 28)):
        assert train("--images=32", f"--fit={fit}", out=fit) == 0
        assert abs(np.load(f"{fit}/prepared/images/images.npy").mean() - mean) < 5


def test_an_output_inside_the_data_is_no_data(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(photos)
    for words in ("from the start", "already made"):
        assert train("--images=32", data=".", out="advcodes-out", method="acl_ae") == 0
        assert words in capsys.readouterr().out
    assert len(np.load("advcodes-out/prepared/images/images.npy")) == 30


def test_a_longer_run_goes_on_and_nothing_is_replaced_unasked(photos: Path, capsys: pytest.CaptureFixture):
    assert train("--images=64") == 0
    assert train("--images=128") == 0
    assert "resumed at step 4/8" in capsys.readouterr().out
    assert train("--images=128", out="whole") == 0
    one, two = (advcodes.load(out).method.networks["encoder"].state_dict() for out in ("run", "whole"))
    assert all(torch.equal(one[k], two[k]) for k in one)

    for arguments, message in (
        (["--images=32"], "holds a run of 128 images, longer than --images 32"),
        (["--images=128", "--set=training.flip=true"], r"holds a run of other settings \(training\)"),
    ):
        assert train(*arguments) == 1
        error = capsys.readouterr().err
        assert re.search(message, error) and "--replace" in error
    draw(photos, 30, seed=1)
    assert train("--images=128") == 1 and "was trained on other images" in capsys.readouterr().err
    assert advcodes.load("run").method.name == "ae"
    assert train("--images=32", "--replace") == 0


def test_a_schedule_over_the_whole_run_is_not_made_longer(photos: Path, capsys: pytest.CaptureFixture):
    decay = "--set=variants.ae.optimiser.decay=linear"
    assert train("--images=32", decay) == 0 and train("--images=64", decay) == 1
    assert "its optimiser.decay follows a schedule over the whole run of 32 images" in capsys.readouterr().err


def test_ctrl_c_saves_a_checkpoint_and_says_where(photos: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    from advcodes.training import loop

    step = loop.Loop.train_step

    def interrupted(self, *args):
        step(self, *args)
        if self.step == 3:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(loop.Loop, "train_step", interrupted)
    assert train("--images=128") == 128 + signal.SIGTERM
    assert "interrupted at step 3/8; " in capsys.readouterr().err
    assert list(Path("run").rglob("checkpoint.pt"))
    monkeypatch.undo()
    monkeypatch.chdir(photos.parent)
    assert train("--images=128") == 0
    said = capsys.readouterr().out
    assert "resuming from the last checkpoint" in said and "resumed at step 3/8" in said
    assert issubclass(Interrupted, KeyboardInterrupt)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set=training.batch_size=1"], "training.batch_size: 1, but batch norm of encoder"),
        (["--set=sampling.batch_size=1"], "sampling.batch_size is 1, and batch norm has no statistics"),
        (["--seed=4294967296"], "--seed 4294967296: expected 0 to 4294967295"),
        (["--set=a.b={"], "'{' is no value"),
        (["--out=photos/00.png"], "photos/00.png: cannot be written: File exists"),
    ],
)
def test_what_cannot_be_is_one_line(arguments: list[str], message: str, photos: Path, capsys: pytest.CaptureFixture):
    assert train("--images=32", *arguments, method="acl_ae") == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_named_run_takes_no_settings_of_own_images(capsys: pytest.CaptureFixture):
    assert main(["train", "demo/digits/gan/seed0", "--images=5"]) == 1
    assert "--images goes with --data" in capsys.readouterr().err
    assert main(["train", "--data", ".", "--method", "lpaae_text"]) == 1
    assert "lpaae_text is conditioned on captions" in capsys.readouterr().err


def test_a_run_takes_and_gives_ordinary_tensors(photos: Path):
    assert train("--images=32", method="acl_ae") == 0
    run = advcodes.load("run")
    assert "acl_ae, images (3, 8, 8) in [0.0, 1.0], 32 seen; can sample, encode" in repr(run)
    stored = advcodes.images("photos", 8)
    assert stored.shape == (30, 3, 8, 8) and stored.dtype == torch.uint8
    codes = run.encode(stored)
    assert torch.equal(codes, run.encode(stored.numpy())) and codes.shape == (30, 64)
    assert torch.allclose(codes, run.encode(stored.float() / 255), atol=1e-6)
    torch.nn.Linear(codes.shape[1], 2)(codes).sum().backward()  # inference tensors could not be learned from
    between = run.interpolate(stored[:2], stored[2:4], 5)
    assert between.shape == (2, 5, 3, 8, 8)
    assert torch.allclose(between[:, 0], run.reconstruct(stored[:2]), atol=1e-6)
    for bad, message in (
        (stored[:, :1], r"images: expected \[N, 3, 8, 8\], got \[30, 1, 8, 8\]"),
        (stored.float(), "images: values from 0 to 255, but this run's are from 0 to 1"),
        (stored.long(), "images: expected floats, or uint8 from 0 to 255, got torch.int64"),
    ):
        with pytest.raises(AdvcodesError, match=message):
            run.encode(bad)
    with pytest.raises(AdvcodesError, match="nowhere: no images there"):
        advcodes.images("nowhere", 8)
    assert train("--images=32", method="ae") == 0
    with pytest.raises(AdvcodesError, match="run: holds 2 runs; name one"):
        advcodes.load("run")


def test_the_example_ends_well(tmp_path: Path):
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = ["bash", str(ROOT / "examples/own_images.sh"), str(tmp_path), "128", "4"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "own_images.sh: all is right" in done.stdout
