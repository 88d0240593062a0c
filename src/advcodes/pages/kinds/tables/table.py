"""A paper's table beside ours: its content as JSON, and that as Markdown and LaTeX."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from advcodes.metrics.registry import parse, quantity
from advcodes.pages import layout, text
from advcodes.pages.content import as_json, label, measured_on, measures, once, ran, write_pages
from advcodes.pages.footnotes import footnotes, origin, other_metrics
from advcodes.pages.pictures import images
from advcodes.pages.results import Result, over_seeds, within
from advcodes.papers.items import Item, PaperValue

if TYPE_CHECKING:
    from advcodes.pages.request import Request

UNTRAINED = ("cited", "real")  #: kinds of rows
_WIDE = 6  #: most columns of numbers with ours beside the paper's; of more, each has a table


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.md``, ``.json``, ``.tex`` and a sheet of samples, ``.png``; returns their names."""
    table = content(request)
    picture = directory / f"{name}.png"
    caption = _samples(table, request, picture)
    files = {"json": as_json(table), "tex": tex(table)}
    return write_pages(picture, files, lambda names: markdown(table, picture.name, caption, names))


def _samples(table: Mapping[str, Any], request: Request, path: Path) -> str:
    """Draw samples of the first seed of every cell as a sheet; returns its caption."""
    rows = {v: row for v, row in table["rows"].items() if row["kind"] not in UNTRAINED}
    columns = ran(table) or table["columns"]
    seeds = set()
    blocks: list[list[np.ndarray | str]] = []
    for variant in rows:
        blocks.append([])
        for name in columns:
            block: np.ndarray | str = "not run"
            if results := request.of(name, variant):
                seeds.add(results[0].seed)
                block = request.studied(name, results).arrays["samples"]
                if block.ndim != 4:
                    block = "no images"
            blocks[-1].append(block)
    heads = [text.column(name, c["served_by"]) for name, c in columns.items()]
    shape = images.sheet(blocks, [label(row) for row in rows.values()], heads, path)
    if not seeds:
        return "Nothing was run at this scale."
    return (
        f"The first {shape[0] * shape[1]} samples of seed {text.listing([str(s) for s in sorted(seeds)])} "
        "of each row, not selected; small images are enlarged without smoothing."
    )


def content(request: Request) -> dict[str, Any]:
    """Everything a table says, as JSON.

    Returns:
        The frame, with ``cells`` in each row: by column the paper's value (by metric, where the item says what its
        columns measure), ours (by metric: mean, sd, number of seeds) and every run's metrics. In a row of real images
        ours are what these score, of no seeds.
    """
    table = request.frame()
    for variant, row in table["rows"].items():
        row["cells"] = {}
        for column in request.columns:
            runs = request.of(column, variant)
            row["cells"][column] = {
                "paper": _printed(request.item, variant, column),
                "ours": _real(table["columns"][column]) if row["kind"] == "real" else over_seeds(runs),
                "runs": [_run(r, table["columns"][column]) for r in runs],
            }
    return table


def _printed(item: Item, variant: str, column: str) -> dict[str, Any] | None:
    """What the paper prints in a cell: one value, or values by metric where the item says what columns measure."""
    values = {metric: _value(value) for metric, value in item.printed(variant, column).items()}
    return (values if item.measures else next(iter(values.values()))) if values else None


def _real(column: Mapping[str, Any]) -> dict[str, Any] | None:
    """What real training images score, in the form of a cell of no seeds; None where nothing ran."""
    metrics = column.get("floor", {}).get("metrics", {})
    return {metric: {"mean": value, "sd": None, "seeds": 0} for metric, value in metrics.items()} or None


def _value(value: PaperValue) -> dict[str, Any]:
    return value.model_dump(exclude=None if value.mark else {"mark"})


def _run(run: Result, column: Mapping[str, Any]) -> dict[str, Any]:
    """One seed's metrics, and what of its protocol the column does not say already."""
    own = {k: v for k, v in run.protocol.items() if k not in column["protocol"]}
    spread = {"spread": deviation} if (deviation := within(run)) else {}
    return {"seed": run.seed, "metrics": dict(run.metrics), **spread, "protocol": own}


def markdown(table: Mapping[str, Any], picture: str | None = None, caption: str = "", files: Sequence[str] = ()) -> str:
    """The page of a table.

    Args:
        table: from :func:`content`.
        picture: PNG beside the page.
        caption: under it.
        files: beside the page, to be linked.
    """
    parts: list[str] = []
    marks, best = list(table.get("marks", ())), False
    for block in _blocks(table, bold="**{}**", quote="`{}`"):
        heads, comma = [text.column(c.name, c.served_by) for c in block.columns], ":"
        if block.title:
            parts.append(f"{block.title}:")
            comma = ","
        heads = [f"{over}{comma} {c.what}" if c.what else over for over, c in zip(heads, block.columns, strict=True)]
        lines = block.lines(table)
        best |= any("**" in cell for line in lines for cell in line)
        parts.append(text.markdown_table(["Model", *marks, *heads], lines, left=range(1 + len(marks))))
    legend = [f"mean ± sample standard deviation (n - 1) over seeds; {text.DASH} where there is nothing"]
    legend += _legend_within(table)
    if best:
        legend.append("the best of ours in bold, where no other lies within one standard deviation" + _beaten(table))
    kinds = {row["kind"] for row in table["rows"].values()}
    if "addition" in kinds:
        legend.append("additions are rows of params.yaml that the paper does not have")
    if "cited" in kinds:
        legend.append("cited rows are numbers that the paper took from elsewhere; they are not trained here")
    if "real" in kinds:
        legend.append("real images are training images in place of generated ones, measured by the same code")
    parts.append(f"**Ours**: {'; '.join(legend)}.")
    if picture:
        parts.append(f"![{caption}]({picture})\n\n{caption}")
    others = list(_other_tables(table))
    if others:
        protocols = "\n".join(f"- {sentence}" for sentence in other_metrics(table))
        parts += ["## Other metrics of the same runs", *others]
        parts.append(f"<details><summary>What these are</summary>\n\n{protocols}\n\n</details>")
    return layout.page(table, parts, [*footnotes(table), origin(table, files)])


def tex(table: Mapping[str, Any]) -> str:
    """The same numbers as LaTeX, a tabular for each table of the page, with the rules of booktabs."""

    def line(cells: Sequence[str]) -> str:
        done = []
        for cell in cells:
            bold = cell.startswith("\0")
            escaped = text.latex(cell.strip("\0"))
            done.append(rf"\textbf{{{escaped}}}" if bold else escaped)
        return " & ".join(done) + r" \\"

    comments = [table["title"], *_legend_within(table), *footnotes(table)]
    marks = list(table.get("marks", ()))
    lines = [
        *(f"% {c.replace('**', '').replace('`', '')}" for c in comments),
        rf"% needs \usepackage{{booktabs{',amssymb' if marks else ''}}}",
    ]
    for block in _blocks(table, bold="\0{}\0", quote="{}"):
        heads, rules, first = [], [], 2 + len(marks)
        lines += ["", f"% {block.title.replace('**', '')}"] if block.title else []
        for name, alike in itertools.groupby(block.columns, key=lambda c: c.name):
            group = list(alike)
            over = text.latex(text.column(name, group[0].served_by))
            heads.append(rf" & \multicolumn{{{len(group)}}}{{c}}{{{over}}}")
            rules.append(rf"\cmidrule(lr){{{first}-{first + len(group) - 1}}}")
            first += len(group)
        lines += [
            rf"\begin{{tabular}}{{l{'c' * len(marks)}{'r' * len(block.columns)}}}",
            r"\toprule",
            " &" * len(marks) + "".join(heads) + r" \\",
            " ".join(rules),
            line(["Model", *marks, *(c.what for c in block.columns)]),
            r"\midrule",
            *map(line, block.lines(table)),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    return "\n".join([*lines, ""])


class _Column(NamedTuple):
    """A column of numbers.

    Attributes:
        name: of the paper's column.
        served_by: dataset that the numbers are about; None: not run.
        whose: ``ours`` or ``paper``.
        what: whose numbers they are, where that is said here, and which; may be empty.
        cells: by row of the table.
    """

    name: str
    served_by: str | None
    whose: str
    what: str
    cells: list[str]


class _Block(NamedTuple):
    """Numbers that stand in one table.

    Attributes:
        title: over it; empty where it is the only one.
        columns: of numbers.
        rows: positions of its rows among the table's.
    """

    title: str
    columns: list[_Column]
    rows: list[int]

    def lines(self, table: Mapping[str, Any]) -> list[list[str]]:
        """Cells row by row: label, marks, numbers."""
        rows = list(table["rows"].values())
        marks = table.get("marks", ())
        return [[label(rows[i]), *_marked(rows[i], marks), *(c.cells[i] for c in self.columns)] for i in self.rows]


def _blocks(table: Mapping[str, Any], bold: str, quote: str) -> list[_Block]:
    """The numbers in one table, ours beside the paper's; a wide one in two, ours and then the paper's.

    Args:
        table: from :func:`content`.
        bold: marks up the best of ours.
        quote: marks up our metrics.
    """
    rows = list(table["rows"].values())
    columns = list(_columns(table, bold, quote))
    if len(columns) <= _WIDE:
        told = [c._replace(what=", ".join(filter(None, [c.whose, c.what]))) for c in columns]
        return [_Block("", told, list(range(len(rows))))]
    seeds = {o["seeds"] for row in rows for cell in row["cells"].values() for o in (cell["ours"] or {}).values()} - {0}
    alike = len(seeds) == 1
    ours = [c for c in (_columns(table, bold, quote, seeds=False) if alike else columns) if c.whose == "ours"]
    title = f"**Ours**, {text.count(next(iter(seeds)), 'seed')} each" if alike else "**Ours**"
    trained = [i for i, row in enumerate(rows) if row["kind"] != "cited"]
    printed = [i for i, row in enumerate(rows) if any(cell["paper"] for cell in row["cells"].values())]
    paper = [c for c in columns if c.whose == "paper"]
    return [_Block(title, ours, trained), *([_Block("**The paper's numbers**", paper, printed)] if printed else [])]


def _columns(table: Mapping[str, Any], bold: str, quote: str, seeds: bool = True) -> Iterator[_Column]:
    """Ours and the paper's of everything that columns measure; ``seeds``: say in each cell how many there are."""
    for name, column in table["columns"].items():
        cells = [row["cells"][name] for row in table["rows"].values()]
        for measure in measures(table, name):
            metric, arrow = measure["metric"], text.ARROW[measure["better"]]
            theirs = f"{text.paper_metric(measure['paper_metric'])} {arrow}"
            named = f"{quote.format(metric)} {arrow}" if metric else theirs if "measures" in column else ""
            ours = [c["ours"].get(metric) if c["ours"] else None for c in cells]
            trivial = _trivial(column, cells, metric)
            shown = _ours(ours, measure["better"], bold, seeds, _over(measure["paper_metric"]), trivial)
            yield _Column(name, column["served_by"], "ours", named, shown)
            papers = [c["paper"] for c in cells]
            if "measures" in column:
                papers = [p and p.get(measure["paper_metric"]) for p in papers]
            yield _Column(name, name, "paper", theirs, _theirs(papers))


def _beaten(table: Mapping[str, Any]) -> str:
    """That the mean training image has to be beaten, in words, where a column's metric can be taken of it."""
    shown = [m["metric"] for name in ran(table) for m in measures(table, name) if m["metric"]]
    known = any(quantity(parse(metric)[0]).of_mean_image for metric in shown)
    return ", if it beats the mean training image in place of each" if known else ""


def _trivial(column: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], metric: str | None) -> float | None:
    """What the mean training image in place of each image would score in a column; None where that is not known."""
    entry = metric and quantity(parse(metric)[0]).of_mean_image
    if not entry:
        return None
    said = [column["protocol"], *(run["protocol"] for cell in cells for run in cell["runs"])]
    return next((protocol[entry] for protocol in said if entry in protocol), None)


def _ours(
    cells: Sequence[Mapping[str, Any] | None],
    better: str,
    bold: str,
    seeds: bool,
    over: str | None,
    trivial: float | None = None,
) -> list[str]:
    """Our numbers of a column as printed; ``over``: what the sd within a run is over; ``trivial``: see `_best`."""
    places = text.decimals([c["mean"] for c in cells if c])
    best = _best([c if c and c["seeds"] else None for c in cells], better, trivial)
    shown = []
    for i, cell in enumerate(cells):
        if cell is None:
            shown.append(text.DASH)
            continue
        number = text.plus_minus(cell["mean"], cell["sd"], places)
        about = [text.count(cell["seeds"], "seed")] if seeds and cell["seeds"] else []
        if over and "spread" in cell:
            about.append(f"{over} ± {text.number(cell['spread'], places)}")
        if about:
            number += f" ({'; '.join(about)})"
        shown.append(bold.format(number) if i in best else number)
    return shown


def _over(metric: str | None) -> str | None:
    """What the sd of a metric within a run is over, in a word, if papers print it."""
    return None if metric is None else quantity(metric).over


def _legend_within(table: Mapping[str, Any]) -> list[str]:
    """What each word means that :func:`_over` gives in the table."""
    counts: dict[str, set[str]] = {}  # with the sizes of minibatches
    for name, column in ran(table).items():
        ours = [row["cells"][name]["ours"] or {} for row in table["rows"].values()]
        for measure in measures(table, name):
            over = _over(measure["paper_metric"])
            if over and any("spread" in cell.get(measure["metric"], ()) for cell in ours):
                sizes = (column["protocol"].get(f"{part}_minibatch") for part in ("feature", "inpainting"))
                counts.setdefault(over, set()).update(str(n) for n in sizes if n)
    of = text.listing(sorted(counts.get("batches", ())))
    meanings = {"batches": f"minibatches{f' of {of} images' if of else ''}", "draws": "draws of labelled sets"}
    return [f"“{over} ±”: population standard deviation over {meanings[over]}, its mean over seeds" for over in counts]


def _theirs(cells: Sequence[Mapping[str, Any] | None]) -> list[str]:
    """The paper's numbers of a column as printed."""
    places = text.paper_decimals(c[k] for c in cells if c for k in ("value", "spread") if c[k] is not None)
    return [f"{text.plus_minus(c['value'], c['spread'], places)}{c.get('mark', '')}" if c else text.DASH for c in cells]


def _marked(row: Mapping[str, Any], marks: Iterable[str]) -> list[str]:
    return ["✓" if mark in row.get("marks", ()) else "" for mark in marks]


def _best(cells: Sequence[Mapping[str, Any] | None], better: str, trivial: float | None = None) -> set[int]:
    """Positions of the best of two or more means; of none where another lies within one sd of it, its own or that.

    Nor of one that is no better than ``trivial``, what needs no training would score.
    """
    there = [c for c in cells if c is not None]
    if len(there) < 2:
        return set()
    best = (min if better == "lower" else max)(there, key=lambda c: c["mean"])
    if trivial is not None and (best["mean"] >= trivial if better == "lower" else best["mean"] <= trivial):
        return set()
    near = [c for c in there if 0 < abs(c["mean"] - best["mean"]) <= max(c["sd"] or 0.0, best["sd"] or 0.0)]
    return set() if near else {i for i, c in enumerate(cells) if c is not None and c["mean"] == best["mean"]}


def _other_tables(table: Mapping[str, Any]) -> Iterator[str]:
    """For each dataset that served, its runs' other metrics, and what real training images score."""
    columns = ran(table)
    for dataset, main in measured_on(table).items():
        served = {name: c for name, c in columns.items() if c["served_by"] == dataset}
        metrics = [m for m in once([*main, *(m for c in served.values() for m in c["metrics"])]) if m not in main]
        if not metrics:
            continue
        cells = [(row, [row["cells"][name]["ours"] for name in served]) for row in table["rows"].values()]
        trained = [(row, next(filter(None, ours))) for row, ours in cells if any(ours) and row["kind"] != "real"]
        places = {m: text.decimals(ours[m]["mean"] for _, ours in trained if m in ours) for m in metrics}
        lines = [[label(row), *(_score(ours.get(m), places[m]) for m in metrics)] for row, ours in trained]
        floors = next(iter(served.values()))["floor"].get("metrics")
        if floors:
            # Floors of some metrics are of other real images.
            floor = [floors.get(m) if quantity(parse(m)[0]).floor_beside else None for m in metrics]
            printed = [text.DASH if v is None else text.number(v, text.decimals([v])) for v in floor]
            lines.append(["*real training images*", *printed])
        yield text.markdown_table([text.dataset(dataset), *(f"`{m}` {text.arrow(m)}" for m in metrics)], lines)


def _score(score: Mapping[str, Any] | None, places: int) -> str:
    return text.DASH if score is None else text.plus_minus(score["mean"], score["sd"], places)
