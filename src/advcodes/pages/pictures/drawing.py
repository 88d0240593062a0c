"""What drawings of matplotlib share: one palette, and how they are written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from advcodes.build.provenance import write_atomically
from advcodes.pages.pictures.images import write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
#: Colours by name that the colour-blind tell apart (Okabe and Ito's, and Tol's beside them), strongest first.
PALETTE = {
    "blue": "#0072b2",
    "red": "#d55e00",
    "green": "#009e73",
    "orange": "#e69f00",
    "purple": "#882255",
    "cyan": "#56b4e9",
    "pink": "#cc79a7",
    "brown": "#7a4b1e",
    "olive": "#999933",
    "gray": "#777777",
}
COLORS = tuple(PALETTE.values())


def save(drawing: Figure, path: Path) -> None:
    """Write a drawing as PNG that stays small, and as SVG beside it; the same drawing gives the same files."""
    from matplotlib import rc_context
    from PIL import Image

    pixels, lines = io.BytesIO(), io.StringIO()
    drawing.savefig(pixels, format="png", dpi=DPI, metadata={"Software": None})
    with Image.open(pixels) as picture:  # many points take more than a page's picture may
        write(np.asarray(picture.convert("RGB")), pixels.getvalue(), path)
    with rc_context({"svg.hashsalt": "advcodes"}):
        drawing.savefig(lines, format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    write_atomically(vector(path), "".join(f"{line.rstrip()}\n" for line in lines.getvalue().splitlines()))


def vector(picture: Path) -> Path:
    """The SVG beside a PNG."""
    return picture.with_suffix(".svg")
