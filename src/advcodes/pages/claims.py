"""What the runs say about the papers' comparative claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from advcodes.core.statistics import by_seed
from advcodes.metrics.registry import parse, quantity
from advcodes.pages import sides, text
from advcodes.pages.judging import (
    ALPHA,
    CONFOUNDED,
    EQUAL,
    FAILS,
    HOLDS,
    POWER,
    UNDECIDED,
    VERDICTS,
    corrected,
    counts,
    needed,
    survives,
    verdict,
)
from advcodes.pages.pictures import forest
from advcodes.pages.results import Result, metric_names, only
from advcodes.papers.items import Claim, Item, deciding

_OPTIONAL = ("fd_efficientnet_lite0",)  #: yardsticks that not every scale has
_SECOND = {"fid": _OPTIONAL}  #: by what decides, other yardsticks of the same thing
_PLOT = (
    "Each claim's difference with its 95 % interval: right of zero it is for the claim; blue holds, red does not, "
    "hollow not after Holm's correction; shaded is the margin"
)
_RULE = f"""\
Most claims say that one row of a table or figure is better than another.

- **{HOLDS}**: the claimed row has the better mean over seeds, and p < {ALPHA}.
- **{FAILS}**: the other row has the better mean, and p < {ALPHA}.
- **{EQUAL}**: no such difference shows, and two one-sided tests, each with p < {ALPHA}, show that the means differ by
  less than the margin.
- **{UNDECIDED}**: anything else, and always with fewer than 2 seeds a row. Few seeds show large effects only:
  undecided is no evidence that there is no difference. How many more seeds would decide is what the effect and the
  spread seen so far ask for at {100 * POWER:g} % power; from few seeds it is rough.
- **{CONFOUNDED}**: the rows differ in settings, or in how often a kind of network is updated, that the claim does not
  name; these stand under it. Whatever the numbers say, they do not say it of what the claim is about.

Claims that are tested on the very same runs, as one dataset serves for two, count once: where the first of them stands.

The difference is positive where the claimed row is better, with its 95 % confidence interval; it is also
given relative to the other row's mean, and as Hedges' g: in pooled standard deviations, corrected for small
samples. p is that of Welch's two-sided t-test over seeds (a seed is one training). Beside it stands Holm's: corrected
for all claims of the paper that are tested here. The verdict goes by p itself, and says where it does not stand after
Holm's correction. Of a run that diverged, where that is a result, the numbers are those of its last finite snapshot.

A claim that a row is *not worse* names a margin, a share of the other row's mean: it {HOLDS} where the whole interval
lies above minus the margin, {FAILS} where all of it lies below, and is undecided otherwise: a one-sided test at 2.5 %
each way, whose p is printed. A claim that a row *improves in training* compares its last snapshot with its first, by a
paired t-test over seeds. Other tests are paired where both rows share their random numbers at a seed: the order of
images, the first networks and the noise; those say *paired*. Rows with other networks, batches or numbers of updates
draw other noise at the same seed, and are not paired.

A claim that a row is better *throughout* compares means over all snapshots of a run; it {HOLDS} only where the row has
the better mean over seeds at every snapshot, too. A claim about *one row and a number* compares the two, by a
one-sample t-test over seeds; so does a claim that two metrics *go together*, of their rank correlation over a run's
snapshots and 0."""


def content(
    scale: str,
    claims: Sequence[Mapping[str, Any]],
    items: Mapping[str, Mapping[str, Any]],
    results: Sequence[Result],
    compared: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    paired: Sequence[str] = (),
    equal: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Every claim with its verdict, as JSON.

    Args:
        scale: at which the runs were made.
        claims: declarations (:class:`~advcodes.papers.items.Claim`).
        items: those that were made, by id: ``item`` (its declaration), ``columns`` (the dataset that served each) and
            ``seeds``; a claim about another item is undecided.
        results: of all runs.
        compared: by claim, what its rows differ in that it does not name (:func:`advcodes.graph.compared.compared`).
        paired: ids of claims whose rows share their random numbers (:func:`advcodes.graph.streams.paired`).
        equal: by paper, within what rows count as equal, and why (:class:`~advcodes.papers.equality.Equality`).
    """
    declared = [Claim.model_validate(claim) for claim in claims]
    return {
        "scale": scale,
        "test": "Welch's t-test, two-sided; paired where a claim is about the course of training, or where its rows "
        "share their random numbers; two one-sided tests within the margin for equality",
        "alpha": ALPHA,
        "equal": dict(equal or {}),
        "claims": qualified(
            [
                {**c.model_dump(), "scale": scale, **_judge(c, items.get(c.item), results, c.id in paired)}
                for c in declared
            ],
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
        The same with ``confounders``, which make the verdict of what was run ``confounded``; with ``same_as``, the
        id of the first claim that is tested on the very same runs, where there is one before; and with Holm's p.
    """
    first: dict[Any, str] = {}
    claims = []
    for claim in judged:
        confounders = [dict(d) for d in compared.get(claim["id"], ())]
        claim = {**claim, "confounders": confounders}
        sides = [(s.get("variant"), tuple(s.get("values", ()))) for s in (claim["winner"], claim["loser"])]
        ran = all(values for _, values in sides)
        if ran and confounders:
            names = text.count(len(confounders), "setting")
            claim |= {"verdict": CONFOUNDED, "reason": f"{names} not named"}
            claim.pop("needs", None)
        same = first.setdefault((claim["dataset"], claim["metric"], frozenset(sides)), claim["id"]) if ran else None
        claims.append(claim | ({"same_as": same} if same not in (None, claim["id"]) else {}))
    return corrected(claims)


def _judge(claim: Claim, made: Mapping[str, Any] | None, results: Sequence[Result], pairs: bool) -> dict[str, Any]:
    if made is None:
        return {"dataset": None, "metric": None} | verdict([], [], "lower")
    item, served = Item.model_validate(made["item"]), made["columns"][claim.column]

    def of(variant: str) -> list[Result]:
        runs = [r for r in results if (r.dataset, r.variant) == (served, variant) and r.seed in made["seeds"]]
        return sorted(runs, key=lambda r: r.seed)

    winners, losers = of(claim.winner), of(claim.loser or claim.winner)
    wanted = deciding(claim, item)
    if claim.metric and _missing(wanted, [*winners, *losers]):
        judged = verdict([], [], quantity(wanted).better) | {"reason": f"not measured at this scale: `{wanted}`"}
        return {"dataset": served, "metric": None} | judged
    judged = _by(wanted, claim, winners, losers, pairs, len(made["seeds"]))
    for side, variant, label in zip(
        ("winner", "loser"), (claim.winner, claim.loser), sides.labels(claim, item), strict=True
    ):
        judged[side] |= {"variant": variant, "label": label}
        if steps := [r.diverged for r in (winners if variant == claim.winner else losers) if r.diverged is not None]:
            judged[side]["diverged"] = steps
    beside = [
        _by(m, claim, winners, losers, pairs, len(made["seeds"])) for m in _also(wanted, claim, [*winners, *losers])
    ]
    return {
        "dataset": served,
        "paper_metric": wanted if item.paper_measures and wanted in item.measured(claim.column) else None,
        **judged,
        "beside": beside,
    }


def _by(
    wanted: str, claim: Claim, winners: Sequence[Result], losers: Sequence[Result], pairs: bool, planned: int
) -> dict[str, Any]:
    """What runs of both rows say of a claim by one metric: its full name, which way it is better, and the verdict."""
    metric = None
    for run in [*losers, *winners]:  # a row can lack a metric of its column
        metric = only(wanted, _measured(claim, run), f"{claim.item}, {run.dataset}, {run.variant}")
    name = metric or wanted  # without runs there is nothing to look up
    better = "higher" if claim.goes_with else quantity(wanted).better
    values = sides.values(claim, winners, losers, name)
    a, b = (list(each.values()) for each in values.values())
    pairs = claim.alone or (pairs and bool(values["winner"].keys() & values["loser"].keys()))
    if pairs:
        a, b = by_seed(values["winner"], values["loser"])
    judged = verdict(a, b, better, claim.kind, claim.margin, pairs, planned)
    if claim.kind == "throughout" and judged["verdict"] == HOLDS:
        judged |= sides.at_every(winners, losers, name, better)
    for side, by_number in values.items():
        judged[side] |= {"values": list(by_number.values()), "seed_numbers": list(by_number)}
    return {"metric": metric, "better": better} | judged


def _missing(wanted: str, runs: Sequence[Result]) -> bool:
    """Whether a yardstick that some scales do not have was not measured here."""
    return wanted in _OPTIONAL and any(wanted not in run.metrics for run in runs)


def _measured(claim: Claim, run: Result) -> Mapping[str, Any]:
    """Where a run has what a claim is about: among the last snapshot's metrics, if it is about all of training."""
    return run.curve[-1] if claim.kind in sides.OVER_TRAINING else run.metrics


def _also(wanted: str, claim: Claim, runs: Sequence[Result]) -> list[str]:
    """Other yardsticks of what decides, which every run was measured by."""
    measured = [{parse(name)[0] for name in metric_names(_measured(claim, run))} for run in runs]
    return [m for m in _SECOND.get(wanted, ()) if measured and all(m in each for each in measured)]


def markdown(content: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """The page of claims; ``titles`` are the papers' by key."""
    claims = content["claims"]
    scale = content["scale"]
    listed = ", ".join(f"{verdict}: {n}" for verdict, n in counts(claims).items())
    twice = sum("same_as" in c for c in claims)
    stands = [s for s in map(survives, claims) if s is not None]
    parts = [
        f"# Claims at scale `{scale}`",
        f"**{listed}.**"
        + (f" After Holm's correction {sum(stands)} of the {len(stands)} decided stand." if stands else "")
        + (f" Beside them {twice}, tested on the runs of another, do not count." if twice else ""),
        _by_paper(claims, titles),
        _RULE,
        *_margins(content),
        *_planned(claims),
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


def _by_paper(claims: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> str:
    """Verdicts counted for each paper, those of claims that were not run apart."""
    rows = []
    for paper in dict.fromkeys(c["paper"] for c in claims):
        ours = [c for c in claims if c["paper"] == paper and "same_as" not in c]
        run = [c for c in ours if c["metric"]]
        rows.append([titles.get(paper, paper), *map(str, counts(run).values()), str(len(ours) - len(run))])
    return text.markdown_table(["Paper", *VERDICTS, "not run"], rows)


def _margins(content: Mapping[str, Any]) -> list[str]:
    """Within what rows count as equal, paper by paper, and why."""
    equal = content.get("equal", {})
    if not equal:
        return []
    lines = [f"- `{paper}`: ±{100 * e['margin']:g} %, {e['because']}." for paper, e in equal.items()]
    own = [c for c in content["claims"] if c["kind"] != "not_worse" and c["paper"] in equal]
    own = [c for c in own if c["margin"] not in (None, equal[c["paper"]]["margin"])]
    lines += [f"- `{c['id']}`: ±{100 * c['margin']:g} %." for c in own]
    head = (
        "**Margins of equality**, declared beforehand in pipeline/papers/*.yaml, are shares of the other row's mean. "
        "Where a metric's best value is far from zero, such a share is more of what there is to gain."
    )
    return [head, "\n".join(lines)]


def _planned(claims: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many seeds a row were fixed beforehand."""
    by_number: dict[int, list[str]] = {}
    for claim in claims:
        if claim["metric"] and claim["item"] not in (items := by_number.setdefault(claim["planned"], [])):
            items.append(claim["item"])
    if not by_number:
        return []
    each = [
        f"{text.count(n, 'seed')} for {text.listing([f'`{i}`' for i in by_number[n]])}" for n in sorted(by_number)[::-1]
    ]
    return [
        f"**Seeds a row, fixed beforehand** (`seeds` and `per_item` in params.yaml): {'; '.join(each)}. A claim whose "
        "rows lack some of them stays undecided until they are there."
    ]


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
    """The claims as a Markdown table; Holm's p has a column where some claim has one."""
    holm = any("p_holm" in c for c in claims)
    effect = ["Difference [95 %]", "Relative", "g", "p", *["Holm"] * holm]
    header = ["Claim", "Tested on", "Claimed better", "Other", *effect, "Verdict"]
    return text.markdown_table(header, [_line(c, holm) for c in claims], left=(0, 1, 2, 3, len(header) - 1))


def _line(claim: Mapping[str, Any], holm: bool) -> list[str]:
    says = f"{claim['says']} ({claim['where']}; `{claim['item']}`; `{claim['id']}`)"
    if claim["metric"] is None:
        return [says, "not run", *[text.DASH] * (6 + holm), f"**{claim['verdict']}**: {claim['reason']}"]
    winner, loser = claim["winner"], claim["loser"]
    if confounders := claim.get("confounders"):
        says += f"<br>Differs in {'; '.join(map(_confounder, confounders))}"
    means = [s["mean"] for s in (winner, loser) if s["mean"] is not None]
    places = text.decimals(means)
    served = text.dataset(claim["dataset"])
    on = f"{served}, `{claim['metric']}` {text.ARROW[claim['better']]}"
    if claim["dataset"] != claim["column"]:
        on += f" (stand-in for {text.dataset(claim['column'])})"
    difference = relative = g = text.DASH
    if "difference" in claim:
        difference = text.number(claim["difference"], places)
        if "low" in claim:
            difference += f" [{text.number(claim['low'], places)}, {text.number(claim['high'], places)}]"
        if claim["relative"] is not None:
            relative = _percent(claim["relative"])
        if claim["hedges_g"] is not None:
            g = text.number(claim["hedges_g"], 2)
    sides = [
        f"{s['label']} {text.plus_minus(s['mean'], s['sd'], places)} ({_seeds(s, claim['planned'])})"
        if s["mean"] is not None
        else f"{s['label']} {text.DASH}"
        for s in (winner, loser)
    ]
    p = _p(claim.get("p")) + (", paired" if claim.get("paired") and "p" in claim else "")
    return [says, on, *sides, difference, relative, g, p, *[_p(claim.get("p_holm"))] * holm, _said(claim, served)]


def _said(claim: Mapping[str, Any], served: str) -> str:
    """The verdict, on what it is, and what restricts it."""
    plain = claim["kind"] == "better" and claim["verdict"] in (HOLDS, FAILS) and "yet" not in claim["reason"]
    reasons = [] if plain else [claim["reason"]]  # the columns say it all
    if claim["verdict"] == EQUAL:
        holm = f", {_p(claim['p_equal_holm'])} by Holm" if "p_equal_holm" in claim else ""
        reasons.append(f"p {_p(claim['p_equal'])}{holm}")
    if survives(claim) is False:
        reasons.append("not after Holm's correction")
    if wants := needed(claim):
        reasons.append(wants)
    scope = f"**{claim['verdict']}** on {served} by `{claim['metric']}`"
    scope += f" ({'; '.join(reasons)})" if reasons else ""
    for other in claim.get("beside", ()):
        relative = "" if other.get("relative") is None else f", {_percent(other['relative'])}"
        p = f", p {_p(other['p'])}" if "p" in other else ""
        scope += f"<br>By `{other['metric']}`, which does not count: {other['verdict']}{relative}{p}"
    if "same_as" in claim:
        scope += f"; the same runs as `{claim['same_as']}`, which counts"
    return scope


def _percent(share: float) -> str:
    return f"{text.number(100 * share, 1)} %"


def _p(p: float | None) -> str:
    if p is None:
        return text.DASH
    return "< 0.001" if p < 0.001 else text.number(p, 3)


def _seeds(side: Mapping[str, Any], planned: int) -> str:
    """``3 seeds``; of those that were fixed beforehand, where some lack: ``2 of 3 seeds``; and which diverged."""
    n, steps = side["seeds"], side.get("diverged", ())
    seeds = text.count(n, "seed") if n >= planned else f"{n} of {text.count(planned, 'seed')}"
    return seeds + (f"; diverged at step {text.listing([f'{step:,}' for step in steps])}" if steps else "")


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
