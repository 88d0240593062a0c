"""Verdicts from numbers alone: two-sided, equal within a margin, paired, and corrected for their number."""

from __future__ import annotations

import pytest

from advcodes.core.statistics import power_to_differ, power_to_equal
from advcodes.pages import judging
from advcodes.papers.items import deciding
from advcodes.papers.read import read_claims, read_items

NEAR = [10.0, 10.1, 9.9], [10.05, 9.95, 10.1]


@pytest.mark.parametrize(
    ("winner", "loser", "margin", "verdict", "reason"),
    [
        (*NEAR, 0.05, "equal", "within ±5 %"),
        (*NEAR, 0.001, "undecided", "p ≥ 0.05"),
        (*NEAR, None, "undecided", "p ≥ 0.05"),
        ([10.0, 10.01, 9.99], [10.2, 10.21, 10.19], 0.05, "holds", "p < 0.05, yet within ±5 %"),
        ([10.2, 10.21, 10.19], [10.0, 10.01, 9.99], 0.05, "does not hold", "p < 0.05, yet within ±5 %"),
        ([5.0, 5.1, 4.9], [10.0, 10.1, 9.9], 0.05, "holds", "p < 0.05"),
    ],
)
def test_what_the_test_cannot_tell_apart_may_be_equal(winner, loser, margin, verdict, reason):
    found = judging.verdict(winner, loser, "lower", margin=margin)
    assert (found["verdict"], found["reason"]) == (verdict, reason)
    assert ("p_equal" in found) == (margin is not None)


def test_the_p_of_no_worse_is_that_of_being_worse_by_the_margin():
    """So that below 0.05 and on its side of the margin is the same as the interval's."""
    for loser in ([1.0, 1.01, 1.02], [1.0, 1.2, 0.8]):
        found = judging.verdict([1.05, 1.06, 1.07], loser, "lower", "not_worse", 0.1)
        assert (found["p"] < 0.05) == (found["verdict"] == "holds") and "p_equal" not in found


def test_few_seeds_of_more_that_were_planned_decide_nothing():
    found = judging.verdict([1.0, 1.1], [9.0, 9.1, 9.2], "lower", planned=3)
    assert (found["verdict"], found["reason"]) == ("undecided", "2 of 3 seeds that were fixed beforehand")
    assert found["p"] < 0.05 and "needs" not in found


def test_pairs_are_tested_by_their_differences():
    start, end = [9.0, 5.0, 1.0], [8.0, 3.9, 0.1]
    assert judging.verdict(end, start, "lower")["verdict"] == "undecided"
    assert judging.verdict(end, start, "lower", pairs=True)["verdict"] == "holds"


def test_undecided_says_how_many_more_seeds_have_the_power():
    found = judging.verdict([9.0, 9.5, 8.5], [9.5, 10.0, 9.0], "lower")
    n = found["needs"]["more"] + 3
    assert power_to_differ(n, 1.0) >= 0.8 > power_to_differ(n - 1, 1.0)
    assert judging.needed(found) == f"needs about {n - 3} more seeds a row, to show a difference"
    alike = judging.verdict([10.0, 10.5, 9.5], [10.0, 10.5, 9.5], "lower", margin=0.05)
    more = alike["needs"]["more"]
    assert alike["needs"]["to_show"] == "equal within 5 %" and power_to_equal(more + 3, 1.0) >= 0.8
    far = judging.verdict([10.0, 10.5, 9.5], [10.01, 10.51, 9.51], "lower")
    assert judging.needed(far) == "needs more than 100 seeds a row"
    assert judging.needed(judging.verdict([1.0], [2.0], "lower")) == ""


def test_holm_counts_a_paper_s_deciding_claims_alone():
    one = {"paper": "a", "verdict": "undecided", "p": 0.04, "p_equal": 0.5}
    claims = [
        one,
        one | {"p": 0.02},
        one | {"p": 0.01, "verdict": "confounded"},
        one | {"p": 0.01, "same_as": "x"},
        one | {"paper": "b", "p": 0.03},
        {"paper": "a", "verdict": "undecided"},
    ]
    found = [c.get("p_holm") for c in judging.corrected(claims)]
    assert found == [0.04, 0.04, None, None, 0.03, None] and "p_holm" not in one
    assert [c.get("p_equal_holm") for c in judging.corrected(claims)][:2] == [1.0, 1.0]


def test_no_margin_of_equality_is_as_wide_as_what_its_paper_prints():
    """Else rows as far apart as the paper has them could count as equal."""
    items, seen = read_items(), 0
    for claim in read_claims():
        item = items[claim.item]
        sides = [item.printed(v, claim.column).get(deciding(claim, item)) for v in (claim.winner, claim.loser) if v]
        if claim.kind == "better" and len(sides) == 2 and all(sides):
            assert claim.margin < abs(sides[0].value - sides[1].value) / sides[1].value, claim.id
            seen += 1
    assert seen > 40
