"""Attribute arithmetic: what is added to codes, what a classifier then reads, and what the page admits."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from figure_fakes import SAMPLING, coder, pretend, render, request, study_request
from PIL import Image
from torch import nn

from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load
from advcodes.extractors.features import Extractor
from advcodes.graph.graph import Graph
from advcodes.methods.base import Method
from advcodes.pages.kinds.images import attributes as page_of
from advcodes.papers.items import Item
from advcodes.studies import networks
from advcodes.studies.kinds import attributes
from advcodes.studies.kinds.attributes import MEASURED, ROWS
from evaluation_fakes import write_prepared

SHAPE = (1, 1, 3)  #: an image is three pixels, each of which is bright where it has an attribute
LOW, HIGH = 100, 160
NAMES = ["a0", "a1", "a2"]
FIGURE = {
    "id": "aaae/fig8",
    "kind": "attributes",
    "metric": "fid",
    "columns": ["celeba"],
    "rows": {"aaae": {"label": "AAAE"}},
}
EVERY = np.array(list(itertools.product([0, 1], repeat=3)))  #: every combination of attributes


class Eye(nn.Module):
    """Reads an attribute where a pixel is above 130; then come logits of classes, which are no attributes."""

    def __init__(self, blind: int | None = None):
        super().__init__()
        self.zero, self.blind = nn.Parameter(torch.zeros(1)), blind

    def forward(self, stored: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = stored.float().flatten(1) - 130
        if self.blind is not None:
            logits[:, self.blind] = -1
        return logits, torch.cat([logits, torch.ones(len(logits), 2)], 1)


def eye(blind: int | None = None) -> Extractor:
    return Extractor(Eye(blind), "none", 500, "none", False, {"task": "statements"})


def prepared_at(directory, train: np.ndarray, test: np.ndarray):
    held = np.concatenate([train, test])
    pixels = np.where(held, HIGH, LOW).astype(np.uint8).reshape(-1, *SHAPE)
    return write_prepared(directory, pixels, {"train": len(train), "test": len(test)}, attributes=held)


@pytest.fixture
def data(tmp_path):
    """All combinations equally often: 320 images to train on, 1,200 to test on."""
    return load(prepared_at(tmp_path / "drawn", np.tile(EVERY, (40, 1)), np.tile(EVERY, (150, 1))))


def linear(mixing: list[list[float]] | None = None, norm: nn.Module | None = None):
    """A run whose codes are pixels; ``mixing`` adds to a pixel what others are brighter than dark ones."""
    last = nn.Linear(3, 3)
    last.weight.data = torch.eye(3) + torch.tensor(mixing or [[0.0] * 3] * 3)
    last.bias.data = LOW / 255 * (1 - last.weight.data.sum(1))
    return coder(nn.Flatten(), nn.Sequential(*[norm] * bool(norm), last, nn.Unflatten(1, SHAPE)), shape=SHAPE)


def edit(data, run=None, names=("a0",), strength=1.0, seed=0, **sampling):
    return attributes.edit(run or linear(), data, "test", SAMPLING | sampling, eye(), names, strength, seed)


def test_an_attribute_appears_and_nothing_else_changes(data):
    found, shown = edit(data, names=NAMES)
    for i, name in enumerate(NAMES):
        of = found[name]
        assert (of["images"], of["before"], of["after"], of["others"], of["true"]) == (MEASURED, 0, 1, 0, 1)
        assert of["change"] == pytest.approx((60 / 127.5) ** 2 / 3, abs=1e-6)
        bright = shown.real.copy()
        bright[..., i] += 60
        np.testing.assert_array_equal(shown.edited[name], bright)
    np.testing.assert_array_equal(shown.real[:, 0, 0], np.where(EVERY, HIGH, LOW))  # the first eight
    np.testing.assert_array_equal(shown.plain, shown.real)
    np.testing.assert_array_equal(shown.has, EVERY == 1)


def test_random_directions_are_as_long(data):
    of = edit(data)[0]["a0"]
    assert of["random_change"] == pytest.approx(of["change"], rel=0.02)  # pixels are rounded
    # A coordinate of a random direction in space is uniform: a quarter is above 30 of 60, as far below -30.
    assert of["random_after"] == pytest.approx(0.25, abs=0.06)
    assert of["random_others"] == pytest.approx(0.25, abs=0.06)
    assert edit(data, seed=1)[0]["a0"]["random_after"] != of["random_after"]
    assert edit(data)[0]["a0"] == of


@pytest.mark.parametrize(("strength", "after", "step"), [(0.4, 0, 24), (0.6, 1, 36), (1.5, 1, 90)])
def test_strength_is_a_factor(data, strength, after, step):
    of = edit(data, strength=strength)[0]["a0"]
    assert of["after"] == after and of["change"] == pytest.approx((step / 127.5) ** 2 / 3, abs=1e-6)


def test_what_else_changes_is_counted(data):
    """A decoder that brightens the second pixel with the first: it flips in that half of images where it was dark."""
    of = edit(data, linear([[0, 0, 0], [1, 0, 0], [0, 0, 0]]))[0]["a0"]
    assert of["after"] == 1 and of["others"] == 0.5 / 2  # two other attributes
    assert of["change"] == pytest.approx(2 * (60 / 127.5) ** 2 / 3, abs=1e-6)


def test_what_a_run_does_not_reconstruct_is_seen_nowhere(data):
    """A decoder whose first pixel is always dark."""
    of = edit(data, linear([[-1, 0, 0], [0] * 3, [0] * 3]))[0]["a0"]
    assert (of["before"], of["after"], of["true"], of["change"]) == (0, 0, 0, 0)


def test_an_attribute_that_every_image_has_is_not_measured(figure):
    page, _, _ = figure(test=np.tile([[1, 0, 0]], (5, 1)))
    lines = [line.split(" | ")[1:9] for line in page.splitlines() if line.startswith(("| a0 |", "| a1 |"))]
    assert lines[0] == ["\N{EN DASH}"] * 8 and lines[1][:3] == ["5", "0.0", "100.0"] and lines[1][4] == "\N{EN DASH}"


class Corners(type(linear().method)):
    """Whose samples have every combination of attributes."""

    def codes(self, n, generator=None):
        return torch.from_numpy(np.where(EVERY[np.arange(n) % 8], HIGH, LOW) / 255).float()


def of_corners():
    run = linear()
    run.method.__class__ = Corners
    return run


def test_attributes_are_added_to_samples_and_taken_from_those_that_have_them(data):
    """Khan section 5.5: a difference is added to a newly generated image's code, to add or remove an attribute."""
    found, shown = attributes.edit(of_corners(), data, "test", SAMPLING, eye(), NAMES, 1.0, 0, "samples")
    for i, name in enumerate(NAMES):
        of = found[name]
        assert of["images"] + of["removed_images"] == MEASURED and of["true"] is None
        assert (of["before"], of["after"], of["removed"], of["others"]) == (0, 1, 1, 0)
        other = np.where(EVERY, HIGH, LOW)
        other[:, i] = LOW + HIGH - other[:, i]
        np.testing.assert_array_equal(shown.edited[name][:, 0, 0], other)
    np.testing.assert_array_equal(shown.has, EVERY == 1)


def test_training_images_give_the_direction(tmp_path):
    """Where the first two attributes always come together in training, they are added together."""
    train = np.tile(EVERY[EVERY[:, 0] == EVERY[:, 1]], (40, 1))
    data = load(prepared_at(tmp_path / "joined", train, np.tile(EVERY, (10, 1))))
    of = edit(data)[0]["a0"]
    assert (of["images"], of["after"], of["others"]) == (40, 1, 0.25)


def test_batch_norm_is_that_of_reconstructed_training_images(tmp_path):
    """A decoder that centres training images, which all are bright, shows darker test images below their middle."""
    train, test = np.tile([[1, 1, 1], [1, 1, 1], [0, 1, 1]], (100, 1)), np.tile([[0, 0, 0]], (20, 1))
    data = load(prepared_at(tmp_path / "bright", train, test))
    norm = nn.BatchNorm1d(3)
    norm.weight.data, norm.bias.data = torch.full((3,), 0.01), torch.full((3,), 0.5)
    shown = {
        mode: edit(data, linear(norm=norm), batch_norm=mode)[1].plain[0, 0, 0] for mode in ("reestimate", "running")
    }
    expected = 255 * (0.5 + 0.01 * (LOW - (LOW + 2 * HIGH) / 3) / (60 * np.sqrt(2) / 3))
    assert shown["reestimate"][0] == pytest.approx(expected, abs=1)
    assert shown["running"][0] == pytest.approx(128.5, abs=1) and expected < 125


def test_an_attribute_that_no_test_image_lacks(tmp_path):
    data = load(prepared_at(tmp_path / "full", np.tile(EVERY, (5, 1)), np.tile([[1, 0, 0]], (5, 1))))
    found, shown = edit(data, names=["a0", "a1"])
    assert found["a0"] is None and found["a1"]["images"] == 5 and found["a1"]["true"] is None
    assert shown.real.shape == (5, *SHAPE)


@pytest.mark.parametrize(("value", "which"), [(1, "every"), (0, "no")])
def test_an_attribute_without_a_difference_is_refused(tmp_path, value, which):
    train = EVERY.copy()
    train[:, 1] = value
    data = load(prepared_at(tmp_path / "same", train, EVERY))
    message = f"^'a1' of 'tiny': {which} training image has it, so there is no difference of codes to add; take it out"
    with pytest.raises(AdvcodesError, match=message):
        edit(data, names=["a0", "a1"])


def test_what_the_classifier_is_worth(data):
    test = data.split("test")
    assert attributes.checked(eye(), test, ["a1"]) == {"a1": {"with": 1, "without": 1, "all": 1}}
    assert attributes.checked(eye(blind=1), test, ["a0", "a1"])["a1"] == {"with": 0, "without": 1, "all": 0.5}


def test_a_side_that_no_image_is_on_has_no_share(tmp_path):
    data = load(prepared_at(tmp_path / "one", EVERY, EVERY[:1]))
    assert attributes.checked(eye(), data.split("test"), ["a2"])["a2"] == {"with": None, "without": 1, "all": 1}


def test_exclusive_groups():
    colour = np.eye(3, dtype=np.uint8)[[0, 1, 2, 0, 1, 2]]
    free = np.array([[0, 1, 0, 1, 1, 0]], np.uint8).T
    names = ["red", "large", "green", "blue"]
    held = np.hstack([colour[:, :1], free, colour[:, 1:]])
    assert attributes.exclusive(held, names) == [["red", "green", "blue"]]
    assert attributes.exclusive(held[:, :3], names[:3]) == []  # some image is neither red nor green
    assert attributes.exclusive(np.hstack([held, 1 - free]), [*names, "small"]) == [
        ["red", "green", "blue"],
        ["large", "small"],
    ]


def test_images_that_have_an_attribute_leave_white():
    pictures = [np.full((2, *SHAPE), level, np.uint8) for level in (1, 2, 3, 4)]
    has = np.array([[0, 1], [0, 0]]) > 0
    images = {"real": pictures[0], "plain": pictures[1], "edited": np.stack(pictures[2:]), "has": has}
    block = page_of.block(images, ["Pale_Skin", "Bald"], "t")
    assert block.images[:, :, 0, 0, 0].tolist() == [[1, 2, 3, 255], [1, 2, 3, 4]]
    assert block.heads == ["image", "reconstruction", "Pale Skin", "Bald"]


# ------------------------------------------------------------------------------------------------------------
# The page


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """Renders a figure of fake runs: page, content, picture."""

    def make(seeds=(0,), each=EVERY, test=None, blind=None, run=None, **declared):
        every = np.tile(each, (40, 1))
        data = prepared_at(tmp_path / "drawn", every, every if test is None else test)
        runs = pretend(tmp_path / "runs", [f"aaae/seed{s}" for s in seeds])
        # The second seed decodes half of what is added.
        fakes = {"seed0": run or linear(), "seed1": linear([[-0.6, 0, 0], [0] * 3, [0] * 3])}
        monkeypatch.setattr(networks, "restore", lambda directory, _: fakes[directory.name])
        monkeypatch.setattr(networks, "load_extractor", lambda *_: eye(blind))
        classifier = {"statements/drawn": SimpleNamespace(directory=tmp_path)}
        found = request({**FIGURE, **declared}, data, runs, np.zeros(0), **classifier)
        assert sorted(render(found, tmp_path, "f")) == ["f.json", "f.md", "f.png"]
        with Image.open(tmp_path / "f.png") as picture:
            grey = np.asarray(picture.convert("L")).astype(int)
        return (tmp_path / "f.md").read_text(), json.loads((tmp_path / "f.json").read_text()), grey

    return make


def test_page_of_a_figure(figure):
    page, content, picture = figure(attributes=["a2", "a0"])
    found = content["rows"]["aaae"]["edited"]["celeba"]
    assert found["attributes"] == ["a2", "a0"] and list(found["runs"]["0"]) == ["a2", "a0"] and found["groups"] == []
    assert found["classifier"]["a2"] == {"with": 1, "without": 1, "all": 1} and content["strength"] == 1
    line = next(line for line in page.splitlines() if line.startswith("| a2 |")).split(" | ")
    assert line[1:4] == ["160", "0.0", "100.0"] and line[5:7] == ["100.0", "0.0"] and line[8] == "0.0738"
    assert line[10] == "100 / 100 |"
    assert "Left: the first 8 images of split test, not selected, and their reconstructions, seed 0." in page
    assert "minus the mean code of those without it, and nothing else." in page
    assert "| AAAE | CelebA (served by drawn) | 1 | 3.00 |" in page
    assert "Hardly seen" not in page and "Exclusive" not in page
    # Pixels of an image are 22 wide; a column of the last attribute is white where the image has it.
    rows = picture.shape[0] - 10 - (ROWS * 24 - 2) + 24 * np.arange(ROWS) + 11
    first = picture[rows, 10 + 3 * 68 + 11]
    assert first.tolist() == [HIGH] * 4 + [255] * 4


def test_numbers_over_seeds(figure):
    page, content, _ = figure(seeds=(0, 1))
    runs = content["rows"]["aaae"]["edited"]["celeba"]["runs"]
    assert [runs[s]["a0"]["after"] for s in "01"] == [1, 0]  # 160, and 124 of 130
    line = next(line for line in page.splitlines() if line.startswith("| a0 |")).split(" | ")
    assert line[3] == "50.0 ± 70.7" and line[1] == "160"
    mean = next(line for line in page.splitlines() if line.startswith("| **mean** |")).split(" | ")
    assert mean[3] == "83.3 ± 23.6"
    assert "AAAE on CelebA (served by drawn) (2 seeds):" in page


def test_the_page_warns_of_a_blind_classifier(figure):
    page, _, _ = figure(blind=1)
    assert "**Hardly seen by the classifier** on drawn: a1 (right on less than 75 %, " in page
    assert next(line for line in page.splitlines() if line.startswith("| a1 |")).endswith("| 0 / 100 |")


def test_the_page_names_exclusive_groups(figure):
    page, content, _ = figure(each=np.eye(3))
    assert content["rows"]["aaae"]["edited"]["celeba"]["groups"] == [NAMES]
    assert "**Exclusive** on drawn: of a0, a1 and a2 exactly one holds in every image." in page


def test_the_page_says_how_strong(figure):
    page, content, _ = figure(strength=1.5)
    assert "of those without it, times 1.5, and nothing else." in page and content["strength"] == 1.5


def test_the_page_of_samples(figure):
    page, content, _ = figure(run=of_corners(), edits="samples")
    assert content["rows"]["aaae"]["edited"]["celeba"]["edits"] == "samples"
    line = next(line for line in page.splitlines() if line.startswith("| a2 |")).split(" | ")
    assert line[1:3] == ["250", "100.0"] and line[-3:] == ["250", "100.0", "100 / 100 |"]
    assert "an attribute added, or removed where the classifier sees it" in page and "White" not in page


def test_nothing_ran(figure):
    page, content, _ = figure(seeds=())
    assert "**Not run** at this scale: CelebA." in page and content["rows"]["aaae"]["edited"] == {}


def test_runs_without_codes_are_refused(figure):
    class Plain(Method):
        name = "plain"

    message = "^aaae/fig8, aaae: plain does not both encode and decode, so there are no codes to add to; take its"
    with pytest.raises(AdvcodesError, match=message):
        figure(run=SimpleNamespace(method=Plain(None, {}, None)))


# ------------------------------------------------------------------------------------------------------------
# Which attributes


def declared(**keys) -> Item:
    usual = {"title": "t", "source": "s", "better": "lower", "protocol": "p"}
    return Item.model_validate({**usual, **FIGURE, **keys})


def test_attributes_are_those_of_the_dataset_that_serves(data):
    by_dataset = declared(attributes={"celeba": ["Bald"], "drawn": ["a2"]})
    assert attributes.wanted(study_request(by_dataset), data, "drawn") == ["a2"]
    assert attributes.wanted(study_request(by_dataset), data, "shapes") == NAMES  # all where nothing is said
    assert attributes.wanted(study_request(declared(attributes=["a1", "a0"])), data, "drawn") == ["a1", "a0"]
    assert attributes.wanted(study_request(declared()), data, "drawn") == NAMES


def test_an_unknown_attribute_is_refused(data):
    message = r"^unknown attribute of 'drawn' in aaae/fig8: 'a2x'; did you mean 'a2'\? \(known: a0, a1, a2\)$"
    with pytest.raises(AdvcodesError, match=message):
        attributes.wanted(study_request(declared(attributes={"celeba": ["a0"], "drawn": ["a0", "a2x"]})), data, "drawn")


def test_a_dataset_without_attributes_is_refused(tmp_path):
    bare = load(write_prepared(tmp_path / "bare", np.zeros((4, *SHAPE), np.uint8), {"train": 2, "test": 2}))
    message = r"aaae/fig8: 'bare' has no attributes; serve its column by a dataset that has \(`stand_ins`\)"
    with pytest.raises(AdvcodesError, match=message):
        attributes.wanted(study_request(declared()), bare, "bare")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"attributes": []}, "should have at least 1 item"),
        ({"attributes": ["Bald", "Male", "Bald"]}, "attributes: 'Bald' stands there twice"),
        ({"attributes": {"celeba": ["a", "a"]}}, "attributes.celeba: 'a' stands there twice"),
        ({"attributes": {"celebA": ["Bald"]}}, r"attributes: none for column 'celeba' \(there are: celebA\)"),
        ({"strength": 0}, "greater than 0"),
        ({"kind": "grids", "strength": 2}, "strength: goes with `kind: attributes` only, not with 'grids'"),
        ({"kind": "grids", "attributes": ["a"]}, "attributes: go with `kind: attributes` only, not with 'grids'"),
    ],
)
def test_malformed_declarations(keys, message):
    with pytest.raises(ValueError, match=message):
        declared(**keys)


def test_only_this_figure_needs_the_classifier_of_attributes(tree, tmp_path):
    usual = {"title": "t", "source": "s", "better": "lower", "protocol": "p", "metric": "fid", "columns": ["celeba"]}
    made = {}
    for kind in ("attributes", "reconstructions"):
        graph = Graph(resolve(tree), data=tmp_path)
        rows = {"acl_gan": {"label": "ACL-GAN"}}
        graph.items = {"acl/table1": Item.model_validate({**usual, "id": "acl/table1", "kind": kind, "rows": rows})}
        graph.params.stand_ins["celeba"] = "shapes"
        made[kind] = graph.study("acl/table1").inputs
    assert made["attributes"]["statements/shapes"].config["task"] == "statements"
    assert set(made["attributes"]) - set(made["reconstructions"]) == {"statements/shapes"}
    assert "data/shapes" in made["reconstructions"]
