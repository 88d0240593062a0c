"""A figure of energies: images and what a discriminator that is an autoencoder makes of them (Khan figure 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.core.statistics import mean_sd
from advcodes.core.values import to_float, to_stored
from advcodes.pages import given, text
from advcodes.pages.content import label
from advcodes.pages.pictures.blocks import panels
from advcodes.training.restore import Restored, restore

if TYPE_CHECKING:
    from advcodes.pages.request import Request

SHOWN = 64  #: images of a panel, at most
MEASURED = 1000  #: images of each kind that energies are means over, at most
BATCH = 100
FAKE, REAL = "generated", "real"


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of energies; returns their names.

    Raises:
        AdvcodesError: a run's discriminator is no autoencoder, or its dataset has no images.
    """
    figure, shown = content(request)
    draw = (lambda path: panels(shown, path)) if shown else None
    return given.write(request, directory, name, figure, draw, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[list[tuple[str, np.ndarray]]]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``energies`` in each row: by column the ``split``,
        the ``seed`` and number of ``images`` shown, how many are ``measured``, ``runs`` by seed (the mean ``generated``
        and ``real`` energy, and their ``ratio``) and ``scores`` over seeds. And four panels a run, two a line.
    """
    item = request.item
    figure, shown = request.frame(), []
    for row, column, results in request.cells(figure, "energies"):
        data, split, runs = request.pictured(column), results[0].protocol["split"], {}
        real = np.array(data.split(split).images[:MEASURED])
        for result in results:
            restored = restore(request.run(result))
            check(restored, f"{item.id}, {label(row)}")
            fakes = np.array(request.samples(result)[:MEASURED])
            (again_fake, of_fake), (again_real, of_real) = (redrawn(restored, some) for some in (fakes, real))
            runs[str(result.seed)] = {FAKE: of_fake, REAL: of_real, "ratio": of_fake / of_real}
            if result is results[0]:
                title = f"{label(row)}, {text.column(column, request.columns[column])}"
                shown += [
                    [(f"{title}: samples", fakes[:SHOWN]), ("redrawn by the discriminator", again_fake[:SHOWN])],
                    [("real images", real[:SHOWN]), ("redrawn by the discriminator", again_real[:SHOWN])],
                ]
        row["energies"][column] = {
            "split": split, "seed": results[0].seed, "images": len(real[:SHOWN]), "measured": len(real), "runs": runs,
            "scores": given.scores(results, figure["columns"][column]["metric"], ("fid", "is")),
        }  # fmt: skip
    return figure, shown


def check(restored: Restored, where: str) -> None:
    """See that a run's discriminator redraws images.

    Raises:
        AdvcodesError: it does not.
    """
    if not hasattr(restored.method, "energy"):
        raise AdvcodesError(
            f"{where}: the discriminator of {restored.method.name} is no autoencoder, so it redraws nothing; take its "
            "variant out"
        )


@torch.inference_mode()
def redrawn(restored: Restored, stored: np.ndarray) -> tuple[np.ndarray, float]:
    """What a run's discriminator makes of images, and their mean absolute error on [0, 1].

    Args:
        restored: a trained run.
        stored: uint8 [N, C, H, W].

    Returns:
        uint8 [N, C, H, W], clamped; and the energy of these images, before clamping and rounding.
    """
    low, high = restored.value_range
    method, made, total = restored.method, [], 0.0
    for start in range(0, len(stored), BATCH):
        x = to_float(torch.from_numpy(stored[start : start + BATCH]).to(method.device), restored.value_range)
        again = method.discriminator(x).float()
        total += float((again - x).abs().double().sum()) / (high - low)
        made.append(to_stored(again.clamp(low, high), restored.value_range).cpu().numpy())
    return np.concatenate(made), total / stored.size


def markdown(figure: Mapping[str, Any], picture: str, side: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        side: rows and columns of images in a panel.
        files: beside the page, to be linked.
    """
    shown: list[Any] = list(given.shown(figure, "energies"))
    parts, notes = [], []
    if shown:
        seeds, splits = (text.listing(sorted({str(f[key]) for *_, f in shown})) for key in ("seed", "split"))
        parts.append(
            f"Up to {side * side} of each: the first samples of seed {seeds} and the first images of split {splits}, "
            "not selected; to the right of each what the discriminator makes of them. Small images are enlarged "
            "without smoothing."
        )
        lines = [[label(row), column, str(len(f["runs"])), *_cells(f)] for row, column, f in shown]
        heads = ["Model", "Dataset", "Seeds", "Energy of samples", "of real images", "ratio"]
        parts += [text.markdown_table(heads, lines, left=(0, 1)), given.table(figure, "energies")]
        measured = text.listing([f"{n:,}" for n in sorted({f["measured"] for *_, f in shown})])
        notes = [
            f"**Energy**: mean absolute error of what the discriminator makes of {measured} images, pixels on [0, 1]; "
            "in balance that of samples (and of reconstructions, where there are some) is `diversity` times that of "
            "real images. Mean ± sample standard deviation over seeds."
        ]
    return given.page(figure, "energies", picture, parts, notes, files)


def _cells(found: Mapping[str, Any]) -> list[str]:
    columns = [[run[key] for run in found["runs"].values()] for key in (FAKE, REAL, "ratio")]
    return [text.plus_minus(*mean_sd(values), text.decimals(values)) for values in columns]
