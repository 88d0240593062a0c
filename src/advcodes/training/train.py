"""Train one run: data/runs/<run>, resumable at any moment."""

from __future__ import annotations

import csv
import importlib
import io
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.build.writing import REMEDY, reason, written
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError, Interrupted
from advcodes.core.progress import Progress, duration, end_bar
from advcodes.jobs import checkpoint, device
from advcodes.jobs.interruptions import deferred
from advcodes.jobs.precision import used
from advcodes.jobs.seed import random_state, restore_random_state, seed_all
from advcodes.training.data import TrainingData
from advcodes.training.divergence import LastFinite
from advcodes.training.early_stopping import EarlyStopping
from advcodes.training.loop import Diverged, Loop, snapshot_steps, total_steps
from advcodes.training.restore import SENTENCES, build_method, normalised_roles

OnLog = Callable[[Loop, Mapping[str, float]], None]


def make(
    artifact: Artifact,
    machine: Machine,
    log_every: int = 50,
    checkpoint_seconds: float = 60.0,
    on_log: OnLog | None = None,
) -> tuple[list[str], dict[str, Any]]:
    """Train the run of a `train/...` artifact; see :func:`train`.

    It is made in `artifact.unfinished`, which is no output of DVC's: `dvc exp run` deletes what dvc.lock does not name,
    and would delete the checkpoint of a killed run. The caller removes it when all is done.
    """
    for old in ("networks.pt", "run.json", "losses.csv", SENTENCES):
        (artifact.directory / old).unlink(missing_ok=True)
    shutil.rmtree(artifact.directory / "snapshots", ignore_errors=True)
    work, inputs = artifact.unfinished, artifact.inputs
    text = inputs["text"].directory if "text" in inputs else None
    with device.claimed(machine) as where:
        files, facts = train(
            artifact.config, inputs["data"].directory, work, where, text=text, key=artifact.key,
            pretrained=inputs["pretrained"].directory if "pretrained" in inputs else None,
            name=artifact.id.removeprefix("train/"), log_every=log_every, checkpoint_seconds=checkpoint_seconds,
            on_log=on_log,
        )  # fmt: skip
    for name in files:
        (artifact.directory / name).parent.mkdir(exist_ok=True)
        with written(artifact.directory / name):
            shutil.copyfile(work / name, artifact.directory / name)
    if text is not None:  # a run answers sentences wherever it is copied to
        with written(artifact.directory / SENTENCES):
            shutil.copyfile(text / "encoder.pt", artifact.directory / SENTENCES)
        files = [*files, SENTENCES]
    return files, facts


def train(
    config: Mapping[str, Any],
    data_directory: Path,
    directory: Path,
    where: torch.device,
    *,
    text: Path | None = None,
    pretrained: Path | None = None,
    key: str = "",
    name: str = "run",
    log_every: int = 50,
    checkpoint_seconds: float = 60.0,
    on_checkpoint: Callable[[int], None] | None = None,
    on_log: OnLog | None = None,
    earlier: Sequence[str] = (),
    whole: bool = False,
) -> tuple[list[str], dict[str, Any]]:
    """Train, or go on from the last checkpoint with the same ``key``; both end bitwise alike on a CPU.

    Writes ``networks.pt`` (all networks), ``snapshots/*.pt`` (those for sampling, at even intervals), ``losses.csv``
    (means over each ``log_every`` steps) and ``run.json`` into ``directory``.

    Args:
        config: resolved configuration of the run: method, architecture, training, budget, view, seed.
        data_directory: of the prepared dataset.
        directory: to write to.
        where: device.
        text: directory of the embeddings of the dataset's captions, for methods that ask for text.
        pretrained: directory of the network whose features the method learns from, if it asks for one;
            ``config["pretrained"]`` says what it is.
        key: identifies the configuration; a checkpoint of another one is not continued.
        name: for progress lines.
        log_every: steps between rows of the log; never changes results.
        checkpoint_seconds: wall-clock time between checkpoints; never changes results.
        on_checkpoint: called with the step after each checkpoint.
        on_log: called with the loop and a row's means after each row of the log; it leaves both, and torch's random
            streams, as they are.
        earlier: keys whose checkpoints are continued, too: those of a shorter run that is made longer.
        whole: write a checkpoint of the last step, too, from which the run can be made longer.

    Returns:
        Names of the files written, and facts about the training for the manifest.

    Raises:
        AdvcodesError: training diverged (phase and step are named) and is not to be kept so, or a file could not be
            written.
        Interrupted: Ctrl-C or SIGTERM; a checkpoint of the step that was reached has been written.
    """
    settings = config["training"]
    stopping = settings.get("early_stopping")
    data, loop, total = begin(config, data_directory, where, text, pretrained)
    method, phases = loop.method, loop.phases
    watch = EarlyStopping(stopping, method, data, total) if stopping else None
    finite = LastFinite(method) if settings.get("diverged") == "keep" else None
    diverged: int | None = None
    # A whole number of cycles, so that every row of the log has every phase in it.
    cycle = math.lcm(*(phase.every for phase in phases))
    log_every = cycle * math.ceil(log_every / cycle)
    keep = snapshot_steps(total, settings["snapshots"], settings["batch_size"])

    latest, log = directory / "checkpoint.pt", LossLog(directory / "losses.csv", settings["batch_size"])

    def check(state: dict[str, Any]) -> None:
        """Whether the snapshots behind a checkpoint are whole, too."""
        for step in (s for s in keep[:-1] if s < state["step"]):
            checkpoint.load(directory / "snapshots" / f"{step:09d}.pt")

    state = checkpoint.resume(latest, key, where, check, earlier)
    if state is not None:
        loop.load_state(state)
        log.resume(state["log"])
        if watch:
            watch.load_state(state["early_stopping"])
        if finite:
            finite.load_state(state["finite"])
        restore_random_state(_to_cpu(state["random"]))
        print(f"{name} | resumed at step {loop.step}/{total}", flush=True)
    else:
        checkpoint.clear(latest)
        for old in ("snapshots", "networks.pt", "run.json", "losses.csv"):
            path = directory / old
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        log.start()
        with torch.no_grad():
            method.initialise(data.batch(0).images)
        if finite:
            finite.remember(0)
    (directory / "snapshots").mkdir(parents=True, exist_ok=True)

    for net in method.networks.values():
        net.train()
    batch_size, first, started = settings["batch_size"], loop.step, time.monotonic()
    progress, saved = Progress(name, total * batch_size, "images", start=first * batch_size), started

    def snapshot() -> None:
        roles = (*method.sampling_roles, *method.snapshot_roles)
        weights = {role: method.networks[role].state_dict() for role in roles}
        content = {"networks": weights, "method": method.state()}
        checkpoint.save(directory / "snapshots" / f"{loop.step:09d}.pt", content)

    def save() -> None:
        content = {"key": key, **loop.state(), "random": random_state(), "log": log.text()}
        if watch:
            content["early_stopping"] = watch.state()
        if finite:
            content["finite"] = finite.state()
        checkpoint.keep(latest, content)

    if first in keep[:-1]:  # where a shorter run ended, its last networks are such
        snapshot()
    with deferred() as interrupted:
        while loop.step < total and not (watch and watch.over):
            logged = (loop.step + 1) % log_every == 0 or loop.step + 1 == total
            loop.train_step(data.batch(loop.step), logged)
            step = loop.step
            if step in keep[:-1]:
                snapshot()
                if finite:
                    finite.remember(step)
            if watch:
                watch.check(step)
            if logged:
                try:
                    means = loop.flush()
                except Diverged as error:
                    if finite is None:
                        raise
                    diverged = error.step
                    break
                log.write(step, means)
                if on_log:
                    on_log(loop, means)
                progress.at(step * batch_size, " ".join(f"{k} {v:.3g}" for k, v in loop.by_phase(means).items()))
            if step < total and (number := interrupted()):
                save()
                log.close()
                raise Interrupted(f"interrupted at step {step}/{total}; {latest} goes on from there", number)
            if logged and step < total and time.monotonic() - saved >= checkpoint_seconds:
                save()
                saved = time.monotonic()
                if on_checkpoint:
                    on_checkpoint(step)
    if whole:
        save()
    if rest := loop.flush():  # stopped between two rows
        log.write(loop.step, rest)
    log.close()

    seconds = time.monotonic() - started
    last, final = loop.step, {"step": loop.step, "networks": loop.state()["networks"], "method": method.state()}
    if watch and watch.best:
        final = watch.best
    if diverged is not None and finite and finite.kept:
        final = finite.kept
        end_bar()
        print(f"{name}: diverged at step {diverged:,}; its networks of step {final['step']:,} are kept", flush=True)
    checkpoint.save(directory / "networks.pt", {k: final[k] for k in ("networks", "method")})
    # Those that are there: of a run that was made longer, the shorter one's until it ended.
    for path in (directory / "snapshots").glob("*.pt"):
        if int(path.stem) >= final["step"]:
            path.unlink()
    keep = [*sorted(int(path.stem) for path in (directory / "snapshots").glob("*.pt")), final["step"]]
    about: dict[str, Any] = {"early_stopping": {"stopped": last, "errors": watch.errors}} if watch else {}
    if diverged is not None:
        about["diverged"] = diverged
    write_about(directory, config, loop, keep, **about)
    files = ["networks.pt", "run.json", "losses.csv", *(f"snapshots/{s:09d}.pt" for s in keep[:-1])]
    parameters = {role: sum(p.numel() for p in net.parameters()) for role, net in method.networks.items()}
    speed = (last - first) * batch_size / max(seconds, 1e-9)
    end_bar()
    print(f"{name}: trained in {duration(seconds)}, {speed:,.0f} images/s", flush=True)
    hardware = torch.cuda.get_device_name(where) if where.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    facts = {"seconds": round(seconds, 1), "images_per_second": round(speed, 1), "device": hardware,
             "torch": torch.__version__, "parameters": parameters}  # fmt: skip
    return files, facts


def _to_cpu(value: Any) -> Any:
    """Random states live on the CPU, whatever ``map_location`` did to the rest."""
    if torch.is_tensor(value):
        return value.cpu()
    if isinstance(value, dict):
        return {k: _to_cpu(v) for k, v in value.items()}
    return [_to_cpu(v) for v in value] if isinstance(value, list) else value


def begin(
    config: Mapping[str, Any],
    data_directory: Path,
    where: torch.device,
    text: Path | None = None,
    pretrained: Path | None = None,
) -> tuple[TrainingData, Loop, int]:
    """Data, loop and number of steps of a run, before its first step, with networks that have not seen an image.

    Args and errors: as :func:`train`.
    """
    settings, view = config["training"], config["view"]
    seed_all(config["seed"])
    data = TrainingData(
        data_directory, view["train_split"], view["range"], settings["batch_size"], config["seed"], where,
        settings["flip"], settings["channels_last"], text, (settings.get("early_stopping") or {}).get("held_out"),
    )  # fmt: skip
    spec = data.spec
    if "pretrained" in config:
        # By name: its code is no part of the results of runs that need none.
        known = importlib.import_module("advcodes.training.pretrained").load(
            pretrained, config["pretrained"], view["range"], where
        )
        spec = replace(spec, features=known.size)
    method = build_method(config, spec, where)
    if settings["batch_size"] == 1 and (roles := normalised_roles(method.networks)):
        names = ", ".join(roles)
        raise AdvcodesError(
            f"training.batch_size: 1, but batch norm of {names} has no statistics of one image; set 2 or more"
        )
    if "pretrained" in config:
        method.known_features = known
    total = total_steps(config["budget"], settings["batch_size"], data.steps_per_epoch)
    loop = Loop(method, method.phases(method.config), used(settings["precision"], where), total)
    if settings["compile"]:
        for net in method.networks.values():
            net.compile()
    return data, loop, total


class LossLog:
    """losses.csv: one row for each logged step, a column for each ``phase/term``; DVC can plot it.

    The file is there to be watched. What it has to hold is kept in memory and in checkpoints, so nothing that happens
    to the file meanwhile reaches a finished run.
    """

    def __init__(self, path: Path, batch_size: int):
        self.path, self.batch_size = path, batch_size
        self.columns: list[str] = []
        self._rows: list[list[str]] = []

    def start(self) -> None:
        """Begin an empty log."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write_all()

    def resume(self, text: str) -> None:
        """Go on after what :meth:`text` gave; what a killed run wrote beyond its checkpoint is dropped."""
        header, *self._rows = list(csv.reader(io.StringIO(text))) or [[]]
        self.columns = header[2:]
        self._write_all()

    def text(self) -> str:
        """The whole file: every row as wide as its header."""
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        if self.columns:
            writer.writerow(["step", "images", *self.columns])
        width = 2 + len(self.columns)
        writer.writerows([*row, *[""] * (width - len(row))] for row in self._rows)
        return lines.getvalue()

    def _write_all(self) -> None:
        write_atomically(self.path, self.text())

    def write(self, step: int, values: dict[str, float]) -> None:
        """Add a row; and columns, where a phase has begun."""
        new = [c for c in values if c not in self.columns]
        self.columns += new
        cells = (f"{values[c]:.6g}" if c in values else "" for c in self.columns)
        self._rows.append([str(step), str(step * self.batch_size), *cells])
        if new:
            self._write_all()
            return
        try:
            with open(self.path, "a", newline="") as f:
                csv.writer(f, lineterminator="\n").writerow(self._rows[-1])
        except OSError as error:
            raise AdvcodesError(f"{self.path}: cannot write: {reason(error)}; {REMEDY} (training resumes)") from None

    def close(self) -> None:
        """Write the whole file once more: what is finished has every row."""
        self._write_all()


def write_about(directory: Path, config: Mapping[str, Any], loop: Loop, steps: Sequence[int], **more: Any) -> None:
    """Write ``run.json``: what :mod:`~advcodes.training.restore` and pages read of a run.

    Args:
        directory: of the run.
        config: resolved, of the run.
        loop: that trained it.
        steps: of its snapshots; the last is that of its networks.
        more: entries beside the usual ones.
    """
    about = {
        "config": config,
        "examples": asdict(loop.method.spec),
        "steps": steps[-1],
        "images": steps[-1] * config["training"]["batch_size"],
        "snapshots": steps,
        "precision": loop.precision,
        **more,
    }
    write_atomically(directory / "run.json", json.dumps(about, indent=1) + "\n")
