"""A method has one colour in every picture, and no two rows of one picture look alike."""

from __future__ import annotations

import itertools

import pytest

from advcodes.config.params import read
from advcodes.graph.graph import Graph
from advcodes.methods import registry
from advcodes.pages.pictures.drawing import PALETTE
from advcodes.pages.pictures.styles import LINES, color, of_method, styles


def test_every_method_has_a_colour_of_the_palette_and_a_line_of_its_own():
    found = [of_method(name) for name in registry.methods()]
    assert len(set(found)) == len(found)
    assert all(name in PALETTE and line in LINES for name, line in found)


def test_an_unknown_method_has_the_same_colour_each_time():
    assert of_method("own_method") == of_method("own_method") and of_method("own_method")[0] in PALETTE


def test_a_method_s_colour_hangs_on_nothing_else():
    """Neither on the rows beside it, nor on their order, nor on the lines that an item declares."""
    one = styles({"a": "gan", "b": "lpaae", "c": "wgan_gp"}, {})
    two = styles({"c": "wgan_gp", "x": "vae", "a": "gan"}, {"a": "dotted", "elsewhere": "solid"})
    assert one["a"]["color"] == two["a"]["color"] == "blue" and one["c"] == two["c"]
    assert two["a"]["line"] == "dotted"


def test_rows_of_one_method_have_lines_and_shades_of_their_own():
    found = styles(dict.fromkeys("abcd", "gan"), {"c": "dashed"})
    assert found["c"]["line"] == "dashed" and {f["line"] for f in found.values()} == set(LINES)
    assert {f["color"] for f in found.values()} == {"blue"} and [f["shade"] for f in found.values()] == [0, 1, 2, 3]
    first, second, *_ = map(color, found.values())
    assert first == PALETTE["blue"] and second == "#003f62"
    assert styles({"a": "gan", "b": "acl_gan"}, {})["b"]["shade"] == 0, "another method has its own colour, as anywhere"


@pytest.mark.parametrize("scale", ["demo", "laptop", "paper"])
def test_no_two_lines_of_a_declared_figure_look_alike(scale: str):
    graph = Graph(read(scale=scale))
    shown = [i for i in graph.items.values() if i.kind in ("curves", "controller", "gradients")]
    assert len(shown) > 3
    for item in shown:
        rows = {v: graph.params.variants[v].method for v in graph.rows(item) if v in graph.params.variants}
        found = styles(rows, {v: row.style.line for v, row in item.rows.items() if row.style})
        for one, two in itertools.combinations(found, 2):
            alike = (found[one]["color"], found[one]["line"]) == (found[two]["color"], found[two]["line"])
            assert not alike, f"{item.id}: {one} and {two}"


def test_the_paper_s_own_lines_are_solid_with_codes_and_dashed_without():
    from advcodes.papers.read import read_items

    rows = read_items()["acl/fig8"].rows
    shown = {v: row.style.line for v, row in rows.items() if row.style}
    assert [shown[v] for v in ("gan", "acl_gan", "wgan_gp", "acl_gan_gp")] == ["dashed", "solid"] * 2
