"""Test images, and what trained runs make of their codes."""

from __future__ import annotations

from advcodes.core.errors import AdvcodesError
from advcodes.metrics.images.reconstruction import reconstructions
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import RECONSTRUCTED_ACROSS, RECONSTRUCTED_PAIRS, RECONSTRUCTED_ROWS

_COUNT = {
    "pairs": RECONSTRUCTED_ROWS * RECONSTRUCTED_PAIRS,
    "blocks": RECONSTRUCTED_ROWS,
    "rows": RECONSTRUCTED_ACROSS,
}


def study(request: Request) -> Study:
    """Of the first seed of each row and column ``real`` images, what is ``made`` of them, and ``samples``.

    Each is uint8 [N, C, H, W]; samples are there where the item shows them. Numbers are the ``split``, the ``seed``
    and how many ``images`` there are.

    Raises:
        AdvcodesError: a run cannot reconstruct, or its dataset has no images.
    """
    cells, layout = {}, request.options["layout"]
    count = _COUNT[layout]
    for place in request.places():
        data, split = request.pictured(place), request.split(place)
        restored = networks.restored(request, place.first)
        if not restored.method.can("reconstruct"):
            raise AdvcodesError(
                f"{request.where(place)}: {restored.method.name} does not reconstruct; take its variant out"
            )
        real = request.real(place, count)
        training = data.split(restored.config["view"]["train_split"]).images
        arrays = {"real": real, "made": reconstructions(restored, real, request.sampling, training, place.seed)}
        if layout == "blocks" or request.options["samples"]:
            shown = count if layout == "blocks" else 2 * count
            arrays["samples"] = request.sampled(place, shown)
        cells[place.key] = Cell({"split": split, "seed": place.seed, "images": len(real)}, arrays)
    return cells
