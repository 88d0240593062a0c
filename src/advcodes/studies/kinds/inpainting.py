"""Images with a piece missing, and what trained runs put there."""

from __future__ import annotations

import numpy as np

from advcodes.core.errors import AdvcodesError
from advcodes.metrics.images.inpainting import completed, drawn_masks
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request, drawn
from advcodes.studies.shared import INPAINTED_ACROSS, INPAINTED_STEPS, MISSING_COLOUR


def study(request: Request) -> Study:
    """Of the first seed of each row and column ``real``, ``masked`` and ``filled`` images, uint8 [N, C, H, W].

    They are images, the same in colour with another one where a piece is missing, [N, 3, H, W], and the same with what
    the run puts there. With
    layout `formation` also ``seen``, the whole image that the run makes of what is left. Numbers are the ``split``, the
    ``seed``, how many ``images`` there are, and what is missing of each (``masks``: top, left, height, width).

    Raises:
        AdvcodesError: a run cannot inpaint, or its dataset has no images.
    """
    cells, formation = {}, request.options["layout"] == "formation"
    count = INPAINTED_STEPS if formation else INPAINTED_ACROSS
    for place in request.places():
        data, where = request.pictured(place), request.where(place)
        restored = networks.restored(request, place.first)
        method = restored.method
        if not method.can("inpaint", method.config):
            raise AdvcodesError(f"{where}: {method.name} as it was trained does not inpaint; take its variant out")
        if formation and not hasattr(method, "occluded"):
            raise AdvcodesError(f"{where}: {method.name} does not say how its encoder sees masked images (`occluded`)")
        images = data.split(request.split(place)).images
        rows = drawn(len(images), count)
        real = np.array(images[rows])
        # Each image has the mask that it has in the metrics.
        missing = drawn_masks(int(rows.max()) + 1, restored.shape, **request.masks)[rows]
        training = data.split(restored.config["view"]["train_split"]).images
        given = (restored, real, missing, request.sampling, training, place.seed)
        arrays = {"real": real, "masked": _marked(real, missing.numpy()), "filled": completed(*given)}
        if formation:
            arrays["seen"] = completed(*given, whole=True)
        boxes = [_box(mask) for mask in missing.numpy()]
        numbers = {"split": request.split(place), "seed": place.seed, "images": len(real), "masks": boxes}
        cells[place.key] = Cell(numbers, arrays)
    return cells


def _marked(images: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Images uint8 [N, C, H, W] in colour, [N, 3, H, W], with what is missing, [N, 1, H, W], in one that shows."""
    colour = np.array(MISSING_COLOUR, np.uint8)[None, :, None, None]
    return np.where(missing, colour, np.repeat(images, 3 // images.shape[1], axis=1))


def _box(mask: np.ndarray) -> list[int]:
    """Top, left, height and width of the rectangle in a mask [1, H, W]."""
    rows, columns = (np.flatnonzero(mask[0].any(axis)) for axis in (1, 0))
    return [int(n) for n in (rows[0], columns[0], len(rows), len(columns))]
