"""Small files in the formats in which MNIST, SVHN, CIFAR-10, CelebA and Oxford-102 are published: noise, and labels.

What reads the originals reads them, by checksums of theirs for as long as :func:`standing_in` lasts.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import pickle
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

AFFECTS_RESULTS = False
TRAIN, OTHER = 240, 120  #: images of a training split, and of any other
ATTRIBUTES = [
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache",
    "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks",
    "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick",
    "Wearing_Necklace", "Wearing_Necktie", "Young",
]  # fmt: skip
COLOURS = ("pink", "red", "yellow", "orange", "purple", "blue", "white")


@contextlib.contextmanager
def standing_in(mirror: Path) -> Iterator[None]:
    """Write the files into a mirror, and let their checksums pass for the originals' meanwhile."""
    from torchvision import datasets

    from advcodes.data import official

    mirror.mkdir(parents=True, exist_ok=True)
    sums = _mnist(mirror / "mnist"), _svhn(mirror / "svhn"), _cifar10(mirror / "cifar10"), _celeba(mirror / "celeba")
    mnist, svhn, cifar10, celeba = sums
    flowers = _flowers102(mirror / "flowers102")
    lists: list[tuple[Any, str, Any]] = [
        (datasets.MNIST, "resources", [(f"{name}.gz", md5) for name, md5 in mnist.items()]),
        (official, "MNIST_UNPACKED", mnist),
        (datasets.SVHN, "split_list", {s: ["", f"{s}_32x32.mat", svhn[f"{s}_32x32.mat"]] for s in _SVHN}),
        (datasets.CIFAR10, "train_list", [[n, md5] for n, md5 in cifar10.items() if n.startswith("data")]),
        (datasets.CIFAR10, "test_list", [["test_batch", cifar10["test_batch"]]]),
        (datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": cifar10["batches.meta"]}),
        (datasets.CelebA, "file_list", [("", md5, name) for name, md5 in celeba.items()]),
        (
            datasets.Flowers102,
            "_file_dict",
            {k: (name, flowers[name]) for k, (name, _) in datasets.Flowers102._file_dict.items()},
        ),
    ]
    with contextlib.ExitStack() as stack:
        for where, name, value in lists:
            stack.enter_context(mock.patch.object(where, name, value))
        yield


_SVHN = {"train": TRAIN, "test": OTHER, "extra": TRAIN}


def _noise(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), np.uint8)


def _put(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write files; returns their MD5 by name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}


def _mnist(folder: Path) -> dict[str, str]:
    files = {}
    for part, count in (("train", TRAIN), ("t10k", OTHER)):
        head = b"".join(n.to_bytes(4, "big") for n in (0x803, count, 28, 28))
        files[f"{part}-images-idx3-ubyte"] = head + _noise(count, 28, 28).tobytes()
        labels = (np.arange(count) % 10).astype(np.uint8)
        files[f"{part}-labels-idx1-ubyte"] = (0x801).to_bytes(4, "big") + count.to_bytes(4, "big") + labels.tobytes()
    _put(folder, {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()})
    return {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in files.items()}


def _matlab(**arrays: np.ndarray) -> bytes:
    import scipy.io

    buffer = io.BytesIO()
    scipy.io.savemat(buffer, arrays)
    return buffer.getvalue()


def _svhn(folder: Path) -> dict[str, str]:
    return _put(
        folder,
        {
            f"{split}_32x32.mat": _matlab(X=_noise(count, 32, 32, 3).transpose(1, 2, 3, 0), y=_classes(count, 10))
            for split, count in _SVHN.items()
        },
    )


def _classes(count: int, classes: int) -> np.ndarray:
    """Labels from 1 on, a column."""
    return (np.arange(count) % classes + 1).astype(np.uint8)[:, None]


def _cifar10(folder: Path) -> dict[str, str]:
    files, each = {}, TRAIN // 5
    for i in range(6):
        count = OTHER if i == 5 else each
        batch = {"data": _noise(count, 3072), "labels": (np.arange(count) % 10).tolist(), "filenames": ["x"] * count}
        files["test_batch" if i == 5 else f"data_batch_{i + 1}"] = pickle.dumps(batch, protocol=2)
    files["batches.meta"] = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}, protocol=2)
    return _put(folder / "cifar-10-batches-py", files)


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg")
    return buffer.getvalue()


def _celeba(folder: Path) -> dict[str, str]:
    parts = [0] * TRAIN + [1] * OTHER + [2] * OTHER
    names = [f"{i + 1:06d}.jpg" for i in range(len(parts))]
    signs = np.random.default_rng(0).choice([-1, 1], (len(parts), len(ATTRIBUTES)))
    rows = [" ".join([name, *map(str, row)]) for name, row in zip(names, signs, strict=True)]
    lists = {
        "list_attr_celeba.txt": "\n".join([str(len(parts)), " ".join(ATTRIBUTES), *rows, ""]),
        "list_eval_partition.txt": "".join(f"{name} {part}\n" for name, part in zip(names, parts, strict=True)),
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        for name, pixels in zip(names, _noise(len(names), 218, 178, 3), strict=True):
            z.writestr(f"img_align_celeba/{name}", _jpeg(pixels))
    files = {name: text.encode() for name, text in lists.items()}
    return _put(folder, {**files, "img_align_celeba.zip": archive.getvalue()})


def _flowers102(folder: Path) -> dict[str, str]:
    """Three splits alike, since one paper trains on the first and another on all; ten captions an image."""
    count = 3 * OTHER
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for i, pixels in enumerate(_noise(count, 80, 100, 3), 1):
            content = _jpeg(pixels)
            about = tarfile.TarInfo(f"jpg/image_{i:05d}.jpg")
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    captions = folder / "text_c10"
    captions.mkdir(parents=True, exist_ok=True)
    for i in range(1, count + 1):
        colours = [COLOURS[(i + k) % len(COLOURS)] for k in range(10)]
        text = "".join(f"this flower has {colour} petals and a {COLOURS[i % 7]} stamen\n" for colour in colours)
        (captions / f"image_{i:05d}.txt").write_text(text)
    numbers = np.arange(1, count + 1).reshape(3, 1, OTHER)
    sets = dict(zip(("trnid", "valid", "tstid"), numbers, strict=True))
    files = {
        "102flowers.tgz": archive.getvalue(),
        "imagelabels.mat": _matlab(labels=_classes(count, 102).T),
        "setid.mat": _matlab(**sets),
    }
    return _put(folder, files)
