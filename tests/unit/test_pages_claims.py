"""Verdicts on claims, and what the page says they are about."""

from __future__ import annotations

import json

import pytest
from pages_fakes import CURVES, ITEM, item, run

from advcodes.pages import claims, sides
from advcodes.pages.results import read_results

CLAIM = {
    "id": "acl-helps",
    "paper": "acl",
    "item": "acl/table1",
    "says": "ACL improves the GAN on CIFAR-10",
    "where": "Section 5.3",
    "column": "cifar10",
    "winner": "acl_gan",
    "loser": "gan",
}


@pytest.mark.parametrize(
    ("winner", "loser", "better", "verdict", "reason"),
    [
        ([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], "lower", "holds", "p < 0.05"),
        ([2.0, 2.1, 2.2], [1.0, 1.1, 1.2], "lower", "does not hold", "p < 0.05"),
        ([2.0, 2.1, 2.2], [1.0, 1.1, 1.2], "higher", "holds", "p < 0.05"),
        ([1.0, 1.1, 1.2], [2.0, 2.1, 2.2], "higher", "does not hold", "p < 0.05"),
        ([1.0, 2.0, 3.0], [1.5, 2.5, 3.5], "lower", "undecided", "p ≥ 0.05"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], "lower", "undecided", "p ≥ 0.05"),
        ([2.0, 2.0, 2.0], [2.0, 2.0, 2.0], "lower", "undecided", "tie"),
        ([1.0, 1.0, 1.0], [2.0, 2.0, 2.0], "lower", "undecided", "no spread over seeds, so no test"),
        ([1.0], [9.0, 9.1, 9.2], "lower", "undecided", "fewer than 2 seeds"),
        ([1.0], [9.0], "lower", "undecided", "fewer than 2 seeds"),
        ([], [9.0, 9.1], "lower", "undecided", "not run"),
        ([9.0, 9.1], [], "lower", "undecided", "not run"),
    ],
)
def test_verdict(winner, loser, better, verdict, reason):
    found = claims.verdict(winner, loser, better)
    assert (found["verdict"], found["reason"]) == (verdict, reason)


def test_effect_is_positive_where_the_claimed_row_is_better():
    found = claims.verdict([1.0, 1.2], [2.0, 2.4], "lower")
    assert found["difference"] == pytest.approx(1.1)
    assert found["relative"] == pytest.approx(0.5)
    assert found["hedges_g"] > 0
    assert found["low"] < 1.1 < found["high"]
    assert found["winner"] == {"mean": 1.1, "sd": pytest.approx(0.1414, abs=1e-4), "seeds": 2}
    mirrored = claims.verdict([-1.0, -1.2], [-2.0, -2.4], "higher")
    assert mirrored["difference"] == pytest.approx(1.1)
    assert mirrored["p"] == pytest.approx(found["p"])


def test_one_seed_gives_an_effect_but_no_test():
    found = claims.verdict([1.0], [2.0], "lower")
    assert found["difference"] == 1.0
    assert found["hedges_g"] is None
    assert "p" not in found


def judged(
    root,
    values,
    columns=None,
    claim=CLAIM,
    dataset="digits",
    declared=None,
    curves=None,
    seeds=None,
    compared=None,
    yardstick=False,
    **more,
):
    inputs = {}
    for variant, each in values.items():
        for seed, fd in enumerate(each):
            points = [(1000 * i, v[seed]) for i, v in enumerate((curves or {}).get(variant, ()))]
            made = run(root, f"demo/{dataset}/{variant}/seed{seed}", fd, curve=points)
            if yardstick:  # which says the contrary
                file = made[f"demo/{dataset}/{variant}/seed{seed}"].directory / "metrics.json"
                measured = json.loads(file.read_text())
                measured["metrics"]["fd_efficientnet_lite0"] = 100 - fd
                file.write_text(json.dumps(measured))
            inputs |= made
    declared = declared or item()
    columns = columns or {"cifar10": "digits", "celeba": None}
    seeds = range(max(map(len, values.values()))) if seeds is None else seeds
    about = {"item": declared.declaration(), "columns": columns, "seeds": list(seeds)}
    each = [claim] if isinstance(claim, dict) else claim
    return claims.content("demo", each, {declared.id: about}, read_results(inputs), compared, **more)


def test_page_says_what_the_verdict_is_about(tmp_path):
    found = judged(tmp_path, {"acl_gan": (1.0, 1.1, 1.2), "gan": (2.0, 2.1, 2.2)})
    page = claims.markdown(found, {"acl": "Adversarial Code Learning"})
    assert page.startswith(
        "# Claims at scale `demo`\n\n**holds: 1, does not hold: 0, equal: 0, undecided: 0, confounded: 0.** "
        "After Holm's correction 1 of the 1 decided stand.\n"
    )
    assert "**holds**: the claimed row has the better mean over seeds, and p < 0.05." in page
    assert "Welch's two-sided t-test" in page
    assert "**Stand-ins**: at scale `demo`, CIFAR-10 is served by digits. A verdict is about the dataset that" in page
    assert "**Metric**: the runs are measured by `fd_classifier`, where the paper has FID." in page
    assert page.count("## Adversarial Code Learning") == 1
    line = next(x for x in page.splitlines() if x.startswith("| ACL improves"))
    assert [c.strip() for c in line.strip("|").split("|")] == [
        "ACL improves the GAN on CIFAR-10 (Section 5.3; `acl/table1`; `acl-helps`)",
        "digits, `fd_classifier` ↓ (stand-in for CIFAR-10)",
        "ACL-GAN 1.10 ± 0.10 (3 seeds)",
        "GAN 2.10 ± 0.10 (3 seeds)",
        "1.00 [0.77, 1.23]",
        "47.6 %",
        "7.98",
        "< 0.001",
        "< 0.001",
        "**holds** on digits by `fd_classifier`",
    ]


def test_no_stand_in_no_warning(tmp_path):
    columns = {"cifar10": "cifar10", "celeba": None}
    found = judged(tmp_path, {"acl_gan": (1.0, 1.1), "gan": (2.0, 2.1)}, columns, dataset="cifar10")
    page = claims.markdown(found, {})
    assert "stand-in" not in page.lower()
    assert "on CIFAR-10 by `fd_classifier`" in page


@pytest.mark.parametrize("change", [{"column": "celeba"}, {"item": "acl/fig8"}])
def test_what_did_not_run_is_undecided(tmp_path, change):
    found = judged(tmp_path, {"acl_gan": (1.0, 1.1), "gan": (2.0, 2.1)}, claim=CLAIM | change)
    assert found["claims"][0]["verdict"] == "undecided"
    page = claims.markdown(found, {})
    assert "| not run |" in page and "**undecided**: not run" in page
    assert "Stand-ins" not in page and "Metric" not in page


def test_half_run_claims_show_the_half(tmp_path):
    page = claims.markdown(judged(tmp_path, {"gan": (2.0, 2.1)}), {})
    assert "| ACL-GAN \u2013 | GAN 2.05 ± 0.07 (2 seeds) |" in page
    assert "**undecided** on digits by `fd_classifier` (not run)" in page


def test_json_has_the_values_behind_a_verdict(tmp_path):
    found = judged(tmp_path, {"acl_gan": (1.0, 1.1), "gan": (2.0, 2.1)})
    assert found["test"].startswith("Welch's t-test, two-sided") and found["alpha"] == 0.05
    claim = found["claims"][0]
    assert claim["dataset"] == "digits" and claim["metric"] == "fd_classifier"
    assert claim["winner"]["variant"] == "acl_gan" and claim["winner"]["values"] == [1.0, 1.1]
    assert claim["loser"]["values"] == [2.0, 2.1]


@pytest.mark.parametrize(
    ("winner", "loser", "verdict", "reason"),
    [
        ([1.0, 1.01, 1.02], [1.0, 1.01, 1.02], "holds", "within the 10 % margin"),
        ([1.05, 1.06, 1.07], [1.0, 1.01, 1.02], "holds", "within the 10 % margin"),  # worse, but by 5 % only
        ([1.5, 1.51, 1.52], [1.0, 1.01, 1.02], "does not hold", "beyond the 10 % margin"),
        ([0.8, 1.0, 1.2], [0.8, 1.0, 1.2], "undecided", "the interval reaches beyond the 10 % margin"),
        ([1.0], [1.0], "undecided", "fewer than 2 seeds"),
    ],
)
def test_not_worse_is_shown_by_the_interval(winner, loser, verdict, reason):
    found = claims.verdict(winner, loser, "lower", "not_worse", 0.1)
    assert (found["verdict"], found["reason"]) == (verdict, reason)


def test_an_improvement_in_training_is_paired_by_seed(tmp_path):
    claim = {k: v for k, v in CLAIM.items() if k != "loser"} | {"kind": "falls", "item": "acl/fig8"}
    start, end = [9.0, 5.0, 1.0], [8.0, 3.9, 0.1]  # seeds differ by more than training changes them
    found = judged(tmp_path, {"acl_gan": end}, claim=claim, declared=item(CURVES), curves={"acl_gan": [start, end]})[
        "claims"
    ][0]
    assert found["verdict"] == "holds" and found["difference"] == pytest.approx(1.0)
    assert claims.verdict(end, start, "lower")["verdict"] == "undecided"
    assert found["winner"]["label"] == "at the end" and found["loser"]["values"] == start
    page = claims.markdown({"scale": "demo", "claims": [found]}, {})
    assert "compares its last snapshot with its first, by a paired t-test over seeds" in page.replace("\n", " ")
    assert "a one-sided test at 2.5 % each way" in page.replace("\n", " ")
    assert "| at the end 4.00 ± 3.95 (3 seeds) | at the first snapshot 5.00 ± 4.00 (3 seeds) |" in page


def test_the_other_yardstick_says_nothing_of_snapshots_that_it_did_not_measure(tmp_path):
    ends = {"acl_gan": (1.0, 1.1, 1.2), "gan": (2.0, 2.1, 2.2)}
    found = judged(
        tmp_path,
        ends,
        claim=CLAIM | {"kind": "throughout", "item": "acl/fig8"},
        declared=item(CURVES),
        curves={variant: [each, each] for variant, each in ends.items()},
        yardstick=True,
    )["claims"][0]
    assert (found["metric"], found["verdict"], found["beside"]) == ("fd_classifier", "holds", [])


@pytest.mark.parametrize(
    ("last", "verdict", "reason"),
    [(3.0, "holds", "p < 0.05"), (4.5, "undecided", "ahead at 2 of 3 snapshots")],
)
def test_better_throughout_is_better_at_every_snapshot(tmp_path, last, verdict, reason):
    """The means over snapshots decide, and the mean over seeds at each of them has a veto."""
    ahead, behind = ([[v + d for d in (0.0, 0.01, 0.02)] for v in of] for of in ((1.0, 2.0, last), (8.0, 7.0, 4.0)))
    found = judged(
        tmp_path,
        {"acl_gan": ahead[-1], "gan": behind[-1]},
        claim=CLAIM | {"kind": "throughout", "item": "acl/fig8"},
        declared=item(CURVES),
        curves={"acl_gan": ahead, "gan": behind},
    )["claims"][0]
    assert (found["verdict"], found["reason"]) == (verdict, reason)
    assert found["winner"]["values"][0] == pytest.approx((3.0 + last) / 3)
    assert found["winner"]["label"].endswith(", all snapshots")


@pytest.mark.parametrize(
    ("values", "than", "verdict"),
    [([0.4, 0.5, 0.45], 1, "holds"), ([0.9, 1.2, 1.0], 1, "undecided"), ([1.5, 1.6, 1.7], 1.0, "does not hold"),
     ([0.4], 1, "undecided")],
)  # fmt: skip
def test_a_row_is_compared_with_a_number(tmp_path, values, than, verdict):
    claim = {k: v for k, v in CLAIM.items() if k != "loser"} | {"kind": "beyond", "than": than}
    found = judged(tmp_path, {"acl_gan": values}, claim=claim)["claims"][0]
    assert found["verdict"] == verdict and found["loser"]["values"] == [than] * len(values)
    page = claims.markdown({"scale": "demo", "claims": [found]}, {})
    assert "by a one-sample t-test over seeds" in page.replace("\n", " ") and f"| the number {than}" in page


def test_two_numbers_go_together_over_training():
    """Rank correlations over snapshots, one a seed, against 0; one that never changes goes with nothing."""
    rising = [1.0, 2.0, 4.0, 8.0, 9.0]
    found = [sides._rank_correlation([rising, other]) for other in ([1, 2, 3, 4, 5], [1, 2, 3, 5, 4], [2, 1, 3, 4, 5])]
    assert found == pytest.approx([1.0, 0.9, 0.9])
    assert claims.verdict(found, [0.0] * 3, "higher", "together")["verdict"] == "holds"
    assert claims.verdict([-f for f in found], [0.0] * 3, "higher", "together")["verdict"] == "does not hold"
    assert sides._rank_correlation([rising, [3.0] * 5]) == 0.0


def test_only_the_items_own_seeds_count(tmp_path):
    values = {"acl_gan": (1.0, 1.1, 1.2, 50.0, 50.0), "gan": (2.0, 2.1, 2.2)}
    claim = judged(tmp_path, values, seeds=[0, 1, 2])["claims"][0]
    assert claim["winner"]["values"] == [1.0, 1.1, 1.2] and claim["verdict"] == "holds"


def test_a_metric_of_our_choice_is_called_that(tmp_path):
    declared = item(kind="grids", paper_measures=False)
    page = claims.markdown(judged(tmp_path, {"acl_gan": (1.0, 1.1), "gan": (2.0, 2.1)}, declared=declared), {})
    assert "the paper shows pictures and prints no number, the metric is our choice: `fd_classifier`." in page
    assert "where the paper has" not in page


DIFFERENCE = [
    {"key": "updates.generator", "winner": 400, "loser": 2000},
    {"key": "lr.generator", "winner": [0.001], "loser": [0.0002, 0.001]},
    {"key": "early_stopping", "winner": {"checks": 20}, "loser": None},
    {"key": "decoder_in_both", "winner": True, "loser": False},
]


def test_what_a_claim_does_not_name_confounds_it_and_stands_under_it(tmp_path):
    values = {"acl_gan": (1.0, 1.1, 1.2), "gan": (2.0, 2.1, 2.2)}
    found = judged(tmp_path, values, compared={"acl-helps": DIFFERENCE})
    assert found["claims"][0]["verdict"] == "confounded" and found["claims"][0]["confounders"] == DIFFERENCE
    assert found["claims"][0]["difference"] == pytest.approx(1.0)
    page = claims.markdown(found, {})
    assert "**holds: 0, does not hold: 0, equal: 0, undecided: 0, confounded: 1.**" in page
    assert (
        "`acl-helps`)<br>Differs in `updates.generator` 400, 2,000; `lr.generator` 0.001, [0.0002, 0.001]; "
        "`early_stopping` on, none; `decoder_in_both` yes, no |"
    ) in page
    assert page.count("**confounded** on digits by `fd_classifier` (4 settings not named)") == 1


def test_what_did_not_run_is_not_confounded(tmp_path):
    found = judged(tmp_path, {"gan": (2.0, 2.1)}, compared={"acl-helps": DIFFERENCE})
    assert found["claims"][0]["verdict"] == "undecided" and found["claims"][0]["reason"] == "not run"


def test_claims_on_the_same_runs_count_once(tmp_path):
    """Two columns by one dataset; the other way round they are the same runs still."""
    both = {"cifar10": "digits", "celeba": "digits"}
    again = CLAIM | {"id": "on-celeba", "column": "celeba"}
    reverse = again | {"id": "reverse", "winner": "gan", "loser": "acl_gan"}
    values = {"acl_gan": (1.0, 1.1, 1.2), "gan": (2.0, 2.1, 2.2)}
    found = judged(tmp_path, values, both, [CLAIM, again, reverse])
    assert [c.get("same_as") for c in found["claims"]] == [None, "acl-helps", "acl-helps"]
    assert [c["verdict"] for c in found["claims"]] == ["holds", "holds", "does not hold"]
    page = claims.markdown(found, {})
    head = "**holds: 1, does not hold: 0, equal: 0, undecided: 0, confounded: 0.** After Holm's correction 1 of the 1"
    assert f"{head} decided stand. Beside them 2, tested on" in page
    assert page.count("; the same runs as `acl-helps`, which counts |") == 2
    assert "\n| acl | 1 | 0 | 0 | 0 | 0 | 0 |\n" in page, "those on the same runs count once for their paper, too"


CLOSE = {"acl_gan": (10.0, 10.1, 9.9, 10.05), "gan": (10.05, 9.95, 10.1, 10.0)}
MARGIN = {"acl": {"margin": 0.05, "because": "its table prints no less"}}


def test_equal_rows_are_said_to_be_so_with_the_margin_and_its_reason(tmp_path):
    found = judged(tmp_path, CLOSE, claim=CLAIM | {"margin": 0.05}, equal=MARGIN)
    assert found["claims"][0]["verdict"] == "equal" and found["equal"] == MARGIN
    page = claims.markdown(found, {})
    assert "**holds: 0, does not hold: 0, equal: 1, undecided: 0, confounded: 0.** After Holm's correction 1 of" in page
    assert "are shares of the other row's mean" in page and "- `acl`: ±5 %, its table prints no less." in page
    assert "**equal** on digits by `fd_classifier` (within ±5 %; p < 0.001, < 0.001 by Holm) |" in page
    other = claims.markdown(judged(tmp_path, CLOSE, claim=CLAIM | {"margin": 0.02}, equal=MARGIN), {})
    assert "- `acl-helps`: ±2 %." in other


def test_the_number_of_seeds_is_printed_and_nothing_is_decided_before_they_are_there(tmp_path):
    values = {"acl_gan": (1.0, 1.1, 1.2), "gan": (2.0, 2.1)}
    found = judged(tmp_path, values, seeds=range(3))["claims"][0]
    assert (found["verdict"], found["reason"]) == ("undecided", "2 of 3 seeds that were fixed beforehand")
    page = claims.markdown({"scale": "demo", "claims": [found]}, {})
    assert (
        "**Seeds a row, fixed beforehand** (`seeds` and `per_item` in params.yaml): 3 seeds for `acl/table1`." in page
    )
    assert "| GAN 2.05 ± 0.07 (2 of 3 seeds) |" in page


def test_rows_that_share_random_numbers_are_paired_by_seed(tmp_path):
    values = {"acl_gan": (8.0, 3.9, 0.1), "gan": (9.0, 5.0, 1.0)}
    apart = judged(tmp_path, values)["claims"][0]
    assert not apart["paired"] and apart["verdict"] == "undecided"
    found = judged(tmp_path, values, paired=["acl-helps"])
    assert found["claims"][0]["paired"] and found["claims"][0]["verdict"] == "holds"
    assert found["claims"][0]["winner"]["seed_numbers"] == [0, 1, 2]
    line = next(x for x in claims.markdown(found, {}).splitlines() if x.startswith("| ACL improves"))
    assert ", paired | " in line


def test_an_undecided_claim_says_how_many_seeds_it_needs(tmp_path):
    page = claims.markdown(judged(tmp_path, {"acl_gan": (9.0, 9.5, 8.5), "gan": (9.5, 10.0, 9.0)}), {})
    assert "(p ≥ 0.05; needs about 14 more seeds a row, to show a difference) |" in page


def test_holm_s_correction_stands_beside_p_and_says_what_it_takes_back(tmp_path):
    values = {"acl_gan": (1.0, 1.6, 1.3), "gan": (2.0, 2.6, 2.0), "wgan_gp": (2.9, 1.0, 2.6)}
    rows = ITEM["rows"] | {"wgan_gp": {"label": "WGAN-GP"}}
    again = CLAIM | {"id": "other", "winner": "acl_gan", "loser": "wgan_gp"}
    found = judged(tmp_path, values, claim=[CLAIM, again], declared=item(rows=rows))
    first, second = found["claims"]
    assert first["p_holm"] == pytest.approx(2 * first["p"]) and second["p_holm"] == pytest.approx(second["p"])
    assert first["verdict"] == "holds" and first["p"] < 0.05 < first["p_holm"]
    page = claims.markdown(found, {})
    assert "**holds** on digits by `fd_classifier` (not after Holm's correction) |" in page
    assert "After Holm's correction 0 of the 1 decided stand." in page


def test_another_yardstick_stands_under_the_one_that_decides(tmp_path):
    found = judged(tmp_path, {"acl_gan": (1.0, 1.1, 1.2), "gan": (2.0, 2.1, 2.2)}, yardstick=True)
    (other,) = found["claims"][0]["beside"]
    assert (other["metric"], other["verdict"]) == ("fd_efficientnet_lite0", "does not hold")
    assert found["claims"][0]["verdict"] == "holds"
    page = claims.markdown(found, {})
    assert "<br>By `fd_efficientnet_lite0`, which does not count: does not hold, -" in page


def test_a_claim_is_judged_by_the_metric_that_it_names(tmp_path):
    claim = CLAIM | {"metric": "fd_efficientnet_lite0"}
    found = judged(tmp_path, {"acl_gan": (1.0, 1.1, 1.2), "gan": (2.0, 2.1, 2.2)}, claim=claim, yardstick=True)
    assert found["claims"][0]["verdict"] == "does not hold" and not found["claims"][0]["beside"]
    without = judged(tmp_path / "none", {"acl_gan": (1.0, 1.1, 1.2), "gan": (2.0, 2.1, 2.2)}, claim=claim)["claims"][0]
    assert without["verdict"] == "undecided"
    assert without["reason"] == "not measured at this scale: `fd_efficientnet_lite0`"
