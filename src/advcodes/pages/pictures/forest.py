"""A forest plot of claims: one look tells which hold, by how much, and how sure that is."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from advcodes.pages.pictures.drawing import PALETTE, save

_COLORS = {"holds": PALETTE["blue"], "does not hold": PALETTE["red"], "equal": PALETTE["green"],
           "confounded": PALETTE["pink"]}  # fmt: skip
_OTHER = PALETTE["gray"]  #: of verdicts that say neither
_MARKERS = {"holds": "o", "does not hold": "X", "equal": "s", "confounded": "^"}
_WIDE = 58  #: characters of a line of a claim
_ENDS = 200.0  #: percent: what reaches further is cut off, with an arrow


def name(paper: str) -> str:
    """File of a paper's plot, beside the page of claims."""
    return f"claims-{paper}.png"


def drawn(claims: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those claims that a plot shows: with a difference relative to the other row's mean."""
    return [claim for claim in claims if claim.get("relative") is not None]


def draw(claims: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the plot as PNG and SVG: a line for each claim, its relative difference with the 95 % interval.

    Args:
        claims: of one paper, from claims.json, at least one of :func:`drawn`.
        path: of the PNG.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    shown = drawn(claims)
    words = [textwrap.wrap(f"{c['says']} ({c['item'].partition('/')[2]})", _WIDE) for c in shown]
    height = 0.16 * sum(map(len, words)) + 0.12 * len(shown) + 1.1
    drawing = Figure(figsize=(10, height), layout="constrained")
    panel = drawing.subplots()
    places, top = [], 0.0
    for lines in words:  # a claim of two lines has twice the room
        places.append(top + len(lines) / 2)
        top += len(lines) + 0.7
    for place, claim in zip(places, shown, strict=True):
        _claim(panel, place, claim)
    panel.axvline(0, color="0.3", linewidth=0.8, zorder=0)
    panel.set_yticks(places, ["\n".join(lines) for lines in words], fontsize="small", linespacing=1.05)
    panel.set_ylim(top, -0.4)
    reach = max((abs(v) for claim in shown for v in _percents(claim)), default=1.0)
    end = 1.08 * min(_ENDS, reach)
    panel.set_xlim(-end, end)
    panel.set_xlabel("← against the claim; % of the other row's mean, 95 % interval; for the claim →", fontsize="small")
    panel.grid(axis="x", alpha=0.3)
    panel.tick_params(axis="y", length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)
    handles = [
        Line2D([], [], color=_color(v), marker=_MARKERS.get(v, "D"), linestyle="none", label=v)
        for v in sorted({c["verdict"] for c in shown})
    ]
    drawing.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize="small")
    save(drawing, path)


def _claim(panel: Any, place: float, claim: Mapping[str, Any]) -> None:
    """Mark and interval of one claim; arrows where they leave the panel."""
    color = _color(claim["verdict"])
    middle, *ends = _percents(claim)
    for end in (-_ENDS, _ENDS):
        if any(abs(v) > _ENDS and v * end > 0 for v in (middle, *ends)):
            panel.plot([end * 1.04], [place], marker=">" if end > 0 else "<", color=color, markersize=5)
    if ends:
        low, high = (max(-_ENDS, min(_ENDS, v)) for v in ends)
        panel.plot([low, high], [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
    if abs(middle) <= _ENDS:
        panel.plot([middle], [place], marker=_MARKERS.get(claim["verdict"], "D"), color=color, markersize=6)


def _percents(claim: Mapping[str, Any]) -> list[float]:
    """The difference and, of two seeds or more, its interval, in percent of the other row's mean."""
    middle, difference = 100 * claim["relative"], claim["difference"]
    if "low" not in claim or not difference:
        return [middle]
    return [middle, *(middle * claim[end] / difference for end in ("low", "high"))]


def _color(verdict: str) -> str:
    return _COLORS.get(verdict, _OTHER)
