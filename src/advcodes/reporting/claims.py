"""What the runs say about the papers' claims that one row of a table is better than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from advcodes.reporting import text
from advcodes.reporting.statistics import hedges_g, mean_sd, welch

ALPHA = 0.05
HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
_RULE = f"""\
A claim says that one row of a table is better than another.

- **{HOLDS}**: the claimed row has the better mean over seeds, and p < {ALPHA}.
- **{FAILS}**: the other row has the better mean, and p < {ALPHA}.
- **{UNDECIDED}**: anything else, and always with fewer than 2 seeds a row. Few seeds show large effects only:
  undecided is no evidence that there is no difference.

The difference is positive where the claimed row is better, with its 95 % confidence interval; it is also
given relative to the other row's mean, and as Hedges' g: in pooled standard deviations, corrected for small
samples. p is that of Welch's two-sided t-test over seeds (a seed is one training), not corrected for the
number of claims."""


def verdict(winner: Sequence[float], loser: Sequence[float], better: str) -> dict[str, Any]:
    """Whether the claimed winner is better than the claimed loser.

    Args:
        winner: a metric's value for each seed of the row that is claimed to be better.
        loser: the same for the other row.
        better: ``lower`` or ``higher`` values are better.

    Returns:
        ``verdict`` (``holds``, ``does not hold`` or ``undecided``) with ``reason``; ``winner`` and ``loser``
        (mean, sd, seeds); and, where they are defined, ``difference`` of the means (positive where the winner
        is better) with its 95 % confidence interval ``low`` to ``high``, ``relative`` to the loser's
        mean, ``hedges_g``, and ``p`` of Welch's two-sided t-test.
    """
    found: dict[str, Any] = {"verdict": UNDECIDED, "reason": ""}
    for name, values in (("winner", winner), ("loser", loser)):
        mean, sd = mean_sd(values) if values else (None, None)
        found[name] = {"mean": mean, "sd": sd, "seeds": len(values)}
    if not winner or not loser:
        return found | {"reason": "not run"}
    sign = -1.0 if better == "lower" else 1.0
    a, b = [sign * v for v in winner], [sign * v for v in loser]
    difference = mean_sd(a)[0] - mean_sd(b)[0]
    base = abs(mean_sd(b)[0])
    found["difference"] = difference
    found["relative"] = difference / base if base else None
    found["hedges_g"] = hedges_g(a, b)
    if min(len(a), len(b)) < 2:
        return found | {"reason": "fewer than 2 seeds"}
    test = welch(a, b)
    if test is None:
        return found | {"reason": "tie" if difference == 0 else "no spread over seeds, so no test"}
    found |= {"p": test.p, "low": test.low, "high": test.high}
    if test.p >= ALPHA:
        return found | {"reason": f"p ≥ {ALPHA}"}
    return found | {"verdict": HOLDS if difference > 0 else FAILS, "reason": f"p < {ALPHA}"}


def content(scale: str, claims: Sequence[Mapping[str, Any]], tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Every claim with its verdict, as JSON.

    Args:
        scale: at which the tables were run.
        claims: declarations (:class:`~advcodes.reporting.items.Claim`).
        tables: content of the rendered tables by item; a claim about another item is undecided.
    """
    judged = []
    for claim in claims:
        table = tables.get(claim["item"])
        entry = {**claim, "scale": scale}
        if table is None:
            judged.append(entry | {"dataset": None, "metric": None} | verdict([], [], "lower"))
            continue
        column = table["columns"][claim["column"]]
        metric = column["metric"]
        sides = {}
        for side in ("winner", "loser"):
            row = table["rows"][claim[side]]
            entry[side] = {"variant": claim[side], "label": row["label"]}
            sides[side] = [run["metrics"][metric] for run in row["cells"][claim["column"]]["runs"]]
        found = verdict(sides["winner"], sides["loser"], table["better"])
        for side in ("winner", "loser"):
            found[side] = entry.pop(side) | found[side] | {"values": sides[side]}
        entry |= {"dataset": column["served_by"], "metric": metric, "paper_metric": table["paper_metric"],
                  "better": table["better"]}  # fmt: skip
        judged.append(entry | found)
    return {"scale": scale, "test": "Welch's t-test, two-sided", "alpha": ALPHA, "claims": judged}


def markdown(found: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """The page of claims; ``titles`` are the papers' by key."""
    claims = found["claims"]
    scale = found["scale"]
    counts = ", ".join(f"{v}: {sum(c['verdict'] == v for c in claims)}" for v in (HOLDS, FAILS, UNDECIDED))
    parts = [
        f"# Claims at scale `{scale}`",
        f"**{counts}.**",
        _RULE,
        *_scope(claims, scale),
    ]
    for paper in dict.fromkeys(c["paper"] for c in claims):
        parts += [f"## {titles.get(paper, paper)}", _table([c for c in claims if c["paper"] == paper])]
    parts.append(
        "Every seed's value is in [claims.json](claims.json). Rebuild with `snakemake --cores 8` and "
        f"`scale: {scale}` in params.yaml."
    )
    return "\n\n".join(parts) + "\n"


def _scope(claims: Sequence[Mapping[str, Any]], scale: str) -> list[str]:
    """What the verdicts are not about."""
    run = [c for c in claims if c["metric"]]
    stand_ins = dict.fromkeys((c["column"], c["dataset"]) for c in run if c["dataset"] != c["column"])
    metrics = dict.fromkeys((c["metric"], c["paper_metric"]) for c in run if c["metric"] != c["paper_metric"])
    parts = []
    if stand_ins:
        pairs = text.listing([f"{text.dataset(c)} is served by {text.dataset(d)}" for c, d in stand_ins])
        parts.append(
            f"**Stand-ins**: at scale `{scale}`, {pairs}. "
            "A verdict is about the dataset that served, not about the paper's."
        )
    if metrics:
        pairs = text.listing([f"`{m}`, where the paper has {text.paper_metric(p)}" for m, p in metrics])
        parts.append(f"**Metric**: the runs are measured by {pairs}. A verdict is about the metric that it names.")
    return parts


def _table(claims: Sequence[Mapping[str, Any]]) -> str:
    effect = ["Difference [95 %]", "Relative", "g", "p"]
    header = ["Claim", "Tested on", "Claimed better", "Other", *effect, "Verdict"]
    return text.markdown_table(header, [_line(c) for c in claims], left=(0, 1, 2, 3, 8))


def _line(claim: Mapping[str, Any]) -> list[str]:
    says = f"{claim['says']} ({claim['where']}; `{claim['item']}`)"
    if claim["metric"] is None:
        return [says, "not run", *[text.DASH] * 6, f"**{claim['verdict']}**: {claim['reason']}"]
    winner, loser = claim["winner"], claim["loser"]
    means = [s["mean"] for s in (winner, loser) if s["mean"] is not None]
    places = text.decimals(means)
    served = text.dataset(claim["dataset"])
    on = f"{served}, `{claim['metric']}` {text.ARROW[claim['better']]}"
    if claim["dataset"] != claim["column"]:
        on += f" (stand-in for {text.dataset(claim['column'])})"
    difference = relative = g = p = text.DASH
    if "difference" in claim:
        difference = text.number(claim["difference"], places)
        if "low" in claim:
            difference += f" [{text.number(claim['low'], places)}, {text.number(claim['high'], places)}]"
        if claim["relative"] is not None:
            relative = f"{text.number(100 * claim['relative'], 1)} %"
        if claim["hedges_g"] is not None:
            g = text.number(claim["hedges_g"], 2)
        if "p" in claim:
            p = "< 0.001" if claim["p"] < 0.001 else text.number(claim["p"], 3)
    sides = [
        f"{s['label']} {text.plus_minus(s['mean'], s['sd'], places)} ({text.count(s['seeds'], 'seed')})"
        if s["mean"] is not None
        else f"{s['label']} {text.DASH}"
        for s in (winner, loser)
    ]
    reason = f" ({claim['reason']})" if claim["verdict"] == UNDECIDED else ""
    scope = f"**{claim['verdict']}** on {served} by `{claim['metric']}`{reason}"
    return [says, on, *sides, difference, relative, g, p, scope]
