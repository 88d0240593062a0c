"""What tables and figures have in common: heads of columns, kinds of rows, footnotes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from advcodes.build.provenance import write_atomically
from advcodes.metrics.registry import describe, metric_of, metrics, parse, quantity
from advcodes.pages import text
from advcodes.pages.results import Result, only, shared
from advcodes.papers.items import FRONT_ITEM, Item

_FILES = {"json": "every seed's values and their protocols", "tex": "LaTeX"}


def frame(
    item: Item,
    scale: str,
    rows: Sequence[str],
    columns: Mapping[str, str | None],
    results: Sequence[Result],
    whole: Mapping[str, int],
    along_training: bool = False,
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

    Returns:
        The paper's statements; ``columns`` with metric, protocol, training length and floor of each; ``rows``
        with label and kind (``trained``, ``addition``, ``cited``, ``real``). Where the item says what its columns
        measure, each has ``measures``, too: what :func:`measures` gives.
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
        **({"marks": item.marks} if item.marks else {}),
        **({"footnotes": item.footnotes} if item.footnotes else {}),
        "rows": {v: _row(item, v) for v in [*item.rows, *extra]},
    }


def _row(item: Item, variant: str) -> dict[str, Any]:
    row = item.rows.get(variant)
    if row is None:
        return {"label": variant, "kind": "addition"}
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
    names = dict.fromkeys(n for values, _ in measured for n in values if n not in ("step", "images"))
    # A cell of a table can lack a metric; what else shows one needs it of every run.
    found = {m: only(m, names if item.kind == "table" else measured[0][0], f"{item.id}, {served}") for m in wanted}
    return {
        "served_by": served,
        "metric": found[wanted[0]],
        **_measures(item, found),
        "metrics": {name: _described(name, measured) for name in names},
        "protocol": shared(protocol for _, protocol in measured),
        "images": sorted({r.images for r in runs}),
        "batch_size": sorted({r.batch_size for r in runs}),
        **({"whole": whole[column]} if column in whole else {}),
        **({"best_of": sorted(early)} if (early := {r.best_of for r in runs if r.best_of is not None}) else {}),
        **({"precision": computed} if (computed := _precision(runs)) else {}),
        # Real images were scored with the tables' number of images, not with the curves'.
        "floor": {} if along_training else _floor_of(runs),
    }


def _precision(runs: Sequence[Result]) -> list[list[str]]:
    """Pairs of precisions, asked for and used, of runs that were not float32 as asked; none where all were."""
    pairs = sorted({r.precision for r in runs})
    return [] if pairs == [("float32", "float32")] else [list(pair) for pair in pairs]


def _measures(item: Item, found: Mapping[str, str | None]) -> dict[str, Any]:
    """``measures`` of a column, if the item says what its columns measure: full names by the paper's."""
    if not item.measures:
        return {}
    return {
        "measures": [{"paper_metric": p, "metric": ours, "better": quantity(p).better} for p, ours in found.items()]
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
    found: dict[str, set[str]] = {}
    for name, column in ran(content).items():
        found.setdefault(column["served_by"], set()).update(m["metric"] for m in measures(content, name))
    return found


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
        picture: PNG, already drawn: ``<item>.png``.
        files: text of ``<item>.<suffix>`` by suffix.
        page: Markdown, given the names of ``files``.

    Returns:
        Names of all files of the item.
    """
    pages = {f"{picture.stem}.{suffix}": content for suffix, content in files.items()}
    pages[f"{picture.stem}.md"] = page(list(pages))
    for name, content in pages.items():
        write_atomically(picture.with_name(name), content)
    return [*pages, picture.name]


def label(row: Mapping[str, Any]) -> str:
    """A row's name as printed: additions and cited rows are marked."""
    if row["kind"] == "addition":
        return f"{row['label']} (addition)"
    return f"{row['label']} (cited: {row['cited']})" if row["kind"] == "cited" else row["label"]


def head(content: Mapping[str, Any]) -> str:
    """Title and origin of a page, in Markdown."""
    where = f"`{content['item']}`: {content['source']} of {content['reference']}"
    return f"# {content['title']}\n\n{where}. Run at scale `{content['scale']}`."


def ran(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The columns that something was run for."""
    return {name: column for name, column in content["columns"].items() if column["metric"]}


def footnotes(content: Mapping[str, Any]) -> list[str]:
    """What a reader has to know about the numbers: one Markdown paragraph each."""
    columns = ran(content)
    by_dataset = {c["served_by"]: c for c in columns.values()}
    images = {d: sorted({n for c in columns.values() if c["served_by"] == d for n in c["images"]}) for d in by_dataset}
    notes = []
    if columns:
        lengths = text.listing([f"{_span(seen)} images of {text.dataset(d)}" for d, seen in images.items()])
        batches = _span(sorted({b for c in columns.values() for b in c["batch_size"]}))
        same = all(len(c["images"]) == len(c["batch_size"]) == 1 for c in columns.values())
        notes.append(
            f"**Training**: {lengths} seen (an image counts each time), in batches of {batches}; "
            + ("the same for every row." if same else "**not the same for every row**.")
        )
        if shares := [_share(name, c) for name, c in columns.items() if "whole" in c]:
            notes.append(f"**Budget**: {text.listing(shares)}, which a run sees at scale `paper`.")
        if precisions := {tuple(pair) for c in columns.values() for pair in c.get("precision", ())}:
            notes.append(_precision_note(precisions))
        if stopped := sorted({n for c in columns.values() for n in c.get("best_of", ())}):
            notes.append(
                f"**Early stopping**: of rows that have it, those networks count that reconstructed held-out images "
                f"best, out of {_span(stopped)} images seen."
            )
    ours = measured_on(content)
    notes += [f"**Metric**: {sentence}" for sentence in descriptions(_with(columns, ours), set().union(*ours.values()))]
    if content["paper_metric"] is None:
        pictures = "**The paper** shows pictures here and prints no number: the metric is our choice."
        nothing = "**No paper** has this: it is our own, and so is the choice of its metric."
        notes.append(pictures if content.get("in_paper", True) else nothing)
    else:
        notes += _other_quantities(content)
    for title in ("Marks", "Footnotes"):
        if meanings := content.get(title.lower()):
            notes.append(f"**{title}**: {'; '.join(f'{sign}: {meaning}' for sign, meaning in meanings.items())}.")
    stand_ins = {name: c["served_by"] for name, c in columns.items() if c["served_by"] != name}
    if stand_ins:
        pairs = [f"{text.dataset(n)} is served by {text.dataset(d)}" for n, d in stand_ins.items()]
        notes.append(
            f"**Stand-ins**: at this scale {text.listing(pairs)}. "
            f"Our numbers are about {_names(stand_ins.values())}, not about {_names(stand_ins)}."
        )
    if missing := [name for name in content["columns"] if name not in columns]:
        notes.append(f"**Not run** at this scale: {_names(missing)}.")
    for which, floors in _floors(by_dataset, ours).items():
        notes.append(
            f"**Floor**: in place of generated images, real {which} score {text.listing(floors)}: "
            "about the best that a generator can reach."
        )
    notes.append(f"**The paper's protocol**: {content['paper_protocol']}.")
    about = "About the paper" if content.get("in_paper", True) else "Note"
    notes += [f"**{about}**: {note}" for note in content["notes"]]
    return notes


def _precision_note(pairs: set[tuple[str, ...]]) -> str:
    """In what runs computed that were not all in float32 as asked, of pairs of precisions asked for and used."""
    used = sorted({used for _, used in pairs})
    note = f"**Precision**: networks computed in {text.listing(used)}"
    note += ", losses and updates in float32" if used != ["float32"] else ""
    missing = sorted({asked for asked, used in pairs if asked != used})
    if missing:
        some = "" if len(pairs) == len([p for p in pairs if p[0] != p[1]]) else "some of "
        note += f"; {text.listing(missing)} was asked for, but the device of {some}these runs has none of its own"
    return note + ("." if len(used) == 1 else "; **not the same for every row**.")


def _share(name: str, column: Mapping[str, Any]) -> str:
    """How much of scale `paper`'s training length a column's runs had: the least and the most, where they differ."""
    shares = [100 * n / column["whole"] for n in column["images"]]
    ends = dict.fromkeys(f"{share:.0f}" if share >= 10 else f"{share:.2g}" for share in (min(shares), max(shares)))
    return f"{' to '.join(ends)} % of {column['whole']:,} images of {text.dataset(name)}"


def _other_quantities(content: Mapping[str, Any]) -> Iterator[str]:
    """Which of ours are other quantities than the paper's, and what takes the place of what a dataset cannot have."""
    pairs = [(c["served_by"], m) for name, c in ran(content).items() for m in measures(content, name)]
    by_paper: dict[str, dict[str, None]] = {}
    for _, m in pairs:
        if m["metric"] != m["paper_metric"]:
            by_paper.setdefault(m["paper_metric"], {})[f"`{m['metric']}`"] = None
    by_ours: dict[str, list[str]] = {}
    for paper, ours in by_paper.items():
        by_ours.setdefault(text.listing(sorted(ours)), []).append(text.paper_metric(paper))
    if by_ours:
        clauses = [f"{text.listing(papers)}, ours are {ours}" for ours, papers in by_ours.items()]
        which = (
            ", which is another quantity on another scale"
            if len(by_paper) == 1
            else ": other quantities on other scales"
        )
        yield (
            f"**Not comparable with the paper's numbers**: the paper prints {'; where it prints '.join(clauses)}"
            f"{which}. At most the order of the rows can be compared."
        )
    for metric in metrics().values():
        if metric.instead is None:
            continue
        for paper in (q.name for q in metric.quantities):
            there = {(dataset, m["metric"]): None for dataset, m in pairs if m["paper_metric"] == paper != m["metric"]}
            for dataset, ours in there:
                yield (
                    f"**{text.paper_metric(paper)}**: runs on {text.dataset(dataset)} have none, as "
                    f"{metric.instead.because}; `{ours}`, {metric.instead.what}, takes its place."
                )


def _floors(by_dataset: Mapping[str, Mapping[str, Any]], measured: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Scores of real images, under their own names (their number, and so that name, can be another), by which images.

    Each metric says which those are. What reconstructs has no other floor but zero.
    """
    found: dict[str, list[str]] = {}
    for dataset, column in by_dataset.items():
        floor, protocol = column["floor"], column["protocol"]
        for name, value in floor.get("metrics", {}).items():
            if parse(name) in map(parse, measured[dataset]):
                which, images = metric_of(parse(name)[0]).floor_of(protocol, floor["protocol"])
                number = text.number(value, text.decimals([value]))
                score = f"`{name}` {number} ({images:,} images of {text.dataset(dataset)})"
                found.setdefault(which, []).append(score)
    return found


def origin(content: Mapping[str, Any], files: Sequence[str]) -> str:
    """Where the numbers came from, and how to make them again."""
    scale, front = content["scale"], content["item"] == FRONT_ITEM
    page = "reports/table1.md" if front else f"reports/{scale}/{content['item']}.md"
    links = text.listing([f"[{f}]({f}) ({_FILES[f.rpartition('.')[2]]})" for f in files])
    return (
        "**Where the numbers come from**: each is read from "
        f"`data/evaluation/metrics/{scale}/<dataset>/<variant>/seed<k>/metrics.json`. "
        f"Rebuild them with `snakemake --cores 8 {page}` and `scale: {scale}` in params.yaml. "
        f"Beside this page: {links}."
    )


def other_metrics(content: Mapping[str, Any]) -> list[str]:
    """Sentences on every metric but those that the columns measure."""
    columns, main = ran(content), measured_on(content)
    others = {d: {m for c in columns.values() if c["served_by"] == d for m in c["metrics"]} - main[d] for d in main}
    return descriptions(_with(columns, others), set().union(*others.values()))


def _with(columns: Mapping[str, Mapping[str, Any]], names: Mapping[str, set[str]]) -> dict[str, Mapping[str, Any]]:
    """Columns with those of their metrics that are named for their datasets."""
    return {
        column: {**c, "metrics": {m: about for m, about in c["metrics"].items() if m in names[c["served_by"]]}}
        for column, c in columns.items()
    }


def descriptions(columns: Mapping[str, Mapping[str, Any]], names: set[str]) -> list[str]:
    """One sentence for each metric, or one for each dataset where protocols differ between datasets."""
    sentences = []
    for name in dict.fromkeys(m for c in columns.values() for m in c["metrics"] if m in names):
        by_sentence: dict[str, list[str]] = {}
        for column in columns.values():
            if name in column["metrics"]:
                datasets = by_sentence.setdefault(column["metrics"][name], [])
                if column["served_by"] not in datasets:
                    datasets.append(column["served_by"])
        for sentence, datasets in by_sentence.items():
            where = f" on {_names(datasets)}" if len(by_sentence) > 1 else ""
            sentences.append(f"`{name}`{where}: {sentence}")
    return sentences


def _names(datasets: Iterable[str]) -> str:
    return text.listing(list(dict.fromkeys(text.dataset(d) for d in datasets)))


def _span(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"
