"""What datasets look like before they are prepared: sizes of their splits and shapes of their examples."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from advcodes.core.errors import AdvcodesError, unknown

if TYPE_CHECKING:
    from advcodes.config.params import Params

AFFECTS_RESULTS = False
DIGITS = 1_797  #: images of scikit-learn's digits
CELEBA = {"train": 162_770, "val": 19_867, "test": 19_962}  #: of its authors' list_eval_partition.txt
VALIDATION = "validation"
HELD_OUT = (VALIDATION, "val")  #: what splits of held-out images are called: those set aside here, and official ones
#: Images in each official split, which a mirror's folder of images must have.
COUNTS = {
    "mnist": {"train": 60_000, "test": 10_000},
    "svhn": {"train": 73_257, "test": 26_032, "extra": 531_131},
    "cifar10": {"train": 50_000, "test": 10_000},
    "flowers102": {"train": 1_020, "val": 1_020, "test": 6_149},
}
#: Original datasets, whose splits are known beforehand.
ORIGINAL = {**COUNTS, "celeba": CELEBA}


class Look(NamedTuple):
    """What a dataset looks like.

    Attributes:
        splits: examples in each split.
        shape: of one example, (C, H, W) or (D,); None where only the files tell.
        classes: how many; of a prepared dataset not read.
        attributes: how many; of a prepared dataset not read.
    """

    splits: Mapping[str, int]
    shape: tuple[int, ...] | None
    classes: int = 0
    attributes: int = 0

    def size(self, split: str, dataset: str) -> int:
        """Examples in a split, or in several (``train+val+test``).

        Raises:
            AdvcodesError: there is no such split.
        """
        for part in split.split("+"):
            if part not in self.splits:
                raise unknown(f"split of dataset {dataset!r}:", part, self.splits)
        return sum(self.splits[part] for part in split.split("+"))


def expected(params: Params, dataset: str) -> Look | None:
    """What a dataset will look like, as `params.yaml` has it; None for a folder, of which only its files tell."""
    view, source = params.datasets[dataset], params.source(dataset)
    if source == "folder":
        return None
    splits = _splits(params, dataset)
    if source in ORIGINAL:
        channels, side, classes, attributes = {
            "mnist": (1, 28, 10, 0),
            "svhn": (3, 32, 10, 0),
            "cifar10": (3, 32, 10, 0),
            "celeba": (3, None, 0, 40),
            "flowers102": (3, None, 102, 0),
        }[source]
    else:
        from advcodes.data import generated

        if source == "gaussians":
            return Look(splits, (2,), len(generated.MODES))
        channels, side, classes, attributes = {
            "digits": (1, 8, 10, 0),
            "shapes": (3, generated.SIDE, len(generated.SHAPES), len(generated.ATTRIBUTES)),
        }[source]
    channels, side = view.channels or channels, view.size or (view.crop.size if view.crop else side)
    return Look(splits, None if side is None else (channels, side, side), classes, attributes)


def held_out_split(splits: Collection[str], *taken: str) -> str | None:
    """The split of held-out images, where there is one beside those (``train``, ``train+val+test``) that are taken."""
    known = {part for split in taken for part in split.split("+")}
    return next((name for name in HELD_OUT if name in splits and name not in known), None)


def original_size(params: Params, dataset: str) -> int | None:
    """Images to train on of an original dataset; None for any other. Imports nothing, as planning does not."""
    if params.source(dataset) not in ORIGINAL:
        return None
    return Look(_splits(params, dataset), None).size(params.datasets[dataset].train_split, dataset)


def _splits(params: Params, dataset: str) -> dict[str, int]:
    """Examples in each split of a dataset that is no folder."""
    view, source = params.datasets[dataset], params.source(dataset)
    if source in ORIGINAL:
        splits = ORIGINAL[source]
    else:
        from advcodes.data import generated

        if source == "digits":
            held, count = generated.DIGITS_TEST, DIGITS
        else:
            part, usual = (6, generated.SHAPES_COUNT) if source == "shapes" else (5, generated.POINTS_COUNT)
            count = view.count or usual
            held = count // part
        splits = {"train": count - held, "test": held}
    if view.hold_out:
        splits = {VALIDATION: view.hold_out, **splits, "train": splits["train"] - view.hold_out}
    return splits


def images_of(config: Mapping[str, Any], seen: Look | None, dataset: str) -> int | None:
    """Images that a run sees: whole batches of its budget.

    Args:
        config: of the run, as :meth:`advcodes.graph.graph.Graph.train` has it.
        seen: its dataset.
        dataset: named in errors.

    Returns:
        Steps times the batch size; None for epochs of a split whose size is not known.

    Raises:
        AdvcodesError: the dataset has no such split, or one that is smaller than a batch.
    """
    # The same numbers as in training, whose modules import torch.
    budget, batch, stopping = (
        config["budget"],
        config["training"]["batch_size"],
        config["training"].get("early_stopping"),
    )
    size = None
    if seen is not None:
        split = config["view"]["train_split"]
        size = seen.size(split, dataset)
        if stopping and held_out_split(seen.splits, split) is None:
            size -= max(1, round(stopping["held_out"] * size))
        if size < batch:
            raise AdvcodesError(
                f"dataset {dataset!r}: {size:,} image{'' if size == 1 else 's'} to train on, fewer than one batch; "
                f"lower training.batch_size ({batch}) or add images"
            )
    if budget["images"] is not None:
        return math.ceil(budget["images"] / batch) * batch
    return None if size is None else max(1, round(budget["epochs"] * (size // batch))) * batch
