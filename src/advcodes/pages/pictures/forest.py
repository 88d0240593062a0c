"""A forest plot of claims: one look tells which hold, by how much, and how sure that is."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.pages.judging import survives
from advcodes.pages.pictures.drawing import PALETTE, save

if TYPE_CHECKING:
    from matplotlib.artist import Artist

_COLORS = {"holds": PALETTE["blue"], "does not hold": PALETTE["red"], "equal": PALETTE["green"],
           "confounded": PALETTE["pink"]}  # fmt: skip
_OTHER = PALETTE["gray"]  #: of verdicts that say neither
_MARKERS = {"holds": "o", "does not hold": "X", "equal": "s", "confounded": "^"}
_SHADE = "0.88"  #: of what counts as equal
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

    Behind each is shaded within what its rows count as equal; or, where the claim is of being no worse, how much worse
    they may be.

    Args:
        claims: of one paper, from claims.json, at least one of :func:`drawn`.
        path: of the PNG.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    shown = drawn(claims)
    words = [textwrap.wrap(f"{c['says']} ({c['item'].partition('/')[2]})", _WIDE) for c in shown]
    height = 0.16 * sum(map(len, words)) + 0.12 * len(shown) + 1.1
    drawing = Figure(figsize=(10, height), layout="constrained")
    panel = drawing.subplots()
    places, top = [], 0.0
    for lines in words:  # a claim of two lines has twice the room
        places.append(top + len(lines) / 2)
        top += len(lines) + 0.7
    for place, lines, claim in zip(places, words, shown, strict=True):
        _margin(panel, place, len(lines) / 2 + 0.35, claim)
        _claim(panel, place, claim)
    panel.axvline(0, color="0.3", linewidth=0.8, zorder=0)
    panel.set_yticks(places, ["\n".join(lines) for lines in words], fontsize="small", linespacing=1.05)
    panel.set_ylim(top, -0.4)
    reach = max((abs(v) for claim in shown for v in _percents(claim)), default=1.0)
    end = 1.08 * min(_ENDS, max([reach, *(100 * (c.get("margin") or 0) for c in shown)]))
    panel.set_xlim(-end, end)
    panel.set_xlabel("← against the claim; % of the other row's mean, 95 % interval; for the claim →", fontsize="small")
    panel.grid(axis="x", alpha=0.3)
    panel.tick_params(axis="y", length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)
    handles: list[Artist] = [
        Line2D([], [], color=_color(v), marker=_MARKERS.get(v, "D"), linestyle="none", label=v)
        for v in sorted({c["verdict"] for c in shown})
    ]
    if any(survives(c) is False for c in shown):
        hollow: Any = {"color": _OTHER, "markerfacecolor": "white", "label": "not after Holm's correction"}
        handles.append(Line2D([], [], marker="o", linestyle="none", **hollow))
    if any(c.get("margin") for c in shown):
        handles.append(Patch(facecolor=_SHADE, label="margin"))
    drawing.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize="small")
    save(drawing, path)


def _margin(panel: Any, place: float, half: float, claim: Mapping[str, Any]) -> None:
    """Shade a claim's margin, over the height of its line."""
    if not (margin := 100 * (claim.get("margin") or 0)):
        return
    ends = [-margin, 0.0 if claim.get("kind") == "not_worse" else margin]
    panel.fill_between(ends, place - half, place + half, color=_SHADE, linewidth=0, zorder=0)


def _claim(panel: Any, place: float, claim: Mapping[str, Any]) -> None:
    """Mark and interval of one claim; hollow where Holm's correction takes it back; arrows where cut off."""
    color = _color(claim["verdict"])
    middle, *ends = _percents(claim)
    for end in (-_ENDS, _ENDS):
        if any(abs(v) > _ENDS and v * end > 0 for v in (middle, *ends)):
            panel.plot([end * 1.04], [place], marker=">" if end > 0 else "<", color=color, markersize=5)
    if ends:
        low, high = (max(-_ENDS, min(_ENDS, v)) for v in ends)
        panel.plot([low, high], [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
    if abs(middle) <= _ENDS:
        marker = _MARKERS.get(claim["verdict"], "D")
        face = "white" if survives(claim) is False else color
        panel.plot([middle], [place], marker=marker, color=color, markerfacecolor=face, markersize=6)


def _percents(claim: Mapping[str, Any]) -> list[float]:
    """The difference and, of two seeds or more, its interval, in percent of the other row's mean."""
    middle, difference = 100 * claim["relative"], claim["difference"]
    if "low" not in claim or not difference:
        return [middle]
    return [middle, *(middle * claim[end] / difference for end in ("low", "high"))]


def _color(verdict: str) -> str:
    return _COLORS.get(verdict, _OTHER)
