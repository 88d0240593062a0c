"""The wide picture of README, from committed reports alone: ``python -m advcodes.app.site.composite``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from advcodes.pages.pictures.drawing import PALETTE
from advcodes.pages.pictures.images import FONT, GAP, MARGIN

if TYPE_CHECKING:
    from PIL import Image

AFFECTS_RESULTS = False
PICTURE = Path("docs/assets/front.png")
LIMIT = 300_000  #: bytes
_TITLE = FONT + 2 * MARGIN  #: pixels above a block of a report's picture
_TILE, _PAD, _WORDS, _HEAD = 62, 24, 30, 80
_DPI = 180  #: of the curve: its letters are as large as the others'
_SAMPLES = 4  #: rows and columns of a grid
_FILLED = 7  #: digits that are inpainted


class Grid(NamedTuple):
    """A block of samples in a report's picture of grids, two of which stand side by side.

    Attributes:
        title: over them.
        data: what they are trained on.
        report: the picture, from ``reports``, without its suffix.
        variant: whose samples they are.
        across: images in a row, and in a column.
        side: of an image in pixels.
    """

    title: str
    data: str
    report: str
    variant: str
    across: int
    side: int

    def corner(self, reports: Path) -> tuple[int, int]:
        """Where the first image lies: the first block is of real images, then come the rows in their order."""
        rows = list(json.loads((reports / f"{self.report}.json").read_text())["rows"])
        down, right = divmod(1 + rows.index(self.variant), 2)
        block = self.across * (self.side + GAP) - GAP
        return MARGIN + right * (block + MARGIN), _TITLE + down * (block + MARGIN + _TITLE)


GRIDS = (
    Grid("VAE", "MNIST", "laptop/acl/fig6", "vae_mnist", 8, 84),
    Grid("AAE", "MNIST", "laptop/acl/fig6", "aae_mnist", 8, 84),
    Grid("ACL-AE", "MNIST", "laptop/acl/fig6", "acl_ae_mnist", 8, 84),
    Grid("LPAAE", "digits", "demo/lpaae/fig6", "lpaae", 8, 64),
    Grid("AAAE", "Oxford-102", "laptop/aaae/fig10", "aaae", 4, 64),
    Grid("VAE + BEGAN*", "Oxford-102", "laptop/khan/fig2", "vae_began_lsm_celeba", 4, 64),
)
#: Rows of the picture of inpainted digits: pixels from its top.
INPAINTED = {"original": 35, "masked": 109, "ALI": 183, "ALICE": 257, "GALI-MIX": 331}
_INPAINTED_FROM, _INPAINTED_X, _INPAINTED_SIDE = "demo/gali/fig4", 85, 64
_CURVES = "demo/acl/fig8"


def composite(reports: Path) -> Image.Image:
    """The picture: grids of six methods, a curve with and without ACL, and inpainting."""
    from PIL import Image, ImageDraw, ImageFont

    step = _TILE + GAP
    block = _SAMPLES * step
    height = 2 * (block + _HEAD) + _PAD
    grids, curve, labels = 3 * (block + _PAD), 700, 140
    canvas = Image.new("RGB", (_PAD + grids + curve + labels + _FILLED * step + _PAD, height), "white")
    pen, font, small = ImageDraw.Draw(canvas), ImageFont.load_default(_WORDS), ImageFont.load_default(_WORDS - 6)
    for i, grid in enumerate(GRIDS):
        left, top = _PAD + (i % 3) * (block + _PAD), (i // 3) * (block + _HEAD) + _HEAD
        pen.text((left, top - 72), grid.title, fill="black", font=font)
        pen.text((left, top - 36), grid.data, fill="#555555", font=small)
        picture, (x, y) = _opened(reports, grid.report), grid.corner(reports)
        for row in range(_SAMPLES):
            for column in range(_SAMPLES):
                image = _cut(picture, x, y, grid.side, row, column)
                canvas.paste(image, (left + column * step, top + row * step))
    left = _PAD + grids
    canvas.paste(_curve(reports, curve - _PAD, height - 10), (left, 5))
    left += curve
    pen.text((left + labels, 8), "Inpainting of digits", fill="black", font=font)
    picture, rows = _opened(reports, _INPAINTED_FROM), list(INPAINTED.items())
    between = (height - _HEAD - _PAD) // len(rows)
    for i, (label, y) in enumerate(rows):
        top = _HEAD + i * between
        pen.text((left, top + _TILE // 2 - 15), label, fill="black", font=small)
        for column in range(_FILLED):
            image = _cut(picture, _INPAINTED_X, y, _INPAINTED_SIDE, 0, column)
            canvas.paste(image, (left + labels + column * step, top))
    return canvas


def _opened(reports: Path, report: str) -> Image.Image:
    from PIL import Image

    with Image.open(reports / f"{report}.png") as picture:
        return picture.convert("RGB")


def _cut(picture: Image.Image, x: int, y: int, side: int, row: int, column: int) -> Image.Image:
    """One image of a grid in a report's picture, at the size of a tile."""
    from PIL import Image

    left, top = x + column * (side + GAP), y + row * (side + GAP)
    return picture.crop((left, top, left + side, top + side)).resize((_TILE, _TILE), Image.Resampling.LANCZOS)


def _curve(reports: Path, width: int, height: int) -> Image.Image:
    """The GAN's training with ACL and without, drawn from the numbers of its figure."""
    from matplotlib.figure import Figure
    from PIL import Image

    from advcodes.pages.pictures import lines

    rows = json.loads((reports / f"{_CURVES}.json").read_text())["rows"]
    drawing = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
    panel = drawing.subplots()
    for name, color, at in (("gan", PALETTE["red"], 2), ("acl_gan", PALETTE["blue"], 0)):
        points = rows[name]["curves"]["cifar10"]
        x, mean, low, high = ([p[key] for p in points] for key in ("images", "mean", "low", "high"))
        panel.plot(x, mean, color=color, marker=".", linewidth=2)
        panel.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        panel.annotate(
            rows[name]["label"], (x[at], mean[at]), (9, 5), textcoords="offset points", color=color, weight="bold"
        )
    panel.set_title("Training with and without ACL, on digits\n(3 seeds: mean, lowest and highest)", fontsize="medium")
    panel.set_ylabel("fd_classifier ↓, log scale")
    lines.images_axis(panel)
    lines.log_if_wide(panel)
    panel.grid(alpha=0.3)
    file = io.BytesIO()
    drawing.savefig(file, format="png", metadata={"Software": None})
    with Image.open(file) as picture:
        return picture.convert("RGB")


def main() -> None:
    """Write the picture of README."""
    picture = composite(Path("reports")).quantize(256)
    picture.save(PICTURE, optimize=True)
    print(PICTURE)


if __name__ == "__main__":
    main()
