"""A paper's table beside ours: its content as JSON, and that as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.reporting import images, text
from advcodes.reporting.content import (
    as_json,
    footnotes,
    frame,
    head,
    label,
    origin,
    other_metrics,
    ran,
    write_pages,
)  # fmt: skip
from advcodes.reporting.items import Item
from advcodes.reporting.results import Result, of_cell, over_seeds

if TYPE_CHECKING:
    from advcodes.reporting.request import Request

_SHOWN = 24  #: images in a block of the sheet, at most


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.md``, ``.json``, ``.tex`` and a sheet of samples, ``.png``; returns their names."""
    table = content(request.item, request.scale, request.rows, request.columns, request.results)
    picture = directory / f"{name}.png"
    caption = _samples(table, request, picture)
    files = {"json": as_json(table), "tex": tex(table)}
    return write_pages(picture, files, lambda names: markdown(table, picture.name, caption, names))


def _samples(table: Mapping[str, Any], request: Request, path: Path) -> str:
    """Draw samples of the first seed of every cell as a sheet; returns its caption."""
    rows = {v: row for v, row in table["rows"].items() if row["kind"] != "cited"}
    columns = ran(table) or table["columns"]
    seeds = set()
    blocks = []
    for variant in rows:
        blocks.append([])
        for name in columns:
            block: np.ndarray | str = "not run"
            if found := request.of(name, variant):
                seeds.add(found[0].seed)
                block = request.samples(found[0])[:_SHOWN]
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


def content(
    item: Item,
    scale: str,
    rows: Sequence[str],
    columns: Mapping[str, str | None],
    results: Sequence[Result],
) -> dict[str, Any]:
    """Everything a table says, as JSON; see :func:`~advcodes.reporting.content.frame` for the arguments.

    Returns:
        The frame, with ``cells`` in each row: by column the paper's value, ours (by metric: mean, sd, number
        of seeds) and every run's metrics.
    """
    table = frame(item, scale, rows, columns, results)
    for variant, row in table["rows"].items():
        paper = item.rows[variant].paper if variant in item.rows else {}
        row["cells"] = {}
        for column in columns:
            runs = of_cell(item, results, columns, column, variant)
            row["cells"][column] = {
                "paper": paper[column].model_dump() if column in paper else None,
                "ours": over_seeds(runs),
                "runs": [_run(r, table["columns"][column]) for r in runs],
            }
    return table


def _run(run: Result, column: Mapping[str, Any]) -> dict[str, Any]:
    """One seed's metrics, and what of its protocol the column does not say already."""
    own = {k: v for k, v in run.protocol.items() if k not in column["protocol"]}
    return {"seed": run.seed, "metrics": dict(run.metrics), "protocol": own}


def markdown(table: Mapping[str, Any], picture: str | None = None, caption: str = "", files: Sequence[str] = ()) -> str:
    """The page of a table.

    Args:
        table: from :func:`content`.
        picture: PNG beside the page.
        caption: under it.
        files: beside the page, to be linked.
    """
    header, body = _cells(table, bold="**{}**", quote="`{}`")
    marks = list(table.get("marks", ()))
    heads = ["Model", *marks, *(f"{text.column(name, served)}: {what}" for name, served, what in header)]
    parts = [head(table), text.markdown_table(heads, body, left=range(1 + len(marks)))]
    legend = [f"mean ± sample standard deviation (n - 1) over seeds; {text.DASH} where there is nothing"]
    if any("**" in c for line in body for c in line):
        legend.append("the best of ours in bold")
    kinds = {row["kind"] for row in table["rows"].values()}
    if "addition" in kinds:
        legend.append("additions are rows of params.yaml that the paper does not have")
    if "cited" in kinds:
        legend.append("cited rows are numbers that the paper took from elsewhere; they are not trained here")
    notes = [f"**Ours**: {'; '.join(legend)}.", *footnotes(table), origin(table, files)]
    parts.append("\n".join(f"- {note}" for note in notes))
    if picture:
        parts.append(f"![{caption}]({picture})\n\n{caption}")
    others = list(_other_tables(table))
    if others:
        protocols = "\n".join(f"- {sentence}" for sentence in other_metrics(table))
        parts += ["## Other metrics of the same runs", *others]
        parts.append(f"<details><summary>What these are</summary>\n\n{protocols}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def tex(table: Mapping[str, Any]) -> str:
    """The same numbers as a LaTeX tabular with the rules of booktabs."""
    header, body = _cells(table, bold="\0{}\0", quote="{}")

    def line(cells: Sequence[str]) -> str:
        done = []
        for cell in cells:
            bold = cell.startswith("\0")
            escaped = text.latex(cell.strip("\0"))
            done.append(rf"\textbf{{{escaped}}}" if bold else escaped)
        return " & ".join(done) + r" \\"

    comments = [table["title"], *footnotes(table)]
    groups = [text.column(name, column["served_by"]) for name, column in table["columns"].items()]
    marks = list(table.get("marks", ()))
    first = 2 + len(marks)
    rules = [rf"\cmidrule(lr){{{2 * i + first}-{2 * i + first + 1}}}" for i in range(len(groups))]
    return "\n".join(
        [
            *(f"% {c.replace('**', '').replace('`', '')}" for c in comments),
            rf"% needs \usepackage{{booktabs{',amssymb' if marks else ''}}}",
            rf"\begin{{tabular}}{{l{'c' * len(marks)}{'r' * len(header)}}}",
            r"\toprule",
            " &" * len(marks) + "".join(rf" & \multicolumn{{2}}{{c}}{{{text.latex(g)}}}" for g in groups) + r" \\",
            " ".join(rules),
            line(["Model", *marks, *(what for _, _, what in header)]),
            r"\midrule",
            *map(line, body),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _cells(table: Mapping[str, Any], bold: str, quote: str) -> tuple[list[str], list[list[str]]]:
    """Header (column, what served it, whose numbers) and body; ``bold`` and ``quote`` mark up text."""
    arrow = text.ARROW[table["better"]]
    paper_name = text.paper_metric(table["paper_metric"])
    marks = table.get("marks", ())
    header, body = [], [[label(row), *_marked(row, marks)] for row in table["rows"].values()]
    for name, column in table["columns"].items():
        metric = column["metric"]
        header.append((name, column["served_by"], f"ours, {quote.format(metric)} {arrow}" if metric else "ours"))
        header.append((name, name, f"paper, {paper_name} {arrow}"))
        cells = [row["cells"][name] for row in table["rows"].values()]
        ours = [c["ours"][metric] if c["ours"] else None for c in cells]
        places = text.decimals([o["mean"] for o in ours if o])
        printed = [text.plus_minus(o["mean"], o["sd"], places) if o else text.DASH for o in ours]
        best = _best([o["mean"] if o else None for o in ours], table["better"])
        papers = [c["paper"] for c in cells]
        paper_places = text.paper_decimals(v for p in papers if p for v in p.values() if v is not None)
        for i, line in enumerate(body):
            if (o := ours[i]) is None:
                line.append(text.DASH)
            else:
                shown = f"{printed[i]} ({text.count(o['seeds'], 'seed')})"
                line.append(bold.format(shown) if i in best else shown)
            paper = papers[i]
            line.append(text.plus_minus(paper["value"], paper["spread"], paper_places) if paper else text.DASH)
    return header, body


def _marked(row: Mapping[str, Any], marks: Iterable[str]) -> list[str]:
    return ["✓" if mark in row.get("marks", ()) else "" for mark in marks]


def _best(means: Sequence[float | None], better: str) -> set[int]:
    """Positions of the best of two or more values."""
    there = [m for m in means if m is not None]
    if len(there) < 2:
        return set()
    best = min(there) if better == "lower" else max(there)
    return {i for i, m in enumerate(means) if m == best}


def _other_tables(table: Mapping[str, Any]) -> Iterator[str]:
    """For each dataset that served, its runs' other metrics, and what real training images score."""
    from advcodes.evaluation.names import CONDITIONAL

    columns = ran(table)
    for dataset in dict.fromkeys(c["served_by"] for c in columns.values()):
        served = {name: c for name, c in columns.items() if c["served_by"] == dataset}
        metrics = list(dict.fromkeys(m for c in served.values() for m in c["metrics"] if m != c["metric"]))
        if not metrics:
            continue
        cells = [(row, [row["cells"][name]["ours"] for name in served]) for row in table["rows"].values()]
        trained = [(row, next(filter(None, ours))) for row, ours in cells if any(ours)]
        places = {m: text.decimals(ours[m]["mean"] for _, ours in trained if m in ours) for m in metrics}
        lines = [[label(row), *(_score(ours.get(m), places[m]) for m in metrics)] for row, ours in trained]
        floors = next(iter(served.values()))["floor"].get("metrics")
        if floors:
            floor = [None if m in CONDITIONAL else floors.get(m) for m in metrics]  # these are of other real images
            printed = [text.DASH if v is None else text.number(v, text.decimals([v])) for v in floor]
            lines.append(["*real training images*", *printed])
        yield text.markdown_table([text.dataset(dataset), *(f"`{m}` {text.arrow(m)}" for m in metrics)], lines)


def _score(score: Mapping[str, Any] | None, places: int) -> str:
    return text.DASH if score is None else text.plus_minus(score["mean"], score["sd"], places)
