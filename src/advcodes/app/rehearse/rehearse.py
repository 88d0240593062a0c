"""`advcodes rehearse`: everything that tables and figures need, at full size but for a few steps and images."""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advcodes.app.rehearse.settings import machine, made, settings, small_inception
from advcodes.build.produce import produce
from advcodes.build.provenance import Artifact, ancestors_first
from advcodes.config.params import Params, read
from advcodes.core.errors import AdvcodesError
from advcodes.data.expected import expected, images_of
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run

AFFECTS_RESULTS = False
PARAMS = Path("params.yaml")


@dataclass(frozen=True)
class Stage:
    """What became of one artifact.

    Attributes:
        id: its id.
        seconds: that it took.
        failure: what went wrong, on a line; None where nothing did.
        facts: of a training, as :func:`advcodes.training.rehearsal.rehearse` gives them.
    """

    id: str
    seconds: float
    failure: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def failures(self) -> list[str]:
        """What went wrong, a sentence each."""
        return [*([self.failure] if self.failure else []), *self.facts.get("problems", ())]


@dataclass
class Rehearsal:
    """What a rehearsal found.

    Attributes:
        scale: that was rehearsed.
        items: tables and figures.
        stages: by the id of their artifacts, in order.
        behind: ids of the artifacts behind each item.
        data: bytes of a dataset's training images at full size, which lie on the device, by its name.
        threads: of the CPU.
        limit: seconds that a step may take.
    """

    scale: str
    items: list[str]
    stages: dict[str, Stage] = field(default_factory=dict)
    behind: dict[str, list[str]] = field(default_factory=dict)
    data: dict[str, int] = field(default_factory=dict)
    threads: int = 1
    limit: float = 10.0

    @property
    def failures(self) -> list[tuple[str, str]]:
        """Artifact and what went wrong with it."""
        return [(stage.id, why) for stage in self.stages.values() for why in stage.failures]


def rehearse(
    names: Sequence[str], scale: str, work: Path | None = None, threads: int | None = None, limit: float = 10.0
) -> Rehearsal:
    """Make all that items need, each training a few steps long, and each of it whatever fails before.

    Args:
        names: items, or papers' keys for all of theirs.
        scale: at which.
        work: directory that keeps what was made, from which another call goes on; None for a temporary one.
        threads: of the CPU; those of params.yaml unless given.
        limit: seconds that a step of training may take; longer ones are of a part of the batch.

    Raises:
        AdvcodesError: an unknown item, or params.yaml does not validate.
    """
    whole = Graph(read(PARAMS, scale).model_copy(update={"items": list(names)}))
    items = whole.chosen()
    rehearsal = Rehearsal(scale, items, threads=threads or whole.params.machine.threads, limit=limit)
    with contextlib.ExitStack() as stack:
        folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="advcodes-rehearsal-")))
        folder = folder.absolute()
        params = settings(PARAMS, scale, {**machine(folder), "threads": rehearsal.threads})
        graph = Graph(params, data=folder / "data", reports=folder / "reports")
        needed = {item: list(ancestors_first([graph.item(item)])) for item in items}
        every = [a for artifacts in needed.values() for a in artifacts]
        files = any(a.modules[1:] == ("advcodes.data.official",) for a in every)
        stack.enter_context(made(folder, files, any(a.id == "extractor/inception" for a in every)))
        for item, artifacts in needed.items():
            rehearsal.behind[item] = [a.id for a in artifacts]
            for artifact in artifacts:
                if artifact.id not in rehearsal.stages:
                    rehearsal.stages[artifact.id] = stage = _stage(artifact, params, whole, rehearsal)
                    went = "; ".join(stage.failures) or "done"
                    print(f"rehearsed {stage.id} in {stage.seconds:.1f} s: {went}", flush=True)
    return rehearsal


def _stage(artifact: Artifact, params: Params, whole: Graph, rehearsal: Rehearsal) -> Stage:
    broken = [i.id for i in artifact.inputs.values() if rehearsal.stages[i.id].failure]
    if broken:
        return Stage(artifact.id, 0.0, f"not tried, for want of {', '.join(broken)}")
    started = time.monotonic()
    try:
        if artifact.id.startswith("train/"):
            _train(artifact, params, whole, rehearsal)
        else:
            quick = artifact.id.startswith("evaluate/") and artifact.config["extractor"] == "inception"
            with small_inception() if quick else contextlib.nullcontext():
                produce(artifact, params)
    except AdvcodesError as error:
        return Stage(artifact.id, time.monotonic() - started, str(error))
    except Exception as error:  # whatever a stage dies of is what a rehearsal is for
        traceback.print_exc()
        return Stage(artifact.id, time.monotonic() - started, f"{type(error).__name__}: {error}".splitlines()[0])
    record = artifact.record() or {}
    facts = record.get("facts", {}) if artifact.id.startswith("train/") else {}
    return Stage(artifact.id, time.monotonic() - started, None, facts)


def _train(artifact: Artifact, params: Params, whole: Graph, rehearsal: Rehearsal) -> None:
    """Rehearse a training, with as many steps as it has at full size."""
    from advcodes.jobs import device
    from advcodes.training.rehearsal import rehearse as train
    from advcodes.training.restore import SENTENCES

    run = Run.parse(artifact.id.removeprefix("train/"))
    look = expected(whole.params, run.dataset)
    config = whole.train(run).config
    images = images_of(config, look, run.dataset)
    if look is None or images is None:
        raise AdvcodesError(f"{run.dataset}: a folder of images has no size that is known beforehand")
    if look.shape is not None:
        rehearsal.data[run.dataset] = look.size(config["view"]["train_split"], run.dataset) * math.prod(look.shape)
    lock = artifact.begin()
    if lock is None:
        return
    with lock, device.claimed(params.machine) as where:
        inputs = artifact.inputs
        text = inputs["text"].directory if "text" in inputs else None
        files, facts = train(
            artifact.config, inputs["data"].directory, artifact.directory, where, images, limit=rehearsal.limit,
            text=text, pretrained=inputs["pretrained"].directory if "pretrained" in inputs else None,
        )  # fmt: skip
        if text is not None:
            shutil.copyfile(text / "encoder.pt", artifact.directory / SENTENCES)
            files = [*files, SENTENCES]
        artifact.finish(files, facts=facts)
    shutil.rmtree(artifact.unfinished, ignore_errors=True)
