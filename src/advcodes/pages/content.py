"""What tables and figures have in common: heads of columns, kinds of rows, footnotes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from advcodes.build.provenance import write_atomically
from advcodes.core.statistics import mean_sd
from advcodes.metrics.registry import describe, metric_of, parse, quantity
from advcodes.pages import text
from advcodes.pages.pictures.drawing import vector
from advcodes.pages.results import Result, metric_names, only, shared
from advcodes.papers.items import Item

UPDATED = ("generator", "encoder", "discriminator")  #: kinds of networks whose updates a page tells


def frame(
    item: Item,
    scale: str,
    rows: Sequence[str],
    columns: Mapping[str, str | None],
    results: Sequence[Result],
    whole: Mapping[str, int],
    along_training: bool = False,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The content of a table or figure before its numbers, as JSON.

    Args:
        item: the table or figure.
        scale: at which it was run.
        rows: variants that are trained: the paper's, then those that params.yaml adds.
        columns: the paper's columns, and the dataset that served each (None: not run).
        results: of all runs.
        whole: images that a run sees at scale `paper`, by column, as far as known.
        along_training: show the metrics of curves, which have a protocol of their own.
        labels: of rows that params.yaml adds.

    Returns:
        The paper's statements; ``columns`` with metric, best row, protocol, training length and floor of each (where
        rows differ in how often their networks are updated, with ``updates`` by row); ``rows`` with label and kind
        (``trained``, ``addition``, ``cited``, ``real``). Where the item says what its columns measure, each has
        ``measures``, too: what :func:`measures` gives.
    """
    extra = [v for v in rows if v not in item.rows]
    return {
        "item": item.id,
        "kind": item.kind,
        "scale": scale,
        "title": item.title,
        "source": item.source,
        "reference": item.reference,
        "paper_metric": item.metric if item.paper_measures else None,
        "better": item.better,
        "paper_protocol": item.protocol,
        "notes": item.notes,
        "columns": {c: _column(item, c, s, results, whole, along_training) for c, s in columns.items()},
        **({} if item.in_paper else {"in_paper": False}),
        **({"more": True} if item.more else {}),
        **({"marks": item.marks} if item.marks else {}),
        **({"footnotes": item.footnotes} if item.footnotes else {}),
        "rows": {v: _row(item, v, labels or {}) for v in [*item.rows, *extra]},
    }


def _row(item: Item, variant: str, labels: Mapping[str, str]) -> dict[str, Any]:
    row = item.rows.get(variant)
    if row is None:
        return {"label": labels.get(variant, variant), "kind": "addition"}
    kind = {"kind": "cited", "cited": row.cited} if row.cited else {"kind": "real" if row.real else "trained"}
    return {"label": row.label, **kind, **({"marks": row.marks} if item.marks else {})}


def _column(
    item: Item,
    column: str,
    served: str | None,
    results: Sequence[Result],
    whole: Mapping[str, int],
    along_training: bool,
) -> dict[str, Any]:
    runs = [r for r in results if r.dataset == served and item.trains(r.variant, column)]
    wanted = item.measured(column)
    if not runs:
        return {"served_by": served, "metric": None, **_measures(item, dict.fromkeys(wanted))}
    measured = [(r.curve[-1], r.curve_protocol) if along_training else (r.metrics, r.protocol) for r in runs]
    names = dict.fromkeys(n for values, _ in measured for n in metric_names(values))
    # A cell of a table can lack a metric; what else shows one needs it of every run.
    metrics = {m: only(m, names if item.kind == "table" else measured[0][0], f"{item.id}, {served}") for m in wanted}
    return {
        "served_by": served,
        "metric": metrics[wanted[0]],
        **_measures(item, metrics),
        "best": [b for m, name in metrics.items() if (b := _best(item, column, m, name, runs, along_training))],
        "metrics": {name: _described(name, measured) for name in names},
        "protocol": shared(protocol for _, protocol in measured),
        "images": sorted({r.images for r in runs}),
        "batch_size": sorted({r.batch_size for r in runs}),
        **_updates(runs),
        **({"whole": whole[column]} if column in whole else {}),
        **({"best_of": sorted(early)} if (early := {r.best_of for r in runs if r.best_of is not None}) else {}),
        **({"diverged": ended} if (ended := _diverged(runs)) else {}),
        **({"precision": computed} if (computed := _precision(runs)) else {}),
        # Real images were scored with the tables' number of images, not with the curves'.
        "floor": {} if along_training else _floor_of(runs),
    }


def _best(
    item: Item, column: str, wanted: str, name: str, runs: Sequence[Result], along_training: bool
) -> dict[str, Any] | None:
    """The row with the best mean of a metric over seeds, and the row that is the paper's best, if it prints numbers.

    Args:
        item: the table or figure.
        column: of it.
        wanted: the metric, as the item calls it.
        name: its full name among ours.
        runs: of the column.
        along_training: take the last snapshots' values.

    Returns:
        ``row`` (of so many ``rows``), ``metric``, ``mean``, ``sd`` and ``seeds``, and ``paper``, the paper's. None
        where no row was measured.
    """
    values: dict[str, list[float]] = {}
    for run in runs:
        measured = run.curve[-1] if along_training else run.metrics
        if name in measured:
            values.setdefault(run.variant, []).append(measured[name])
    if not values:
        return None
    choose = max if quantity(wanted).better == "higher" else min
    row = choose(values, key=lambda variant: mean_sd(values[variant])[0])
    printed = {v: p[wanted].value for v in values if wanted in (p := item.printed(v, column))}
    mean, sd = mean_sd(values[row])
    paper = choose(printed, key=lambda variant: printed[variant]) if len(printed) > 1 else None
    of = {"row": row, "rows": len(values), "paper": paper}
    return {**of, "metric": name, "mean": mean, "sd": sd, "seeds": len(values[row])}


def _updates(runs: Sequence[Result]) -> dict[str, Any]:
    """``updates`` by row, least and most over seeds by kind of network, where they are not the same for all rows."""
    by_row: dict[str, dict[str, list[int]]] = {}
    for run in runs:
        for kind in UPDATED:
            if kind in run.updates:
                seen = by_row.setdefault(run.variant, {}).setdefault(kind, [])
                seen[:] = [min([*seen, run.updates[kind]]), max([*seen, run.updates[kind]])]
    alike = all(len({tuple(counts[kind]) for counts in by_row.values() if kind in counts}) < 2 for kind in UPDATED)
    return {} if alike else {"updates": by_row}


def _diverged(runs: Sequence[Result]) -> dict[str, list[int]]:
    """By row, the steps at which those of its runs diverged that did, by seed."""
    steps: dict[str, list[int]] = {}
    for run in sorted(runs, key=lambda r: r.seed):
        if run.diverged is not None:
            steps.setdefault(run.variant, []).append(run.diverged)
    return steps


def _precision(runs: Sequence[Result]) -> list[list[str]]:
    """Pairs of precisions, asked for and used, of runs that were not float32 as asked; none where all were."""
    pairs = sorted({r.precision for r in runs})
    return [] if pairs == [("float32", "float32")] else [list(pair) for pair in pairs]


def _measures(item: Item, metrics: Mapping[str, str | None]) -> dict[str, Any]:
    """``measures`` of a column, if the item says what its columns measure: full names by the paper's."""
    if not item.measures:
        return {}
    return {
        "measures": [{"paper_metric": p, "metric": ours, "better": quantity(p).better} for p, ours in metrics.items()]
    }


def measures(content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """What a column measures, in order.

    Args:
        content: from :func:`frame`.
        name: of the column.

    Returns:
        ``paper_metric`` (None where the paper shows pictures), ``metric`` (its full name among ours, None: not run)
        and ``better`` of each.
    """
    column = content["columns"][name]
    one = {"paper_metric": content["paper_metric"], "metric": column["metric"], "better": content["better"]}
    return column.get("measures", [one])


def measured_on(content: Mapping[str, Any]) -> dict[str, set[str]]:
    """Full names of all metrics that columns measure, by the dataset that served them."""
    metrics: dict[str, set[str]] = {}
    for name, column in ran(content).items():
        metrics.setdefault(column["served_by"], set()).update(m["metric"] for m in measures(content, name))
    return metrics


def once(names: Iterable[str]) -> list[str]:
    """Full names of metrics, each once, and none that another one repeats: an error is printed in one unit."""
    every = list(dict.fromkeys(names))
    repeated = {quantity(parse(name)[0]).repeats for name in every}
    return [name for name in every if parse(name)[0] not in repeated]


def _floor_of(runs: Sequence[Result]) -> dict[str, Any]:
    """What real images score by any metric of these runs."""
    metrics: dict[str, float] = {}
    for run in runs:  # only some methods are measured by all
        metrics = {**run.floor["metrics"], **metrics}
    return {"metrics": metrics, "protocol": runs[0].floor["protocol"]}


def _described(name: str, measured: Sequence[tuple[Mapping[str, float], Mapping[str, Any]]]) -> str:
    """What a metric is, by the protocol of those runs that have it: not every method can be measured by each."""
    protocols = [protocol for values, protocol in measured if name in values]
    about = {**shared(protocols), **metric_of(parse(name)[0]).over_runs(protocols)}
    return describe(name, about).removeprefix(f"{name}: ")


def as_json(value: Any) -> str:
    """JSON that a person can read, and that comes out the same wherever results agree.

    Numbers have six significant digits. Keys and checksums of what they were read from stand in data/, not here: those
    of networks that were trained on the spot differ between machines.
    """
    return json.dumps(_comparable(value), indent=1, ensure_ascii=False) + "\n"


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {k: _comparable(v) for k, v in value.items() if not str(k).endswith(("_key", "_sha256"))}
    return [_comparable(v) for v in value] if isinstance(value, list | tuple) else value


def write_pages(picture: Path, files: Mapping[str, str], page: Callable[[Sequence[str]], str]) -> list[str]:
    """Write an item's files beside its picture, and last the page that links them.

    Args:
        picture: PNG, already drawn: ``<item>.png``, with its SVG beside it if it has one.
        files: text of ``<item>.<suffix>`` by suffix.
        page: Markdown, given the names of ``files`` and of the SVG.

    Returns:
        Names of all files of the item.
    """
    pages = {f"{picture.stem}.{suffix}": content for suffix, content in files.items()}
    vectors = [vector(picture).name] if vector(picture).exists() else []
    pages[f"{picture.stem}.md"] = page([*pages, *vectors])
    for name, content in pages.items():
        write_atomically(picture.with_name(name), content)
    return [*pages, picture.name, *vectors]


def label(row: Mapping[str, Any]) -> str:
    """A row's name as printed: additions and cited rows are marked."""
    if row["kind"] == "addition":
        return f"{row['label']} (addition)"
    return f"{row['label']} (cited: {row['cited']})" if row["kind"] == "cited" else row["label"]


def ended(column: Mapping[str, Any], variant: str) -> str:
    """That runs of a row diverged, in words, as far as they did: ``diverged at step 437 and 512``."""
    steps = column.get("diverged", {}).get(variant, ())
    return f"diverged at step {text.listing([f'{step:,}' for step in steps])}" if steps else ""


def head(content: Mapping[str, Any]) -> str:
    """Title and origin of a page, in Markdown."""
    where = f"`{content['item']}`: {content['source']} of {content['reference']}"
    return f"# {content['title']}\n\n{where}. Run at scale `{content['scale']}`."


def ran(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The columns that something was run for."""
    return {name: column for name, column in content["columns"].items() if column["metric"]}
