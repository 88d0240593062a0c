"""From an image file to pixels, and what is found to be wrong with files: of all of them at once."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from advcodes.core.errors import AdvcodesError
from advcodes.data import levels
from advcodes.data.files import Tree
from advcodes.data.view import is_grey

ORIENTATION = 0x0112  #: EXIF tag; 5 to 8 turn the image by a quarter
NAMED = 20  #: faulty images that an error names


@dataclass(frozen=True)
class Header:
    """What an image says of itself.

    Attributes:
        size: width and height, upright.
        grey: whether it has no colour.
        deep: what its pixels are, if they have more than 8 bits a channel.
    """

    size: tuple[int, int]
    grey: bool
    deep: str | None


def headers(tree: Tree, names: Sequence[str]) -> dict[str, Header]:
    """Headers of images by name, without decoding them.

    Raises:
        AdvcodesError: some have none that can be read; all of these are named.
    """
    return of_all(names, lambda name: _header(tree, name))


def of_all(names: Sequence[str], make: Callable[[str], Any]) -> dict[str, Any]:
    """What ``make`` gives of each image, by name.

    Raises:
        AdvcodesError: with the line of the one image that cannot be used, or with one that names all such.
    """
    by_name: dict[str, Any] = {}
    faults: list[str] = []
    for name in names:
        try:
            by_name[name] = make(name)
        except AdvcodesError as error:
            faults.append(str(error))
    if len(faults) == 1:
        raise AdvcodesError(faults[0])
    if faults:
        more = f"; and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
        raise AdvcodesError(f"{len(faults)} images cannot be used: {'; '.join(faults[:NAMED])}{more}")
    return by_name


def settled(tree: Tree, headers: Mapping[str, Header], given: Sequence[float] | None) -> tuple[float, float] | None:
    """Values that are black and white in images of more than 8 bits a channel: see
    :func:`advcodes.data.levels.settled`.

    Args:
        tree: where the images lie.
        headers: by name.
        given: what the user says.
    """
    deep = {name: header.deep for name, header in headers.items() if header.deep}

    def extremes(_: Sequence[str]) -> tuple[float, float]:
        every = of_all([*deep], lambda name: levels.extremes_of(decode(tree, name))).values()
        return min(low for low, _ in every), max(high for _, high in every)

    return levels.settled({tree.where(name): kind for name, kind in deep.items()}, given, extremes)


def broken(tree: Tree, names: Sequence[str], threads: int) -> Mapping[str, str]:
    """Images that do not decode, and why not, by name; all of them are decoded for it."""

    def fault(name: str) -> str | None:
        try:
            decode(tree, name)
        except AdvcodesError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(threads) as pool:
        return {name: why for name, why in zip(names, pool.map(fault, names), strict=True) if why}


def decode(tree: Tree, name: str, upright: bool = True) -> Image.Image:
    """Decode one image.

    Args:
        tree: where it lies.
        name: its relative name.
        upright: turn it as its camera's note (EXIF) says.

    Raises:
        AdvcodesError: the file is no image or is damaged.
    """
    image = _open(tree, name)
    try:
        image.load()
        return ImageOps.exif_transpose(image) if upright else image
    except Exception as error:  # Pillow's decoders raise whatever damaged bytes lead them to
        raise _undecodable(tree, name, error) from None


def _header(tree: Tree, name: str) -> Header:
    image = _open(tree, name)
    try:
        turned = image.getexif().get(ORIENTATION, 1) >= 5
    except Exception as error:
        raise _undecodable(tree, name, error) from None
    width, height = image.size
    return Header((height, width) if turned else (width, height), is_grey(image), levels.kind_of(image))


def _open(tree: Tree, name: str) -> Image.Image:
    data = tree.read(name)
    try:
        return Image.open(io.BytesIO(data))
    except Exception as error:
        raise _undecodable(tree, name, error) from None


def _undecodable(tree: Tree, name: str, error: Exception) -> AdvcodesError:
    reason = (
        "no known image format" if type(error).__name__ == "UnidentifiedImageError" else " ".join(str(error).split())
    )
    return AdvcodesError(f"{tree.where(name)}: does not decode ({reason}); replace or remove it")
