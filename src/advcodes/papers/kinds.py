"""The kinds of tables and figures: what each may say of itself, and what it needs of trained runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

AFFECTS_RESULTS = False  # what is declared enters keys as values
#: Of a study: trained networks (and how samples of theirs are decoded), generated images, prepared data, a classifier
#: of the dataset's classes or of what its captions say, and the rectangles that are missing of images.
Need = Literal["networks", "samples", "data", "classifier", "statements", "masks"]


@dataclass(frozen=True)
class Kind:
    """One kind of tables or figures.

    Attributes:
        name: that of the modules that draw it, in a folder of advcodes.pages.kinds, and study it, in
            advcodes.studies.kinds.
        room: that folder.
        shows: what one sees in it, in words.
        needs: what its study is made from; a kind that needs nothing is drawn from results alone, without a study.
        options: keys of an item that this kind alone may have and its study depends on.
        page_options: such keys that its page alone depends on.
        required: those of them that it must have.
        more: whether an item may show `more`: other images than figures do else.
        held_out: whether its images may be those that training holds out.
        layouts: values that its `layout` may have; a kind without has none.
        metrics: that it may show; any if none are named.
        over_training: whether it shows a metric over training.
        prints: whether the paper's numbers stand in it beside ours, and what real images score.
    """

    name: str
    room: Literal["tables", "images", "codes", "course"]
    shows: str
    needs: tuple[Need, ...] = ()
    options: tuple[str, ...] = ()
    page_options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    more: bool = False
    held_out: bool = False
    layouts: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    over_training: bool = False
    prints: bool = False

    @property
    def page(self) -> str:
        """Name of the module that draws it."""
        return f"advcodes.pages.kinds.{self.room}.{self.name}"

    def study_options(self) -> tuple[str, ...]:
        """Keys of an item that its study depends on."""
        return (*self.options, *(("layout",) if self.layouts else ()), *(("more",) if self.more else ()))


_DECLARED = (
    Kind(
        "table",
        "tables",
        "numbers over seeds, and samples",
        needs=("samples",),
        page_options=("marks", "measures", "footnotes"),
        prints=True,
    ),
    Kind("curves", "course", "a metric over training", page_options=("panels",), over_training=True),
    Kind("grids", "images", "samples beside real images", needs=("samples", "data"), more=True),
    Kind(
        "codes", "codes", "codes as points in the plane", needs=("networks", "data", "classifier"), options=("sides",)
    ),
    Kind("interpolation", "images", "images between two images", needs=("networks", "data"), more=True, held_out=True),
    Kind("priors", "codes", "points from noise over codes to data", needs=("networks", "samples", "data")),
    Kind("conditional", "images", "images asked for by class", needs=("networks", "samples", "data", "classifier")),
    Kind(
        "sentences",
        "images",
        "images asked for by sentence",
        needs=("networks", "data"),
        options=("sentences", "swap"),
        required=("sentences",),
    ),
    Kind(
        "reconstructions",
        "images",
        "images and their reconstructions",
        needs=("networks", "samples", "data"),
        options=("samples",),
        more=True,
        layouts=("pairs", "blocks", "rows"),
    ),
    Kind(
        "inpainting",
        "images",
        "images with a piece missing, and what is put there",
        needs=("networks", "data", "masks"),
        layouts=("models", "formation"),
        metrics=("inpainted_pixel_mse", "inpainted_feature_mse", "inpainted_seam"),
    ),
    Kind("chains", "images", "images encoded and decoded again and again", needs=("networks", "data")),
    Kind(
        "attributes",
        "images",
        "attributes changed by arithmetic of codes",
        needs=("networks", "data", "statements"),
        options=("attributes", "strength", "edits"),
    ),
    Kind("energies", "images", "what a discriminator redraws", needs=("networks", "samples", "data")),
    Kind("controller", "course", "a controller over training", metrics=("settling_images",)),
    Kind("gradients", "course", "an objective's gradients over training", metrics=("objective_gradient",)),
    Kind("leaderboard", "tables", "every method under one protocol"),
)
KINDS = {kind.name: kind for kind in _DECLARED}

if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[tuple(KINDS)]
