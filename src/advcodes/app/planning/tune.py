"""Every row of a table at its best of a declared grid: the same few trials for each, on a held-out seed and split.

Trials lie in data/tuning, apart from results, and are never part of a table; one that is there is not made again.
"""

from __future__ import annotations

import copy
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advcodes.app.planning.plan import aligned, images_of, look
from advcodes.build.produce import produce_all
from advcodes.build.provenance import write_atomically
from advcodes.config.like import merge
from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError, unknown
from advcodes.data.expected import VALIDATION
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.metrics.registry import quantity
from advcodes.pages.results import only
from advcodes.pages.text import count
from advcodes.papers.items import Item
from advcodes.papers.read import read_tuning
from advcodes.papers.tuning import Tuning

AFFECTS_RESULTS = False
PLACE = Path("tuning")  #: of trials, in the folder of data


@dataclass(frozen=True)
class Trial:
    """One point of the grid; ``value`` is None where training diverged."""

    chosen: Mapping[str, Any]
    value: float | None


@dataclass(frozen=True)
class Tuned:
    """Trials of all rows of an item on one dataset.

    Attributes:
        item: its id.
        dataset: that serves the column.
        metric: that decides, and which values are better.
        images: that a trial sees, by row.
        held_out: images that trials are measured on.
        rows: trials by row, in the order in which they were made.
    """

    item: str
    dataset: str
    metric: str
    better: str
    images: Mapping[str, int]
    held_out: int
    rows: Mapping[str, tuple[Trial, ...]]

    def winner(self, row: str) -> Trial:
        """A row's best trial.

        Raises:
            AdvcodesError: all have diverged.
        """
        finite = [trial for trial in self.rows[row] if trial.value is not None]
        if not finite:
            raise AdvcodesError(f"tune {self.item}: every trial of {row} on {self.dataset} diverged; widen the grid")
        sign = 1 if self.better == "lower" else -1
        return min(finite, key=lambda trial: sign * (trial.value or 0.0))


def tune(tree: Mapping[str, Any], scale: str, item_id: str, data: Path, reports: Path) -> Path:
    """Tune all rows of an item, print each one's winner and write trials and winners as JSON.

    Args:
        tree: params.yaml, parsed.
        scale: at which trials are made.
        item_id: table or figure.
        data: folder of data; trials go to ``tuning`` in it.
        reports: folder of reports.

    Returns:
        The JSON file: ``<reports>/<scale>/tuning/<paper>-<item>.json``.

    Raises:
        AdvcodesError: Optuna is missing, the paper declares no grid, the item is unknown or is not run at this scale,
            the held-out seed is one of a table, or all trials of a row diverged.
    """
    optuna = _optuna()
    graph = Graph(resolve(tree, scale=scale), data=data, reports=reports)
    if item_id not in graph.items:
        raise unknown("item", item_id, graph.items)
    item, tuning = graph.items[item_id], read_tuning(item_id)
    if tuning.seed in graph.params.seeds_of(item_id):
        raise AdvcodesError(f"tune {item_id}: seed {tuning.seed} is one of the item's; give `tuning` another")
    columns = {d: c for c in item.columns if (d := graph.params.served(c, item_id)) is not None}
    if not columns:
        raise AdvcodesError(f"tune {item_id}: no column is run at scale {scale}")
    every = [_tuned(optuna, tree, graph, item, column, dataset, tuning) for dataset, column in columns.items()]
    for tuned in every:
        print("\n".join(_lines(tuned, tuning)), flush=True)
    path = reports / scale / "tuning" / f"{item_id.replace('/', '-')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"item": item_id, "scale": scale, "tuning": tuning.model_dump(), "datasets": list(map(_as_dict, every))}
    write_atomically(path, json.dumps(content, indent=1) + "\n")
    return path


def _optuna() -> Any:
    try:
        return importlib.import_module("optuna")
    except ModuleNotFoundError:
        raise AdvcodesError("tune: optuna is not installed; run `pip install 'advcodes[tune]'`") from None


def _tuned(
    optuna: Any, tree: Mapping[str, Any], graph: Graph, item: Item, column: str, dataset: str, tuning: Tuning
) -> Tuned:
    """All rows of an item on one dataset."""
    scale, wanted = graph.params.scale, item.measured(column)[0]
    seen = look(graph, dataset)
    if seen is None or "train" not in seen.splits:
        raise AdvcodesError(f"tune {item.id}: dataset {dataset!r} has no split `train` of known size to hold out from")
    held_out = max(graph.params.datasets[dataset].hold_out, round(tuning.held_out * seen.splits["train"]))
    rows, images, metric = {}, {}, ""
    for row in (v for v in graph.rows(item) if item.trains(v, column)):
        whole = images_of(graph.train(Run(scale, dataset, row, tuning.seed)).config, seen, dataset)
        assert whole is not None  # the split's size is known
        images[row] = max(1, round(tuning.share * whole))
        trials: list[Trial] = []

        def measure(trial: Any, row: str = row, trials: list[Trial] = trials) -> float:
            nonlocal metric
            chosen = {key: trial.suggest_categorical(key, values) for key, values in tuning.grid.items()}
            try:
                metrics = _trial(tree, graph, row, dataset, chosen, tuning, images[row], held_out)
            except AdvcodesError as error:
                if "diverged" not in str(error):
                    raise
                trials.append(Trial(chosen, None))
                raise optuna.TrialPruned(str(error)) from None
            metric = only(wanted, metrics, f"{item.id}, {dataset}, {row}")
            trials.append(Trial(chosen, metrics[metric]))
            return metrics[metric]

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        direction = "minimize" if quantity(wanted).better == "lower" else "maximize"
        study = optuna.create_study(sampler=optuna.samplers.GridSampler(tuning.grid, seed=0), direction=direction)
        study.optimize(measure, n_trials=tuning.trials)
        rows[row] = tuple(trials)
    return Tuned(item.id, dataset, metric, quantity(wanted).better, images, held_out, rows)


def _trial(
    tree: Mapping[str, Any],
    graph: Graph,
    row: str,
    dataset: str,
    chosen: Mapping[str, Any],
    tuning: Tuning,
    images: int,
    held_out: int,
) -> dict[str, float]:
    """Metrics of one trial, compared with images that it has not seen and that no table is about."""
    name = "_".join([row, *(f"{key.rpartition('.')[2]}{value}" for key, value in chosen.items())])
    changed: Any = copy.deepcopy(dict(tree))
    scales = changed.setdefault("scales", {})
    own: dict[str, Any] = {}
    for key, value in chosen.items():
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        own = merge(own, nested)
    changed["variants"][name] = {"like": row}
    overrides = {
        "variants": {name: own},
        "datasets": {dataset: {"hold_out": held_out, "test_split": VALIDATION}},
        "budget": {dataset: {"images": images, "epochs": None}},
        "training": {"snapshots": 1},
        "metrics": {"reference_split": "test"},
    }
    scale = graph.params.scale
    scales[scale] = merge(scales.get(scale) or {}, overrides)
    params = resolve(changed, scale=scale)
    artifact = Graph(params, data=graph.data / PLACE).metrics(Run(scale, dataset, name, tuning.seed))
    produce_all(artifact, params)
    return json.loads((artifact.directory / "metrics.json").read_text())["metrics"]


def _as_dict(tuned: Tuned) -> dict[str, Any]:
    return {
        "dataset": tuned.dataset,
        "metric": tuned.metric,
        "better": tuned.better,
        "held_out_images": tuned.held_out,
        "rows": {
            row: {
                "images": tuned.images[row],
                "winner": dict(tuned.winner(row).chosen),
                "trials": [{**trial.chosen, "value": trial.value} for trial in trials],
            }
            for row, trials in tuned.rows.items()
        },
    }


def _lines(tuned: Tuned, tuning: Tuning) -> list[str]:
    """The grid and each row's winner, aligned."""
    grid = "; ".join(f"{key}: {', '.join(map(str, values))}" for key, values in tuning.grid.items())
    head = (
        f"{tuned.item} on {tuned.dataset}: {count(tuning.trials, 'trial')} a row of {grid}; seed {tuning.seed}, "
        f"{tuned.metric} ({tuned.better} is better) against {count(tuned.held_out, 'held-out image')}"
    )
    rows = [("row", "images", *tuning.grid, tuned.metric, "all trials")]
    for row, trials in tuned.rows.items():
        best = tuned.winner(row)
        values = ", ".join("diverged" if t.value is None else f"{t.value:.4g}" for t in trials)
        chosen = (str(best.chosen[key]) for key in tuning.grid)
        rows.append((row, f"{tuned.images[row]:,}", *chosen, f"{best.value:.4g}", values))
    return [head, *aligned(rows, (0, len(rows[0]) - 1))]
