"""What comes out of a run on own images: numbers, pages, samples, reconstructions, codes, weights."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from test_own import SMALL, draw

import advcodes
from advcodes.app.cli import main
from advcodes.app.own.runs import is_own
from advcodes.core.errors import AdvcodesError

QUICK = "--set=metrics.classifier.width=2"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos` and two finished runs; one of them cannot sample."""
    place = tmp_path_factory.mktemp("own")
    draw(place / "photos", 30)
    for method in ("acl_ae", "ae"):
        where = ["--data", str(place / "photos"), "--out", str(place / f"{method} run")]
        assert main(["train", *where, "--method", method, "--images=32", "--fit=pad", *SMALL]) == 0
    return place


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def test_numbers_of_a_run_and_of_two_side_by_side(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    from advcodes.extractors import classifier

    monkeypatch.setattr(classifier, "MIN_STEPS", 4)
    assert main(["evaluate", "acl_ae run", QUICK]) == 0
    said = capsys.readouterr().out
    for name in ("fd_classifier ↓", "kd_classifier ↓", "precision_classifier ↑", "recall_classifier ↑", "mse ↓"):
        assert re.search(rf"^\| {name} \|", said, re.MULTILINE)
    assert "| acl_ae_seed0 | real images |" in said
    assert "warning: 3 real images held out and 27 generated images: distances" in said
    scores = json.loads(next(Path("acl_ae run").rglob("metrics.json")).read_text())
    assert scores["protocol"]["extractor_task"] == "rotations" and scores["protocol"]["n_reference"] == 3
    assert scores["floor"]["protocol"]["n_generated"] == 27

    os.rename("photos", "elsewhere")  # nothing is read again, nor measured
    try:
        assert main(["compare", "acl_ae run", "ae run", QUICK, "--out", "both.html"]) == 0
    finally:
        os.rename("elsewhere", "photos")
    said = capsys.readouterr().out
    assert "| acl_ae_seed0 | ae_seed0 | real images |" in said and "training:" not in said
    page = Path("both.html").read_text()
    assert page.count("data:image/png;base64,") == 3 and "trained to tell rotations" in page


def test_images_out_of_a_run(capsys: pytest.CaptureFixture):
    assert main(["sample", "acl_ae run", "--n=5", "--png=samples", "--out=grid.png"]) == 0
    names = sorted(path.name for path in Path("samples").iterdir())
    assert names == [f"{i:05d}.png" for i in range(5)]
    first = np.asarray(Image.open("samples/00000.png")).transpose(2, 0, 1)
    run = advcodes.load("acl_ae run")
    assert np.array_equal(first, (run.sample(1)[0] * 255).round().byte().numpy())
    assert main(["interpolate", "acl_ae run", "photos/00.png", "photos/01.png", "--steps=3", "--out=row.png"]) == 0
    assert "padded and resized from 8x12 to 8x8 pixels" in capsys.readouterr().out
    assert Image.open("row.png").size == (3 * 66 - 2, 64)
    assert main(["reconstruct", "acl_ae run", "photos", "--out=again.png", "--png=again"]) == 0
    assert len(list(Path("again").iterdir())) == 30 and Image.open("again.png").size == (8 * 66 - 2, 8 * 66 - 2)


def test_codes_and_weights_out_of_a_run():
    assert main(["encode", "acl_ae run", "photos", "--npz=codes.npz"]) == 0
    run, codes = advcodes.load("acl_ae run"), np.load("codes.npz")
    assert codes["names"].tolist() == [f"{i:02d}.png" for i in range(30)]
    photos = advcodes.images("photos", 8, fit="pad")
    assert torch.allclose(run.encode(photos), torch.from_numpy(codes["codes"]), atol=1e-5)
    assert main(["export", "acl_ae run", "--out=weights.safetensors"]) == 0
    with safe_open("weights.safetensors", "pt") as weights:
        assert json.loads(weights.metadata()["run"])["shape"] == [3, 8, 8]
        for name, value in run.method.networks["decoder"].state_dict().items():
            assert torch.equal(weights.get_tensor(f"decoder.{name}"), value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "acl_ae run"], "say where to: --out grid.png, or --png FOLDER"),
        (["sample", "acl_ae run", "--n=0", "--png=x"], "got --n 0 --seed 0"),
        (["sample", "acl_ae run", f"--seed={2**32}", "--png=x"], "0 to 4294967295"),
        (["sample", "acl_ae run", "--out=no/such/folder.png"], "expected a file ending in .png, in a folder"),
        (["sample", "acl_ae run", "--png=photos/00.png"], "photos/00.png: File exists; name another place"),
        (["sample", "ae run", "--png=x"], "ae cannot sample"),
        (["interpolate", "acl_ae run", "photos/00.png", "nowhere.png"], "nowhere.png: no such file"),
        (["interpolate", "acl_ae run", "photos/00.png", "photos/01.png", "--steps=1"], "2 steps at least, got 1"),
        (["reconstruct", "acl_ae run", "photos"], "say where to: --out"),
        (["reconstruct", "acl_ae run", "nowhere", "--png=x"], "nowhere: no such folder of images"),
        (["encode", "acl_ae run", "photos", "--npz=codes.txt"], "expected a file ending in .npz"),
        (["evaluate", "nowhere"], "run 'nowhere': expected .* or the folder (--out) of a training on own images"),
        (["evaluate", "demo/digits/gan/seed0", "--n=5"], "--n goes with a run on own images"),
        (["compare", "acl_ae run", "photos"], "photos: no run of `advcodes train --data`"),
        (["evaluate", "acl_ae run", "--out=page.txt"], "expected a file ending in .html"),
        (["train", "demo/digits/gan/seed0", "--seed=3"], "--seed goes with --data"),
        (["train", "demo/digits/gan/seed0", "--data=photos"], "either the run demo/digits/gan/seed0 or --data"),
        (["train", "--data=photos", "--levels", "nan", "1"], "folder.levels.0: input should be a finite number"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), error) and error.count("\n") == 1


def test_own_runs_are_told_from_the_pipelines():
    assert is_own("acl_ae run") and is_own("ae run/runs/laptop/images/ae/seed0")
    assert not is_own("photos") and not is_own("demo/digits/gan/seed0")


def test_several_runs_below_one_folder_are_to_be_named(tmp_path: Path):
    for method in "ab":
        directory = tmp_path / f"runs/laptop/images/{method}/seed0"
        directory.mkdir(parents=True)
        (directory / "run.json").write_text("{}")
    with pytest.raises(AdvcodesError, match="holds 2 runs; name one"):
        advcodes.load(tmp_path)


def test_names_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    place = os.fsencode(tmp_path) + b"/odd \xff 'q\" %s"
    os.mkdir(place)
    draw(tmp_path / "plain", 20)
    for i in range(20):
        os.rename(tmp_path / f"plain/{i:02d}.png", place + b"/\xfe%d.png" % i)
    Path(os.fsdecode(place), "bad\n.png").write_bytes(b"no image")
    arguments = ["train", "--data", os.fsdecode(place), "--method=ae", "--images=16", "--out=o", *SMALL]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "does not decode" in error and error.count("\n") == 1
    assert main([*arguments, "--skip-broken"]) == 0
