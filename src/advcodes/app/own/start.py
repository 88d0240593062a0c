"""What `advcodes train --data` says before work begins: which images, what becomes of them, what it takes."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.build.provenance import Artifact
from advcodes.core.progress import duration
from advcodes.data.files import Tree, is_image
from advcodes.pages.text import count

if TYPE_CHECKING:
    from advcodes.config.sections import Machine
    from advcodes.data.source import Source

AFFECTS_RESULTS = False
NAMED = 5  #: faulty files that are named
SECONDS = 0.5  #: of training by which its speed is measured, a few steps at least
HOW = {"crop": "each cut to its centre square", "pad": "each made square by black bars",
       "squash": "each squeezed to a square"}  # fmt: skip


def announce(data: Path, fit: str, artifact: Artifact, machine: Machine) -> None:
    """Print what there is, what will be done with it, and how long that takes.

    Args:
        data: folder or zip of images.
        fit: how they become square.
        artifact: of the training.
        machine: to train on.

    Raises:
        AdvcodesError: what is there does not make a dataset.
    """
    from advcodes.data import folder

    config = artifact.inputs["data"].config
    source = folder.read(config, machine, artifact.directory)
    for line in [*_found(data, source), *_skipped(data, source.files[0])]:
        print(line)
    shape = (config["channels"] or source.channels or 3, config["size"], config["size"])
    bytes_ = len(source) * shape[0] * shape[1] * shape[2]
    print(
        f"{HOW[fit]} of {shape[1]}x{shape[2]} pixels, {'grey' if shape[0] == 1 else 'colour'}; "
        f"the prepared array takes {_size(bytes_)} on disk and as much memory",
        flush=True,
    )
    print(_time(artifact, shape, len(source.classes), machine), flush=True)


def _found(data: Path, source: Source) -> list[str]:
    """Images by what they are for, and how many lie in which class."""
    held = [f"{n:,} held out ({name})" for name, n in source.splits.items() if name != "train"]
    classes = [f"; {len(source.classes)} classes"] if source.classes else []
    parts = ", ".join([f"{source.splits.get('train', 0):,} to train on", *held])
    lines = [f"{data}: {len(source):,} images found: {parts}{''.join(classes)}"]
    if levels := source.files[0].get("levels"):
        low, high = levels
        deep = count(source.files[0]["deep"], "image")
        lines.append(f"{deep} of more than 8 bits a channel: {low:g} becomes black and {high:g} white")
    return lines


def _skipped(data: Path, used: Mapping[str, Any]) -> list[str]:
    """What was found and is not used, and why."""
    lines: list[str] = []
    broken = used.get("broken", {})
    if broken:
        more = f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        lines.append(f"skipped: {count(len(broken), 'broken file')}: {'; '.join([*broken.values()][:NAMED])}{more}")
    if loose := used.get("loose"):
        lines.append(f"skipped: {count(loose, 'image')} beside the folders (--loose skip)")
    others = Counter(Path(name).suffix.lower() or name for name in Tree(data).names if not is_image(name))
    if others:
        kinds = ", ".join(f"{n} {kind}" for kind, n in others.most_common(NAMED))
        lines.append(f"skipped: {count(others.total(), 'file')}, no images by their names ({kinds})")
    return lines


def _time(artifact: Artifact, shape: Sequence[int], classes: int, machine: Machine) -> str:
    """How long the training takes, from a few of its steps on noise."""
    from advcodes.training import speed

    if "pretrained" in artifact.inputs:
        return "time expected: not known before the network is trained that this method learns from"
    training, images = artifact.config["training"], artifact.config["budget"]["images"]
    split = artifact.config["view"]["train_split"]
    with tempfile.TemporaryDirectory() as place:
        speed.write_random_data(Path(place), shape, classes, 0, training["batch_size"], split)
        rate, device = speed.measure(dict(artifact.config), Path(place), machine, seconds=SECONDS)
    return (
        f"time expected: {duration(images / rate)} for {images:,} images, at {rate:,.0f} images/s ({device}), and what "
        "pretraining, checkpoints and grids take"
    )


def _size(bytes_: int) -> str:
    return f"{bytes_ / 1e9:.1f} GB" if bytes_ >= 1e9 else f"{bytes_ / 1e6:.1f} MB"
