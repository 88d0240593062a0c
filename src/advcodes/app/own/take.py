"""Images, codes and weights out of a trained run: what `sample --png`, `interpolate`, `encode` and such write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from advcodes.api import TrainedRun
from advcodes.app.pictures import fitted, opened
from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_stored
from advcodes.data.decoding import of_all
from advcodes.data.files import is_image, walk
from advcodes.pages.pictures.images import grid

AFFECTS_RESULTS = False
BATCH = 256  #: images a pass
COLUMNS = 8  #: of grids


def interpolation(run: TrainedRun, a: Path, b: Path, steps: int, out: Path) -> list[str]:
    """Write a row of images that turn from one picture into another, each decoded from a code between theirs."""
    png(out)
    pair = [fitted(opened(path), path, run) for path in (a, b)]
    first, last = (torch.from_numpy(x.copy())[None] for x, _ in pair)
    made = to_stored(run.interpolate(first, last, steps)[0], run.value_range).numpy()
    grid(made, 1, steps, out, limit=None)
    return [*(line for _, lines in pair for line in lines), str(out)]


def reconstructions(run: TrainedRun, folder: Path, out: Path | None, pngs_to: Path | None) -> list[str]:
    """Write what a run makes of the codes of a folder's images: a grid with each below its image, or PNGs.

    Raises:
        AdvcodesError: neither is asked for, or no images are there.
    """
    if out is None and pngs_to is None:
        raise AdvcodesError("reconstruct: say where to: --out, a PNG of images and reconstructions, or --png, a folder")
    if out is not None:
        png(out)
    names, images = _images(run, folder)
    made = to_stored(_batched(run.reconstruct, images), run.value_range).numpy()
    lines = [] if pngs_to is None else pngs(made, [_flat(name) for name in names], pngs_to)
    if out is not None:
        rows = range(0, len(images), COLUMNS)
        white = np.full((-len(images) % COLUMNS, *images.shape[1:]), 255, np.uint8)
        real, again = (np.concatenate([part, white]) for part in (images, made))
        both = np.concatenate([part[i : i + COLUMNS] for i in rows for part in (real, again)])
        grid(both, 2 * len(rows), COLUMNS, out, limit=None)
        lines.append(str(out))
    return lines


def codes(run: TrainedRun, folder: Path, npz: Path) -> list[str]:
    """Write the codes of a folder's images as NumPy arrays: ``codes``, float32 [N, d], and ``names`` of the images.

    Raises:
        AdvcodesError: no images are there, or the method has no encoder.
    """
    _beside(npz, ".npz", "--npz")
    names, images = _images(run, folder)
    encoded = _batched(run.encode, images).numpy()
    np.savez(npz, codes=encoded, names=np.array(names))
    return [f"{npz}: codes {list(encoded.shape)} of {len(names):,} images"]


def weights(run: TrainedRun, out: Path) -> list[str]:
    """Write all weights as safetensors; see :meth:`advcodes.api.TrainedRun.export`."""
    _beside(out, ".safetensors", "--out")
    return [f"{out}: {run.export(out):,} tensors"]


def pngs(images: np.ndarray, names: Sequence[str], folder: Path) -> list[str]:
    """Write images uint8 [N, C, H, W] as PNGs of these names without their ending."""
    folder.mkdir(parents=True, exist_ok=True)
    for image, name in zip(images, names, strict=True):
        Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(folder / f"{name}.png")
    return [f"{folder}: {len(names):,} images"]


def png(out: Path) -> None:
    """See that a PNG can be written there.

    Raises:
        AdvcodesError: it is no PNG by its name, or its folder is not there.
    """
    _beside(out, ".png", "--out")


def _beside(out: Path, ending: str, option: str) -> None:
    if out.suffix.lower() != ending or not out.parent.is_dir():
        raise AdvcodesError(f"{option} {out}: expected a file ending in {ending}, in a folder that is there")


def _images(run: TrainedRun, folder: Path) -> tuple[list[str], np.ndarray]:
    """Names of a folder's images in order, and these as the run's are, uint8 [N, C, H, W]."""
    if not folder.is_dir():
        raise AdvcodesError(f"{folder}: no such folder of images")
    names = sorted(name for name, _ in walk(folder) if is_image(name))
    if not names:
        raise AdvcodesError(f"{folder}: no images in it")
    if len(run.shape) != 3:
        raise AdvcodesError(f"{run.directory}: is of points, not of images")
    views = of_all(names, lambda name: fitted(opened(folder / name), folder / name, run)[0])
    return names, np.stack([views[name] for name in names])


def _batched(function: Callable[[Tensor], Tensor], images: np.ndarray) -> Tensor:
    stored = torch.from_numpy(images)
    return torch.cat([function(stored[i : i + BATCH]) for i in range(0, len(stored), BATCH)])


def _flat(name: str) -> str:
    """A relative name as that of one file, without its ending's dot, so that two never become one."""
    return name.replace("/", "_").replace(".", "_")
