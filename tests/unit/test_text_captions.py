"""Captions: a dataset's own, or templates of class names and measured colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import Prepared, load
from advcodes.text.captions import COLOURS, captions_of, colours_of

#: Other looks of each colour than those that the code lists.
LOOKS = {
    "pink": (255, 150, 200), "red": (230, 10, 20), "yellow": (240, 220, 20), "orange": (255, 150, 30),
    "purple": (120, 40, 150), "blue": (30, 60, 230), "white": (235, 235, 240), "green": (60, 120, 40),
    "black": (15, 15, 10),
}  # fmt: skip


def disc(colour: tuple[int, ...], ground: tuple[int, ...], radius: float = 0.25, side: int = 24) -> np.ndarray:
    """A disc in the middle: uint8 [C, side, side]; the radius counts in sides."""
    at = (np.arange(side) + 0.5) / side - 0.5
    inside = at[:, None] ** 2 + at**2 < radius**2
    return np.where(inside, np.array(colour)[:, None, None], np.array(ground)[:, None, None]).astype(np.uint8)


def dataset(images: np.ndarray, labels: list[int], **parts) -> Prepared:
    fields = {"captions": None, "classes": ("daisy", "bird_of paradise"), **parts}
    return Prepared(
        dataset="tiny", images=images, labels=np.array(labels), attributes=None, attribute_names=(), meta={},
        splits={"train": (0, len(labels))}, **fields,
    )  # fmt: skip


@pytest.mark.parametrize("ground", ["green", "black"])
def test_each_colour_is_told_on_leaves_and_in_shade(ground: str):
    others = [c for c in COLOURS if c not in ("green", "black")]
    assert colours_of(np.stack([disc(LOOKS[c], LOOKS[ground]) for c in others])) == others


def test_green_and_black_are_told_where_nothing_else_is():
    images = [disc(LOOKS[c], LOOKS[c]) for c in COLOURS] + [disc(LOOKS["green"], LOOKS["black"], 0.4)]
    assert colours_of(np.stack(images)) == [*COLOURS, "green"]
    # A speck is no extent.
    assert colours_of(np.stack([disc(LOOKS["red"], LOOKS["green"], r) for r in (0.06, 0.15)])) == ["green", "red"]


def test_the_centre_weighs_most():
    framed = disc(LOOKS["yellow"], LOOKS["blue"], 0.35)
    assert (framed == disc(LOOKS["blue"], LOOKS["blue"])).all(0).mean() > 0.6
    assert colours_of(framed[None]) == ["yellow"]


def test_grey_images():
    images = [disc((250,), (0,)), disc((120,), (0,)), disc((0,), (0,)), disc((250,), (0,), 0.05)]
    assert colours_of(np.stack(images)) == ["white", "grey", "black", "black"]


def test_many_images_of_any_form_go_in_chunks():
    images = np.zeros((5_000, 3, 4, 6), np.uint8)
    images[::2] = np.array(LOOKS["red"])[:, None, None]
    assert colours_of(images) == ["red", "black"] * 2_500


def test_templates_say_class_and_colour_in_several_wordings():
    images = np.stack([disc(LOOKS["orange"], LOOKS["green"]), disc(LOOKS["white"], LOOKS["black"])])
    captions, source = captions_of(dataset(images, [1, 0]))
    assert source == "template"
    assert captions[0][0] == "an orange bird of paradise" and captions[1][0] == "a white daisy"
    for row, name, colour in ((captions[0], "bird of paradise", "orange"), (captions[1], "daisy", "white")):
        assert len(set(row)) == 4 and all(name in s and colour in s for s in row)
    assert captions_of(dataset(images, [-1, 0]))[0][0][0] == "an orange picture"


def test_templates_of_digits(prepared):
    data = load(prepared / "digits")
    captions, source = captions_of(data)
    assert source == "template" and len(captions) == len(data) == 1797
    assert {row[0].split()[2] for row in captions} == set("0123456789")
    assert {row[0].split()[1] for row in captions} == {"white", "grey"}
    assert [row[0].split()[2] for row in captions] == [data.classes[i] for i in data.labels]


def test_own_captions_go_before_class_names():
    own = [[" a  daisy\n", "", "a daisy", "it is white"], ["two"]]
    captions, source = captions_of(dataset(np.zeros((2, 3, 4, 4), np.uint8), [0, 1], captions=own))
    assert source == "original" and captions == [["a daisy", "it is white"], ["two"]]


def test_nothing_to_say():
    images = np.zeros((2, 3, 4, 4), np.uint8)
    with pytest.raises(AdvcodesError, match=r"dataset 'tiny' has neither captions nor class names; train on text with"):
        captions_of(dataset(images, [0, 0], classes=()))
    with pytest.raises(AdvcodesError, match=r"dataset 'tiny': row 1 has no caption; add one, or remove all captions"):
        captions_of(dataset(images, [0, 0], captions=[["a daisy"], [" "]]))
    with pytest.raises(AdvcodesError, match=r"dataset 'tiny' has points, which sentences do not describe"):
        captions_of(replace(dataset(images, [0, 0]), images=np.zeros((2, 2), np.float32)))
