"""A figure of codes in the plane: an encoder's beside a code generator's, coloured by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from advcodes import losses
from advcodes.data.prepared import Prepared
from advcodes.data.values import to_stored
from advcodes.errors import AdvcodesError
from advcodes.evaluation.features import Extractor, load_extractor
from advcodes.evaluation.sample import normalised_for_samples
from advcodes.reporting import scatter, text
from advcodes.reporting.content import footnotes, frame, head, label, origin, write_pages
from advcodes.reporting.statistics import mean_sd
from advcodes.training.restore import Restored, restore

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from advcodes.reporting.request import Request

DRAWN = 500  #: points of a panel, at most
_PALETTE = 10  #: colours of matplotlib's tab10
_SPARSE = 0.02  #: share of points below which a class gets no name in the picture
TSNE = "t-SNE (Euclidean, perplexity 30, seed 0) fitted on both sides together"


@dataclass(frozen=True)
class Codes:
    """Codes of one run.

    Attributes:
        real: E(x), float32 [N, d].
        labels: of x, int64 [N].
        generated: codes that are decoded into samples, float32 [M, d].
        seen: class that the classifier gives to each decoded one, int64 [M].
    """

    real: np.ndarray
    labels: np.ndarray
    generated: np.ndarray
    seen: np.ndarray


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of codes; returns their names.

    Raises:
        AdvcodesError: a run has no encoder, or its dataset no classes.
    """
    figure, picture = content(request), directory / f"{name}.png"
    draw(figure, picture)
    files = {"json": scatter.to_json(figure)}
    return write_pages(picture, files, lambda names: markdown(figure, picture.name, names))


def content(request: Request) -> dict[str, Any]:
    """Everything the figure shows, as JSON.

    Returns:
        The frame of :func:`~advcodes.reporting.content.frame`, with ``codes`` in each row: by column what
        :func:`panel` gives, and ``metric`` of the samples by seed.
    """
    item = request.item
    figure = frame(item, request.scale, request.rows, request.columns, request.results)
    for row, column, results in request.cells(figure, "codes"):
        dataset = request.columns[column]
        split = request.prepared(column).split(results[0].protocol["split"])
        extractor = load_extractor(request.inputs[f"extractor/{dataset}"].directory, "classifier")
        if not extractor.classes:
            raise AdvcodesError(
                f"{item.id}: {dataset!r} has no classes to colour codes by; serve {column!r} by a dataset that has"
                " (stand_ins in params.yaml)"
            )
        runs = {
            r.seed: codes_of(
                restore(request.run(r)),
                split,
                extractor,
                request.inputs[f"samples/{request.id(r)}"].config,
                r.seed,
            )
            for r in results
        }
        names = list(split.classes) or [str(c) for c in range(int(split.labels.max()) + 1)]
        found = panel(runs, names)
        row["codes"][column] = {
            "split": results[0].protocol["split"],
            "classifier_accuracy": extractor.about["accuracy"],
            **found,
            "metric": {str(r.seed): r.metrics[figure["columns"][column]["metric"]] for r in results},
        }
    return figure


def codes_of(restored: Restored, data: Prepared, extractor: Extractor, sampling: Mapping[str, Any], seed: int) -> Codes:
    """Encode images of a split, generate as many codes, and classify what these are decoded into.

    Args:
        restored: a trained run.
        data: a split with labels; its first images are taken, 2,000 at most.
        extractor: a classifier of the dataset.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: how samples of the run were decoded.
        seed: of the noise.
    """
    images, method = data.images[: scatter.MEASURED], restored.method
    n, points = len(images), data.points
    real, generated = scatter.encoded(restored, images), scatter.generated(restored, n, seed)
    with torch.inference_mode(), normalised_for_samples(method, sampling, torch.Generator().manual_seed(seed)):
        decoded = [to_stored(method.decode(c), restored.value_range, points) for c in generated.split(scatter.BATCH)]
    _, logits = extractor.features(torch.cat(decoded).cpu().numpy(), "classes of decoded codes")
    return Codes(real.numpy(), data.labels[:n], generated.numpy(), logits.argmax(1).numpy())


def panel(runs: Mapping[int, Codes], classes: Sequence[str]) -> dict[str, Any]:
    """Numbers of every seed, and the points of the first.

    Args:
        runs: codes by seed.
        classes: names by label.

    Returns:
        ``classes``; ``dimensions`` of the codes; ``projection`` into the plane (None: they lie in it); ``seed``,
        ``real`` and ``generated``: points ``x``, ``y``, ``label`` of that seed; ``runs``: ``measured`` (codes a side),
        ``mismatch``, ``rank_real``, ``rank_generated``, and the shares of classes ``share_real`` and
        ``share_generated``, by seed.
    """
    seed, first = next(iter(runs.items()))
    left, right = first.real[:DRAWN], first.generated[:DRAWN]
    plane = projected(np.concatenate([left, right]))
    clouds = {
        "real": (plane[: len(left)], first.labels[:DRAWN]),
        "generated": (plane[len(left) :], first.seen[:DRAWN]),
    }
    dimensions = first.real.shape[1]
    return {
        "classes": list(classes),
        "dimensions": dimensions,
        "projection": TSNE if dimensions > 2 else None,
        "seed": seed,
        **{k: {**scatter.coordinates(xy), "label": labels.tolist()} for k, (xy, labels) in clouds.items()},
        "runs": {str(s): _numbers(codes, len(classes)) for s, codes in runs.items()},
    }


def _numbers(codes: Codes, classes: int) -> dict[str, Any]:
    real, generated = torch.from_numpy(codes.real), torch.from_numpy(codes.generated)
    sides = (("real", real, codes.labels), ("generated", generated, codes.seen))
    return {
        "measured": len(real),
        "mismatch": round(float(losses.codes.mismatch(real, generated)), 5),
        **{f"rank_{k}": round(float(losses.codes.effective_rank(c)), 3) for k, c, _ in sides},
        **{f"share_{k}": (np.bincount(l, minlength=classes) / len(l)).round(4).tolist() for k, _, l in sides},
    }


def projected(codes: np.ndarray) -> np.ndarray:
    """Codes [N, d] in the plane, [N, 2]: as they are if d is 2, on a line if it is 1, else by t-SNE."""
    if codes.shape[1] <= 2:
        return np.pad(codes, ((0, 0), (0, 2 - codes.shape[1])))
    from sklearn.manifold import TSNE

    return TSNE(init="pca", perplexity=min(30, (len(codes) - 1) / 3), random_state=0).fit_transform(codes)


def _shown(figure: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str, Mapping[str, Any]]]:
    """Row, head of the column, and codes of everything that ran."""
    for row in figure["rows"].values():
        for column, codes in row["codes"].items():
            yield row, text.column(column, figure["columns"][column]["served_by"]), codes


def draw(figure: Mapping[str, Any], path: Path) -> None:
    """Write the figure as PNG: for each row two panels with equal limits and equal colours."""
    from matplotlib.figure import Figure

    shown = list(_shown(figure))
    drawing = Figure(figsize=(9.6, 4.9 * max(1, len(shown))), dpi=100, layout="constrained")
    panels = drawing.subplots(max(1, len(shown)), 2, squeeze=False)
    for line, (row, column, codes) in zip(panels, shown, strict=False):
        square = scatter.limits([], [codes["real"], codes["generated"]])
        titles = ("encoder's codes $E(x)$", "generated codes $G_z(z)$")
        for axes, title, cloud in zip(line, titles, (codes["real"], codes["generated"]), strict=True):
            _cloud(axes, cloud, codes["classes"])
            scatter.frameless(axes, title=title, **square)
        line[0].set_ylabel(f"{label(row)}, {column}")
        handles, names = line[0].get_legend_handles_labels()
        line[1].legend(handles, names, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=2.5)
    if not shown:
        for axes in panels[0]:
            scatter.frameless(axes)
            axes.text(0.5, 0.5, "not run", ha="center", transform=axes.transAxes)
    drawing.savefig(path, metadata={"Software": None})


def _cloud(panel: Axes, cloud: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Points of one side by class, and the name of each class where most of its points are."""
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke

    colours = colormaps["tab10"] if len(classes) <= _PALETTE else colormaps["turbo"].resampled(len(classes))
    xy, labels = np.array([cloud["x"], cloud["y"]]).T, np.array(cloud["label"])
    for i, name in enumerate(classes):
        these = xy[labels == i]
        panel.scatter(*these.T, s=9, color=colours(i), alpha=0.75, linewidth=0, label=name)
        if len(these) > _SPARSE * len(xy):
            centre = these[np.square(these - np.median(these, 0)).sum(1).argmin()]
            outline = [withStroke(linewidth=3, foreground="white")]
            panel.text(*centre, name, ha="center", va="center", weight="bold", path_effects=outline)


def markdown(figure: Mapping[str, Any], picture: str, files: Sequence[str] = ()) -> str:
    """The page of the figure."""
    shown = list(_shown(figure))
    parts = [head(figure), f"![{figure['title']}]({picture})"]
    if shown:
        _, _, codes = shown[0]
        drawn, split = len(codes["real"]["x"]), codes["split"]
        parts.append(
            f"Left: the encoder's codes of the first {drawn} images of split {split}, coloured by their label. Right: "
            f"as many codes that the code generator makes of noise, coloured by the class that a classifier of the "
            f"dataset sees in the decoded code (assumed: the paper does not say how it coloured these). Seed "
            f"{codes['seed']}, not selected; both panels have the same axes, "
            "and a few outlying codes lie beyond them."
        )
        header = [*_HEADER, scatter.metric_head(figure)]
        parts.append(text.markdown_table(header, [_line(*entry) for entry in shown], left=(0, 1)))
        for row, column, codes in shown:
            parts.append(f"Share of each class in %, {label(row)} on {column}:\n\n{_shares(codes)}")
    notes = [*_notes(shown), *footnotes(figure), origin(figure, files)]
    parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


_HEADER = ("Model", "Dataset", "d", "Mismatch of codes ↓", "Effective rank of E(x)", "Effective rank of G_z(z)")


def _line(row: Mapping[str, Any], column: str, codes: Mapping[str, Any]) -> list[str]:
    runs = codes["runs"].values()

    def over_seeds(key: str, places: int) -> str:
        return text.plus_minus(*mean_sd([r[key] for r in runs]), places)

    numbers = [over_seeds("mismatch", 4), over_seeds("rank_real", 2), over_seeds("rank_generated", 2)]
    return [label(row), column, str(codes["dimensions"]), *numbers, scatter.metric_cell(codes["metric"])]


def _shares(codes: Mapping[str, Any]) -> str:
    runs = list(codes["runs"].values())
    real = [text.number(100 * s, 1) for s in runs[0]["share_real"]]
    by_class = zip(*(r["share_generated"] for r in runs), strict=True)
    generated = [text.plus_minus(*mean_sd([100 * s for s in values]), 1) for values in by_class]
    rows = [[f"images of split {codes['split']}", *real], ["decoded G_z(z), as classified", *generated]]
    return text.markdown_table(["", *codes["classes"]], rows)


def _notes(shown: Sequence[tuple[Mapping[str, Any], str, Mapping[str, Any]]]) -> list[str]:
    if not shown:
        return []
    seeds = text.listing(sorted({text.count(len(c["runs"]), "seed") for _, _, c in shown}))
    measured = {run["measured"] for _, _, c in shown for run in c["runs"].values()}
    accuracy = [f"{100 * a:.1f} %" for a in dict.fromkeys(c["classifier_accuracy"] for _, _, c in shown)]
    notes = [
        f"**Numbers** of codes: of {text.listing([f'{n:,}' for n in sorted(measured)])} a side, from the networks of "
        f"{seeds}; mean ± sample standard deviation where there are several.",
        f"**Mismatch**: {scatter.MISMATCH}.",
        "**Effective rank**: participation ratio of the codes' variances, between 1 (a line) and d (a ball).",
        f"**Classifier**: the pipeline's own, {text.listing(accuracy)} right on test images; what it says of images "
        "that look like no class is a guess.",
    ]
    if projections := {c["projection"] for _, _, c in shown} - {None}:
        notes.append(f"**Projection** of codes with more than two dimensions: {text.listing(sorted(projections))}.")
    return notes
