"""What runs gave, read from the artifacts that a report is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advcodes.errors import AdvcodesError
from advcodes.provenance import Artifact


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
        batch_size: images a step.
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


def read_results(inputs: Mapping[str, Artifact]) -> list[Result]:
    """Results of every run among a report's inputs (``<run>`` its metrics, ``run/<run>`` its training).

    Raises:
        AdvcodesError: a file is missing or unreadable, or a metric is not a finite number.
    """
    found = []
    for role, training in inputs.items():
        if not role.startswith("run/"):
            continue
        run = role.removeprefix("run/")
        _, dataset, variant, seed = run.split("/")
        measured_file = inputs[run].directory / "metrics.json"
        measured = read_json(measured_file)
        trained = read_json(training.directory / "run.json")
        try:
            found.append(
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
                )
            )
        except KeyError as error:
            raise AdvcodesError(f"{run}: metrics.json or run.json lacks {error}; make them again") from None
    return found


def only(metric: str, values: Mapping[str, float], where: str) -> str:
    """The full name under which a paper's metric (``fid``, ``is``) stands among a run's values.

    Raises:
        AdvcodesError: it was not computed.
    """
    from advcodes.evaluation.names import parse

    names = [n for n in values if n not in ("step", "images") and parse(n)[0] == metric]
    if len(names) != 1:
        raise AdvcodesError(
            f"{where}: expected one metric of kind {metric!r}, found {', '.join(names) or 'none'}; "
            "add it to metrics.compute in params.yaml"
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
