"""Attribute arithmetic: a mean difference of codes is added to those of images that lack the attribute.

Or of samples: then it is taken from those that have it, too (Khan figure 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError, unknown
from advcodes.core.values import to_stored
from advcodes.data.prepared import Prepared
from advcodes.extractors.features import Extractor
from advcodes.nets.batch_norm import normalised
from advcodes.papers.items import ANY
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import ATTRIBUTES_ENCODED as ENCODED
from advcodes.studies.shared import ATTRIBUTES_MEASURED as MEASURED
from advcodes.studies.shared import ATTRIBUTES_ROWS as ROWS
from advcodes.training.restore import Restored

CHECKED = 5_000  #: test images that the classifier is checked on, at most


@dataclass(frozen=True)
class Edits:
    """What a run makes of some test images, or of samples, uint8 [R, C, H, W] each.

    Attributes:
        real: the images; samples are their own.
        plain: their reconstructions; samples as they are.
        edited: by attribute, decoded from codes that it was added to, or taken from where a sample has it.
        has: whether an image has an attribute already, bool [R, A] in the order of ``edited``.
    """

    real: np.ndarray
    plain: np.ndarray
    edited: Mapping[str, np.ndarray]
    has: np.ndarray


def study(request: Request) -> Study:
    """Of the first seed of each row and column the images of :class:`Edits`; numbers of all seeds.

    ``edited`` are uint8 [A, R, C, H, W]. Numbers are the ``split``, whether ``edits`` are of images or of samples, the
    ``seed`` shown, ``attributes`` in order,
    ``groups`` of :func:`exclusive` ones, ``classifier`` as :func:`checked` gives, and ``runs`` by seed: what
    :func:`edit` measures.

    Raises:
        AdvcodesError: a run cannot encode or decode, or its dataset lacks an attribute, or has no images.
    """
    cells = {}
    for place in request.places():
        data, split = request.pictured(place), request.split(place)
        names = wanted(request, data, place.dataset)
        extractor = networks.classifier(request, place.dataset, "statements")
        runs, arrays = {}, {}
        for seed, run in place.runs.items():
            restored = networks.restored(request, run)
            check(restored, request.where(place))
            options = request.options["strength"], seed, request.options["edits"]
            runs[str(seed)], made = edit(restored, data, split, request.sampling, extractor, names, *options)
            if seed == place.seed:
                arrays = {"real": made.real, "plain": made.plain, "has": made.has}
                arrays["edited"] = np.stack(list(made.edited.values()))
        numbers = {
            "split": split,
            "edits": request.options["edits"],
            "seed": place.seed,
            "attributes": names,
            "groups": exclusive(_attributes(data), data.attribute_names),
            "classifier": checked(extractor, data.split(split), names),
            "runs": runs,
        }
        cells[place.key] = Cell(numbers, arrays)
    return cells


def wanted(request: Request, data: Prepared, dataset: str) -> list[str]:
    """Attributes that an item adds to images of a dataset; all of them where it says nothing.

    Raises:
        AdvcodesError: the dataset has no attributes, or lacks one.
    """
    if data.attributes is None:
        raise AdvcodesError(
            f"{request.item}: {dataset!r} has no attributes; serve its column by a dataset that has (`stand_ins`)"
        )
    declared = request.options["attributes"]
    names = declared.get(dataset, declared.get(ANY, data.attribute_names))
    for name in names:
        if name not in data.attribute_names:
            raise unknown(f"attribute of {dataset!r} in {request.item}:", name, data.attribute_names)
    return list(names)


def _attributes(data: Prepared) -> np.ndarray:
    """Those of images, uint8 0/1 [N, A]."""
    assert data.attributes is not None  # see wanted
    return data.attributes


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
    edits: str = "images",
) -> tuple[dict[str, dict[str, Any] | None], Edits]:
    """Add attributes to codes that lack them, and see what a classifier reads from the decoded images.

    Batch norm is re-estimated on reconstructions of training images, as for interpolations.

    Args:
        restored: a trained run.
        data: all of its dataset.
        split: whose images are changed.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``.
        extractor: reads all of the dataset's attributes: logits above 0, the first ones.
        names: attributes to add.
        strength: factor on the difference of mean codes.
        seed: of random directions, of samples, and of an encoder that draws.
        edits: ``images`` or ``samples``; what a sample has is what the classifier reads.

    Returns:
        By attribute: ``images`` that it was added to; ``before`` and ``after``: share of them in which the classifier
        sees it, in the plain reconstruction and in the changed image; ``true``: the same of plain reconstructions of
        images that have it (None without any), which is about what can be reached; ``others``: share of all other
        attributes whose reading differs between the two; ``change``: mean squared difference of their pixels, on
        [-1, 1]; and ``random_after``, ``random_others``, ``random_change``: the same of random directions of equal
        length, another for each image. Of samples also ``removed_images`` that it was taken from, and ``removed``:
        share of them in which it is not seen any more. None where no image lacks the attribute. And the images to be
        shown.
    """
    method, known, where = restored.method, data.attribute_names, restored.method.device
    training, test = data.split(restored.config["view"]["train_split"]), data.split(split)
    order = np.random.default_rng(seed).permutation(len(training))
    chosen = np.sort(order[:ENCODED])
    normalising = training.images[order[: sampling["reestimate_batches"] * sampling["batch_size"]]]
    lacking, having = (
        {name: np.flatnonzero(_attributes(test)[:, known.index(name)] == held)[:MEASURED] for name in names}
        for held in (0, 1)
    )
    sampled = edits == "samples"
    rows = np.arange(min(ROWS, len(test)))
    rows = np.arange(MEASURED) if sampled else np.unique(np.concatenate([rows, *lacking.values(), *having.values()]))
    random = torch.Generator().manual_seed(seed)

    def passes() -> None:
        for x in networks.batches(restored, normalising, sampling["batch_size"]):
            method.reconstruct(x)

    def decoded(codes: Tensor) -> np.ndarray:
        parts = [to_stored(method.decode(c.to(where)), restored.value_range) for c in codes.split(networks.BATCH)]
        return torch.cat(parts).cpu().numpy()

    def read(pictures: np.ndarray) -> np.ndarray:
        return extractor.features(pictures, f"attributes of {data.dataset}")[1][:, : len(known)].numpy() > 0

    by_name: dict[str, dict[str, Any] | None] = {}
    edited = {}
    with (
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(),
        normalised(method.networks.values(), sampling["batch_norm"], passes),
    ):
        torch.manual_seed(seed)
        means = networks.encoded(restored, training.images[chosen])
        if sampled:
            codes = networks.generated(restored, MEASURED, seed).cpu()
        else:
            codes = networks.encoded(restored, test.images[rows])
        plain = decoded(codes)
        seen = read(plain)
        count = min(ROWS, len(rows))
        if sampled:
            lacking, having = ({n: np.flatnonzero(seen[:, known.index(n)] == h) for n in names} for h in (False, True))
            holds, real = seen[:count], plain[:count]
        else:
            count = min(ROWS, len(test))
            holds, real = _attributes(test)[:count] > 0, np.array(test.images[:count])
        for name in names:
            a = known.index(name)
            step = strength * direction(means, _attributes(training)[chosen, a], f"{name!r} of {data.dataset!r}")
            sign = torch.from_numpy(np.where(sampled & holds[:, a], -1.0, 1.0)).to(step)[:, None]
            edited[name] = decoded(codes[:count] + sign * step)
            these, those = (np.searchsorted(rows, of[name]) for of in (lacking, having))
            if not len(these):
                by_name[name] = None
                continue
            loose = torch.randn((len(these), len(step)), generator=random).to(step)
            loose *= step.norm() / loose.norm(dim=1, keepdim=True)
            sides = {"": step.expand_as(loose), "random_": loose}
            of_name: dict[str, Any] = {"images": len(these), "before": _share(seen[these, a])}
            of_name["true"] = _share(seen[those, a]) if len(those) and not sampled else None
            if sampled:
                gone = ~read(decoded(codes[torch.from_numpy(those)] - step))[:, a] if len(those) else None
                of_name |= {"removed_images": len(those), "removed": None if gone is None else _share(gone)}
            for prefix, added in sides.items():
                changed = decoded(codes[torch.from_numpy(these)] + added)
                of_name |= _difference(prefix, a, plain[these], changed, seen[these], read(changed))
            by_name[name] = of_name
    return by_name, Edits(real, plain[:count], edited, holds[:, [known.index(name) for name in names]])


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
    real, holds = test.images[every], _attributes(test)[every] > 0
    logits = extractor.features(np.array(real), f"attributes of {test.dataset}")[1].numpy()
    by_name = {}
    for name in names:
        a = test.attribute_names.index(name)
        right, has = (logits[:, a] > 0) == holds[:, a], holds[:, a]
        sides = {"with": right[has], "without": right[~has], "all": right}
        by_name[name] = {side: _share(of) if len(of) else None for side, of in sides.items()}
    return by_name
