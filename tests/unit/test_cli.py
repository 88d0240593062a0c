"""The command line: errors are one line and a status, output can be piped, trained runs answer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import advcodes
from advcodes.app.cli import main, parser
from advcodes.app.own.settings import settings_for
from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.training.train import train
from conftest import run_config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "demo/digits/nope/seed0"], "unknown variant 'nope'"),
        (["train", "demo/digits/gan"], r"expected <scale>/<dataset>/<variant>/seed<k>"),
        (["train"], "name a run .*, or your images with --data and --method"),
        (["train", "--data", "no/such/folder"], "no/such/folder"),
        (["train", "--data", ".", "--method", "gann"], r"unknown method 'gann'; did you mean 'gan'"),
        (["train", "--data", ".", "--set", "training.batch_size"], "expected KEY=VALUE"),
        (["train", "--data", ".", "--set", "training.batchsize=3"], "training.batchsize: unknown key"),
        (["prepare", "digit"], "unknown dataset 'digit'; did you mean 'digits'"),
        (["render", "acl/table2"], "unknown item 'acl/table2'"),
        (["sample", "demo/digits/none/seed0", "--out", "x.png"], "no trained run here; train it first"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else None,
)
def test_a_users_error_is_one_line(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    if "--data" in arguments:
        arguments = [*arguments, "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("advcodes: error: ") and error.count("\n") == 1
    assert re.search(message, error), error


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    def full(args: Any) -> None:
        raise OSError(28, "No space left on device", "data/file")

    args = parser().parse_args(["schema"])
    args.run = full
    monkeypatch.setattr("argparse.ArgumentParser.parse_args", lambda self, argv: args)
    assert main(["schema"]) == 1
    assert capsys.readouterr().err == (
        "advcodes: error: data/file: No space left on device; free some space or fix permissions, then run again\n"
    )


def test_output_can_be_cut_short():
    command = f"{sys.executable} -m advcodes list | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.startswith("datasets (scale demo)")


def test_list_names_what_there_is(capsys: pytest.CaptureFixture):
    assert main(["list"]) == 0
    output = capsys.readouterr().out
    for word in ("cifar10", "served by digits", "acl_gan_gp", "acl/table1", "demo/digits/gan/seed0", "train: "):
        assert word in output


def test_own_images_need_no_file_edited(tmp_path: Path):
    tree = settings_for(tmp_path, "acl_gan", 32, 1000, 5, ["training.batch_size=8", "variants.acl_gan.phi=convolution"])
    params = resolve(tree)
    assert params.training.batch_size == 8 and params.variants["acl_gan"].phi == "convolution"
    assert params.seeds == [5] and params.datasets["images"].size == 32


def test_a_loaded_run_samples_encodes_and_decodes(prepared: Path, tmp_path: Path):
    for name in ("gan", "acl_gan"):
        (tmp_path / name).mkdir()
        train(run_config(name), prepared / "digits", tmp_path / name, torch.device("cpu"))
    run = advcodes.load(str(tmp_path / "acl_gan"))
    images = run.sample(6)
    assert images.shape == (6, 1, 8, 8) and images.min() >= 0 and images.max() <= 1
    assert torch.equal(images, run.sample(6)) and not torch.equal(images, run.sample(6, seed=1))
    codes = run.encode(images)
    assert codes.shape == (6, 16)
    assert torch.equal(run.decode(codes), run.reconstruct(images))
    with pytest.raises(AdvcodesError, match="acl_gan cannot inpaint"):
        run.inpaint(images, images)
    with pytest.raises(AdvcodesError, match="gan cannot encode"):
        advcodes.load(str(tmp_path / "gan")).encode(images)
    with pytest.raises(AdvcodesError, match="no trained run here"):
        advcodes.load("demo/digits/none/seed0")


@pytest.mark.parametrize(
    ("method", "status", "message"),
    [
        ("ae", 0, "ae cannot sample, so there is no grid"),
        ("acl_sgan", 1, "supervision: auto needs labels, and this dataset has none"),
    ],
)
def test_own_images_with_a_method_that_cannot_do_all(
    method: str, status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    (tmp_path / "images").mkdir()
    random = np.random.default_rng(0)
    for i in range(120):
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"images/{i}.png")
    small = (f"--set=architectures.infogan.{s}" for s in ("width=4", "features=8"))
    arguments = ["--data", str(tmp_path / "images"), "--out", str(tmp_path / "out"), "--size", "8", "--images", "64"]
    assert main(["train", *arguments, "--method", method, *small, "--set=training.batch_size=32"]) == status
    said = capsys.readouterr()
    assert message in said.out + said.err
