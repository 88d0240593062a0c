"""Numbers and pictures of runs side by side: a table in Markdown, and a page that one HTML file holds."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advcodes.metrics.registry import metric_of, parse, quantity
from advcodes.pages.pictures.images import encode, tile
from advcodes.pages.text import ARROW, DASH, count, decimals, markdown_table, plus_minus

if TYPE_CHECKING:
    import numpy as np

AFFECTS_RESULTS = False
FLOOR = "real images"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1200px;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.3em .8em;text-align:right;border-bottom:1px solid #ccc}"
    "td:first-child,th:first-child{text-align:left}.warning{background:#fff3cd;padding:.5em 1em}"
    ".runs{display:flex;flex-wrap:wrap;gap:2em}.runs img{max-width:100%}"
)


@dataclass(frozen=True)
class Shown:
    """A run on a page.

    Attributes:
        name: what it is called.
        scores: of its metrics.json.
        pictures: images uint8 [N, C, H, W] by title, and how many stand in a row.
    """

    name: str
    scores: Mapping[str, Any]
    pictures: Mapping[str, tuple[np.ndarray, int]]


def table(runs: Sequence[Shown]) -> str:
    """The numbers as Markdown: a row for each, a column for each run, and one for what real images score."""
    header, rows = _cells(runs, "**{}**")
    return markdown_table(header, rows)


def page(runs: Sequence[Shown], warnings: Sequence[str]) -> str:
    """A page as HTML, with all pictures inside of it, so that it can be sent as one file."""
    header, rows = _cells(runs, "<b>{}</b>")
    title = html.escape(" and ".join(run.name for run in runs))
    body = [f"<h1>{title}</h1>", *(f'<p class="warning">{html.escape(w)}</p>' for w in warnings)]
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    body.append(f"<table><tr>{head}</tr>{lines}</table>")
    body += ["<ul>", *(f"<li>{html.escape(note)}</li>" for note in notes(runs)), "</ul>"]
    for picture in dict.fromkeys(name for run in runs for name in run.pictures):
        body.append(f'<h2>{html.escape(picture)}</h2><div class="runs">')
        body += [_figure(run.name, *run.pictures[picture]) for run in runs if picture in run.pictures]
        body.append("</div>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def notes(runs: Sequence[Shown]) -> list[str]:
    """What each number is, in a sentence, and the counts of each run."""
    said: dict[str, str] = {}
    for run in runs:
        for name in run.scores["metrics"]:
            said.setdefault(name, metric_of(parse(name)[0]).sentence(name, run.scores["protocol"]))
    lines = [f"{name}: {sentence}." for name, sentence in said.items()]
    for run in runs:
        floor = run.scores["floor"]
        if floor["metrics"]:
            n = floor["protocol"]["n_generated"]
            lines.append(
                f"{run.name}: {FLOOR} are {count(n, 'training image')} in place of generated ones (the floor)."
            )
        lines.append(f"{run.name}: {count(run.scores['protocol']['images'], 'image')} seen in training.")
    return lines


def _cells(runs: Sequence[Shown], bold: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows; the best of several runs is set in ``bold``."""
    floors = [run.scores["floor"] for run in runs if run.scores["floor"]["metrics"]]
    header = ["", *(run.name for run in runs), *([FLOOR] if floors else [])]
    rows = []
    for name in dict.fromkeys(name for run in runs for name in run.scores["metrics"]):
        better = quantity(parse(name)[0]).better
        values = [run.scores["metrics"].get(name) for run in runs]
        known = [v for v in values if v is not None]
        best = (min if better == "lower" else max)(known) if len(known) > 1 else None
        places = decimals(known)
        cells = []
        for run, value in zip(runs, values, strict=True):
            text = DASH if value is None else plus_minus(value, run.scores["spread"].get(name), places)
            cells.append(bold.format(text) if value is not None and value == best else text)
        if floors:
            real = floors[0]["metrics"].get(name)
            cells.append(DASH if real is None else plus_minus(real, floors[0]["spread"].get(name), places))
        rows.append([f"{name} {ARROW[better]}", *cells])
    return header, rows


def _figure(name: str, images: np.ndarray, columns: int) -> str:
    """A grid of a run's images, named."""
    data = base64.b64encode(encode(tile(images, -(-len(images) // columns), columns, None))).decode()
    name = html.escape(name)
    return f'<figure><figcaption>{name}</figcaption><img alt="{name}" src="data:image/png;base64,{data}"></figure>'
