"""Lines over training: one for each row of a figure, with a band over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from advcodes.pages import text
from advcodes.pages.pictures.styles import color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_LOG_ABOVE = 5.0  #: ratio of largest to smallest value from which on the axis is logarithmic


def draw(
    panel: Axes,
    style: Mapping[str, Any],
    x: Sequence[float],
    band: Mapping[str, Sequence[float]],
    **settings: Any,
) -> None:
    """Draw a row's line and band.

    Args:
        panel: to draw on.
        style: of :mod:`advcodes.pages.pictures.styles`.
        x: images seen at each point.
        band: ``mean``, ``low`` and ``high`` over seeds there.
        settings: of the line: ``label``, ``marker``.
    """
    panel.plot(x, band["mean"], color=color(style), linestyle=style["line"], **settings)
    panel.fill_between(x, band["low"], band["high"], color=color(style), alpha=0.15, linewidth=0)


def images_axis(panel: Axes) -> None:
    """Let the horizontal axis of a panel with all its lines be images seen, from 0 on, as 20k or 1M."""
    from matplotlib.ticker import EngFormatter

    panel.set_xlabel("training images seen")
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.set_xlim(left=0)


def not_run(panel: Axes) -> None:
    """Say in a panel that there is nothing to draw."""
    panel.text(0.5, 0.5, "not run", ha="center", transform=panel.transAxes)
    panel.set(xticks=[], yticks=[])


def log_if_wide(panel: Axes) -> bool:
    """Make the vertical axis of a panel with all its lines logarithmic where values differ much; whether it is."""
    low, high = panel.dataLim.intervaly
    if low <= 0 or high / low <= _LOG_ABOVE:
        return False
    panel.set_yscale("log")
    plain_decades(panel.yaxis)
    return True


def plain_decades(axis: Axis) -> None:
    """Let a logarithmic axis show plain numbers, at 1, 2 and 5 of each decade."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())


def legend(seeds: Iterable[int]) -> str:
    """What lines and bands are, by the numbers of seeds of the rows."""
    counts = sorted(set(seeds))
    words = text.listing([text.count(n, "seed") for n in counts]) or "no seeds"
    return words if counts == [1] else f"mean of {words}, band from lowest to highest"
