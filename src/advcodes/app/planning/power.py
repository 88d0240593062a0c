"""What it takes to decide the papers' claims at a scale: seeds for a power, core-hours, and what cannot be decided.

Reads the verdicts that there are (claims.json) and what :mod:`advcodes.app.planning.plan` says of hours; imports no
torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from advcodes.app.planning.plan import aligned, hours_text, plan
from advcodes.core.errors import AdvcodesError
from advcodes.graph.compared import compared
from advcodes.graph.graph import Graph
from advcodes.graph.streams import paired
from advcodes.pages.judging import CONFOUNDED, DECIDED, POWER, seeds_needed, spread
from advcodes.pages.text import count
from advcodes.papers.items import Claim
from advcodes.papers.read import read_claims

AFFECTS_RESULTS = False
MOST = 20  #: seeds a row, unless told
Row = tuple[str, str]  #: dataset and variant


@dataclass(frozen=True)
class Seen:
    """What runs have shown of a claim.

    Attributes:
        effect: difference of means, positive where the claimed row is better, as a share of the other one's mean.
        spread: sd over seeds in the same unit: of a row, or of the differences where values are paired.
        at_least: seeds a row that have not decided it.
        source: ``here``, or ``pilot``; with how many seeds on each side, and where the spread is from if not from them.
        paired: whether values are.
    """

    effect: float
    spread: float
    at_least: int
    source: str
    paired: bool = False


@dataclass(frozen=True)
class Need:
    """What one claim needs.

    Attributes:
        claim: its declaration.
        dataset: that serves its column.
        rows: that have to be trained.
        images: that a run of each sees.
        seen: its effect and spread so far.
        seeds: of each row in all, those that are there among them.
        how: what these seeds are to show.
        hours: core-hours for those seeds that nobody has before it in the plan; None where they are not known.
    """

    claim: Claim
    dataset: str
    rows: tuple[Row, ...]
    images: tuple[int | None, ...]
    seen: Seen
    seeds: int
    how: str
    hours: float | None


@dataclass(frozen=True)
class ClaimsPlan:
    """What all claims need, the cheapest first.

    Attributes:
        scale: its name.
        power: that each test shall have.
        margin: within which rows count as equal, as a share of the other row's mean; None: each claim's own.
        most: seeds a row at most.
        decided: claims that hold, do not hold, or whose rows are equal.
        needs: of undecided ones that can be decided, in the order in which most are decided in an hour: each one's
            hours are without the runs that those before it have bought.
        cannot: reason by id of those that cannot.
    """

    scale: str
    power: float
    margin: float | None
    most: int
    decided: tuple[str, ...]
    needs: tuple[Need, ...]
    cannot: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The whole plan as JSON: to be kept, as seeds are fixed before any of them is seen."""
        return {
            "scale": self.scale,
            "power": self.power,
            "margin": self.margin,
            "most_seeds": self.most,
            "decided": list(self.decided),
            "needs": [
                {
                    "claim": need.claim.id,
                    "item": need.claim.item,
                    "dataset": need.dataset,
                    "rows": [variant for _, variant in need.rows],
                    "images": list(need.images),
                    "effect": need.seen.effect,
                    "spread": need.seen.spread,
                    "seen": need.seen.source,
                    "seeds": need.seeds,
                    "how": need.how,
                    "core_hours": need.hours,
                }
                for need in self.needs
            ],
            "cannot": dict(self.cannot),
            "core_hours": sum(need.hours or 0.0 for need in self.needs),
            "claims_of_unknown_hours": sum(need.hours is None for need in self.needs),
        }

    def __str__(self) -> str:
        """The plan as an aligned table, and what cannot be decided below."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield (
            f"claims at scale {self.scale}: {len(self.decided)} decided, {len(self.needs)} to be decided with "
            f"{100 * self.power:g} % power, {len(self.cannot)} not to be decided here"
        )
        if self.needs:
            head: tuple[str, ...] = (
                "claim", "on", "images a run", "effect", "spread", "seen", "seeds", "to show", "core-hours", "sum"
            )  # fmt: skip
            rows, total = [head], 0.0
            for need in self.needs:
                total += need.hours or 0.0
                images = " / ".join(dict.fromkeys("unknown" if i is None else f"{i:,}" for i in need.images))
                share = (f"{100 * x:.1f} %" for x in (need.seen.effect, need.seen.spread))
                hours = "unknown" if need.hours is None else hours_text(need.hours)
                told = (need.claim.id, need.dataset, images, *share, need.seen.source, str(need.seeds), need.how)
                rows.append((*told, hours, hours_text(total)))
            yield from aligned(rows, (0, 1, 5, 7))
            yield "core-hours are of training alone, without the runs that claims above have bought already"
            if any(need.hours is None for need in self.needs):
                yield "unknown: no run of that row is finished; run with --measure"
            yield "effects of few seeds are rough: keep the seeds that the plan says, and look when they are all there"
        if self.cannot:
            yield "cannot be decided here:"
            yield from aligned(list(self.cannot.items()), (0, 1))


def plan_claims(
    graph: Graph,
    cores: int | None = None,
    measure: bool = False,
    pilot: Path | None = None,
    margin: float | None = None,
    most: int = MOST,
) -> ClaimsPlan:
    """What it takes to decide every claim at the graph's scale.

    Args:
        graph: of params.yaml at that scale.
        cores: as of :func:`advcodes.app.planning.plan.plan`.
        measure: as there.
        pilot: a claims.json whose effects and spreads stand in where this scale has none.
        margin: within which two rows count as equal, as a share of the other one's mean; None: what each claim or its
            paper declares.
        most: seeds a row at most.

    Raises:
        AdvcodesError: the pilot is missing, a claims.json is damaged, or what planning raises.
    """
    if (margin is not None and margin <= 0) or most < 2:
        raise AdvcodesError(
            f"plan --claims: expected a margin above 0 and at least 2 seeds, got {margin or 0:g} and {most}"
        )
    declared = read_claims()
    pairs = set(paired(graph, declared))
    here = graph.reports / graph.params.scale / "claims.json"
    judged = _verdicts(here) if here.exists() else {}
    before = {} if pilot is None else _verdicts(pilot)
    spreads = _Spreads(judged.values()), _Spreads(before.values())
    of_items = graph.params.model_copy(update={"items": list(dict.fromkeys(c.item for c in declared))})
    whole = plan(Graph(of_items, data=graph.data), cores, measure)
    groups = {(g.dataset, g.variant): g for g in whole.groups}
    hours = {row: g.hours_each * (whole.threads or 1) for row, g in groups.items() if g.hours_each is not None}
    decided, cannot, open_ = [], {}, []
    for claim in declared:
        now = judged.get(claim.id)
        if now and now["verdict"] in DECIDED:
            decided.append(claim.id)
            continue
        if now and now["verdict"] == CONFOUNDED and (unlike := compared(graph, [claim]).get(claim.id)):
            keys = ", ".join(d["key"] for d in unlike)
            cannot[claim.id] = f"its rows differ in more than it names: {keys}; no number of seeds decides it"
            continue
        rows = _rows(graph, claim)
        if isinstance(rows, str):
            cannot[claim.id] = rows
            continue
        seen = _seen(claim, now, spreads[0], "here", claim.id in pairs) or _seen(
            claim, before.get(claim.id), spreads[1], "pilot", claim.id in pairs
        )
        if seen is None:
            cannot[claim.id] = "no effect or spread is known; train 2 seeds a row first, or name a --pilot"
            continue
        within = claim.margin if margin is None or claim.kind == "not_worse" else margin
        seeds, how = seeds_needed(claim.kind, seen.effect, seen.spread, within, most, seen.paired)
        if seeds is None:
            cannot[claim.id] = f"{how} takes more than {most} seeds a row"
        else:
            seeds = max(seeds, seen.at_least + 1)
            open_.append(Need(claim, rows[0][0], rows, tuple(groups[r].images for r in rows), seen, seeds, how, None))
    needs = _cheapest_first(open_, hours, _have(judged))
    return ClaimsPlan(graph.params.scale, POWER, margin, most, tuple(decided), tuple(needs), cannot)


def _verdicts(path: Path) -> dict[str, dict[str, Any]]:
    """Claims of a claims.json by id."""
    try:
        return {claim["id"]: claim for claim in json.loads(path.read_text())["claims"]}
    except FileNotFoundError:
        raise AdvcodesError(f"{path}: no such file; expected a claims.json of reports/<scale>") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise AdvcodesError(f"{path}: not a readable claims.json; run `snakemake` to make it again") from None


def _rows(graph: Graph, claim: Claim) -> tuple[Row, ...] | str:
    """Dataset and variant of a claim's rows, or why they are not trained at this scale."""
    served = graph.params.served(claim.column, claim.item)
    if served is None:
        return f"column {claim.column} is not run at scale {graph.params.scale}"
    item = graph.items[claim.item]
    variants = [v for v in (claim.winner, claim.loser) if v is not None]
    trained = [v for v in graph.rows(item) if v in graph.params.variants]
    if missing := [v for v in variants if v not in trained]:
        return f"{' and '.join(missing)} not trained at scale {graph.params.scale} (per_item.{claim.item}.rows)"
    return tuple((served, v) for v in variants)


class _Spreads:
    """Relative sds of rows with several seeds, by metric: what stands in for a row that has one."""

    def __init__(self, claims: Any):
        self._known: dict[str, dict[tuple[str, str], float]] = {}
        for claim in claims:
            for side in ("winner", "loser") if claim["metric"] and claim["kind"] in ("better", "not_worse") else ():
                values, variant = claim[side]["values"], claim[side]["variant"]
                if len(values) > 1 and fmean(values):
                    row = (claim["dataset"], variant)
                    self._known.setdefault(claim["metric"], {})[row] = stdev(values) / abs(fmean(values))

    def of(self, metric: str) -> float | None:
        """The median over rows; None where none has two seeds."""
        return median(self._known[metric].values()) if metric in self._known else None


def _seen(
    claim: Claim, verdict: Mapping[str, Any] | None, spreads: _Spreads, source: str, pairs: bool = False
) -> Seen | None:
    """Effect and spread of a claim in a claims.json; None where that has not both.

    Args:
        claim: declared.
        verdict: the same claim with its numbers.
        spreads: of other rows.
        source: of the numbers.
        pairs: whether both rows share their random numbers.
    """
    if not verdict or not verdict["metric"]:
        return None
    winner, loser = (verdict[side]["values"] for side in ("winner", "loser"))
    if not winner or not loser or not (base := abs(fmean(loser))):
        return None
    effect = (fmean(winner) - fmean(loser)) * (-1 if verdict["better"] == "lower" else 1) / base
    seeds = f"{source}, {len(winner)} and {count(len(loser), 'seed')}"
    pairs = claim.alone or (pairs and len(winner) == len(loser) > 1)
    if min(len(winner), len(loser)) > 1:
        sd = spread(winner, loser, pairs) / base
    elif claim.alone:
        sd = 0.0
    else:
        # Of rows with two seeds or more, and as a share of these rows' own means.
        sd = (spreads.of(verdict["metric"]) or 0.0) * math.sqrt((fmean(winner) ** 2 + base**2) / 2) / base
        seeds += "; spread of other rows"
    tried = min(len(winner), len(loser)) if source == "here" else 1
    return Seen(effect, sd, tried, seeds, pairs) if sd > 0 else None


def _have(verdicts: Mapping[str, Mapping[str, Any]]) -> dict[Row, int]:
    """Seeds of each row that verdicts are from."""
    have: dict[Row, int] = {}
    for claim in verdicts.values():
        for side in ("winner", "loser") if claim["metric"] else ():
            row = (claim["dataset"], claim[side]["variant"] or claim["winner"]["variant"])
            have[row] = max(have.get(row, 0), len(claim[side]["values"]))
    return have


def _cheapest_first(needs: Sequence[Need], hours: Mapping[Row, float], have: dict[Row, int]) -> list[Need]:
    """Claims in the order in which most are decided in an hour, runs that several share being bought once."""

    def price(need: Need) -> float:
        wanted = {row: max(0, need.seeds - have.get(row, 0)) for row in need.rows}
        return sum(hours.get(row, math.inf) * seeds for row, seeds in wanted.items() if seeds)

    left, ordered = list(needs), []
    while left:
        need = min(left, key=price)
        cost = price(need)
        ordered.append(replace(need, hours=None if math.isinf(cost) else cost))
        have |= {row: max(need.seeds, have.get(row, 0)) for row in need.rows}
        left.remove(need)
    return ordered
