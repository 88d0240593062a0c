"""What figures of images that were asked for or changed share: who can be shown, and scores beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from advcodes.errors import AdvcodesError
from advcodes.evaluation.names import CONDITIONAL, parse
from advcodes.reporting import text
from advcodes.reporting.content import descriptions, label, ran
from advcodes.reporting.results import Result
from advcodes.reporting.statistics import mean_sd
from advcodes.training.restore import Restored

#: Metrics that say whether images show what they were asked for, and how good they are.
SCORES = (*CONDITIONAL, "fid")
AUTOENCODED = ("mse", "fid")  #: how good reconstructions and samples are


def check(restored: Restored, wanted: Sequence[str], where: str) -> None:
    """See that a run makes images of what it is asked to show.

    Args:
        restored: a trained run.
        wanted: what it may be asked for: ``labels``, ``clusters``, ``text``.
        where: the item and row, named in errors.

    Raises:
        AdvcodesError: it is asked for something else or nothing, or its samples are points.
    """
    method = restored.method
    if method.asks not in wanted:
        raise AdvcodesError(
            f"{where}: samples of {method.name} are asked for {method.asks or 'nothing'}, and this figure shows what "
            f"{' or '.join(wanted)} give; take its variant out"
        )
    if len(restored.shape) == 1:
        raise AdvcodesError(f"{where}: has points, no images; serve its column by images (`stand_ins`)")


def scores(results: Sequence[Result], main: str, kinds: Sequence[str] = SCORES) -> dict[str, Any]:
    """The item's metric and those of other kinds over seeds.

    Args:
        results: of a row in a column, by seed.
        main: full name of the item's metric.
        kinds: of metrics beside it; such as a run has none of are left out.

    Returns:
        By name: ``mean``, ``sd`` (None of one seed), and ``seeds``: value by seed.
    """
    others = [name for kind in kinds for name in results[0].metrics if name != main and parse(name)[0] == kind]
    found = {}
    for name in (main, *others):
        values = {str(r.seed): r.metrics[name] for r in results}
        mean, sd = mean_sd(list(values.values()))
        found[name] = {"mean": mean, "sd": sd, "seeds": values}
    return found


def table(figure: Mapping[str, Any], key: str) -> str:
    """The scores of everything that ran, in Markdown; ``row[key]`` holds them by column."""
    shown = [
        (label(row), text.column(column, figure["columns"][column]["served_by"]), found["scores"])
        for row in figure["rows"].values()
        for column, found in row[key].items()
    ]
    names = dict.fromkeys(name for _, _, found in shown for name in found)
    lines = [
        [model, column, str(len(next(iter(found.values()))["seeds"])), *(_cell(found.get(name)) for name in names)]
        for model, column, found in shown
    ]
    return text.markdown_table(
        ["Model", "Dataset", "Seeds", *(f"`{name}` {text.arrow(name)}" for name in names)], lines, left=(0, 1)
    )


def _cell(score: Mapping[str, Any] | None) -> str:
    return text.DASH if score is None else text.plus_minus(score["mean"], score["sd"], text.decimals([score["mean"]]))


def notes(figure: Mapping[str, Any], key: str) -> list[str]:
    """What the scores beside the item's own metric are: a Markdown paragraph each."""
    columns = ran(figure)
    cells = [found for row in figure["rows"].values() for found in row[key].values()]
    main = {column["metric"] for column in columns.values()}
    names = {name for found in cells for name in found["scores"]} - main
    return [f"**Beside it**: {sentence}" for sentence in descriptions(columns, names)]
