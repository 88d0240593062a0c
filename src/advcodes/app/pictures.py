"""Pictures of anyone's own, brought to the form that a run's images have."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from advcodes.api import TrainedRun
from advcodes.core.errors import AdvcodesError
from advcodes.data import levels
from advcodes.data.view import PILLOW, is_grey, padded, to_8bit, view_image

AFFECTS_RESULTS = False


def opened(path: Path) -> Image.Image:
    """An image, upright.

    Raises:
        AdvcodesError: there is no such file, or it is no image.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise AdvcodesError(f"{path}: no such file") from None
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes lead them to
        reason = "a folder" if path.is_dir() else "no image that can be read"
        raise AdvcodesError(f"{path}: {reason} ({type(error).__name__}); give a PNG or JPEG file") from None


def fitted(image: Image.Image, path: Path | str, trained: TrainedRun) -> tuple[np.ndarray, list[str]]:
    """The picture uint8 [C, H, W] as the run's images are, and what was done to it.

    Raises:
        AdvcodesError: pixels without a known range.
    """
    channels, *side = trained.shape
    how = how_seen(trained)
    try:
        x = to_side(image, trained.shape, how, channels)
    except AdvcodesError as error:
        raise AdvcodesError(f"{path}: {error}") from None
    old, done = (image.height, image.width), []
    if old != tuple(side):
        other = old[0] * side[1] != old[1] * side[0]
        cut = "cut to its centre and " if how["centred"] and other else "padded and " if how["pad"] and other else ""
        done.append(
            f"{cut}resized from {size_words(old)} to {size_words(side)} pixels (rows x columns, {how['resample']})"
        )
    if is_grey(image) != (channels == 1):
        done.append("turned grey" if channels == 1 else "made of three equal channels")
    return x, [f"{path}: {' and '.join(done)}, as the run's images are"] if done else []


def to_side(image: Image.Image, shape: Sequence[int], how: Mapping[str, Any], channels: int) -> np.ndarray:
    """uint8 [channels, H, W] of an image, with the height and width of ``shape``; see :func:`how_seen`."""
    _, height, width = shape
    if kind := levels.kind_of(image):
        known = levels.settled({"it": kind}, how["levels"], lambda _: levels.extremes_of(image))
        image = levels.to_8bit(image, known or levels.FULL)
    if height == width:
        image = padded(to_8bit(image, channels)) if how["pad"] else image
        return view_image(image, size=height, resample=how["resample"], keep_aspect=how["centred"], channels=channels)
    image = to_8bit(image, channels).resize((width, height), PILLOW.get(how["resample"], Image.Resampling.BILINEAR))
    return view_image(image, channels=channels)


def how_seen(trained: TrainedRun) -> dict[str, Any]:
    """How the run's dataset was brought to its side: ``resample``, the filter, and whether images were ``centred``.

    And whether they were padded (``pad``), and which values of more than 8 bits are black and white (``levels``). The
    dataset's manifest lies beside the runs; a run without it has what is usual: bilinear, and not cut.
    """
    view: dict[str, Any] = {}
    known: list[float] | None = None
    above = trained.directory.resolve().parents  # <data>/runs/<scale>/<dataset>/<variant>/seed<k>
    if len(above) > 4:
        try:
            prepared = above[4] / "prepared" / above[1].name
            view = json.loads((prepared / "manifest.json").read_text())["spec"]["config"]
            known = json.loads((prepared / "meta.json").read_text())["files"][0].get("levels")
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            pass
    return {
        "resample": view.get("resample", "bilinear"),
        "centred": bool(view.get("keep_aspect") or view.get("crop")),
        "pad": bool((view.get("folder") or {}).get("pad")),
        "levels": known,
    }


def size_words(side: Sequence[int]) -> str:
    return "x".join(map(str, side))
