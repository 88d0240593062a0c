"""`advcodes inpaint`: a picture of one's own with a piece missing, and what can go wrong with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import advcodes
from advcodes.app.cli import main
from advcodes.app.inpaint import fill
from advcodes.core.errors import AdvcodesError
from advcodes.methods.masks import occlude
from advcodes.training.train import train
from conftest import run_config

RANDOM = np.random.default_rng(0)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runs(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of runs that hardly learnt: ALI on masked images and on whole ones, and a GAN."""
    root = tmp_path_factory.mktemp("data")
    for name, method, masked in (("ali_masked", "ali", True), ("ali", "ali", False), ("gan", "gan", None)):
        directory = root / f"runs/demo/digits/{name}/seed0"
        directory.mkdir(parents=True)
        changes = {} if masked is None else {"method__masked": masked}
        config = run_config(method, budget__images=64, view__range=[-1.0, 1.0], **changes)
        train(config, prepared / "digits", directory, CPU)
    return root


def of(runs: Path, name: str = "ali_masked") -> str:
    return str(runs / f"runs/demo/digits/{name}/seed0")


def saved(pixels: np.ndarray, path: Path) -> str:
    Image.fromarray(pixels).save(path)
    return str(path)


def opened(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def looks_as(run: Path, **view: object) -> None:
    """Say how the run's dataset was brought to its side."""
    manifest = run / "prepared/digits/manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"spec": {"config": view}}))


GREY = RANDOM.integers(0, 256, (8, 8)).astype(np.uint8)


@pytest.mark.parametrize("how", ["box", "mask"])
def test_a_piece_is_filled_in(how: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    picture, out = saved(GREY, tmp_path / "x.png"), tmp_path / "filled.png"
    missing = np.zeros((8, 8), bool)
    missing[2:7, 1:4] = True
    given = ["--box", "2", "1", "5", "3"]
    if how == "mask":
        given = ["--mask", saved(np.where(missing, 128, 127).astype(np.uint8), tmp_path / "m.png")]
    assert main(["inpaint", of(runs), "--image", picture, *given, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n", "nothing to be said of a picture of the run's own size"
    found = opened(out)
    np.testing.assert_array_equal(found[~missing], GREY[~missing])
    run = advcodes.load(of(runs))
    x, mask = torch.from_numpy(GREY)[None, None] / 127.5 - 1, torch.from_numpy(missing)[None, None]
    whole = run.reconstruct(occlude(x, mask, (-1.0, 1.0)))[0, 0].numpy()
    np.testing.assert_allclose(found[missing], (127.5 * (whole + 1)).round()[missing], atol=1)


def test_what_was_missing_does_not_count(runs: Path, tmp_path: Path):
    other = GREY.copy()
    other[:4] = 255 - other[:4]
    for i, pixels in enumerate((GREY, other)):
        fill(of(runs), Path(saved(pixels, tmp_path / f"{i}.png")), tmp_path / f"out{i}.png", box=(0, 0, 4, 8))
    np.testing.assert_array_equal(opened(tmp_path / "out0.png"), opened(tmp_path / "out1.png"))


def test_a_large_picture_in_colour_is_brought_to_size(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    """Picture and mask go the same way: squeezed, without a word of the dataset on how it was."""
    colour = np.zeros((32, 16, 3), np.uint8)
    colour[:16] = 200
    picture, out = saved(colour, tmp_path / "x.png"), tmp_path / "filled.png"
    assert main(["inpaint", of(runs), "--image", picture, "--box", "16", "8", "16", "8", "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"{picture}: resized from 32x16 to 8x8 pixels (rows x columns, bilinear) and turned grey, as the run's "
        "images are",
        str(out),
    ]
    found = opened(out)
    assert found.shape == (8, 8) and (found[:3] == 200).all() and (found[5:, :4] == 0).all()
    assert (found[4:, 4:] != 0).any()


def test_a_picture_is_cut_where_the_datasets_were(runs: Path, tmp_path: Path):
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, 8:16] = GREY
    mask = np.zeros((8, 24), np.uint8)
    mask[:, 14:] = 255
    picture, marked, out = (tmp_path / f"{name}.png" for name in ("x", "m", "out"))
    saved(pixels, picture), saved(mask, marked)
    looks_as(runs, keep_aspect=True, resample="nearest")
    try:
        said = fill(of(runs), picture, out, mask=marked)
    finally:
        (runs / "prepared/digits/manifest.json").unlink()
    assert said[0] == (
        f"{picture}: cut to its centre and resized from 8x24 to 8x8 pixels (rows x columns, nearest), as the run's "
        "images are"
    )
    np.testing.assert_array_equal(opened(out)[:, :6], GREY[:, :6])
    assert (opened(out)[:, 6:] != GREY[:, 6:]).any()


def test_masks_of_any_size_and_kind(runs: Path, tmp_path: Path):
    """A mask is stretched to the picture; what is transparent stays."""
    picture = Path(saved(GREY, tmp_path / "x.png"))
    small = np.array([[255, 0], [0, 0]], np.uint8)
    clear = np.full((8, 8, 4), 255, np.uint8)
    clear[4:, :, 3] = clear[:, 4:, 3] = 0
    for name, pixels in (("small", small), ("clear", clear), ("large", np.kron(small, np.ones((40, 40), np.uint8)))):
        fill(of(runs), picture, tmp_path / f"by_{name}.png", mask=Path(saved(pixels, tmp_path / f"{name}.png")))
    fill(of(runs), picture, tmp_path / "by_box.png", box=(0, 0, 4, 4))
    expected = opened(tmp_path / "by_box.png")
    for name in ("small", "clear", "large"):
        np.testing.assert_array_equal(opened(tmp_path / f"by_{name}.png"), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"say what is missing by --mask \(an image, white where it is\) or by --box TOP LEFT HEIGHT WIDTH$"),
        (["--box", "0", "0", "2", "2", "--mask", "x.png"], r"by --box TOP LEFT HEIGHT WIDTH, not by both$"),
        (["--mask", "none.png"], r"none\.png: no such file$"),
        (["--image", "none.png", "--box", "0", "0", "2", "2"], r"none\.png: no such file$"),
        (["--image", "text.png", "--box", "0", "0", "2", "2"], r"text\.png: no image that can be read \(Unidentified"),
        (["--mask", "text.png"], r"text\.png: no image that can be read"),
        (["--mask", "."], r"a folder \(IsADirectoryError\); give a PNG"),
        (["--mask", "black.png"], r"black\.png: marks nothing; paint what is missing white \(over 127\)$"),
        (["--mask", "dot.png", "--image", "wide.png"], r"dot\.png: nothing of it is left at the run's 8x8 pixels"),
        (["--box", "4", "0", "5", "2"], r"--box 4 0 5 2: expected .* inside the picture of 8x9 pixels \(rows"),
        (["--box", "0", "7", "2", "3"], r"--box 0 7 2 3: expected TOP LEFT HEIGHT WIDTH"),
        (["--box", "0", "-1", "2", "3"], r"--box 0 -1 2 3: expected TOP LEFT HEIGHT WIDTH"),
        (["--box", "0", "0", "0", "3"], r"--box 0 0 0 3: .*, one pixel at least$"),
        (["--box", "0", "0", "2", "2", "--out", "filled.jpg"], r"--out .*filled\.jpg: expected a file ending in \.png"),
        (["--box", "0", "0", "2", "2", "--out", "no/filled.png"], r"--out .*: expected .* in a folder that is there$"),
        (["--run", "demo/digits/none/seed0", "--box", "0", "0", "2", "2"], "no trained run here; train it first"),
        (["--run", "ali", "--box", "0", "0", "2", "2"], r"ali as it was trained cannot inpaint; take a run of ali or "
         r"alice or gali with `masked: true` \(params\.yaml has ali_masked, alice_masked, .*gali_mix"),
        (["--run", "gan", "--box", "0", "0", "2", "2"], r"gan as it was trained cannot inpaint; take a run of ali or"),
    ],
    ids=lambda x: " ".join(x) or "nothing" if isinstance(x, list) else "",
)  # fmt: skip
def test_a_users_error_is_one_line(
    arguments: list[str], message: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    saved(RANDOM.integers(0, 256, (8, 9)).astype(np.uint8), tmp_path / "x.png")
    saved(np.zeros((8, 9), np.uint8), tmp_path / "black.png")
    dot = np.zeros((90, 900), np.uint8)
    dot[0, 0] = 255
    saved(dot, tmp_path / "dot.png"), saved(dot, tmp_path / "wide.png")
    (tmp_path / "text.png").write_text("no image")
    given = {"--image": "x.png", "--out": "filled.png"}
    run = of(runs)
    while arguments:
        option, *arguments = arguments
        values = [arguments.pop(0) for _ in range(4 if option == "--box" else 1)]
        if option == "--run":
            run = of(runs, values[0]) if values[0] in ("ali", "gan") else values[0]
        else:
            given[option] = values if option == "--box" else values[0]
    flat = [[k, *v] if isinstance(v, list) else [k, str(tmp_path / v)] for k, v in given.items()]
    assert main(["inpaint", run, *(word for words in flat for word in words)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("advcodes: error: ") and said.err.count("\n") == 1 and not said.out
    assert re.search(message, said.err.rstrip("\n")), said.err
    assert not (tmp_path / "filled.png").exists()


def test_without_params_the_methods_alone_are_named(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    picture = Path(saved(GREY, tmp_path / "x.png"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AdvcodesError, match=r"with `masked: true`$"):
        fill(of(runs, "gan"), picture, tmp_path / "out.png", box=(0, 0, 2, 2))
