"""How fast training jobs are: what finished runs recorded, or some seconds of training; and what there is to run them.

torch is imported only to measure.
"""

from __future__ import annotations

import functools
import json
import math
import os
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from advcodes.build.keys import digest
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.core.yaml import read_yaml
from advcodes.data.expected import Look, expected
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.pages.text import count

AFFECTS_RESULTS = False
TIMINGS = Path("pipeline/timings.yaml")  #: of machines that results of this repository were made on


@dataclass(frozen=True)
class Speed:
    """How fast a training job is.

    Attributes:
        images_per_second: real images seen.
        source: where that is from.
        changed: whether it is of a run by code that has changed since, or of another machine.
    """

    images_per_second: float
    source: str
    changed: bool = False


class Finished(NamedTuple):
    """What a finished run recorded of its speed: images a second, the device, the images' shape, and its code."""

    speed: float
    device: str
    shape: tuple[int, ...]
    code: Mapping[str, str]


def _alike(dataset: str, config: Mapping[str, Any]) -> str:
    """The same for runs that differ by seed and budget alone."""
    return digest([dataset, {k: v for k, v in config.items() if k not in ("seed", "budget")}])


def finished_runs(data: Path) -> dict[str, list[Finished]]:
    """Finished runs of every scale in ``data``/runs; those that differ by seed and budget alone are together."""
    runs: dict[str, list[Finished]] = {}
    for manifest in sorted((data / "runs").glob("*/*/*/seed*/manifest.json")):
        try:
            record = json.loads(manifest.read_text())
            shape = tuple(json.loads((manifest.parent / "run.json").read_text())["examples"]["shape"])
            spec, facts = record["spec"], record["facts"]
            run = Finished(float(facts["images_per_second"]), facts["device"], shape, spec["code"])
            alike = _alike(manifest.parts[-4], spec["config"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # damaged, or of another version: the run is stale, and its speed unknown
        if run.speed > 0:
            runs.setdefault(alike, []).append(run)
    return runs


def measured_before(graph: Graph, run: Run, seen: Look | None, finished: Mapping[str, list[Finished]]) -> Speed | None:
    """Median speed of finished runs on images of the same shape, by such a device as this machine would use.

    Args:
        graph: of params.yaml at the scale asked for.
        run: whose configuration's speed is asked for, at any seed and budget.
        seen: its dataset; None: of whatever shape.
        finished: from :func:`finished_runs`.

    Returns:
        None where there is no such run. By code that has changed since only where no other is left.
    """
    artifact, machine = graph.train(run), graph.params.machine
    gpu, cpu = gpus(machine) > 0, f"CPU, {machine.threads} threads"  # as manifests call it
    shape = seen.shape if seen else None
    runs = [
        r
        for r in finished.get(_alike(run.dataset, artifact.config), [])
        if (not r.device.startswith("CPU") if gpu else r.device == cpu) and shape in (None, r.shape)
    ]
    if not runs:
        return None
    same = [r for r in runs if r.code == artifact.spec["code"]]
    changed, runs = not same, same or runs
    devices = "; ".join(sorted({r.device for r in runs}))
    source = f"{count(len(runs), 'finished run')} ({devices}){', by code that has changed since' if changed else ''}"
    return Speed(statistics.median(r.speed for r in runs), source, changed)


def committed(graph: Graph, run: Run, seen: Look | None) -> Speed | None:
    """About what a CPU of the repository's own timings would do: the same scale and variant, or one of its method.

    Where the dataset was not timed, that one stands in for it whose images are most alike in size, and the time grows
    with the number of pixels.

    Args:
        graph: of params.yaml at the scale asked for.
        run: whose configuration's speed is asked for, at any seed and budget.
        seen: its dataset.

    Returns:
        None on a GPU, for images of unknown size, and where nothing like it was timed.
    """
    machine, variants = graph.params.machine, graph.params.variants
    if gpus(machine) or seen is None or seen.shape is None or not TIMINGS.exists():
        return None
    timed = read_yaml(TIMINGS)["cpu"].get(graph.params.scale, {})
    pixels, method = math.prod(seen.shape), variants[run.variant].method
    candidates = []
    for dataset, seconds in timed.items():
        look = expected(graph.params, dataset)
        kin = (v for v in seconds if v in variants and variants[v].method == method)
        alike = [v for v in (run.variant, *kin) if v in seconds]
        if alike and look and look.shape and len(look.shape) == len(seen.shape):
            ratio = pixels / math.prod(look.shape)
            candidates.append((abs(math.log(ratio)), dataset != run.dataset, dataset, alike[0], ratio))
    if not candidates:
        return None
    _, _, dataset, variant, ratio = min(candidates)
    of = "" if variant == run.variant else f" of {variant}"
    by = "" if dataset == run.dataset else f" on {dataset}" + (f", {ratio:.2g} times the pixels" if ratio != 1 else "")
    speed = machine.threads / (timed[dataset][variant] * ratio)
    return Speed(speed, f"about, by {TIMINGS.name}{of}{by}", changed=True)


def measure(graph: Graph, run: Run, seen: Look | None, images: int | None) -> Speed:
    """Train a run's configuration for some seconds, on its dataset or on random images of its shape.

    Args:
        graph: of params.yaml at the scale asked for.
        run: whose configuration is trained.
        seen: its dataset.
        images: that it sees in all; None where that is not known.

    Raises:
        AdvcodesError: nothing is known of the dataset, a pretrained network is not there, or training fails.
    """
    artifact = graph.train(run)
    config, inputs = dict(artifact.config), artifact.inputs
    data, text, pretrained = inputs["data"], inputs.get("text"), inputs.get("pretrained")
    if pretrained is not None and not pretrained.fresh():
        raise AdvcodesError(f"needs {pretrained.id}; run `snakemake --cores all {pretrained.manifest}`")
    prepared = data.fresh()
    if seen is None or (not prepared and seen.shape is None):
        raise AdvcodesError(f"the images' shape is not known; run `snakemake --cores all {data.manifest}`")
    from advcodes.training import speed

    if images is not None:  # random images are fewer than the dataset's, and their epochs shorter
        config["budget"] = {"images": images, "epochs": None}
    with tempfile.TemporaryDirectory(prefix="advcodes-") as folder:
        place = data.directory if prepared else Path(folder)
        rows = sum(seen.splits.values())
        if not prepared and seen.shape is not None:
            rows = speed.write_random_data(
                place, seen.shape, seen.classes, seen.attributes, config["training"]["batch_size"],
                config["view"]["train_split"],
            )  # fmt: skip
        captions = None
        if text is not None:
            captions = text.directory
            if not (prepared and text.fresh()):
                captions = Path(folder)
                speed.write_random_captions(captions, rows, 2 * graph.params.text.hidden)
        images_per_second, device = speed.measure(
            config, place, graph.params.machine, text=captions,
            pretrained=pretrained.directory if pretrained else None, seconds=speed.SECONDS,
        )  # fmt: skip
    of = "" if prepared else " on random images"
    return Speed(images_per_second, f"measured{of} ({device})")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _driven() -> int:
    """GPUs that NVIDIA's driver has and CUDA shows; torch would say so, but takes seconds to import."""
    there = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return there if visible is None else min(there, len([v for v in visible.split(",") if v not in ("", "-1")]))


def gpus(machine: Machine) -> int:
    """GPUs that training jobs would use; 0 where they would use the CPU."""
    if machine.device == "cpu":
        return 0
    if machine.device == "auto":
        return _driven()
    return 1 if ":" in machine.device else max(1, _driven())
