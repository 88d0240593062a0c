"""`advcodes plan --claims`: seeds and core-hours that claims need, the cheapest first, and what cannot be decided."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advcodes.app.cli import main
from advcodes.app.planning import power
from advcodes.app.planning.plan import Group, Plan
from advcodes.app.planning.speeds import Speed
from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.core.statistics import power_to_differ, power_to_equal
from advcodes.graph.graph import Graph
from advcodes.pages.judging import seeds_needed
from advcodes.papers.items import Claim

HELPS = "acl-helps-gan-cifar10"  # acl_gan beats gan
BEATS = "acl-gan-gp-beats-gan-cifar10"


def said(id: str, winner: list[float], loser: list[float], **more: Any) -> dict[str, Any]:
    """A claim of claims.json."""
    (claim,) = (c for c in power.read_claims() if c.id == id)
    sides = {"winner": {"variant": claim.winner, "values": winner}, "loser": {"variant": claim.loser, "values": loser}}
    about = {"verdict": "undecided", "metric": "fd_classifier", "dataset": "digits", "better": "lower"}
    return claim.model_dump() | about | sides | more


@pytest.fixture
def planned(tree: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Plans for what is said; each run of 3,600 images takes an hour on two threads."""

    def fast(graph: Graph, *_: Any) -> Plan:
        rows = sorted({(r.dataset, r.variant) for r in graph.all_runs()})
        groups = (
            Group(d, v, (0,), (), 3600, False, None if v == "acl_gan_gp" else Speed(1.0, "a test")) for d, v in rows
        )
        return Plan("demo", (), tuple(groups), 1, 2)

    monkeypatch.setattr(power, "plan", fast)

    def plan(*claims: dict[str, Any], **options: Any) -> power.ClaimsPlan:
        here = tmp_path / "reports" / "demo" / "claims.json"
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_text(json.dumps({"claims": list(claims)}))
        return power.plan_claims(Graph(resolve(tree), data=tmp_path, reports=tmp_path / "reports"), **options)

    return plan


def test_seeds_are_those_of_the_power_and_hours_those_of_missing_ones(planned):
    found = planned(said(HELPS, [9.0, 9.5, 8.5], [10.0, 10.5, 9.5]))
    (need,) = found.needs
    assert need.seen.effect == pytest.approx(0.1) and need.seen.spread == pytest.approx(0.05)
    assert power_to_differ(need.seeds, 2.0) >= 0.8 > power_to_differ(need.seeds - 1, 2.0)
    assert need.how == "a difference" and need.hours == pytest.approx(2 * (need.seeds - 3) * 2)
    assert need.seen.source == "here, 3 and 3 seeds" and need.images == (3600, 3600)
    text = str(found)
    assert "1 to be decided with 80 % power" in text and HELPS in text and "10.0 %" in text
    assert found.as_dict()["needs"][0]["seeds"] == need.seeds


def test_a_small_difference_is_shown_to_be_within_the_margin(planned):
    (need,) = planned(said(HELPS, [10.0, 10.1, 9.9], [10.0, 10.1, 9.9])).needs
    assert need.how == "equal within 5 %" and power_to_equal(need.seeds, 5.0) >= 0.8
    none = planned(said(HELPS, [10.0, 10.1, 9.9], [10.0, 10.1, 9.9]), margin=0.001)
    assert "takes more than 20 seeds a row" in none.cannot[HELPS]


def test_a_row_with_one_seed_has_the_spread_of_others(planned):
    other = said("gp-helps-gan-cifar10", [5.0, 5.5, 4.5], [9.0, 10.0, 11.0], verdict="holds")
    found = planned(said(HELPS, [9.0], [10.0]), other)
    (need,) = found.needs
    assert found.decided == ("gp-helps-gan-cifar10",) and need.seen.source == "here, 1 and 1 seed; spread of other rows"
    assert need.seen.spread == pytest.approx(0.1 * ((0.9**2 + 1) / 2) ** 0.5)
    # The decided claim has three seeds of `gan` already.
    assert need.hours == pytest.approx(2 * (need.seeds - 1 + max(0, need.seeds - 3)))


def test_the_cheapest_first_and_shared_runs_bought_once(planned):
    near, far = said("gp-helps-gan-cifar10", [9.0, 10.0], [12.0, 13.0]), said(HELPS, [12.0, 12.2], [12.4, 13.0])
    found = planned(far, near)
    assert [n.claim.id for n in found.needs] == ["gp-helps-gan-cifar10", HELPS]
    first, second = found.needs
    alone = 2 * 2 * (second.seeds - 2)
    assert second.hours == pytest.approx(alone - 2 * (first.seeds - 2))


def test_seeds_that_did_not_decide_are_not_enough(planned):
    (need,) = planned(said(HELPS, [9.0, 9.1], [90.0, 91.0])).needs
    assert need.seeds == 3


def test_unknown_hours_come_last(planned):
    found = planned(said(BEATS, [5.0, 5.1], [10.0, 10.3]), said(HELPS, [9.0, 9.5, 8.5], [10.0, 10.5, 9.5]))
    assert [n.claim.id for n in found.needs] == [HELPS, BEATS] and found.needs[1].hours is None
    assert "run with --measure" in str(found) and found.as_dict()["claims_of_unknown_hours"] == 1


def test_what_cannot_be_decided_says_why(planned):
    found = planned()
    assert not found.needs and "train 2 seeds a row first, or name a --pilot" in found.cannot[HELPS]
    assert found.cannot["acl-helps-gan-celeba"] == "column celeba is not run at scale demo"


def test_what_is_confounded_is_neither_decided_nor_a_matter_of_seeds(planned, tree):
    tree["variants"]["gan"]["optimiser"] = {"lr": 7e-4}
    found = planned(said(HELPS, [9.0, 9.5, 8.5], [10.0, 10.5, 9.5], verdict="confounded"))
    assert not found.decided and not found.needs
    assert found.cannot[HELPS].startswith("its rows differ in more than it names: ")
    assert "lr.generator" in found.cannot[HELPS]


def test_a_pilot_stands_in(planned, tmp_path: Path):
    pilot = tmp_path / "pilot.json"
    pilot.write_text(json.dumps({"claims": [said(HELPS, [9.0, 9.5, 8.5], [10.0, 10.5, 9.5])]}))
    (need,) = planned(pilot=pilot).needs
    assert need.seen.source == "pilot, 3 and 3 seeds" and need.hours == pytest.approx(2 * need.seeds * 2)


def test_training_s_course_is_paired_and_not_worse_counts_its_margin():
    claim = Claim(id="x", paper="p", kind="falls", item="i", says="", where="", column="c", winner="w")
    seen = power._seen(claim, {"metric": "m", "better": "lower", "winner": {"values": [1.0, 2.0]}, "loser": {
        "values": [4.0, 6.0]}}, power._Spreads([]), "here")  # fmt: skip
    assert (seen.effect, seen.spread) == pytest.approx((3.5 / 5, 0.5**0.5 / 5))
    worse = replace(seen, effect=0.0, spread=0.1)
    not_worse = claim.model_copy(update={"kind": "not_worse", "margin": 0.2, "loser": "l"})
    seeds, how = seeds_needed("not_worse", worse.effect, worse.spread, not_worse.margin, 20)
    assert power_to_differ(seeds, 2.0) >= 0.8 and how == "not worse within 20 %"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 0.0}, "expected a margin above 0 and at least 2 seeds, got 0 and 20"),
        ({"pilot": Path("/no/claims.json")}, "/no/claims.json: no such file; expected a claims.json"),
        ({"pilot": Path("README.md")}, "README.md: not a readable claims.json"),
    ],
)
def test_bad_input_is_one_line(planned, options: dict[str, Any], message: str):
    with pytest.raises(AdvcodesError, match=message):
        planned(**options)


def test_items_do_not_go_with_it(capsys: pytest.CaptureFixture[str]):
    assert main(["plan", "acl/table1", "--claims"]) == 1
    assert "--claims is about all papers' claims; name no item beside it" in capsys.readouterr().err
