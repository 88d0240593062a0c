"""What the runs say about the papers' comparative claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from advcodes.core.statistics import Test, hedges_g, mean_sd, paired, welch
from advcodes.metrics.registry import quantity
from advcodes.pages import text
from advcodes.pages.pictures import forest
from advcodes.pages.results import Result, only
from advcodes.papers.items import Claim, Item, deciding

ALPHA = 0.05
HOLDS, FAILS, UNDECIDED, CONFOUNDED = "holds", "does not hold", "undecided", "confounded"
VERDICTS = (HOLDS, FAILS, UNDECIDED, CONFOUNDED)
_PLOT = "Each claim's difference with its 95 % interval: right of zero it is for the claim; blue holds, red does not"
_RULE = f"""\
Most claims say that one row of a table or figure is better than another.

- **{HOLDS}**: the claimed row has the better mean over seeds, and p < {ALPHA}.
- **{FAILS}**: the other row has the better mean, and p < {ALPHA}.
- **{UNDECIDED}**: anything else, and always with fewer than 2 seeds a row. Few seeds show large effects only:
  undecided is no evidence that there is no difference.
- **{CONFOUNDED}**: the rows differ in settings, or in how often a kind of network is updated, that the claim does not
  name; these stand under it. Whatever the numbers say, they do not say it of what the claim is about.

Claims that are tested on the very same runs, as one dataset serves for two, count once: where the first of them stands.

The difference is positive where the claimed row is better, with its 95 % confidence interval; it is also
given relative to the other row's mean, and as Hedges' g: in pooled standard deviations, corrected for small
samples. p is that of Welch's two-sided t-test over seeds (a seed is one training), not corrected for the
number of claims. Of a run that diverged, where that is a result, the numbers are those of its last finite snapshot.

A claim that a row is *not worse* names a margin, a share of the other row's mean: it {HOLDS} where the whole interval
lies above minus the margin, {FAILS} where all of it lies below, and is undecided otherwise: a one-sided test at 2.5 %
each way, while the p printed beside it is still that of the difference. A claim that a row *improves in training*
compares its last snapshot with its first, by a paired t-test over seeds."""


def verdict(
    winner: Sequence[float], loser: Sequence[float], better: str, kind: str = "better", margin: float | None = None
) -> dict[str, Any]:
    """Whether the claimed winner is better than the claimed loser.

    Args:
        winner: a metric's value for each seed of the row that is claimed to be better.
        loser: the same for the other row; for ``falls``, of the same row at the start, seed by seed.
        better: ``lower`` or ``higher`` values are better.
        kind: of the claim, see :class:`~advcodes.papers.items.Claim`.
        margin: of ``not_worse``, as a share of the loser's mean.

    Returns:
        ``verdict`` (``holds``, ``does not hold`` or ``undecided``) with ``reason``; ``winner`` and ``loser``
        (mean, sd, seeds); and, where they are defined, ``difference`` of the means (positive where the winner
        is better) with its 95 % confidence interval ``low`` to ``high``, ``relative`` to the loser's
        mean, ``hedges_g``, and ``p`` of the two-sided t-test.
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
    test = paired(a, b) if kind == "falls" else welch(a, b)
    if test is None:
        return found | {"reason": "tie" if difference == 0 else "no spread over seeds, so no test"}
    found |= {"p": test.p, "low": test.low, "high": test.high}
    if kind == "not_worse":
        return found | _not_worse(test, (margin or 0) * base, margin or 0)
    if test.p >= ALPHA:
        return found | {"reason": f"p ≥ {ALPHA}"}
    return found | {"verdict": HOLDS if difference > 0 else FAILS, "reason": f"p < {ALPHA}"}


def _not_worse(test: Test, room: float, margin: float) -> dict[str, Any]:
    """Non-inferiority by the confidence interval: the deficit must be shown to stay within ``room``."""
    words = f"{100 * margin:g} % margin"
    if test.low > -room:
        return {"verdict": HOLDS, "reason": f"within the {words}"}
    if test.high < -room:
        return {"verdict": FAILS, "reason": f"beyond the {words}"}
    return {"verdict": UNDECIDED, "reason": f"the interval reaches beyond the {words}"}


def content(
    scale: str,
    claims: Sequence[Mapping[str, Any]],
    items: Mapping[str, Mapping[str, Any]],
    results: Sequence[Result],
    compared: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """Every claim with its verdict, as JSON.

    Args:
        scale: at which the runs were made.
        claims: declarations (:class:`~advcodes.papers.items.Claim`).
        items: those that were made, by id: ``item`` (its declaration), ``columns`` (the dataset that served each) and
            ``seeds``; a claim about another item is undecided.
        results: of all runs.
        compared: by claim, what its rows differ in that it does not name (:func:`advcodes.graph.compared.compared`).
    """
    declared = [Claim.model_validate(claim) for claim in claims]
    return {
        "scale": scale,
        "test": "Welch's t-test, two-sided; paired where a claim is about the course of training",
        "alpha": ALPHA,
        "claims": qualified(
            [{**c.model_dump(), "scale": scale, **_judge(c, items.get(c.item), results)} for c in declared],
            compared or {},
        ),
    }


def qualified(
    judged: Sequence[Mapping[str, Any]], compared: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Claims with what restricts their verdicts.

    Args:
        judged: claims with verdicts from numbers alone.
        compared: as in :func:`content`.

    Returns:
        The same with ``confounders``, which make the verdict of what was run ``confounded``; and with ``same_as``, the
        id of the first claim that is tested on the very same runs, where there is one before.
    """
    first: dict[Any, str] = {}
    found = []
    for claim in judged:
        confounders = [dict(d) for d in compared.get(claim["id"], ())]
        claim = {**claim, "confounders": confounders}
        sides = [(s.get("variant"), tuple(s.get("values", ()))) for s in (claim["winner"], claim["loser"])]
        ran = all(values for _, values in sides)
        if ran and confounders:
            names = text.count(len(confounders), "setting")
            claim |= {"verdict": CONFOUNDED, "reason": f"{names} not named"}
        same = first.setdefault((claim["dataset"], claim["metric"], frozenset(sides)), claim["id"]) if ran else None
        found.append(claim | ({"same_as": same} if same not in (None, claim["id"]) else {}))
    return found


def counts(claims: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims have each verdict; those on the same runs count once."""
    verdicts = [c["verdict"] for c in claims if "same_as" not in c]
    return {v: verdicts.count(v) for v in VERDICTS}


def _judge(claim: Claim, made: Mapping[str, Any] | None, results: Sequence[Result]) -> dict[str, Any]:
    if made is None:
        return {"dataset": None, "metric": None} | verdict([], [], "lower")
    item, served = Item.model_validate(made["item"]), made["columns"][claim.column]

    def of(variant: str) -> list[Result]:
        runs = [r for r in results if (r.dataset, r.variant) == (served, variant) and r.seed in made["seeds"]]
        return sorted(runs, key=lambda r: r.seed)

    winners, losers = of(claim.winner), of(claim.loser or claim.winner)
    metric, wanted = None, deciding(claim, item)
    for run in [*losers, *winners]:  # a row can lack a metric of its column
        values = run.curve[-1] if claim.kind == "falls" else run.metrics
        metric = only(wanted, values, f"{claim.item}, {served}, {run.variant}")
    name = metric or wanted  # without runs there is nothing to look up
    if claim.kind == "falls":
        sides = {"winner": [r.curve[-1][name] for r in winners], "loser": [r.curve[0][name] for r in winners]}
        labels = ("at the end", "at the first snapshot")
    else:
        sides = {"winner": [r.metrics[name] for r in winners], "loser": [r.metrics[name] for r in losers]}
        labels = (item.rows[claim.winner].label, item.rows[claim.loser or claim.winner].label)
    found = verdict(sides["winner"], sides["loser"], quantity(wanted).better, claim.kind, claim.margin)
    for side, variant, label in zip(sides, (claim.winner, claim.loser), labels, strict=True):
        found[side] |= {"variant": variant, "label": label, "values": sides[side]}
        if steps := [r.diverged for r in (winners if variant == claim.winner else losers) if r.diverged is not None]:
            found[side]["diverged"] = steps
    return {
        "dataset": served,
        "metric": metric,
        "paper_metric": wanted if item.paper_measures and wanted in item.measured(claim.column) else None,
        "better": quantity(wanted).better,
    } | found


def markdown(found: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """The page of claims; ``titles`` are the papers' by key."""
    claims = found["claims"]
    scale = found["scale"]
    listed = ", ".join(f"{verdict}: {n}" for verdict, n in counts(claims).items())
    twice = sum("same_as" in c for c in claims)
    parts = [
        f"# Claims at scale `{scale}`",
        f"**{listed}.**" + (f" Beside them {twice}, tested on the runs of another, do not count." if twice else ""),
        _RULE,
        *_scope(claims, scale),
    ]
    for paper in dict.fromkeys(c["paper"] for c in claims):
        ours = [c for c in claims if c["paper"] == paper]
        plot = forest.name(paper)
        parts += [f"## {titles.get(paper, paper)}", *[f"![{_PLOT}]({plot})"] * bool(forest.drawn(ours)), table(ours)]
    parts.append(
        "Every seed's value is in [claims.json](claims.json). Rebuild with `snakemake --cores 8` and "
        f"`scale: {scale}` in params.yaml."
    )
    return "\n\n".join(parts) + "\n"


def _scope(claims: Sequence[Mapping[str, Any]], scale: str) -> list[str]:
    """What the verdicts are not about."""
    run = [c for c in claims if c["metric"]]
    stand_ins = dict.fromkeys((c["column"], c["dataset"]) for c in run if c["dataset"] != c["column"])
    ours = list(dict.fromkeys(c["metric"] for c in run if c["paper_metric"] is None))
    metrics = dict.fromkeys(
        (c["metric"], c["paper_metric"]) for c in run if c["paper_metric"] and c["metric"] != c["paper_metric"]
    )
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
    if ours:
        names = text.listing([f"`{m}`" for m in ours])
        parts.append(f"Where the paper shows pictures and prints no number, the metric is our choice: {names}.")
    return parts


def table(claims: Sequence[Mapping[str, Any]]) -> str:
    """The claims as a Markdown table."""
    effect = ["Difference [95 %]", "Relative", "g", "p"]
    header = ["Claim", "Tested on", "Claimed better", "Other", *effect, "Verdict"]
    return text.markdown_table(header, [_line(c) for c in claims], left=(0, 1, 2, 3, 8))


def _line(claim: Mapping[str, Any]) -> list[str]:
    says = f"{claim['says']} ({claim['where']}; `{claim['item']}`; `{claim['id']}`)"
    if claim["metric"] is None:
        return [says, "not run", *[text.DASH] * 6, f"**{claim['verdict']}**: {claim['reason']}"]
    winner, loser = claim["winner"], claim["loser"]
    if confounders := claim.get("confounders"):
        says += f"<br>Differs in {'; '.join(map(_confounder, confounders))}"
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
        f"{s['label']} {text.plus_minus(s['mean'], s['sd'], places)} ({text.count(s['seeds'], 'seed')}{_ended(s)})"
        if s["mean"] is not None
        else f"{s['label']} {text.DASH}"
        for s in (winner, loser)
    ]
    plain = claim["kind"] == "better" and claim["verdict"] in (HOLDS, FAILS)  # the columns say it all
    reason = "" if plain else f" ({claim['reason']})"
    scope = f"**{claim['verdict']}** on {served} by `{claim['metric']}`{reason}"
    if "same_as" in claim:
        scope += f"; the same runs as `{claim['same_as']}`, which counts"
    return [says, on, *sides, difference, relative, g, p, scope]


def _ended(side: Mapping[str, Any]) -> str:
    steps = side.get("diverged", ())
    return f"; diverged at step {text.listing([f'{step:,}' for step in steps])}" if steps else ""


def _confounder(difference: Mapping[str, Any]) -> str:
    """A setting with its two values: ``lr.generator`` 0.001, 0.0002."""
    return f"`{difference['key']}` {_value(difference['winner'])}, {_value(difference['loser'])}"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "on"
    if isinstance(value, list | tuple):
        return _value(value[0]) if len(value) == 1 else f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
