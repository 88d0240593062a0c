"""What runs gave, read from the artifacts that a report is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from advcodes.build.provenance import Artifact
from advcodes.config.updates import updates
from advcodes.core.errors import AdvcodesError
from advcodes.core.statistics import mean_sd
from advcodes.metrics.registry import metric_of, parse, quantity

if TYPE_CHECKING:
    from advcodes.papers.items import Item


@dataclass(frozen=True)
class Result:
    """One run's numbers.

    Attributes:
        dataset: that it was trained on.
        variant: its row.
        seed: its seed.
        metrics: value by the metric's full name.
        protocol: of those metrics.
        curve: points over training: step, images, and a metric by its full name.
        curve_protocol: of those points.
        floor: ``metrics`` of real training images in place of generated ones, and their ``protocol``.
        images: training images seen.
        chance: of conditional runs, by metric, what the same samples score if conditions are dealt out at random.
        agreement: of each statement of captions: ``samples``, ``real`` and ``chance``.
        batch_size: images a step.
        spread: sd of those metrics that are means, over what each is a mean of.
        updates: by kind of network, how often it was updated (:func:`advcodes.config.updates.updates`).
        best_of: under early stopping, the images seen when it stopped, of which the networks of ``images`` are kept.
        precision: that its networks were to compute in, and that they did compute in.
        method: that was trained.
        diverged: step at which it diverged, if it did: the networks of ``images`` are then the last finite ones.
    """

    dataset: str
    variant: str
    seed: int
    metrics: Mapping[str, float]
    protocol: Mapping[str, Any]
    curve: tuple[Mapping[str, float], ...]
    curve_protocol: Mapping[str, Any]
    floor: Mapping[str, Any]
    images: int
    batch_size: int
    chance: Mapping[str, float] = field(default_factory=dict)
    agreement: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    updates: Mapping[str, int] = field(default_factory=dict)
    best_of: int | None = None
    precision: tuple[str, str] = ("float32", "float32")
    method: str = ""
    diverged: int | None = None


def read_results(inputs: Mapping[str, Artifact]) -> list[Result]:
    """Results of every run among a report's inputs (``<run>`` its metrics, ``run/<run>`` its training).

    Raises:
        AdvcodesError: a file is missing or unreadable, or a metric is not a finite number.
    """
    results = []
    for role, training in inputs.items():
        if not role.startswith("run/"):
            continue
        run = role.removeprefix("run/")
        _, dataset, variant, seed = run.split("/")
        measured_file = inputs[run].directory / "metrics.json"
        measured = read_json(measured_file)
        trained = read_json(training.directory / "run.json")
        try:
            results.append(
                Result(
                    dataset=dataset,
                    variant=variant,
                    seed=int(seed.removeprefix("seed")),
                    metrics=_finite(measured["metrics"], measured_file),
                    protocol=measured["protocol"],
                    curve=tuple(_finite(point, measured_file) for point in measured["curve"]),
                    curve_protocol={**measured["protocol"], **measured["curve_protocol"]},
                    floor=measured["floor"],
                    images=trained["images"],
                    batch_size=trained["config"]["training"]["batch_size"],
                    updates=updates(
                        trained["config"]["method"], trained["images"] // trained["config"]["training"]["batch_size"]
                    ),
                    best_of=_stopped(trained),
                    precision=(trained["config"]["training"]["precision"], trained["precision"]),
                    method=trained["config"]["method"]["method"],
                    diverged=trained.get("diverged"),
                    chance=_finite(measured.get("chance", {}), measured_file),
                    agreement={k: _finite(v, measured_file) for k, v in measured.get("agreement", {}).items()},
                    spread=_finite(measured.get("spread", {}), measured_file),
                )
            )
        except KeyError as error:
            raise AdvcodesError(f"{run}: metrics.json or run.json lacks {error}; make them again") from None
    return results


def _stopped(trained: Mapping[str, Any]) -> int | None:
    stopping = trained.get("early_stopping")
    return stopping and stopping["stopped"] * trained["config"]["training"]["batch_size"]


def of_cell(
    item: Item, results: Iterable[Result], columns: Mapping[str, str | None], column: str, variant: str
) -> list[Result]:
    """Results of a row in a column, by seed; none where the row is not for the column.

    Args:
        item: whose row and column.
        results: of all runs.
        columns: the dataset that served each column (None: not run).
        column: one of them.
        variant: the row.
    """
    if not item.trains(variant, column):
        return []
    of_row = [r for r in results if (r.dataset, r.variant) == (columns[column], variant)]
    return sorted(of_row, key=lambda r: r.seed)


def over_seeds(runs: Sequence[Result]) -> dict[str, Any] | None:
    """Mean, sd and number of seeds by metric; None without runs.

    Of metrics whose sd within a run papers print, ``spread``, too: the mean over seeds of what :func:`within` gives.
    """
    if not runs:
        return None
    summary: dict[str, dict[str, Any]] = {}
    for metric in runs[0].metrics:
        mean, sd = mean_sd([r.metrics[metric] for r in runs])
        summary[metric] = {"mean": mean, "sd": sd, "seeds": len(runs)}
        spreads = [s[metric] for s in map(within, runs) if metric in s]
        if len(spreads) == len(runs):
            summary[metric]["spread"] = fmean(spreads)
    return summary


def within(run: Result) -> dict[str, float]:
    """Of metrics whose sd within a run papers print, that sd: over minibatches, or over draws of labelled sets."""
    return {name: sd for name, sd in run.spread.items() if quantity(parse(name)[0]).over}


def metric_names(measured: Iterable[str]) -> list[str]:
    """Names of metrics among the keys of what was measured; a point of a curve has ``step`` and ``images``, too."""
    return [name for name in measured if name not in ("step", "images")]


def only(metric: str, values: Iterable[str], where: str) -> str:
    """The full name under which a paper's metric (``fid``, ``is``) stands among a run's values.

    Where a dataset cannot have it, another may take its place (:attr:`advcodes.metrics.base.Metric.instead`): the score
    of a classifier of MNIST exists on MNIST alone.

    Args:
        metric: as a paper's file names it.
        values: names of what was measured; ``step`` and ``images`` of curves are passed over.
        where: named in errors.

    Raises:
        AdvcodesError: it was not computed.
    """
    kinds = {n: parse(n)[0] for n in metric_names(values)}
    asked = metric_of(metric)
    sought = metric if metric in kinds.values() or asked.instead is None else asked.instead.quantity
    names = [n for n, kind in kinds.items() if kind == sought]
    if len(names) != 1:
        raise AdvcodesError(
            f"{where}: expected one metric of kind {metric!r}, found {', '.join(names) or 'none'}; {asked.remedy}"
        )
    return names[0]


def read_json(path: Path) -> Any:
    """Parse a JSON file that a stage has written.

    Raises:
        AdvcodesError: it is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise AdvcodesError(f"{path}: {error.strerror}; run the pipeline again to make it") from None
    except ValueError:
        raise AdvcodesError(f"{path}: not valid JSON; delete it and run the pipeline again") from None


def _finite(numbers: Mapping[str, float], path: Path) -> dict[str, float]:
    for name, value in numbers.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise AdvcodesError(f"{path}: {name} is {value!r}, expected a finite number; has the run diverged?")
    return dict(numbers)


def shared(protocols: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The entries in which all protocols agree."""
    first, *others = protocols
    return {k: v for k, v in first.items() if all(k in o and o[k] == v for o in others)}
