"""A figure of recursive chains: encoder and generator by turns, from test images and from draws of the prior."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.core.statistics import mean_sd
from advcodes.core.values import to_stored
from advcodes.evaluation.sample import normalised_for_samples
from advcodes.metrics.reconstruction import pairs
from advcodes.pages import given, text
from advcodes.pages.content import label
from advcodes.pages.pictures.blocks import Block, blocks
from advcodes.training.restore import Restored, restore

if TYPE_CHECKING:
    from advcodes.pages.request import Request

ROWS = 6
TURNS = 4  #: times that an image is encoded and its code decoded
MEASURED = 1000  #: chains of each kind that numbers are means over, at most
IMAGES, PRIOR = "images", "prior"  #: what a chain starts from
_FROM = {IMAGES: "real images", PRIOR: "the prior"}


class Chains(NamedTuple):
    """Chains of one kind.

    Attributes:
        shown: the first ones, uint8 [R, 1 + TURNS, C, H, W].
        numbers: of all of them, see :func:`follow`.
    """

    shown: np.ndarray
    numbers: dict[str, Any]


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of chains; returns their names.

    Raises:
        AdvcodesError: a run cannot encode or decode, or its dataset has no images.
    """
    figure, shown = content(request)
    draw = (lambda path: blocks(shown, path)) if shown else None
    return given.write(request, directory, name, figure, draw, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[list[Block | None]]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``chains`` in each row: by column the ``split``,
        the ``seed`` and number of ``images`` shown, how many are ``measured``, ``runs`` by seed: what :func:`both`
        measures, and ``scores`` over seeds. And two blocks for each run, one for each chain.
    """
    item = request.item
    figure, shown = request.frame(), []
    for row, column, results in request.cells(figure, "chains"):
        served, data, split, runs = request.columns[column], request.pictured(column), results[0].protocol["split"], {}
        real = np.array(data.split(split).images[:MEASURED])
        for result in results:
            restored = restore(request.run(result))
            check(restored, f"{item.id}, {label(row)}")
            sampling = request.inputs[f"samples/{request.id(result)}"].config
            training = data.split(restored.config["view"]["train_split"]).images
            found = both(restored, real, sampling, training, result.seed, item.id)
            runs[str(result.seed)] = {kind: chains.numbers for kind, chains in found.items()}
            if result is results[0]:
                title = f"{label(row)}, {text.column(column, served)}"
                shown.append(drawn_as(title, {kind: chains.shown for kind, chains in found.items()}))
        row["chains"][column] = {
            "split": split, "seed": results[0].seed, "images": len(real[:ROWS]), "measured": len(real), "runs": runs,
            "scores": given.scores(results, figure["columns"][column]["metric"], given.AUTOENCODED),
        }  # fmt: skip
    return figure, shown


def check(restored: Restored, where: str) -> None:
    """See that a run has both chains.

    Raises:
        AdvcodesError: it does not encode and decode, or has no codes that are decoded into samples.
    """
    method = restored.method
    if not (method.can("encode") and method.can("decode") and hasattr(method, "codes")):
        raise AdvcodesError(
            f"{where}: {method.name} does not encode, decode and draw codes, so it has no chains; take its variant out"
        )


def drawn_as(title: str, shown: Mapping[str, np.ndarray]) -> list[Block | None]:
    """Blocks of the chains of a run, side by side, with a row for each chain."""
    heads = {IMAGES: "x", PRIOR: "G(z)"}
    later = [f"x{turn}" for turn in range(1, TURNS + 1)]
    return [Block(f"{title}: from {_FROM[kind]}", strips, [heads[kind], *later]) for kind, strips in shown.items()]


# ------------------------------------------------------------------------------------------------------------
# Chains of a run


def both(
    restored: Restored,
    real: np.ndarray,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str = "chains",
) -> dict[str, Chains]:
    """The two chains of GALI figure 1a: x, E(x), G(E(x)), ... and z, G(z), E(G(z)), ..., with deterministic codes.

    Every image but G(z) is decoded as a reconstruction is: batch norm re-estimated, where it is, on reconstructions of
    training images. G(z) is decoded as samples are, in 8 bits as a stored image.

    Args:
        restored: a trained run.
        real: uint8 [N, C, H, W], where chains start; there are as many of the prior.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        training_images: uint8 [M, C, H, W], or a memory map.
        seed: of the draws, which are those of the run's samples, and of the choice of training images.
        what: named in errors.

    Returns:
        Those from images, and those from the prior.

    Raises:
        AdvcodesError: an image or a code is not finite.
    """
    z, samples = prior(restored, len(real), sampling, seed)
    variance = float(z.double().var(0, unbiased=False).mean())
    return {
        kind: follow(restored, start, codes, variance, sampling, training_images, seed, f"{what}, from {_FROM[kind]}")
        for kind, start, codes in ((IMAGES, real, None), (PRIOR, samples, z))
    }


def prior(restored: Restored, n: int, sampling: Mapping[str, Any], seed: int) -> tuple[Tensor, np.ndarray]:
    """The first codes that a run decodes into samples, [n, d], and the samples, uint8 [n, C, H, W]."""
    method, size, codes, samples = restored.method, sampling["batch_size"], [], []
    for_codes, for_statistics = (
        torch.Generator().manual_seed(int(s)) for s in np.random.SeedSequence(seed).generate_state(2)
    )  # as advcodes.evaluation.sample has them
    with torch.inference_mode(), normalised_for_samples(method, sampling, for_statistics):
        for _ in range(0, n, size):
            codes.append(method.codes(size, for_codes))
            samples.append(to_stored(method.decode(codes[-1]), restored.value_range).cpu().numpy())
    return torch.cat(codes)[:n], np.concatenate(samples)[:n]


def follow(
    restored: Restored,
    start: np.ndarray,
    z: Tensor | None,
    variance: float,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str,
) -> Chains:
    """Encode images and decode their codes, by turns.

    Args:
        restored: a trained run.
        start: uint8 [N, C, H, W].
        z: codes [N, d] that these were decoded from, if they were.
        variance: of the prior, which distances of codes are relative to.
        sampling: as :func:`both`.
        training_images: as :func:`both`.
        seed: as :func:`both`.
        what: named in errors.

    Returns:
        Numbers are means over chains of ``images`` (pixels on [0, 1]) and ``codes`` (relative to the prior's variance):
        ``to_start`` and ``to_previous``, mean squared distances after each turn to the first one of its chain and to
        the one before it, and ``unrelated``, that of first ones of different chains.
    """
    method, (low, high) = restored.method, restored.value_range

    def turned(x: Tensor, first: int | None) -> Tensor:
        """What follows in a chain, with all its codes, side by side: [B, TURNS pixels + (1 + TURNS) d]."""
        if first is None:
            return method.reconstruct(x)
        codes, made = [method.encode(x)], []
        for _ in range(TURNS):
            made.append(method.decode(codes[-1]))
            codes.append(method.encode(made[-1]))
        return torch.cat([part.float().flatten(1) for part in (*made, *codes)], 1)

    strips, all_codes, count, pixels = [], [], 0, int(np.prod(restored.shape))
    to_start, to_previous = torch.zeros(2, TURNS, dtype=torch.float64)
    for x, rest in pairs(restored, start, sampling, training_images, seed, what, turned, "chain"):
        made, codes = rest.split([TURNS * pixels, rest.shape[1] - TURNS * pixels], 1)
        chain = torch.cat([x[:, None], made.reshape(len(x), TURNS, *restored.shape)], 1)
        if count < ROWS:
            strips.append(to_stored(chain[: ROWS - count], restored.value_range).cpu())
        all_codes.append(codes.reshape(len(x), 1 + TURNS, -1).cpu())
        unit = (chain.flatten(2).double() - low) / (high - low)
        to_start += (unit[:, 1:] - unit[:, :1]).square().mean(2).sum(0).cpu()
        to_previous += unit.diff(dim=1).square().mean(2).sum(0).cpu()
        count += len(x)
    codes = torch.cat(all_codes)
    if z is not None:
        codes = torch.cat([z[:, None].float().cpu(), codes[:, :-1]], 1)
    codes = codes.double() / max(variance, np.finfo(np.float32).tiny) ** 0.5
    numbers = {
        IMAGES: _rounded(to_start / count, to_previous / count, _unrelated(torch.from_numpy(start).flatten(1) / 255)),
        "codes": _rounded(
            (codes[:, 1:] - codes[:, :1]).square().mean((0, 2)),
            codes.diff(dim=1).square().mean((0, 2)),
            _unrelated(codes[:, 0]),
        ),
    }
    return Chains(torch.cat(strips).numpy(), numbers)


def _unrelated(rows: Tensor) -> Tensor:
    return (rows - rows.roll(1, 0)).square().mean(dtype=torch.float64)


def _rounded(to_start: Tensor, to_previous: Tensor, unrelated: Tensor) -> dict[str, Any]:
    found = {"to_start": to_start.tolist(), "to_previous": to_previous.tolist()}
    return {key: [round(v, 6) for v in values] for key, values in found.items()} | {
        "unrelated": round(float(unrelated), 6)
    }


# ------------------------------------------------------------------------------------------------------------
# The page


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: chains of each kind in it.
        files: beside the page, to be linked.
    """
    shown, parts = list(given.shown(figure, "chains")), []
    every = [found for *_, found in shown]
    if shown:
        lines = [line for row, column, found in shown for line in _lines(label(row), column, found)]
        table = text.markdown_table(_HEADER, lines, left=(0, 1, 3))
        parts = [_caption(every, drawn), table, given.table(figure, "chains")]
    return given.page(figure, "chains", picture, parts, _notes(every), files)


_HEADER = (
    "Model", "Dataset", "Seeds", "Chains from",
    "Images: after 1 turn", f"after {TURNS}", "last turn", "unrelated",
    "Codes: after 1 turn", f"after {TURNS}", "last turn", "unrelated",
)  # fmt: skip


def _lines(model: str, column: str, found: Mapping[str, Any]) -> Iterator[list[str]]:
    runs = list(found["runs"].values())
    for kind, where in _FROM.items():
        cells = []
        for what in (IMAGES, "codes"):
            numbers = [run[kind][what] for run in runs]
            columns = [[n["to_start"][0] for n in numbers], [n["to_start"][-1] for n in numbers]]
            columns.append([n["to_previous"][-1] for n in numbers])
            columns.append([n["unrelated"] for n in numbers])
            cells += [text.plus_minus(*mean_sd(values), text.decimals(values)) for values in columns]
        yield [model, column, str(len(runs)), where, *cells]


def _caption(shown: Sequence[Mapping[str, Any]], drawn: int) -> str:
    seeds, splits = (text.listing(sorted({str(found[key]) for found in shown})) for key in ("seed", "split"))
    count = min(drawn, max(found["images"] for found in shown))
    return (
        f"Each row is a chain. Left: from x, the first {count} images of split {splits}. Right: from G(z), the first "
        f"{count} samples. In both, what follows are reconstructions of reconstructions: x1 is G(E(x)) or G(E(G(z))), "
        f"x2 is G(E(x1)), and so on to x{TURNS}. Of seed {seeds}, not selected. Small images are enlarged without "
        "smoothing."
    )


def _notes(shown: Sequence[Mapping[str, Any]]) -> list[str]:
    if not shown:
        return []
    measured = text.listing([f"{n:,}" for n in sorted({found["measured"] for found in shown})])
    return [
        f"**Numbers**: means over {measured} chains of each kind; mean ± sample standard deviation over seeds, where "
        "there are several. The other turns are in the JSON.",
        "**Images**: mean squared distance of pixels on [0, 1] to the image where the chain starts, after one turn of "
        f"encoder and generator and after {TURNS}; **last turn**: to the image one turn before. **Unrelated**: that of "
        "two different starts, such as a chain that has forgotten its own would have.",
        "**Codes**: the same of codes, relative to the variance of codes that are decoded into samples: two "
        "independent ones of these are 2 apart. Chains from images start at E(x), those from the prior at z. Encoders "
        "that draw codes are replaced by their means.",
        "**Batch norm** is re-estimated if `sampling.batch_norm` is `reestimate`: for G(z) on samples, for all else on "
        "reconstructions of training images, as for `mse`.",
    ]
