"""A figure of attribute arithmetic: a mean difference of codes is added to those of images that lack the attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError, unknown
from advcodes.core.statistics import mean_sd
from advcodes.core.values import to_stored
from advcodes.data.prepared import Prepared
from advcodes.extractors.features import Extractor, load_extractor
from advcodes.nets.batch_norm import normalised
from advcodes.pages import given, text
from advcodes.pages.content import label
from advcodes.pages.pictures import scatter
from advcodes.pages.pictures.blocks import Block, blocks
from advcodes.papers.items import ANY, Item
from advcodes.training.restore import Restored, restore

if TYPE_CHECKING:
    from advcodes.pages.request import Request

ROWS = 8
ENCODED = 20_000  #: training images whose codes are averaged, at most
MEASURED = 500  #: test images lacking an attribute that it is added to, at most
CHECKED = 5_000  #: test images that the classifier is checked on, at most
BLIND = 75  #: percent of right answers, the mean of both kinds of images, below which a classifier is no witness


@dataclass(frozen=True)
class Edits:
    """What a run makes of some test images, uint8 [R, C, H, W] each.

    Attributes:
        real: the images.
        plain: their reconstructions.
        edited: by attribute, decoded from codes that it was added to.
        has: whether an image has an attribute already, bool [R, A] in the order of ``edited``.
    """

    real: np.ndarray
    plain: np.ndarray
    edited: Mapping[str, np.ndarray]
    has: np.ndarray


def render(request: Request, directory: Path, name: str) -> list[str]:
    """Write ``<name>.png``, ``.json`` and ``.md`` of a figure of attributes; returns their names.

    Raises:
        AdvcodesError: a run cannot encode or decode, or its dataset lacks an attribute, or has no images.
    """
    figure, shown = content(request)
    draw = (lambda path: blocks([[block] for block in shown], path)) if shown else None
    return given.write(request, directory, name, figure, draw, markdown)


def content(request: Request) -> tuple[dict[str, Any], list[Block]]:
    """Everything the figure says, as JSON, and the images of the first seed.

    Returns:
        The frame of :func:`~advcodes.pages.content.frame`, with ``strength``, and ``edited`` in each row: by column
        the ``split``, the ``seed`` shown, ``attributes`` in order, ``groups`` of :func:`exclusive` ones, ``classifier``
        as :func:`checked` gives, ``runs`` by seed: what :func:`edit` measures, and ``scores`` over seeds.
    """
    item = request.item
    figure, shown = request.frame(), []
    figure["strength"] = item.strength
    for row, column, results in request.cells(figure, "edited"):
        served, data, split = request.columns[column], request.pictured(column), results[0].protocol["split"]
        names = wanted(item, data, served)
        extractor = load_extractor(request.inputs[f"statements/{served}"].directory, "classifier")
        runs = {}
        for result in results:
            restored = restore(request.run(result))
            check(restored, f"{item.id}, {label(row)}")
            sampling = request.inputs[f"samples/{request.id(result)}"].config
            runs[str(result.seed)], found = edit(
                restored, data, split, sampling, extractor, names, item.strength, result.seed
            )
            if result is results[0]:
                shown.append(block(found, f"{label(row)} on {text.column(column, served)}, seed {result.seed}"))
        row["edited"][column] = {
            "split": split, "seed": results[0].seed, "attributes": names,
            "groups": exclusive(data.attributes, data.attribute_names),
            "classifier": checked(extractor, data.split(split), names), "runs": runs,
            "scores": given.scores(results, figure["columns"][column]["metric"], given.AUTOENCODED),
        }  # fmt: skip
    return figure, shown


def wanted(item: Item, data: Prepared, dataset: str) -> list[str]:
    """Attributes that an item adds to images of a dataset; all of them where it says nothing.

    Raises:
        AdvcodesError: the dataset has no attributes, or lacks one.
    """
    if data.attributes is None:
        raise AdvcodesError(
            f"{item.id}: {dataset!r} has no attributes; serve its column by a dataset that has (`stand_ins`)"
        )
    names = item.attributes.get(dataset, item.attributes.get(ANY, data.attribute_names))
    for name in names:
        if name not in data.attribute_names:
            raise unknown(f"attribute of {dataset!r} in {item.id}:", name, data.attribute_names)
    return list(names)


def check(restored: Restored, where: str) -> None:
    """See that a run decodes the codes of images.

    Raises:
        AdvcodesError: it does not.
    """
    method = restored.method
    if not (method.can("encode") and method.can("decode")):
        raise AdvcodesError(
            f"{where}: {method.name} does not both encode and decode, so there are no codes to add to; take its "
            "variant out"
        )


def exclusive(attributes: np.ndarray, names: Sequence[str]) -> list[list[str]]:
    """Groups of two or more attributes of which exactly one holds in every image.

    Args:
        attributes: 0 or 1, [N, A].
        names: of the A attributes.
    """
    held = attributes.astype(np.float32)
    together = held.T @ held > 0
    groups: list[list[int]] = []
    for a in range(len(names)):
        home = next((group for group in groups if not together[a, group].any()), None)
        if home is None:
            groups.append([a])
        else:
            home.append(a)
    return [[names[a] for a in group] for group in groups if len(group) > 1 and (held[:, group].sum(1) == 1).all()]


def direction(codes: Tensor, holds: np.ndarray, what: str) -> Tensor:
    """Mean code of images with an attribute minus that of images without it, [d].

    Args:
        codes: E(x) of training images, [N, d].
        holds: 0 or 1, [N].
        what: attribute and dataset, named in errors.

    Raises:
        AdvcodesError: all of the images have the attribute, or none has it.
    """
    mask = torch.from_numpy(holds.astype(bool))
    if mask.all() or not mask.any():
        raise AdvcodesError(
            f"{what}: {'every' if mask.all() else 'no'} training image has it, so there is no difference of codes to "
            "add; take it out of the item's `attributes`"
        )
    return codes[mask].mean(0) - codes[~mask].mean(0)


def edit(
    restored: Restored,
    data: Prepared,
    split: str,
    sampling: Mapping[str, Any],
    extractor: Extractor,
    names: Sequence[str],
    strength: float,
    seed: int,
) -> tuple[dict[str, dict[str, Any]], Edits]:
    """Add attributes to codes of test images that lack them, and see what a classifier reads from the decoded images.

    Batch norm is re-estimated on reconstructions of training images, as for interpolations.

    Args:
        restored: a trained run.
        data: all of its dataset.
        split: whose images are changed.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``.
        extractor: reads all of the dataset's attributes: logits above 0, the first ones.
        names: attributes to add.
        strength: factor on the difference of mean codes.
        seed: of random directions, and of an encoder that draws.

    Returns:
        By attribute: ``images`` that it was added to; ``before`` and ``after``: share of them in which the classifier
        sees it, in the plain reconstruction and in the changed image; ``true``: the same of plain reconstructions of
        images that have it (None without any), which is about what can be reached; ``others``: share of all other
        attributes whose reading differs between the two; ``change``: mean squared difference of their pixels, on
        [-1, 1]; and ``random_after``, ``random_others``, ``random_change``: the same of random directions of equal
        length, another for each image. None where no image lacks the attribute. And the images to be shown.
    """
    method, known = restored.method, data.attribute_names
    training, test = data.split(restored.config["view"]["train_split"]), data.split(split)
    order = np.random.default_rng(seed).permutation(len(training))
    chosen = np.sort(order[:ENCODED])
    normalising = training.images[order[: sampling["reestimate_batches"] * sampling["batch_size"]]]
    lacking, having = (
        {name: np.flatnonzero(test.attributes[:, known.index(name)] == held)[:MEASURED] for name in names}
        for held in (0, 1)
    )
    rows = np.unique(np.concatenate([np.arange(min(ROWS, len(test))), *lacking.values(), *having.values()]))
    random = torch.Generator().manual_seed(seed)

    def passes() -> None:
        for x in scatter.batches(restored, normalising, sampling["batch_size"]):
            method.reconstruct(x)

    def decoded(codes: Tensor) -> np.ndarray:
        parts = [to_stored(method.decode(c), restored.value_range) for c in codes.split(scatter.BATCH)]
        return torch.cat(parts).cpu().numpy()

    def read(pictures: np.ndarray) -> np.ndarray:
        return extractor.features(pictures, f"attributes of {data.dataset}")[1][:, : len(known)].numpy() > 0

    networks, found, edited = method.networks.values(), {}, {}
    with (
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(),
        normalised(networks, sampling["batch_norm"], passes),
    ):
        torch.manual_seed(seed)
        means, codes = scatter.encoded(restored, training.images[chosen]), scatter.encoded(restored, test.images[rows])
        plain = decoded(codes)
        seen = read(plain)
        for name in names:
            a = known.index(name)
            step = strength * direction(means, training.attributes[chosen, a], f"{name!r} of {data.dataset!r}")
            edited[name] = decoded(codes[: min(ROWS, len(rows))] + step)
            these, those = (np.searchsorted(rows, of[name]) for of in (lacking, having))
            if not len(these):
                found[name] = None
                continue
            loose = torch.randn((len(these), len(step)), generator=random).to(step)
            loose *= step.norm() / loose.norm(dim=1, keepdim=True)
            sides = {"": step.expand_as(loose), "random_": loose}
            found[name] = {"images": len(these), "before": _share(seen[these, a])}
            found[name]["true"] = _share(seen[those, a]) if len(those) else None
            for prefix, added in sides.items():
                changed = decoded(codes[torch.from_numpy(these)] + added)
                found[name] |= _difference(prefix, a, plain[these], changed, seen[these], read(changed))
    first = np.arange(min(ROWS, len(test)))
    has = test.attributes[first][:, [known.index(name) for name in names]] > 0
    return found, Edits(np.array(test.images[first]), plain[first], edited, has)


def _difference(
    prefix: str, a: int, plain: np.ndarray, changed: np.ndarray, seen: np.ndarray, seen_changed: np.ndarray
) -> dict[str, float]:
    flips = np.delete(seen != seen_changed, a, axis=1)
    pixels = (changed.astype(np.float32) - plain.astype(np.float32)) / 127.5
    return {
        f"{prefix}after": _share(seen_changed[:, a]),
        f"{prefix}others": _share(flips) if flips.size else 0.0,
        f"{prefix}change": round(float(np.square(pixels).mean()), 6),
    }


def _share(holds: np.ndarray) -> float:
    return round(float(holds.mean()), 5)


def checked(extractor: Extractor, test: Prepared, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """How often a classifier is right on real test images, ``with`` and ``without`` each attribute, and on ``all``.

    A share is None where there are no such images.
    """
    every = slice(None, None, -(-len(test) // CHECKED))
    real, holds = test.images[every], test.attributes[every] > 0
    logits = extractor.features(np.array(real), f"attributes of {test.dataset}")[1].numpy()
    found = {}
    for name in names:
        a = test.attribute_names.index(name)
        right, has = (logits[:, a] > 0) == holds[:, a], holds[:, a]
        sides = {"with": right[has], "without": right[~has], "all": right}
        found[name] = {side: _share(of) if len(of) else None for side, of in sides.items()}
    return found


def block(found: Edits, title: str) -> Block:
    """Images, reconstructions, and a column for each attribute; white where an image has the attribute already."""
    columns = [found.real, found.plain]
    for a, pictures in enumerate(found.edited.values()):
        columns.append(np.where(found.has[:, a, None, None, None], np.uint8(255), pictures))
    heads = ["image", "reconstruction", *(_words(name) for name in found.edited)]
    return Block(title, np.stack(columns, axis=1), heads)


def _words(name: str) -> str:
    return name.replace("_", " ")


def markdown(figure: Mapping[str, Any], picture: str, drawn: int, files: Sequence[str] = ()) -> str:
    """The page of the figure.

    Args:
        figure: from :func:`content`.
        picture: PNG beside the page.
        drawn: rows of images of each model.
        files: beside the page, to be linked.
    """
    shown, parts = list(given.named(figure, "edited")), []
    if shown:
        parts.append(_caption(figure, [found for *_, found in shown], drawn))
        for where, _, found in shown:
            parts.append(f"Attributes that were added, {where} ({text.count(len(found['runs']), 'seed')}):")
            parts.append(_table(found))
        parts.append(given.table(figure, "edited"))
    return given.page(figure, "edited", picture, parts, _notes(shown), files)


def _caption(figure: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], drawn: int) -> str:
    seeds, splits = (text.listing(sorted({str(found[key]) for found in shown})) for key in ("seed", "split"))
    times = "" if figure["strength"] == 1 else f", times {figure['strength']:g}"
    return (
        f"Left: the first {drawn} images of split {splits}, not selected, and their reconstructions, seed {seeds}. "
        "Beside them: the same images with an attribute added, a column for each. What is added to an image's code is "
        f"the mean code of training images with the attribute minus the mean code of those without it{times}, "
        "and nothing else. White: the image has the attribute already. Small images are enlarged without smoothing."
    )


class _Column(NamedTuple):
    """A number of the page's table."""

    key: str
    head: str
    places: int | None  #: None: as many as show it
    factor: int = 1


_COLUMNS = (
    _Column("images", "Images", 0),
    _Column("before", "Seen before, %", 1, 100),
    _Column("after", "Seen after, %", 1, 100),
    _Column("random_after", "… random direction", 1, 100),
    _Column("true", "Seen where true, %", 1, 100),
    _Column("others", "Others flip, %", 1, 100),
    _Column("random_others", "… random direction", 1, 100),
    _Column("change", "Squared change", None),
    _Column("random_change", "… random direction", None),
)


def _table(found: Mapping[str, Any]) -> str:
    runs, lines = list(found["runs"].values()), []
    for name in found["attributes"]:
        line = [_words(name)]
        for column in _COLUMNS:
            line.append(_number(column, _values(column, runs, [name])))
        right = found["classifier"][name]
        lines.append([*line, " / ".join(_percent(right[side]) for side in ("with", "without"))])
    if len(lines) > 1:
        means = [_number(column, _values(column, runs, found["attributes"])) for column in _COLUMNS[1:]]
        lines.append(["**mean**", "", *means, ""])
    heads = ["Attribute", *(column.head for column in _COLUMNS), "Classifier right: with / without it, %"]
    return text.markdown_table(heads, lines)


def _values(column: _Column, runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[float]:
    """A number of each run, the mean over those attributes that have it; none where no attribute has."""
    found = [[run[name][column.key] for name in names if run[name]] for run in runs]
    known = [[value for value in values if value is not None] for values in found]
    return [column.factor * fmean(values) for values in known if values]


def _number(column: _Column, values: Sequence[float]) -> str:
    if not values:
        return text.DASH
    if column.key == "images":
        return f"{int(values[0]):,}"  # the same of every seed
    return text.plus_minus(*mean_sd(values), text.decimals(values) if column.places is None else column.places)


def _percent(share: float | None) -> str:
    return text.DASH if share is None else text.number(100 * share, 0)


def _notes(shown: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
    if not shown:
        return []
    notes = [
        "**Numbers**: mean ± sample standard deviation over seeds, where there are several; the last line is the mean "
        "over attributes.",
        f"**Images**: an attribute is added to up to {MEASURED} images of the split that lack it.",
        "**Seen before, after**: share of these images in which a classifier sees the attribute, before (in the plain "
        "reconstruction) and after it was added. The classifier is the pipeline's own, trained on the "
        "dataset's real training images.",
        f"**Seen where true**: in plain reconstructions of up to {MEASURED} images of the split that have the "
        "attribute: about what can be reached, as a model that does not reconstruct an attribute cannot add it.",
        "**Others flip**: share of all other attributes of the dataset that the classifier reads otherwise after than "
        "before. **Squared change**: mean squared difference of pixels between the two images, on [-1, 1] as `mse`.",
        "**Random direction**: the same for a direction drawn at random for each image, of the same length: what any "
        "change of this size does.",
        "**Classifier right**: on real test images, with and without the attribute. Where it is hardly ever right on "
        "images with the attribute it cannot see it, and its word above is worth nothing.",
        f"**Codes** are means over up to {ENCODED:,} training images.",
        "**Batch norm** is re-estimated on reconstructions of training images where `sampling.batch_norm` says "
        "`reestimate`.",
    ]
    for dataset, found in {dataset: found for _, dataset, found in shown}.items():
        if blind := [_words(name) for name, right in found["classifier"].items() if _blind(right)]:
            notes.append(
                f"**Hardly seen by the classifier** on {text.dataset(dataset)}: {text.listing(blind)} (right on less "
                f"than {BLIND} %, the mean of images with and without it)."
            )
        for group in found["groups"]:
            notes.append(
                f"**Exclusive** on {text.dataset(dataset)}: of {text.listing([_words(g) for g in group])} exactly one "
                "holds in every image. To add one is to take another away, which counts among others that flip."
            )
    return notes


def _blind(right: Mapping[str, float | None]) -> bool:
    sides = [right[side] for side in ("with", "without") if right[side] is not None]
    return 100 * fmean(sides) < BLIND
