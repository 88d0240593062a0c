"""A figure of images that are asked for in words: of several sentences, or of one with a word replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.statistics import mean_sd
from advcodes.metrics.samples.conditional import IGNORED, NOISE_DIVERSITY
from advcodes.pages import given, text
from advcodes.pages.content import label
from advcodes.pages.pictures.blocks import Block, blocks
from advcodes.pages.results import Result
from advcodes.studies.shared import SENTENCES_SIDE as SIDE

if TYPE_CHECKING:
    from advcodes.pages.request import Request

_ACROSS = 2  #: blocks side by side


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md``; returns their names."""
    figure, shown = content(request)
    across = 1 if request.item.swap else _ACROSS

    def draw(path: Path) -> int:
        return blocks([shown[i : i + across] for i in range(0, len(shown), across)], path)

    return given.write(request, directory, name, figure, draw if shown else None, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[Block]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``said`` in each row: by column what
        :mod:`advcodes.studies.kinds.sentences` found, ``scores``, and ``agreement``: by statement of captions
        ``samples``, ``chance`` and ``real``, a value a seed.
    """
    figure, shown = request.frame(), []
    for row, column, results in request.cells(figure, "said"):
        studied = request.studied(column, results)
        numbers = studied.numbers
        on = f"{label(row)}, {text.column(column, request.columns[column])}"
        for title, images in zip(numbers["titles"], studied.arrays["images"], strict=True):
            shown.append(Block(f"{on}: \u201c{title}\u201d", images, numbers["words"] or ()))
        row["said"][column] = {
            **{key: numbers[key] for key in ("sentences", "words", "unknown")}, "agreement": _agreement(results),
            **{key: numbers[key] for key in ("source", "seed")},
            "scores": given.scores(results, figure["columns"][column]["metric"]),
        }  # fmt: skip
    return figure, shown


def _agreement(results: Sequence[Result]) -> dict[str, dict[str, list[float]]]:
    """How often samples show each statement of a caption, where that can be told: values by seed."""
    if not all(r.agreement for r in results):
        return {}
    sides = ("samples", "chance", "real")
    return {s: {side: [r.agreement[s][side] for r in results] for side in sides} for s in results[0].agreement}


def _by_statement(where: str, agreement: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    names = {"samples": "samples", "chance": "samples of another caption (chance)", "real": "real images"}
    lines = [
        [name, *(text.plus_minus(*mean_sd([100 * v for v in of[side]]), 1) for of in agreement.values())]
        for side, name in names.items()
    ]
    intro = f"How often samples agree with the captions that they were given, in %, by statement, {where}:"
    return f"{intro}\n\n{text.markdown_table(['', *agreement], lines)}"


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: rows of images of each sentence.
        files: beside the page, to be linked.
    """
    shown = list(given.named(figure, "said"))
    if not shown:
        return given.page(figure, "said", picture, [], [], files)
    parts = [_caption([cell for *_, cell in shown], drawn), given.table(figure, "said")]
    parts += [_by_statement(where, cell["agreement"]) for where, _, cell in shown if cell["agreement"]]
    return given.page(figure, "said", picture, parts, [given.NUMBERS, *_of_noise(shown), *_notes(shown)], files)


def _caption(shown: Sequence[Mapping[str, Any]], drawn: int) -> str:
    seeds = text.listing(sorted({str(cell["seed"]) for cell in shown}))
    if shown[0]["words"]:
        what = (
            "Each column has another word in the place of the one in brackets, and all images of a row were made of "
            f"the same noise: {drawn} draws with seed {seeds}"
        )
    else:
        what = f"{drawn * SIDE} images of each sentence, which stands above them; all of the same noise, seed {seeds}"
    asked = text.listing([f"\u201c{s}\u201d" for s in dict.fromkeys(s for cell in shown for s in cell["sentences"])])
    return f"{what}, not selected. Small images are enlarged without smoothing. Asked for: {asked}."


def _of_noise(shown: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
    """Whether models use their noise, as far as it was measured: a Markdown paragraph each."""
    cell = []
    for where, _, said in shown:
        if score := said["scores"].get(NOISE_DIVERSITY):
            verdict = "hardly uses its noise" if score["mean"] < IGNORED else "uses its noise"
            share, least = (f"{text.number(100 * value, 0)} %" for value in (score["mean"], IGNORED))
            cell.append(
                f"**Noise**: {where}, samples of one sentence differ by {share} of what real images differ by: the "
                f"model {verdict} (from {least} on it counts as used)."
            )
    return cell


_SOURCES = {
    "original": "the dataset's own",
    "template": "templates of each image's class and measured colour, where the paper has sentences that people wrote",
}


def _notes(shown: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
    notes = []
    for dataset, said in {dataset: said for _, dataset, said in shown}.items():
        notes.append(
            f"**Captions** of {text.dataset(dataset)} that the model was trained with: {_SOURCES[said['source']]}."
        )
        if said["unknown"]:
            words = text.listing([f"\u201c{word}\u201d" for word in said["unknown"]])
            notes.append(
                f"**Unknown words** on {text.dataset(dataset)}: {words} hardly ever or never stand in captions of its "
                "training images; the model cannot know what is meant."
            )
    return notes
