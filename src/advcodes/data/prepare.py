"""The stage that turns a dataset, as one paper looks at it, into arrays that are read at once.

Files of a prepared dataset (N rows, the splits one after the other):

- ``images.npy``: uint8 [N, C, H, W] (0..255); float32 [N, 2] for points
- ``labels.npy``: int64 [N], -1 where there is no class
- ``attributes.npy``: uint8 0/1 [N, A], where the set has them
- ``captions.json``: a list of sentences for every row, where the set has them
- ``meta.json``: names, shape, splits as row ranges, and the files that everything was read from
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from advcodes.build.writing import reason, save_array, written
from advcodes.core.errors import AdvcodesError
from advcodes.core.progress import Progress
from advcodes.data.source import Source
from advcodes.data.view import view_image

if TYPE_CHECKING:
    from advcodes.build.provenance import Artifact
    from advcodes.config.sections import Machine

CHUNK = 1024  #: images that are in memory at a time
BLOCK = 32  #: images that a thread makes in one go; divides CHUNK
NAMED = 20  #: faulty images that an error names
VIEW = ("crop", "size", "resample", "keep_aspect", "channels")
FILES = ("images.npy", "labels.npy", "attributes.npy", "captions.json", "meta.json")


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Prepare the dataset ``artifact.config["dataset"]``.

    Returns:
        The files made, and facts for the manifest: ``images``, ``shape``, ``splits``.

    Raises:
        AdvcodesError: files that are missing, damaged or not the expected ones; a view that does not fit; a
            full disk.
    """
    # The reader is looked up by the name that the artifact's key was computed with: named here by an import,
    # the code of every source would be part of every dataset's key.
    reader = importlib.import_module(artifact.modules[1])
    directory = artifact.directory
    for stale in directory.glob(".scratch-*"):  # of a job that was killed
        shutil.rmtree(stale, ignore_errors=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".scratch-", dir=directory) as scratch:
            source = reader.read(artifact.config, machine, Path(scratch))
            return write(source, artifact.config, directory, machine.threads)
    except OSError as error:
        place = error.filename or directory
        raise AdvcodesError(f"{artifact.config['dataset']}: {place}: {reason(error)}") from None


def write(source: Source, config: Mapping[str, Any], directory: Path, threads: int) -> tuple[list[str], dict[str, Any]]:
    """Write a dataset's files; images are made and written in chunks, so that few are in memory at a time.

    Args:
        source: the dataset.
        config: ``dataset``, ``source``, ``hold_out`` and the fields of the view.
        directory: where to.
        threads: how many make images.

    Returns:
        As :func:`make`.
    """
    dataset = config["dataset"]
    splits = _ranges(source.splits, config["hold_out"], dataset)
    for name in FILES:
        # Never written over in place: a cache may hold a hard link to the old file.
        (directory / name).unlink(missing_ok=True)
    if source.points is not None:
        shape, dtype = source.points.shape[1:], source.points.dtype
        save_array(directory / "images.npy", source.points)
    else:
        shape, dtype = _write_images(source, config, directory / "images.npy", threads), np.dtype(np.uint8)
    files = ["images.npy", "labels.npy", "meta.json"]
    save_array(directory / "labels.npy", source.labels)
    if source.attributes is not None:
        files.append("attributes.npy")
        save_array(directory / "attributes.npy", source.attributes)
    if source.captions is not None:
        files.append("captions.json")
        with written(directory / "captions.json"):
            (directory / "captions.json").write_text(json.dumps(source.captions, ensure_ascii=False), "utf-8")
    meta = {
        "dataset": dataset,
        "source": config["source"],
        "shape": list(shape),
        "dtype": dtype.name,
        "splits": splits,
        "counts": {name: stop - start for name, (start, stop) in splits.items()},
        "classes": list(source.classes),
        "attribute_names": list(source.attribute_names),
        "files": source.files,
    }
    with written(directory / "meta.json"):
        (directory / "meta.json").write_text(json.dumps(meta, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return files, {"images": len(source), "shape": list(shape), "splits": splits}


def _ranges(counts: Mapping[str, int], hold_out: int, dataset: str) -> dict[str, list[int]]:
    """Row range of each split; ``hold_out`` takes the first rows of ``train`` for ``validation``."""
    ranges, start = {}, 0
    for name, count in counts.items():
        if name == "train" and hold_out:
            if hold_out >= count:
                raise AdvcodesError(
                    f"datasets.{dataset}.hold_out: {hold_out:,} of {count:,} training images leave none to "
                    "train on; make it smaller"
                )
            ranges["validation"] = [start, start + hold_out]
            start, count = start + hold_out, count - hold_out
        ranges[name] = [start, start + count]
        start += count
    return ranges


def _write_images(source: Source, config: Mapping[str, Any], path: Path, threads: int) -> tuple[int, ...]:
    """Make, view and write all images; returns the shape of one."""
    view = {key: config[key] for key in VIEW}
    view["channels"] = view["channels"] or source.channels
    dataset, total, image_of = config["dataset"], len(source), source.image
    assert image_of is not None  # what has no points has images

    def render(i: int) -> np.ndarray:
        try:
            image = image_of(i)
        except OSError as error:
            raise AdvcodesError(f"{source.name(i)}: cannot be read: {reason(error)}") from None
        try:
            return view_image(image, **view)
        except AdvcodesError as error:
            raise AdvcodesError(f"datasets.{dataset}: {source.name(i)}: {error}") from None

    def attempt(i: int) -> np.ndarray:
        """An image, or a blank one where it cannot be made, so that all such files are named at once."""
        try:
            return render(i)
        except AdvcodesError as error:
            faults[i] = str(error)
            return np.zeros(shape, np.uint8)

    def block(start: int) -> np.ndarray:
        images = [attempt(i) for i in range(start, min(start + BLOCK, total))]
        for i, image in enumerate(images, start):
            if image.shape != shape:
                raise AdvcodesError(
                    f"datasets.{dataset}.size: {source.name(0)} is {_words(shape)} and {source.name(i)} is "
                    f"{_words(image.shape)}; set it to bring all images to one size"
                )
        return np.stack(images)

    faults: dict[int, str] = {}
    size, channels = config["size"], view["channels"]
    shape = (channels, size, size) if size and channels else render(0).shape  # first of all where nothing else tells
    bytes_ = total * math.prod(shape)
    free = shutil.disk_usage(path.parent).free
    if bytes_ > free:
        raise AdvcodesError(
            f"{path}: needs {bytes_ / 1e9:.3f} GB and the disk has {free / 1e9:.3f} GB free; "
            "free some space, then run again"
        )
    progress = Progress(f"preparing {dataset}", total, "images")
    # Plain writes in row order, not a memory map: on a full disk a map dies of SIGBUS, without a word.
    with written(path), open(path, "wb") as f, _mapper(threads) as apply:
        header = {"descr": "|u1", "fortran_order": False, "shape": (total, *shape)}
        np.lib.format.write_array_header_1_0(f, header)
        for start in range(0, total, CHUNK):
            for images in apply(block, range(start, min(start + CHUNK, total), BLOCK)):
                f.write(images.data)
            progress.at(min(start + CHUNK, total))
        if faults:
            raise _faulty(dataset, [faults[i] for i in sorted(faults)])
    return shape


def _faulty(dataset: str, faults: Sequence[str]) -> AdvcodesError:
    """One line about all images that cannot be used."""
    if len(faults) == 1:
        return AdvcodesError(faults[0])
    more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return AdvcodesError(f"{dataset}: {len(faults)} images cannot be used: {'; '.join(faults[:NAMED])}{more}")


def _words(shape: tuple[int, ...]) -> str:
    channels, height, width = shape
    return f"{width}x{height} with {channels} channel{'s' if channels > 1 else ''}"


@contextlib.contextmanager
def _mapper(threads: int) -> Iterator[Callable[..., Any]]:
    """``map`` on this thread or on several (Pillow decodes and resizes without Python's lock)."""
    if threads == 1:
        yield map
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield pool.map
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
