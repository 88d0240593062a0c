"""The forest plot of claims shows each claim that was tested, on its side of zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from figure_fakes import would_be_saved

from advcodes.pages.pictures import forest


def claim(says: str, verdict: str, **found: Any) -> dict[str, Any]:
    return {"says": says, "item": "acl/table1", "verdict": verdict, **found}


CLAIMS = [
    claim("ACL helps", "holds", difference=2.0, relative=0.2, low=1.0, high=3.0),
    claim("nothing was run", "undecided"),
    claim("a penalty helps", "does not hold", difference=-30.0, relative=-3.0, low=-50.0, high=-10.0),
    claim("one seed", "undecided", difference=1.0, relative=0.5),
]


def test_claims_that_were_not_run_are_left_out():
    assert [c["says"] for c in forest.drawn(CLAIMS)] == ["ACL helps", "a penalty helps", "one seed"]


def test_marks_and_intervals_are_in_percent_of_the_other_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (panel,) = would_be_saved(monkeypatch, lambda: forest.draw(CLAIMS, tmp_path / "x.png")).axes
    assert [t.get_text() for t in panel.get_yticklabels()] == [
        "ACL helps (table1)", "a penalty helps (table1)", "one seed (table1)",
    ]  # fmt: skip
    first, second, third = panel.get_yticks()
    drawn = [(line.get_ydata()[0], list(line.get_xdata())) for line in panel.lines]
    assert [x for y, x in drawn if y == first] == [[pytest.approx(10.0), pytest.approx(30.0)], [20.0]]
    assert [x for y, x in drawn if y == third] == [[50.0]], "of one seed there is no interval"
    arrow, interval = (x for y, x in drawn if y == second)
    assert arrow[0] < -200 and interval == [-200.0, pytest.approx(-100.0)], "what lies beyond is cut off, and said"


def test_margins_are_shaded_and_what_holm_takes_back_is_hollow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    counted = [
        CLAIMS[0] | {"margin": 0.05, "kind": "better", "p_holm": 0.2},
        CLAIMS[2] | {"margin": 0.1, "kind": "not_worse", "p_holm": 0.01},
    ]
    drawing = would_be_saved(monkeypatch, lambda: forest.draw(counted, tmp_path / "x.png"))
    (panel,) = drawing.axes
    boxes = [tuple(shade.get_paths()[0].get_extents().intervalx) for shade in panel.collections]
    assert boxes == [(-5.0, 5.0), (-10.0, 0.0)]
    marks = [line for line in panel.lines if line.get_marker() in ("o", "X")]
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [True]
    assert [t.get_text() for t in drawing.legends[0].get_texts()] == [
        "does not hold", "holds", "not after Holm's correction", "margin",
    ]  # fmt: skip


def test_the_same_claims_give_the_same_files(tmp_path: Path):
    for name in ("a", "b"):
        forest.draw(CLAIMS, tmp_path / f"{name}.png")
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
