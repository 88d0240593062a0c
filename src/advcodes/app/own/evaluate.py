"""Measure runs on own images, one or several side by side: `advcodes evaluate my_run`, `advcodes compare a b`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.app.own.page import Shown, page, table
from advcodes.app.own.runs import DATASET, OwnGraph, OwnRun, own_run
from advcodes.build.produce import produce
from advcodes.build.provenance import Artifact, write_atomically
from advcodes.core.errors import AdvcodesError
from advcodes.methods import registry
from advcodes.metrics.images.reconstruction import SquaredError

if TYPE_CHECKING:
    import numpy as np

    from advcodes.config.params import Params
    from advcodes.config.sections import Machine

AFFECTS_RESULTS = False
MOST = 10_000  #: generated images; as many as there are training images, if these are fewer
CURVE = 1_000  #: of these for each snapshot
FEW = 1_000  #: images of either side, below which numbers change with the images that happen to be taken
ROWS, COLUMNS = 4, 8  #: of grids on a page
EXTRACTORS = {"rotations": "classifier", "inception": "inception"}  #: as the command calls them, and params.yaml


@dataclass(frozen=True)
class Measured:
    """A run and its numbers.

    Attributes:
        own: the run.
        graph: of what is measured of it.
        scores: of metrics.json.
    """

    own: OwnRun
    graph: OwnGraph
    scores: Mapping[str, Any]


def evaluate(
    runs: Sequence[str], extractor: str = "rotations", n: int | None = None, settings: Sequence[str] = (),
    out: Path | None = None,
) -> list[str]:  # fmt: skip
    """Measure runs, and write a page of their numbers and pictures; what is measured already is not measured again.

    Args:
        runs: folders that `advcodes train --data` wrote to, or directories of runs below them.
        extractor: of :data:`EXTRACTORS`.
        n: generated images; None: as many as were trained on, 10,000 at most, so that the floor is of as many.
        settings: ``key.path=value``, keys of params.yaml.
        out: of the page, an HTML file; None: beside the first run's numbers.

    Returns:
        Lines for the user: a table in Markdown, warnings, and where the page is.

    Raises:
        AdvcodesError: there is no such run, its prepared images are gone, or the page cannot be written.
    """
    from advcodes.api import find

    if out is not None and (out.suffix.lower() not in (".html", ".htm") or not out.expanduser().parent.is_dir()):
        raise AdvcodesError(f"--out {out}: expected a file ending in .html, in a folder that is there")
    owns = [own_run(find(run)) for run in runs]  # before one of them is measured
    measured: list[Measured] = []
    for own in owns:
        measured.append(_measured(own, extractor, n, settings, measured[0].graph if measured else None))
    names = _names(owns)
    shown = [Shown(name, m.scores, _pictures(m)) for name, m in zip(names, measured, strict=True)]
    warnings = _warnings(measured, names)
    if out is None:
        ending = "_".join(["compare", *names]).replace("/", "-") if len(measured) > 1 else measured[0].own.name
        out = measured[0].own.out / "evaluation" / f"{ending[:150]}.html"
    out = out.expanduser()
    write_atomically(out, page(shown, warnings))
    return [table(shown), "", *(f"warning: {w}" for w in warnings), str(out)]


def _measured(own: OwnRun, extractor: str, n: int | None, settings: Sequence[str], first: OwnGraph | None) -> Measured:
    """A run's numbers, measured unless they are there; ``first`` is the graph of the run before it."""
    counts = json.loads((own.out / "prepared" / DATASET / "meta.json").read_text())["counts"]
    n = min(MOST, counts["train"]) if n is None else n
    chosen = [f"metrics.extractor={EXTRACTORS[extractor]}", f"metrics.n_generated={n}",
              f"metrics.curve_n_generated={min(CURVE, n)}"]  # fmt: skip
    graph = OwnGraph(own, [*chosen, *settings])
    sampled = registry.method(own.run.variant).can("sample")
    artifact = graph.metrics(own.run) if sampled else _reconstructed(graph, own)
    if first is not None and sampled:
        _borrow(graph.extractor(DATASET), first.extractor(DATASET))
    _make(artifact, graph.params)
    return Measured(own, graph, json.loads((artifact.directory / "metrics.json").read_text()))


def _borrow(extractor: Artifact, other: Artifact) -> None:
    """Copy the extractor of another run's folder, if it is the one that would be trained here."""
    if extractor.key == other.key and other.fresh() and not extractor.fresh():
        shutil.copytree(other.directory, extractor.directory, dirs_exist_ok=True)


def _make(artifact: Artifact, params: Params) -> None:
    """Make an artifact, and what it needs, without a word about what is there."""
    if not (artifact.fresh() or artifact.restore()):
        for needed in artifact.inputs.values():
            _make(needed, params)
        produce(artifact, params)


def _reconstructed(graph: OwnGraph, own: OwnRun) -> Artifact:
    """Numbers of a run that cannot sample: of its reconstructions alone."""
    whole = graph.metrics(own.run)
    if SquaredError.key not in whole.config:
        raise AdvcodesError(
            f"{own.directory}: {own.run.variant} can neither sample nor reconstruct; nothing to measure"
        )
    config = {key: whole.config[key] for key in (SquaredError.key, "sampling")}
    inputs = {role: whole.inputs[role] for role in ("run", "data")}
    return Artifact(whole.id, whole.manifest, config, inputs, ("advcodes.app.own.evaluate", SquaredError.__module__))


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make the artifact of :func:`_reconstructed`: a ``metrics.json`` without samples."""
    from advcodes.evaluation.subject import EvaluatedRun
    from advcodes.jobs import device
    from advcodes.training.restore import restore

    with device.claimed(machine) as where:
        restored = restore(artifact.inputs["run"].directory, where)
        scores = SquaredError.measure(EvaluatedRun(artifact, restored, where))
    protocol = {**scores["protocol"], "step": restored.step, "images": restored.images}
    content = {"run": artifact.id.partition("/")[2], "metrics": scores["metrics"], "spread": {}, "protocol": protocol,
               "floor": {"metrics": {}, "spread": {}, "protocol": {}}, "curve": []}  # fmt: skip
    write_atomically(artifact.directory / "metrics.json", json.dumps(content, indent=1) + "\n")
    return ["metrics.json"], {"metrics": scores["metrics"]}


def _names(runs: Sequence[OwnRun]) -> list[str]:
    """What runs are called: method and seed, and the folder where two have the same."""
    short = [own.name for own in runs]
    return [s if short.count(s) == 1 else f"{own.out.name}/{s}" for own, s in zip(runs, short, strict=True)]


def _pictures(measured: Measured) -> dict[str, tuple[np.ndarray, int]]:
    """Images uint8 [N, C, H, W] by title, and how many stand in a row."""
    import numpy as np

    from advcodes.data.prepared import load
    from advcodes.jobs.device import pick
    from advcodes.metrics.images.reconstruction import reconstructions
    from advcodes.training.restore import restore

    graph, run = measured.graph, measured.own.run
    method = registry.method(run.variant)
    pictures: dict[str, tuple[np.ndarray, int]] = {}
    if method.can("sample"):
        samples = np.load(graph.samples(run).directory / "samples.npy", mmap_mode="r", allow_pickle=False)
        pictures["samples"] = (np.array(samples[: 2 * ROWS * COLUMNS]), COLUMNS)
    data, view = load(graph.prepared(DATASET).directory), graph.params.datasets[DATASET]
    if method.can("reconstruct"):
        real = np.array(data.split(view.test_split).images[: ROWS * COLUMNS])
        restored = restore(measured.own.directory, pick(graph.params.machine))
        train = data.split(view.train_split).images
        made = reconstructions(restored, real, graph.params.sampling.model_dump(), train, run.seed)
        rows = [part for i in range(0, len(real), COLUMNS) for part in (real[i : i + COLUMNS], made[i : i + COLUMNS])]
        short = -len(real) % COLUMNS  # so that a reconstruction is below its image in the last rows, too
        white = np.full((short, *real.shape[1:]), 255, np.uint8)
        rows = [*rows[:-2], np.concatenate([rows[-2], white]), rows[-1]]
        pictures["held-out images, each above its reconstruction"] = (np.concatenate(rows), COLUMNS)
    return pictures


def _warnings(measured: Sequence[Measured], names: Sequence[str]) -> list[str]:
    """What a reader of the numbers has to know."""
    lines: list[str] = []
    few: list[str] = []
    for what, key in (("real images held out", "n_reference"), ("generated images", "n_generated")):
        counts = [m.scores["protocol"][key] for m in measured if key in m.scores["protocol"]]
        few += [f"{min(counts):,} {what}"] if counts and min(counts) < FEW else []
    if few:
        lines.append(
            f"{' and '.join(few)}: distances, precision and recall of fewer than {FEW:,} change with the images that "
            "happen to be taken; compare with the floor, and trust large differences alone"
        )
    protocols = [{k: m.scores["protocol"].get(k) for k in ("extractor_sha256", "n_reference", "n_generated", "split")}
                 for m in measured if "n_reference" in m.scores["protocol"]]  # fmt: skip
    if any(p != protocols[0] for p in protocols):
        lines.append(
            f"{', '.join(names)}: their distances are by other extractors or of other counts, and so not comparable: "
            "the runs saw other images, or another size"
        )
    elif len({json.dumps(m.own.about["images"]) for m in measured}) > 1:
        lines.append(f"{', '.join(names)}: the runs saw other images, or another size; compare with care")
    return lines
