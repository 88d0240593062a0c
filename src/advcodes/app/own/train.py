"""Train on anyone's own images without editing a file: `advcodes train --data my_folder --method acl_gan`."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from advcodes.app.own.runs import ABOUT, DATASET
from advcodes.app.own.settings import settings_for
from advcodes.app.own.start import announce
from advcodes.app.watch import Watch, watched
from advcodes.build.produce import produce
from advcodes.build.provenance import Artifact, ancestors_first, write_atomically
from advcodes.config.params import Params, resolve
from advcodes.core.errors import AdvcodesError
from advcodes.data.files import OUTPUT
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.methods import registry

AFFECTS_RESULTS = False


def train_own(
    data: Path,
    method: str,
    out: Path,
    *,
    size: int = 32,
    images: int = 200_000,
    seed: int = 0,
    settings: Sequence[str] = (),
    fit: str = "crop",
    skip_broken: bool = False,
    loose: str = "refuse",
    levels: Sequence[float] | None = None,
    replace: bool = False,
    tensorboard: bool = False,
) -> Path:
    """Prepare the images, train, and draw a grid of samples for every snapshot (of a method that can sample).

    Everything goes to ``out``: ``prepared/``, ``runs/`` (checkpoints, losses) and ``grids/<method>_seed<k>/``. Calling
    it again goes on where it stopped, and with more ``images`` seen goes on to the new length.

    Args:
        data: folder or zip of images.
        method: registered method.
        out: where to write.
        size: side of the square images.
        images: training length in images seen.
        seed: of the run.
        settings: ``key.path=value``, keys of params.yaml.
        fit: how images become square; this and the next three as in :func:`settings_for`.
        skip_broken: leave out files that do not decode.
        loose: what becomes of images beside the folders of classes.
        levels: values that are black and white in images of more than 8 bits a channel.
        replace: train anew where there is a run of other settings or images.
        tensorboard: write TensorBoard's log, too, to ``tensorboard/<method>_seed<k>/``.

    Returns:
        The run's directory, for :func:`advcodes.load`.

    Raises:
        AdvcodesError: bad images, an unknown method or setting, or a run that is not to be replaced.
    """
    from advcodes.evaluation.sample import generate
    from advcodes.jobs.device import pick
    from advcodes.pages.pictures.images import grid
    from advcodes.training.restore import restore, snapshots

    data, out = data.expanduser(), out.expanduser().absolute()
    asked: dict[str, Any] = {
        "method": method, "size": size, "images": images, "seed": seed, "settings": list(settings), "fit": fit,
        "skip_broken": skip_broken, "loose": loose, "levels": levels and list(levels),
    }  # fmt: skip
    params = resolve(settings_for(data, **asked), "command line")
    if not data.exists():
        raise AdvcodesError(f"--data {data}: no such folder or zip of images")
    _writable(out)
    graph = Graph(params, data=out, reports=out / "reports")
    artifact = graph.train(Run(params.scale, DATASET, method, seed))
    earlier = _earlier(artifact, replace)
    if replace or not artifact.fresh():
        announce(data, fit, artifact, params.machine)
    watch = watched(artifact, out / "tensorboard" / f"{method}_seed{seed}") if tensorboard else None
    for needed in ancestors_first([artifact]):
        if needed is not artifact:
            produce(needed, params)
    if replace:
        _clear(artifact)
    _train(artifact, params, earlier, asked, watch)
    load = f"advcodes.load({str(artifact.directory)!r})"
    if not registry.method(method).can("sample"):
        print(f"{method} cannot sample, so there is no grid\n{load}")
        return artifact.directory
    side, grids = params.sampling.grid, out / "grids" / f"{method}_seed{seed}"
    grids.mkdir(parents=True, exist_ok=True)
    for step, seen in snapshots(artifact.directory):
        restored = restore(artifact.directory, pick(params.machine), step)
        images_ = generate(restored, side * side, params.sampling.model_dump(), seed)
        grid(images_, side, side, grids / f"{seen:09d}.png", limit=None)
    grid(images_, side, side, grids / "samples.png", limit=None)
    print(f"{grids / 'samples.png'}\n{load}")
    return artifact.directory


def _writable(out: Path) -> None:
    """Make the folder, and mark it as ours, so that it is never read as data."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / OUTPUT).touch()
    except OSError as error:
        raise AdvcodesError(f"--out {out}: cannot be written: {error.strerror}; give a folder that can") from None


def _about(artifact: Artifact) -> dict[str, Any]:
    """What a run is of, whatever version of advcodes trains it and wherever its images lie."""
    images = {k: v for k, v in artifact.inputs["data"].config.items() if k != "path"}
    about = {"config": dict(artifact.config), "images": images}
    return json.loads(json.dumps(about))


def _earlier(artifact: Artifact, replace: bool) -> list[str]:
    """Keys of the checkpoints that this run goes on from, beside its own.

    Raises:
        AdvcodesError: there is a run of something else, and it is not to be replaced; or of the same, but it cannot be
            made longer.
    """
    path, now = artifact.directory / ABOUT, _about(artifact)
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):
        before = None
    if before is None or replace:
        return []
    differs = [f"{part}.{key}" for part in now for key in now[part] if now[part][key] != before[part].get(key)]
    keys = before["keys"]
    if not differs:
        return keys
    where, instead = artifact.directory, "give another --out, or --replace to train anew"
    if differs != ["config.budget"]:
        if differs == ["images.content"]:
            raise AdvcodesError(f"{where}: was trained on other images than {artifact.id} now finds; {instead}")
        words = ", ".join(d.removeprefix("config.") for d in differs)
        raise AdvcodesError(f"{where}: holds a run of other settings ({words}); {instead}")
    old, new = (about["config"]["budget"]["images"] for about in (before, now))
    if old is None or new is None or new < old:
        raise AdvcodesError(f"{where}: holds a run of {old:,} images, longer than --images {new:,}; {instead}")
    method = now["config"]["method"]
    decays = {"optimiser.decay": method["optimiser"]["decay"] != "none", "instance_noise": method.get("instance_noise"),
              "early_stopping": now["config"]["training"].get("early_stopping")}  # fmt: skip
    for name, on in decays.items():
        if on:
            raise AdvcodesError(
                f"{where}: its {name} follows a schedule over the whole run of {old:,} images; {instead}"
            )
    return keys


def _clear(artifact: Artifact) -> None:
    """Remove a run that is to be trained anew."""
    for directory in (artifact.unfinished, artifact.directory / "snapshots"):
        shutil.rmtree(directory, ignore_errors=True)
    for old in ("checkpoint.pt", "networks.pt", "run.json", "losses.csv", ABOUT):
        (artifact.directory / old).unlink(missing_ok=True)
    artifact.forget()


def _train(
    artifact: Artifact, params: Params, earlier: list[str], asked: Mapping[str, Any], watch: Watch | None
) -> None:
    """Train, or go on; what was finished before stays until the new run is."""
    from advcodes.jobs import device
    from advcodes.training.train import train

    lock = artifact.begin()
    if lock is None:
        print(f"{artifact.id}: already made", flush=True)
        return
    with lock:
        here, work, about = artifact.directory, artifact.unfinished, _about(artifact)
        finished = here / "checkpoint.pt"
        steps = math.ceil((about["config"]["budget"]["images"] or 0) / about["config"]["training"]["batch_size"])
        if finished.exists() and not (work / "checkpoint.pt").exists():
            work.mkdir(exist_ok=True)
            if (here / "snapshots").is_dir():
                shutil.copytree(here / "snapshots", work / "snapshots", dirs_exist_ok=True)
            for name in ("losses.csv", "checkpoint.pt"):
                shutil.copyfile(here / name, work / name)
        write_atomically(
            here / ABOUT, json.dumps({**about, "keys": [*earlier, artifact.key], "asked": asked}, indent=1) + "\n"
        )
        begun = "resuming from the last checkpoint" if (work / "checkpoint.pt").exists() else "from the start"
        print(f"{artifact.id}: {begun}, to {steps:,} steps")
        with device.claimed(params.machine) as where:
            files, facts = train(
                artifact.config, artifact.inputs["data"].directory, work, where, key=artifact.key,
                pretrained=artifact.inputs["pretrained"].directory if "pretrained" in artifact.inputs else None,
                name=artifact.id.removeprefix("train/"), log_every=params.training.log_every,
                checkpoint_seconds=params.training.checkpoint_seconds, earlier=earlier, whole=True,
                on_log=watch,
            )  # fmt: skip
        files = [*files, "checkpoint.pt"]
        for name in files:
            (here / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(work / name, here / name)
        artifact.finish(files, facts=facts)
