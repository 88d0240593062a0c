"""What tables and figures will cost at a scale: runs, images, and hours from measured speed.

Reads params.yaml and the manifests of finished runs alone; torch is imported only to measure.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from advcodes.app.planning import speeds
from advcodes.app.planning.speeds import Speed
from advcodes.core.errors import AdvcodesError
from advcodes.data.expected import Look, expected, images_of
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.pages.text import count

AFFECTS_RESULTS = False
HINT = "not measured; run with --measure"


@dataclass(frozen=True)
class Group:
    """The runs of one variant on one dataset, which differ by their seeds.

    Attributes:
        dataset: its name.
        variant: its name.
        seeds: of the runs that are asked for.
        built: of those that are fresh, and cost nothing.
        images: that one run will see; None where the size of the training split is not known.
        at_most: whether early stopping may end a run before.
        speed: of one run; None where it is not known.
        why_not: what to do, or why it could not be measured, where the speed is not known.
    """

    dataset: str
    variant: str
    seeds: tuple[int, ...]
    built: tuple[int, ...]
    images: int | None
    at_most: bool
    speed: Speed | None
    why_not: str = HINT

    @property
    def to_train(self) -> int:
        """How many runs have to be trained."""
        return len(self.seeds) - len(self.built)

    @property
    def speed_from(self) -> str | None:
        """Where the speed is from, or what to do for one; None where it is not needed."""
        if self.speed:
            return self.speed.source
        return self.why_not if self.to_train else None

    @property
    def hours_each(self) -> float | None:
        """Hours that one run takes; None where they are not known."""
        if self.images is None or self.speed is None:
            return None
        return self.images / self.speed.images_per_second / 3600

    @property
    def hours(self) -> float | None:
        """Hours of all runs that have to be trained, one after another; None where they are not known."""
        if not self.to_train:
            return 0.0
        return None if self.hours_each is None else self.to_train * self.hours_each


@dataclass(frozen=True)
class Plan:
    """What items will cost at a scale.

    Attributes:
        scale: its name.
        items: tables and figures, and papers' keys for all of theirs, as asked for.
        groups: their runs, each once.
        jobs: training jobs at once.
        threads: CPU threads of a job; None on a GPU.
        parts: what each of several items would take alone; runs that they share are in each.
    """

    scale: str
    items: tuple[str, ...]
    groups: tuple[Group, ...]
    jobs: int
    threads: int | None
    parts: tuple[Plan, ...] = ()

    @property
    def runs(self) -> int:
        """All runs, those that are built among them."""
        return sum(len(g.seeds) for g in self.groups)

    @property
    def to_train(self) -> int:
        """How many runs have to be trained."""
        return sum(g.to_train for g in self.groups)

    @property
    def unknown(self) -> int:
        """Runs to be trained whose hours are not known; all totals are without them."""
        return sum(g.to_train for g in self.groups if g.hours is None)

    @property
    def images(self) -> int:
        """Images that all runs to be trained will see, as far as known."""
        return sum(g.to_train * (g.images or 0) for g in self.groups)

    @property
    def hours(self) -> float:
        """Hours of all runs to be trained, one after another, as far as known."""
        return sum(g.hours or 0.0 for g in self.groups)

    @property
    def hours_at_once(self) -> float:
        """Hours until the last run ends, if each begins as soon as one of :attr:`jobs` places is free."""
        places = [0.0] * self.jobs
        for hours in (g.hours_each or 0.0 for g in self.groups for _ in range(g.to_train)):
            heapq.heapreplace(places, places[0] + hours)
        return max(places)

    def as_dict(self) -> dict[str, Any]:
        """The whole plan as JSON: null is what is not known, and totals are without it."""
        return {
            "scale": self.scale,
            "items": list(self.items),
            "jobs": self.jobs,
            "threads": self.threads,
            "groups": [
                {
                    "dataset": g.dataset,
                    "variant": g.variant,
                    "seeds": list(g.seeds),
                    "built": list(g.built),
                    "images": g.images,
                    "at_most": g.at_most,
                    "images_per_second": g.speed and g.speed.images_per_second,
                    "speed_from": g.speed_from,
                    "hours_each": g.hours_each,
                    "hours": g.hours,
                }
                for g in self.groups
            ],
            "by_item": {part.items[0]: part.total() for part in self.parts},
            "total": self.total(),
        }

    def total(self) -> dict[str, Any]:
        """Sums over all runs, as JSON; images and hours are without runs of which they are not known."""
        return {
            "runs": self.runs,
            "to_train": self.to_train,
            "images": self.images,
            "hours": self.hours,
            "hours_at_once": self.hours_at_once,
            "runs_of_unknown_hours": self.unknown,
            "runs_of_unknown_images": sum(g.to_train for g in self.groups if g.images is None),
        }

    def __str__(self) -> str:
        """The plan as an aligned table with its totals below."""
        of_job = "jobs on a GPU" if self.threads is None else f"jobs of {count(self.threads, 'thread')}"
        title = f"{', '.join(self.items)} at scale {self.scale}, {of_job}"
        if not self.groups:
            return f"{title}: nothing is trained"
        return "\n".join(
            [title + ":", *aligned([HEADINGS, *map(_row, self.groups)], LEFT), *self._by_item(), *self._totals()]
        )

    def _by_item(self) -> Iterator[str]:
        if self.parts:
            yield "by table and figure; runs that they share count for each:"
            head = ("item", "runs", "built", "images to see", "hours", f"with {count(self.jobs, 'job')} at once")
            yield from aligned([head, *map(_item_row, self.parts)], (0,))

    def _totals(self) -> Iterator[str]:
        total = self.total()
        least = "at least " if total["runs_of_unknown_images"] else ""
        yield (
            f"in all: {count(self.runs, 'run')}, {self.runs - self.to_train:,} built already; to train: "
            f"{self.to_train:,}, {least}{self.images:,} images"
        )
        if self.unknown < self.to_train or not self.to_train:
            least = "at least " if self.unknown else ""
            yield (
                f"time: {least}{hours_text(self.hours)} hours one after another, "
                f"{least}{hours_text(self.hours_at_once)} hours with {count(self.jobs, 'job')} at once"
            )
        if self.unknown:
            yield f"time of {count(self.unknown, 'run')} not known"
        if any(g.at_most and g.to_train for g in self.groups):
            yield "<=: early stopping may end a run sooner"
        yield "hours are of training alone: data, extractors, samples and metrics come on top"
        yield "jobs at once may slow each other"


HEADINGS = ("dataset", "variant", "runs", "built", "images a run", "images/s", "hours", "speed from")
LEFT = (0, 1, len(HEADINGS) - 1)  #: names and sources stand on the left, numbers on the right


def _row(g: Group) -> tuple[str, ...]:
    images = "unknown" if g.images is None else f"{'<= ' if g.at_most else ''}{g.images:,}"
    speed = f"{g.speed.images_per_second:,.0f}" if g.speed else "-"
    hours = "unknown" if g.hours is None else hours_text(g.hours)
    return g.dataset, g.variant, str(len(g.seeds)), str(len(g.built)), images, speed, hours, g.speed_from or "-"


def _item_row(part: Plan) -> tuple[str, ...]:
    total = part.total()
    images = f"{'>= ' if total['runs_of_unknown_images'] else ''}{part.images:,}"
    least = ">= " if part.unknown else ""
    known = part.unknown < part.to_train or not part.to_train
    hours = [f"{least}{hours_text(h)}" if known else "unknown" for h in (part.hours, part.hours_at_once)]
    return part.items[0], str(part.runs), str(part.runs - part.to_train), images, *hours


def aligned(rows: Sequence[Sequence[str]], left: tuple[int, ...]) -> Iterator[str]:
    """Columns as wide as their widest cell; those of ``left`` begin at one place, the others end there."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        yield "  " + "  ".join(cells).rstrip()


def hours_text(hours: float) -> str:
    if hours < 0.01:
        return "<0.01" if hours else "0"
    return f"{hours:,.2f}" if hours < 100 else f"{hours:,.0f}"


def plan(graph: Graph, cores: int | None = None, measure: bool = False) -> Plan:
    """What the items that params.yaml chooses will cost.

    Args:
        graph: of params.yaml at the scale asked for.
        cores: that jobs may use at once, as `snakemake --cores`; None: all of this machine.
        measure: train for some seconds, in a temporary directory, what no finished run by today's code tells of.

    Raises:
        AdvcodesError: an unknown item, no core, or a training split that is unknown or smaller than a batch.
    """
    machine = graph.params.machine
    if cores is not None and cores < 1:
        raise AdvcodesError(f"--cores {cores}: expected at least one")
    gpus = speeds.gpus(machine)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in graph.all_runs():
        groups.setdefault((run.dataset, run.variant), []).append(run)
    finished = speeds.finished_runs(graph.data)
    jobs = max(1, (cores or speeds.cores()) // machine.threads)
    whole = Plan(
        graph.params.scale,
        tuple(graph.params.items),
        tuple(_group(graph, runs, finished, measure) for runs in groups.values()),
        min(jobs, gpus * machine.jobs_per_gpu) if gpus else jobs,
        None if gpus else machine.threads,
    )
    items = graph.chosen()
    return replace(whole, parts=tuple(_part(whole, graph, i) for i in items)) if len(items) > 1 else whole


def _part(whole: Plan, graph: Graph, item: str) -> Plan:
    """One item's share of the groups: of its variants, and of their seeds only its own."""
    seeds: dict[tuple[str, str], set[int]] = {}
    for run in graph.runs(graph.items[item]):
        seeds.setdefault((run.dataset, run.variant), set()).add(run.seed)
    groups = (
        replace(
            g,
            seeds=tuple(s for s in g.seeds if s in seeds[g.dataset, g.variant]),
            built=tuple(s for s in g.built if s in seeds[g.dataset, g.variant]),
        )
        for g in whole.groups
        if (g.dataset, g.variant) in seeds
    )
    return replace(whole, items=(item,), groups=tuple(groups))


def _group(graph: Graph, runs: Sequence[Run], finished: Mapping[str, list[speeds.Finished]], measure: bool) -> Group:
    dataset, variant = runs[0].dataset, runs[0].variant
    config = graph.train(runs[0]).config
    built = tuple(r.seed for r in runs if graph.train(r).fresh())
    seen = look(graph, dataset)
    images = images_of(config, seen, dataset)
    speed = speeds.measured_before(graph, runs[0], seen, finished) or speeds.committed(graph, runs[0], seen)
    why_not = HINT
    if measure and len(built) < len(runs) and (speed is None or speed.changed):
        print(f"measuring {variant} on {dataset}", file=sys.stderr, flush=True)
        try:
            speed = speeds.measure(graph, runs[0], seen, images)
        except AdvcodesError as error:
            why_not = f"not measured: {error}"
    return Group(
        dataset, variant, tuple(r.seed for r in runs), built, images,
        "early_stopping" in config["training"], speed, why_not,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------
# How many images


def look(graph: Graph, dataset: str) -> Look | None:
    """What a dataset looks like, or will when it is prepared; None for a folder that is not prepared."""
    prepared = graph.prepared(dataset)
    if prepared.fresh() and (record := prepared.record()):
        facts = record["facts"]
        return Look({k: stop - start for k, (start, stop) in facts["splits"].items()}, tuple(facts["shape"]))
    return expected(graph.params, dataset)
