"""Fill a piece of anyone's own picture by a trained run: `advcodes inpaint RUN --image x.png --box 8 8 20 20`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from advcodes.api import TrainedRun, load
from advcodes.config.params import read
from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_float, to_stored
from advcodes.data.view import PILLOW, is_grey, to_8bit, view_image
from advcodes.methods import registry
from advcodes.pages.text import listing

AFFECTS_RESULTS = False
_WHITE = 127  #: pixels of a mask that are brighter are missing


def fill(
    run: str | Path,
    picture: Path,
    out: Path,
    mask: Path | None = None,
    box: Sequence[int] | None = None,
) -> list[str]:
    """Fill in what is missing of a picture, and write the result as a PNG of the run's size.

    The picture is brought to the run's side as the images of its dataset were: by the same filter, and cut to the
    centre where they were cut, but not by the dataset's own crop, which is in pixels of its originals. The mask goes
    the same way, by the nearest pixel.

    Args:
        run: its id or directory.
        picture: any image that Pillow reads.
        out: the PNG.
        mask: image of the same scene, white (over 127) where something is missing and black or transparent elsewhere;
            of any size.
        box: top, left, height and width of what is missing, in the picture's own pixels. One of the two is given.

    Returns:
        Lines for the user: what became of the picture's size, if anything, and where the result is.

    Raises:
        AdvcodesError: the run cannot inpaint; both or none of ``mask`` and ``box``; a file that is missing or no
            image; nothing missing, or a box outside of the picture.
    """
    if (mask is None) == (box is None):
        raise AdvcodesError(
            "inpaint: say what is missing by --mask (an image, white where it is) or by --box TOP LEFT HEIGHT WIDTH"
            f"{', not by both' if box is not None else ''}"
        )
    if out.suffix.lower() != ".png" or not out.parent.is_dir():
        raise AdvcodesError(f"--out {out}: expected a file ending in .png, in a folder that is there")
    trained = load(run)
    _check(trained, run)
    image = _opened(picture)
    if box is not None:
        of_mask, missing = f"--box {' '.join(map(str, box))}", _boxed(box, image.size)
    else:
        assert mask is not None  # as one of them is given
        of_mask, missing = str(mask), _painted(mask)
        missing = missing.resize(image.size, Image.Resampling.NEAREST)
    x, lines = fitted(image, picture, trained)
    gap = to_side(missing, trained.shape, "nearest", how_cut(trained)[1], 1)[0] > _WHITE
    if not gap.any():
        raise AdvcodesError(f"{of_mask}: nothing of it is left at the run's {_size(gap.shape)} pixels; make it larger")
    made = trained.inpaint(
        to_float(torch.from_numpy(x.copy())[None], trained.value_range), torch.from_numpy(gap)[None, None]
    )
    if not torch.isfinite(made).all():
        raise AdvcodesError(f"{run}: what it fills in is not finite (NaN or infinite); the run has diverged")
    pixels = to_stored(made, trained.value_range)[0].numpy()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(out)
    return [*lines, str(out)]


def _check(trained: TrainedRun, run: str | Path) -> None:
    """See that a run inpaints; the error names those that would."""
    method = trained.method
    if method.can("inpaint", method.config):
        return
    able = [name for name, cls in registry.methods().items() if cls.can("inpaint")]
    try:
        variants = [v for v, c in read().variants.items() if registry.method(c.method).can("inpaint", c)]
    except AdvcodesError:  # a directory without params.yaml
        variants = []
    there = f" (params.yaml has {listing(variants)})" if variants else ""
    raise AdvcodesError(
        f"{run}: {method.name} as it was trained cannot inpaint; take a run of {' or '.join(able)} with "
        f"`masked: true`{there}"
    )


def _opened(path: Path) -> Image.Image:
    """An image, upright."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise AdvcodesError(f"{path}: no such file") from None
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes lead them to
        reason = "a folder" if path.is_dir() else "no image that can be read"
        raise AdvcodesError(f"{path}: {reason} ({type(error).__name__}); give a PNG or JPEG file") from None


def _boxed(box: Sequence[int], size: tuple[int, int]) -> Image.Image:
    """A mask of a picture's size with a white rectangle; ``size`` is (width, height)."""
    (top, left, height, width), (columns, rows) = box, size
    if min(top, left) < 0 or min(height, width) < 1 or top + height > rows or left + width > columns:
        raise AdvcodesError(
            f"--box {' '.join(map(str, box))}: expected TOP LEFT HEIGHT WIDTH of a rectangle inside the picture of "
            f"{rows}x{columns} pixels (rows x columns), one pixel at least"
        )
    pixels = np.zeros((rows, columns), np.uint8)
    pixels[top : top + height, left : left + width] = 255
    return Image.fromarray(pixels)


def _painted(path: Path) -> Image.Image:
    """A mask in grey; what is transparent is black."""
    image = _opened(path)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")
    image = to_8bit(image, 1)
    if np.asarray(image).max() <= _WHITE:
        raise AdvcodesError(f"{path}: marks nothing; paint what is missing white (over {_WHITE})")
    return image


def fitted(image: Image.Image, path: Path | str, trained: TrainedRun) -> tuple[np.ndarray, list[str]]:
    """The picture uint8 [C, H, W] as the run's images are, and what was done to it."""
    channels, *side = trained.shape
    resample, centred = how_cut(trained)
    x = to_side(image, trained.shape, resample, centred, channels)
    old, done = (image.height, image.width), []
    if old != tuple(side):
        cut = "cut to its centre and " if centred and old[0] * side[1] != old[1] * side[0] else ""
        done.append(f"{cut}resized from {_size(old)} to {_size(side)} pixels (rows x columns, {resample})")
    if is_grey(image) != (channels == 1):
        done.append("turned grey" if channels == 1 else "made of three equal channels")
    return x, [f"{path}: {' and '.join(done)}, as the run's images are"] if done else []


def to_side(image: Image.Image, shape: Sequence[int], resample: str, centred: bool, channels: int) -> np.ndarray:
    """uint8 [channels, H, W] of an image, with the height and width of ``shape``."""
    _, height, width = shape
    if height == width:
        return view_image(image, size=height, resample=resample, keep_aspect=centred, channels=channels)
    image = to_8bit(image, channels).resize((width, height), PILLOW.get(resample, Image.Resampling.BILINEAR))
    return view_image(image, channels=channels)


def how_cut(trained: TrainedRun) -> tuple[str, bool]:
    """How the run's dataset was brought to its side: the filter, and whether images were cut to their centre.

    Its manifest lies beside the runs; a run without it has what is usual: bilinear, and not cut.
    """
    view: dict[str, Any] = {}
    above = trained.directory.resolve().parents  # <data>/runs/<scale>/<dataset>/<variant>/seed<k>
    if len(above) > 4:
        try:
            manifest = above[4] / "prepared" / above[1].name / "manifest.json"
            view = json.loads(manifest.read_text())["spec"]["config"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
    return view.get("resample", "bilinear"), bool(view.get("keep_aspect") or view.get("crop"))


def _size(side: Sequence[int]) -> str:
    return "x".join(map(str, side))
