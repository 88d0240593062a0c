"""Identity of original data, for keys: what no published checksum vouches for is known by its content.

Archives and lists that their authors publish have checksums, which are looked at whenever they are read. Folders and
zips of images, unpacked images and captions have none. Called on every planning: only what changed is read, and
neither numpy nor torchvision is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from advcodes.build.keys import STATE, digest
from advcodes.core.errors import AdvcodesError
from advcodes.core.remembered import recall, remember
from advcodes.data.folder import content_of
from advcodes.data.mirror import Search

if TYPE_CHECKING:
    from advcodes.config.sections import Machine

AFFECTS_RESULTS = False
MEMORY = STATE / "originals.json"  #: content that was last found
#: Files that make a dataset complete, each under one of several names.
OFFICIAL: dict[str, list[tuple[str, ...]]] = {
    "mnist": [
        (f"{name}.gz", name)
        for part in ("train", "t10k")
        for name in (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    ],
    "svhn": [("train_32x32.mat",), ("test_32x32.mat",), ("extra_32x32.mat",)],
    "cifar10": [("cifar-10-python.tar.gz", "data_batch_1")],
    "celeba": [("list_attr_celeba.txt",), ("list_eval_partition.txt",)],
    "flowers102": [("102flowers.tgz",), ("imagelabels.mat",), ("setid.mat",)],
}
#: Folders that are read wherever they are.
FOLDERS = {"celeba": ("img_align_celeba",), "flowers102": ("text_c10",)}
#: Files and folders that are read where the official ones are not complete.
INSTEAD = {"celeba": ("list_attr_celeba.csv", "list_eval_partition.csv"), "flowers102": ("jpg",)}


def identity(source: str, machine: Machine, recorded: str | None) -> str | None:
    """Hash of what may be read without a published checksum; None where all has one.

    Args:
        source: the dataset.
        machine: where the mirror is.
        recorded: what it was when the dataset was prepared. It holds where no originals are here (any more), in a
            clone, say: what is finished needs none of them.
    """
    memory = recall(MEMORY)
    parts = _parts(source, machine)
    if parts is None:
        return recorded or memory.get(source)
    content = digest(parts) if parts else None
    if memory.get(source) != content:
        remember(MEMORY, {**memory, source: content})
    return content


def _parts(source: str, machine: Machine) -> dict[str, str] | None:
    """Content by name of what has no checksum; None where nothing of the dataset is here."""
    try:
        search = Search(source, machine, Path())
    except AdvcodesError:  # no mirror here, which whoever needs it will say
        return None
    there = [any(search.place_of(name) for name in names) for names in OFFICIAL[source]]
    names = [*FOLDERS.get(source, ()), *(() if all(there) else INSTEAD.get(source, ()))]
    originals = [path for name in names if (path := search.place_of(name))]
    if not all(there) and (images := search.images_place()):
        originals.append(images)
    if names or not all(there):
        originals += search.zips()
    if not (originals or any(there)):
        return None
    return {path.name: content_of(path) for path in originals}
