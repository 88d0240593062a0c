"""The two sides of a claim: which numbers of which runs stand against each other, by the kind of the claim."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from advcodes.pages.judging import UNDECIDED
from advcodes.pages.results import Result, only
from advcodes.papers.items import Claim, Item

OVER_TRAINING = ("falls", "throughout", "together")  #: kinds of claims about all of training


def labels(claim: Claim, item: Item) -> tuple[str, str]:
    """What the numbers of both sides are of."""
    one, two = (item.rows[v].label for v in (claim.winner, claim.loser or claim.winner))
    if claim.kind == "falls":
        return "at the end", "at the first snapshot"
    if claim.goes_with is not None:
        return f"rank correlation with `{claim.goes_with}`", "none"
    if claim.than is not None:
        return one, "the number"
    if claim.kind == "throughout":
        return f"{one}, all snapshots", f"{two}, all snapshots"
    return one, two


def values(claim: Claim, winners: Sequence[Result], losers: Sequence[Result], name: str) -> dict[str, dict[int, float]]:
    """Numbers of both sides by seed: ``winner`` and ``loser``.

    Args:
        claim: its declaration.
        winners: runs of the row that is claimed to be better.
        losers: of the other one.
        name: of the metric that decides, in full.
    """
    if claim.kind == "falls":
        return {s: {r.seed: r.curve[n][name] for r in winners} for s, n in (("winner", -1), ("loser", 0))}
    if claim.goes_with is not None:
        other = {r.seed: only(claim.goes_with, r.curve[-1], f"{claim.item}, {r.dataset}, {r.variant}") for r in winners}
        own = {r.seed: _rank_correlation([[p[n] for p in r.curve] for n in (name, other[r.seed])]) for r in winners}
        return {"winner": own, "loser": dict.fromkeys(own, 0.0)}
    if claim.than is not None:
        own = {r.seed: r.metrics[name] for r in winners}
        return {"winner": own, "loser": dict.fromkeys(own, claim.than)}
    both = (("winner", winners), ("loser", losers))
    if claim.kind == "throughout":
        return {side: {r.seed: fmean(point[name] for point in r.curve) for r in runs} for side, runs in both}
    return {side: {r.seed: r.metrics[name] for r in runs} for side, runs in both}


def _rank_correlation(curves: Sequence[Sequence[float]]) -> float:
    """Spearman's, of two numbers over a run's snapshots; 0 where one of them never changes."""
    from scipy.stats import spearmanr

    if any(len(set(curve)) < 2 for curve in curves):
        return 0.0
    return float(spearmanr(*curves).statistic)


def at_every(winners: Sequence[Result], losers: Sequence[Result], name: str, better: str) -> dict[str, str]:
    """What is left of a difference of means over snapshots where some snapshots say otherwise.

    Args:
        winners: runs of the row that is claimed to be better.
        losers: of the other one.
        name: of the metric, in full.
        better: which of its values are.
    """
    means = [[fmean(each) for each in zip(*([p[name] for p in r.curve] for r in runs), strict=True)]
             for runs in (winners, losers)]  # fmt: skip
    ahead = [(a < b) if better == "lower" else (a > b) for a, b in zip(*means, strict=True)]
    if all(ahead):
        return {}
    return {"verdict": UNDECIDED, "reason": f"ahead at {sum(ahead)} of {len(ahead)} snapshots"}
