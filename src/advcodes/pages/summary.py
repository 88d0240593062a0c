"""What `dvc metrics` and `dvc plots` compare."""

from __future__ import annotations

import csv
import io
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.core.statistics import mean_sd
from advcodes.pages.content import as_json
from advcodes.pages.results import Result, metric_names, read_results

ROWS = 5000  #: most rows of losses.csv, which keeps it under 300 kB


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Write the summary of the chosen items: metrics.json, curves.csv, losses.csv."""
    inputs = artifact.inputs
    results = read_results(inputs)
    trained = {r.removeprefix("run/"): a.directory for r, a in inputs.items() if r.startswith("run/")}
    files = {
        "metrics.json": as_json(metrics(results)),
        "curves.csv": curves(results),
        "losses.csv": losses({run: directory / "losses.csv" for run, directory in trained.items()}),
    }
    for name, content in files.items():
        write_atomically(artifact.directory / name, content)
    return list(files), {}


def metrics(results: Iterable[Result]) -> dict[str, Any]:
    """``dataset -> variant -> {metric: mean, metric_sd: sd, seeds: n}`` for `dvc metrics diff`."""
    tree: dict[str, Any] = defaultdict(dict)
    for (dataset, variant), runs in _by_row(results).items():
        leaf: dict[str, float] = {}
        for metric in runs[0].metrics:
            leaf[metric], sd = mean_sd([r.metrics[metric] for r in runs])
            if sd is not None:
                leaf[f"{metric}_sd"] = sd
        tree[dataset][variant] = {**leaf, "seeds": len(runs)}
    return dict(tree)


def curves(results: Iterable[Result]) -> str:
    """CSV of metrics over training, means over seeds: dataset, variant, metric, images, value."""
    rows = []
    for (dataset, variant), runs in _by_row(results).items():
        points = defaultdict(list)
        for run in runs:
            for point in run.curve:
                for metric in metric_names(point):
                    points[metric, point["images"]].append(point[metric])
        rows += [(dataset, variant, m, i, f"{fmean(v):.6g}") for (m, i), v in sorted(points.items())]
    return _csv(("dataset", "variant", "metric", "images", "value"), rows)


def losses(logs: Mapping[str, Path], most: int = ROWS) -> str:
    """CSV of losses over training, means over seeds: dataset, variant, loss, images, value.

    Args:
        logs: losses.csv by run.
        most: rows to write at most; neighbouring steps are averaged to stay below.

    Raises:
        AdvcodesError: a log is unreadable.
    """
    series: dict[tuple[str, str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run, path in logs.items():
        _, dataset, variant, _ = run.split("/")
        try:
            with open(path, newline="") as f:
                for line in csv.DictReader(f):
                    images = int(line["images"])
                    for name, value in line.items():
                        if name not in ("step", "images") and value:
                            series[dataset, variant, name][images].append(float(value))
        except (OSError, ValueError, KeyError, TypeError):
            raise AdvcodesError(f"{path}: no readable log of losses; delete it and train {run} again") from None
    points = max(1, most // max(1, len(series)))
    rows = []
    for key, by_images in series.items():
        for group in _groups(sorted(by_images), points):
            values = [v for images in group for v in by_images[images]]
            rows.append((*key, group[-1], f"{fmean(values):.5g}"))
    return _csv(("dataset", "variant", "loss", "images", "value"), rows)


def _groups(values: Sequence[int], most: int) -> list[Sequence[int]]:
    """At most ``most`` groups of neighbours, as even as can be."""
    n = min(len(values), most)
    bounds = [len(values) * i // n for i in range(n + 1)]
    return [values[a:b] for a, b in itertools.pairwise(bounds)]


def _by_row(results: Iterable[Result]) -> dict[tuple[str, str], list[Result]]:
    rows: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for r in results:
        rows[r.dataset, r.variant].append(r)
    return rows


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
