"""Official data sets, from small files in the real formats that the tests write, through torchvision."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import os
import pickle
import shutil
import tarfile
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, MNIST, SVHN, CelebA, Flowers102

from advcodes.config.params import resolve
from advcodes.config.sections import Machine, View
from advcodes.core.errors import AdvcodesError
from advcodes.data import download, official, prepare
from advcodes.data.identity import identity
from advcodes.data.prepared import load
from advcodes.data.view import view_image
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.training.data import TrainingData

RANDOM = np.random.default_rng(0)
MIRROR = Path("mirror")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ADVCODES_MIRROR", raising=False)
    monkeypatch.setattr(download, "BACKOFF", 0.001)
    monkeypatch.setenv("no_proxy", "*")
    MIRROR.mkdir()


def read(name, mirror="mirror", **view):
    config = {"dataset": name, **View(**view).model_dump(mode="json"), "source": name}
    scratch = Path("scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    return official.read(config, Machine(mirror=mirror), scratch.absolute())


def pixels(source) -> np.ndarray:
    return np.stack([view_image(source.image(i), channels=source.channels) for i in range(len(source))])


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def put(path: str | Path, data: bytes) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def zipped(path: str, files: dict[str, bytes]) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as z:
        for name, data in files.items():
            z.writestr(name, data)


def encoded(image: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **({"lossless": True} if kind == "webp" else {}))
    return buffer.getvalue()


# ------------------------------------------------------------------------------------------------------------
# MNIST

DIGITS = {
    "train": RANDOM.integers(0, 256, (12, 28, 28), np.uint8),
    "t10k": RANDOM.integers(0, 256, (5, 28, 28), np.uint8),
}
DIGIT_LABELS = {"train": np.arange(12, dtype=np.uint8) % 10, "t10k": np.arange(5, dtype=np.uint8)}


@pytest.fixture
def mnist(monkeypatch):
    """The four IDX files, unpacked, by name; torchvision's and our checksums are theirs."""
    files = {}
    for part in ("train", "t10k"):
        n = len(DIGITS[part])
        head = (0x803).to_bytes(4, "big") + n.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
        files[f"{part}-images-idx3-ubyte"] = head + DIGITS[part].tobytes()
        files[f"{part}-labels-idx1-ubyte"] = (
            (0x801).to_bytes(4, "big") + n.to_bytes(4, "big") + DIGIT_LABELS[part].tobytes()
        )
    packed = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in files.items()}
    monkeypatch.setattr(MNIST, "resources", [(name, md5(data)) for name, data in packed.items()])
    monkeypatch.setattr(official, "MNIST_UNPACKED", {name: md5(data) for name, data in files.items()})
    monkeypatch.setattr(official, "COUNTS", {"mnist": {"train": 12, "test": 5}})
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])  # nothing answers there
    return files


def _plain(files, folder):
    for name, data in files.items():
        put(folder / name, data)


def _packed(files, folder, level=9):
    for name, data in files.items():
        put(folder / f"{name}.gz", gzip.compress(data, level, mtime=1))


MNIST_PLACES = {
    "root": lambda files: _packed(files, MIRROR),
    "named": lambda files: _packed(files, MIRROR / "mnist", level=1),  # packed anew, by someone else
    "torchvision": lambda files: _plain(files, MIRROR / "MNIST" / "raw"),
    "named torchvision": lambda files: _plain(files, MIRROR / "mnist" / "MNIST" / "raw"),
    "zip": lambda files: zipped("mirror/mnist.zip", {f"MNIST/raw/{n}": d for n, d in files.items()}),
    "raw": lambda files: _packed(files, Path("data/raw/mnist")),
}


@pytest.mark.parametrize("place", MNIST_PLACES)
def test_mnist(mnist, place):
    MNIST_PLACES[place](mnist)
    source = read("mnist")
    assert source.splits == {"train": 12, "test": 5} and source.classes == [str(i) for i in range(10)]
    np.testing.assert_array_equal(pixels(source)[:, 0], np.concatenate(list(DIGITS.values())))
    np.testing.assert_array_equal(source.labels, np.concatenate(list(DIGIT_LABELS.values())))
    assert source.labels.dtype == np.int64
    assert len(source.files) == 4 and {f["origin"] for f in source.files} == {
        "download" if place == "raw" else "mirror"
    }
    assert all(len(f["md5"]) == 32 and f["bytes"] > 0 for f in source.files)


def test_mnist_at_another_size_stays_grey(mnist):
    MNIST_PLACES["named"](mnist)
    Path("out").mkdir()
    config = View(source="mnist", size=16).model_dump() | {"dataset": "mnist_16", "hold_out": 0}
    _, facts = prepare.write(read("mnist", size=16), config, Path("out"), 1)
    assert facts["shape"] == [1, 16, 16] and np.load("out/images.npy").shape == (17, 1, 16, 16)


def test_the_environment_goes_before_params(mnist, monkeypatch):
    _packed(mnist, Path("other"))
    monkeypatch.setenv("ADVCODES_MIRROR", "other")
    assert len(read("mnist", mirror="nowhere")) == 17
    monkeypatch.setenv("ADVCODES_MIRROR", "nowhere")
    with pytest.raises(AdvcodesError, match="ADVCODES_MIRROR: no such directory: nowhere"):
        read("mnist")
    monkeypatch.delenv("ADVCODES_MIRROR")
    with pytest.raises(AdvcodesError, match=r"machine\.mirror: no such directory: nowhere"):
        read("mnist", mirror="nowhere")


def test_a_file_in_the_mirror_that_is_not_the_original(mnist):
    mnist["t10k-labels-idx1-ubyte"] += b"x"
    _packed(mnist, MIRROR)
    with pytest.raises(AdvcodesError, match=r"t10k-labels-idx1-ubyte.gz: not the original file of mnist \(MD5 is"):
        read("mnist")
    put("mirror/t10k-labels-idx1-ubyte.gz", b"no gzip")
    with pytest.raises(AdvcodesError, match=r"t10k-labels-idx1-ubyte.gz: damaged gzip file"):
        read("mnist")


def test_without_a_network_the_message_says_what_to_do(mnist):
    with pytest.raises(AdvcodesError) as error:
        read("mnist", mirror=None)
    text = str(error.value)
    assert "\n" not in text and "Connection refused" in text
    assert "machine.mirror" in text and "ADVCODES_MIRROR" in text
    assert all(f"{name}.gz" in text for name in mnist)


def test_downloads_what_the_mirror_lacks(mnist, monkeypatch):
    served = Path("served")
    for (name, _), data in zip(MNIST.resources, mnist.values(), strict=True):
        put(served / name, gzip.compress(data, mtime=0))
    _plain({"train-images-idx3-ubyte": mnist["train-images-idx3-ubyte"]}, MIRROR)
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=served.absolute()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/", f"http://127.0.0.1:{server.server_address[1]}/"])
        source = read("mnist")
        assert len(source) == 17 and sorted(p.name for p in Path("data/raw/mnist").glob("*.gz")) == [
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
            "train-labels-idx1-ubyte.gz",
        ]
        assert [f["origin"] for f in source.files] == ["mirror", "download", "download", "download"]
        assert len(asked) == 3
        assert len(read("mnist")) == 17 and len(asked) == 3
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# ------------------------------------------------------------------------------------------------------------
# Folders and zips of images


def _image_files(suffix="webp"):
    """MNIST as `train/<class>/*`, twelve and five images."""
    files = {}
    for split, part in (("train", "train"), ("test", "t10k")):
        for i, (image, label) in enumerate(zip(DIGITS[part], DIGIT_LABELS[part], strict=True)):
            files[f"{split}/{label}/{i:03d}.{suffix}"] = encoded(
                image if suffix == "png" else np.stack([image] * 3, -1), suffix
            )
    return files


def _as_folder():
    for name, data in _image_files("png").items():
        put(MIRROR / "mnist" / name, data)


def _as_zips(folder, prefix=""):
    files = list(_image_files().items())
    zipped(f"{folder}/mnist-train-1.zip", {prefix + n: d for n, d in files[:5]})
    zipped(f"{folder}/mnist-train-2.zip", {prefix + n: d for n, d in files[5:12]})
    zipped(f"{folder}/mnist-test.zip", {prefix + n: d for n, d in files[12:]})
    zipped(f"{folder}/mnistlike.zip", {"train/0/other.png": b"of another data set"})


IMAGE_PLACES = {
    "folder": _as_folder,
    "zips": lambda: _as_zips("mirror"),
    "zips in a folder": lambda: _as_zips("mirror/mnist"),
    "wrapped zips": lambda: _as_zips("mirror/mnist", "outer/"),
}


@pytest.mark.parametrize("place", IMAGE_PLACES)
def test_a_folder_or_zips_of_images(mnist, place):
    IMAGE_PLACES[place]()
    source = read("mnist")
    assert source.splits == {"train": 12, "test": 5} and source.classes == [str(i) for i in range(10)]
    expected = {x.tobytes(): y for s in DIGITS for x, y in zip(DIGITS[s], DIGIT_LABELS[s], strict=True)}
    assert {x.tobytes(): y for x, y in zip(pixels(source), source.labels, strict=True)} == expected
    # Train before test, and not in order of class, or `hold_out` would set one class aside.
    assert {x.tobytes() for x in pixels(source)[12:]} == {x.tobytes() for x in DIGITS["t10k"]}
    assert source.labels[:12].tolist() != sorted(source.labels[:12])
    assert {f["origin"] for f in source.files} == {"mirror"}


def test_a_zip_too_few(mnist):
    _as_zips("mirror")
    os.remove("mirror/mnist-train-2.zip")
    with pytest.raises(AdvcodesError, match="expected 12 train, 5 test; got 5 train, 5 test; add the zip or folder"):
        read("mnist")


def test_labels_follow_the_official_order_of_classes(mnist, monkeypatch):
    monkeypatch.setattr(official, "COUNTS", {"flowers102": {"train": 4, "test": 1}})
    monkeypatch.setattr(Flowers102, "classes", ["pink primrose", "aster"])
    for i, name in enumerate(
        ["train/aster/a", "train/aster/b", "train/pink primrose/c", "train/aster/d", "test/aster/e"]
    ):
        put(f"mirror/flowers102/{name}.png", encoded(np.full((4, 4, 3), i, np.uint8), "png"))
    source = read("flowers102")
    assert source.classes == ["pink primrose", "aster"]
    assert {int(x.flat[0]): int(y) for x, y in zip(pixels(source), source.labels, strict=True)} == {
        0: 1,
        1: 1,
        2: 0,
        3: 1,
        4: 1,
    }


# ------------------------------------------------------------------------------------------------------------
# SVHN


SVHN_COUNTS = {"train": 30, "test": 10, "extra": 45}


@pytest.fixture
def svhn(monkeypatch):
    """The three .mat files as their authors have them: X [32, 32, 3, N], y [N, 1] where 10 is the digit 0."""
    arrays, split_list = {}, {}
    for split, n in SVHN_COUNTS.items():
        images, labels = RANDOM.integers(0, 256, (n, 32, 32, 3), np.uint8), np.arange(n) % 10 + 1
        arrays[split] = images.transpose(0, 3, 1, 2), labels % 10
        path = MIRROR / "SVHN" / f"{split}_32x32.mat"
        path.parent.mkdir(exist_ok=True)
        scipy.io.savemat(
            path,
            {"X": images.transpose(1, 2, 3, 0), "y": labels[:, None].astype(np.uint8)},
            do_compression=True,
        )
        split_list[split] = ["http://127.0.0.1:9/", path.name, md5(path.read_bytes())]
    monkeypatch.setattr(SVHN, "split_list", split_list)
    return arrays


def test_svhn(svhn):
    source = read("svhn")
    assert source.splits == SVHN_COUNTS and source.classes == list("0123456789")
    np.testing.assert_array_equal(pixels(source), np.concatenate([images for images, _ in svhn.values()]))
    np.testing.assert_array_equal(source.labels, np.concatenate([labels for _, labels in svhn.values()]))
    assert [f["name"] for f in source.files] == ["train_32x32.mat", "test_32x32.mat", "extra_32x32.mat"]
    os.remove(MIRROR / "SVHN" / "extra_32x32.mat")
    with pytest.raises(
        AdvcodesError, match=r"put the original files \(train_32x32.mat, test_32x32.mat, extra_32x32.mat\)"
    ):
        read("svhn")


def test_svhn_trained_on_extra_leaves_train_and_test(svhn):
    """As GALI has it: 531,131 easier images to train on, `train` for linear SVMs, `test` for all metrics."""
    params = resolve(
        {
            "scale": "demo",
            "seeds": [0],
            "machine": {"mirror": "mirror"},
            "budget": {"default": {"images": 1}},
            "datasets": {"svhn_extra": {"source": "svhn", "range": [-1, 1], "train_split": "extra"}},
            "architectures": {"infogan": {"family": "infogan"}},
            "variants": {"gan": {"method": "gan"}},
        }
    )
    graph = Graph(params)
    artifact, run = graph.prepared("svhn_extra"), graph.train(Run("demo", "svhn_extra", "gan", 0))
    artifact.directory.mkdir(parents=True)
    _, facts = prepare.make(artifact, params.machine)
    assert facts["splits"] == {"train": [0, 30], "test": [30, 40], "extra": [40, 85]}
    data = load(artifact.directory)
    for split, (images, labels) in svhn.items():
        np.testing.assert_array_equal(data.split(split).images, images)
        np.testing.assert_array_equal(data.split(split).labels, labels)

    view = run.config["view"]
    assert view == {"range": [-1, 1], "train_split": "extra"} and run.inputs["data"].id == artifact.id
    training = TrainingData(artifact.directory, view["train_split"], view["range"], 15, 0, torch.device("cpu"))
    batches = [training.batch(step) for step in range(training.steps_per_epoch)]
    seen = {x.numpy().tobytes(): int(y) for b in batches for x, y in zip(b.images, b.labels, strict=True)}
    floats = svhn["extra"][0].astype(np.float32) * np.float32(2 / 255) - np.float32(1)
    np.testing.assert_allclose(sorted(np.frombuffer(x, np.float32).sum() for x in seen), sorted(floats.sum((1, 2, 3))),
                               atol=1e-2)  # fmt: skip
    assert sorted(seen.values()) == sorted(svhn["extra"][1]) and len(seen) == 45, "each of extra's once"
    assert graph.reference_split("svhn_extra") == graph.reference("svhn_extra").config["split"] == "test"


def _without_y(path):
    scipy.io.savemat(path, {"X": np.zeros((32, 32, 3, 30), np.uint8)})


def _grey(path):
    scipy.io.savemat(path, {"X": np.zeros((32, 32, 30), np.uint8), "y": np.ones((30, 1), np.uint8)})


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(path.read_bytes()[:-100]), lambda path: path.write_bytes(b""),
               _without_y, _grey]
)  # fmt: skip
def test_svhn_damaged_or_another_file(svhn, damage):
    """Whatever it is: none but the original is read."""
    damage(MIRROR / "SVHN" / "train_32x32.mat")
    with pytest.raises(AdvcodesError, match=r"SVHN/train_32x32.mat: not the original file of svhn \(MD5 is") as error:
        read("svhn")
    assert "\n" not in str(error.value) and "replace it or remove it" in str(error.value)


# ------------------------------------------------------------------------------------------------------------
# CIFAR-10


@pytest.fixture
def cifar(monkeypatch):
    images, labels = RANDOM.integers(0, 256, (12, 3, 32, 32), np.uint8), np.arange(12) % 10
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    files = {}
    for i in range(6):
        rows = slice(2 * i, 2 * i + 2)
        batch = {
            "data": images[rows].reshape(2, -1),
            "labels": labels[rows].tolist(),
            "filenames": ["a", "b"],
        }
        files["test_batch" if i == 5 else f"data_batch_{i + 1}"] = pickle.dumps(batch, protocol=2)
    files["batches.meta"] = pickle.dumps({"label_names": names, "num_cases_per_batch": 2}, protocol=2)
    monkeypatch.setattr(
        CIFAR10, "train_list", [[f"data_batch_{i}", md5(files[f"data_batch_{i}"])] for i in range(1, 6)]
    )
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(files["test_batch"])]])
    monkeypatch.setattr(
        CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5(files["batches.meta"])}
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(buffer.getvalue()))
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    return images, labels, names, files, buffer.getvalue()


@pytest.mark.parametrize("place", ["tar", "named tar", "unpacked", "raw"])
def test_cifar10(cifar, place):
    images, labels, names, files, tar = cifar
    if place == "unpacked":
        _plain(files, MIRROR / "cifar10" / "cifar-10-batches-py")
    else:
        folder = {"tar": MIRROR, "named tar": MIRROR / "CIFAR10", "raw": Path("data/raw/cifar10")}[place]
        put(folder / "cifar-10-python.tar.gz", tar)
    source = read("cifar10")
    assert source.splits == {"train": 10, "test": 2} and source.classes == names
    np.testing.assert_array_equal(pixels(source), images)
    np.testing.assert_array_equal(source.labels, labels)
    assert len(source.files) == (7 if place == "unpacked" else 1)


def test_cifar10_nowhere(cifar):
    with pytest.raises(AdvcodesError, match=r"put the original files \(cifar-10-python.tar.gz\) into mirror/cifar10"):
        read("cifar10")
    put(MIRROR / "cifar-10-python.tar.gz", cifar[-1][:-10])
    with pytest.raises(AdvcodesError, match=r"cifar-10-python.tar.gz: not the original file of cifar10 \(MD5 is"):
        read("cifar10")


# ------------------------------------------------------------------------------------------------------------
# CelebA

FACES = RANDOM.integers(0, 256, (9, 218, 178, 3), np.uint8)
PARTITION = [0, 0, 0, 0, 0, 1, 1, 2, 2]
TRAITS = ["Bald", "Bangs", "Smiling"]
SIGNS = RANDOM.choice([-1, 1], (9, 3))


@pytest.fixture
def celeba(monkeypatch):
    """CelebA's lists and images by name, as its authors and torchvision lay them out."""
    names = [f"{i + 1:06d}.jpg" for i in range(9)]
    rows = [f"{n} " + " ".join(f"{v:2d}" for v in signs) for n, signs in zip(names, SIGNS, strict=True)]
    lists = {
        "list_attr_celeba.txt": "\n".join(["9", " ".join(TRAITS) + " ", *rows]) + "\n",
        "list_eval_partition.txt": "".join(f"{n} {p}\n" for n, p in zip(names, PARTITION, strict=True)),
        "identity_CelebA.txt": "".join(f"{n} 7\n" for n in names),
        "list_bbox_celeba.txt": "9\nimage_id x_1 y_1 width height\n" + "".join(f"{n} 1 2 3 4\n" for n in names),
        "list_landmarks_align_celeba.txt": "9\n"
        + " ".join(["x"] * 10)
        + "\n"
        + "".join(f"{n}" + " 1" * 10 + "\n" for n in names),
    }
    lists = {name: text.encode() for name, text in lists.items()}
    images = {f"img_align_celeba/{n}": encoded(face, "jpeg") for n, face in zip(names, FACES, strict=True)}
    zipped("img_align_celeba.zip", images)
    archive = Path("img_align_celeba.zip").read_bytes()
    sums = {name: md5(data) for name, data in lists.items()} | {"img_align_celeba.zip": md5(archive)}
    monkeypatch.setattr(CelebA, "file_list", [("id", s, name) for name, s in sums.items()])
    return lists, images, archive


@pytest.mark.parametrize("place", ["zip", "torchvision", "raw"])
def test_celeba(celeba, place):
    lists, images, archive = celeba
    folder = {"zip": MIRROR, "torchvision": MIRROR / "celeba", "raw": Path("data/raw/celeba")}[place]
    for name in ("list_attr_celeba.txt", "list_eval_partition.txt"):
        put(folder / name, lists[name])
    if place == "torchvision":
        _plain(images, folder)
    else:
        put(folder / "img_align_celeba.zip", archive)
    source = read("celeba")
    assert source.splits == {"train": 5, "val": 2, "test": 2} and source.attribute_names == TRAITS
    assert set(source.labels) == {-1} and source.classes == ()
    np.testing.assert_array_equal(source.attributes, (SIGNS == 1).astype(np.uint8))
    decoded = [np.asarray(Image.open(io.BytesIO(d))).transpose(2, 0, 1) for d in images.values()]
    np.testing.assert_array_equal(pixels(source), decoded)


def test_celeba_is_what_torchvision_reads(celeba):
    lists, images, _ = celeba
    _plain(lists | images, MIRROR / "celeba")
    source = read("celeba")
    theirs = [CelebA("mirror", split=split) for split in ("train", "valid", "test")]
    rows = [row for data in theirs for row in data]
    np.testing.assert_array_equal(pixels(source), np.stack([np.asarray(image).transpose(2, 0, 1) for image, _ in rows]))
    np.testing.assert_array_equal(source.attributes, np.stack([attributes.numpy() for _, attributes in rows]))
    assert source.attribute_names == [name for name in theirs[0].attr_names if name]


def _published(lists, images, archive, unpacked):
    """As its publisher lays it out."""
    put("mirror/CelebA/Anno/list_attr_celeba.txt", lists["list_attr_celeba.txt"])
    put("mirror/CelebA/Eval/list_eval_partition.txt", lists["list_eval_partition.txt"])
    if unpacked:
        _plain(images, MIRROR / "CelebA" / "Img")
    else:
        put("mirror/CelebA/Img/img_align_celeba.zip", archive)


def _kaggle(lists, images, archive, unpacked):
    """As Kaggle does: tables with commas, and images in two folders of one name."""
    names = [f"{i + 1:06d}.jpg" for i in range(9)]
    rows = [",".join([n, *map(str, signs)]) for n, signs in zip(names, SIGNS, strict=True)]
    files = {
        "list_attr_celeba.csv": "\n".join([",".join(["image_id", *TRAITS]), *rows]).encode(),
        "list_eval_partition.csv": b"image_id,partition\r\n"
        + "".join(f"{n},{p}\r\n" for n, p in zip(names, PARTITION, strict=True)).encode(),
        **{f"img_align_celeba/{name}": image for name, image in images.items()},
    }
    if unpacked:
        _plain(files, MIRROR / "celeba")
    else:
        zipped("mirror/celeba-dataset.zip", files)


@pytest.mark.parametrize("layout", [_published, _kaggle])
@pytest.mark.parametrize("unpacked", [False, True])
def test_celeba_as_it_is_found_elsewhere(celeba, layout, unpacked):
    _, images, _ = celeba
    layout(*celeba, unpacked)
    source = read("celeba")
    assert source.splits == {"train": 5, "val": 2, "test": 2} and source.attribute_names == TRAITS
    np.testing.assert_array_equal(source.attributes, (SIGNS == 1).astype(np.uint8))
    decoded = [np.asarray(Image.open(io.BytesIO(d))).transpose(2, 0, 1) for d in images.values()]
    np.testing.assert_array_equal(pixels(source), decoded)


def test_a_list_of_celeba_that_is_not_as_published(celeba):
    _kaggle(*celeba, True)
    with open("mirror/celeba/list_eval_partition.csv", "a") as f:
        f.write("000010.jpg,train\n")
    with pytest.raises(AdvcodesError, match=r"celeba: 000010\.jpg in mirror/celeba/.*\.csv or .* copy them"):
        read("celeba")


def test_celeba_cannot_be_downloaded(celeba):
    lists, images, _ = celeba
    with pytest.raises(AdvcodesError) as error:
        read("celeba", mirror=None)
    for words in (
        "img_align_celeba.zip",
        "list_attr_celeba.txt",
        "list_eval_partition.txt",
        "mmlab.ie.cuhk.edu.hk",
        "machine.mirror",
    ):
        assert words in str(error.value)
    _plain(lists | images, MIRROR / "celeba")
    os.remove(MIRROR / "celeba" / "img_align_celeba" / "000003.jpg")
    with pytest.raises(AdvcodesError, match=r"celeba: 000003.jpg is missing in mirror/celeba/img_align_celeba"):
        read("celeba")


# ------------------------------------------------------------------------------------------------------------
# Oxford-102


@pytest.fixture
def flowers(monkeypatch):
    """Eight jpgs of different sizes, the two lists, the archive and captions."""
    images = {
        f"jpg/image_{i:05d}.jpg": encoded(RANDOM.integers(0, 256, (60 + i, 80, 3), np.uint8), "jpeg")
        for i in range(1, 9)
    }
    labels = np.array([1, 2, 3, 1, 2, 3, 102, 102])
    lists = {}
    for name, content in (
        ("imagelabels.mat", {"labels": labels[None]}),
        (
            "setid.mat",
            {"trnid": np.array([[7, 2]]), "valid": np.array([[1, 3]]), "tstid": np.array([[8, 4, 5, 6]])},
        ),
    ):
        buffer = io.BytesIO()
        scipy.io.savemat(buffer, content)
        lists[name] = buffer.getvalue()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in images.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    archive = buffer.getvalue()
    sums = {
        "image": ("102flowers.tgz", md5(archive)),
        "label": ("imagelabels.mat", md5(lists["imagelabels.mat"])),
    }
    monkeypatch.setattr(Flowers102, "_file_dict", sums | {"setid": ("setid.mat", md5(lists["setid.mat"]))})
    monkeypatch.setattr(Flowers102, "_download_url_prefix", "http://127.0.0.1:9/")
    captions = {
        f"text_c10/class_{labels[i - 1]:05d}/image_{i:05d}.txt": f"flower {i}\n petals of {i} \n\n".encode()
        for i in range(1, 9)
    }
    return images, lists, archive, captions


ORDER = [7, 2, 1, 3, 8, 4, 5, 6]


@pytest.mark.parametrize("place", ["tgz", "torchvision", "zip", "raw"])
def test_flowers102(flowers, place):
    images, lists, archive, _ = flowers
    if place == "zip":
        zipped("mirror/flowers102/flowers-102.zip", {f"flowers-102/{n}": d for n, d in (images | lists).items()})
    elif place == "torchvision":
        _plain(images | lists, MIRROR / "flowers-102")
    else:
        _plain(lists | {"102flowers.tgz": archive}, MIRROR if place == "tgz" else Path("data/raw/flowers102"))
    source = read("flowers102")
    assert source.splits == {"train": 2, "val": 2, "test": 4} and source.captions is None
    assert source.labels.tolist() == [101, 1, 0, 2, 101, 0, 1, 2] and source.classes[101] == "blackberry lily"
    for row, number in enumerate(ORDER):
        theirs = Image.open(io.BytesIO(images[f"jpg/image_{number:05d}.jpg"]))
        np.testing.assert_array_equal(view_image(source.image(row)), np.asarray(theirs).transpose(2, 0, 1))


@pytest.mark.parametrize("place", ["mirror", "mirror/flowers102", "data/raw/flowers102/cvpr2016_flowers", "zip"])
def test_captions(flowers, place):
    _, lists, archive, captions = flowers
    _plain(lists | {"102flowers.tgz": archive}, MIRROR)
    if place == "zip":
        zipped("mirror/flowers102_captions.zip", {f"cvpr2016_flowers/{n}": d for n, d in captions.items()})
    else:
        _plain(captions, Path(place))
    assert read("flowers102").captions == [[f"flower {i}", f"petals of {i}"] for i in ORDER]


WRITTEN = {
    "as Windows does": (
        b"the flower\x92s petals\r\n\r\n are caf\xe9 brown \r\n",
        ["the flower\u2019s petals", "are caf\xe9 brown"],
    ),
    "in UTF-8": ("petals of caf\xe9 brown".encode(), ["petals of caf\xe9 brown"]),
    "with a mark at the beginning": (b"\xef\xbb\xbfpink petals\n", ["pink petals"]),
    "by an old Mac": (b"pink petals\rwhite petals", ["pink petals", "white petals"]),
    "with a byte that no encoding has": (b"pink \x81 petals", ["pink \ufffd petals"]),
    "twelve times": (b"pink\n" * 12, ["pink"] * 12),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_captions_written(flowers, how):
    _, lists, archive, captions = flowers
    text, sentences = WRITTEN[how]
    captions["text_c10/class_00002/image_00005.txt"] = text
    _plain(lists | {"102flowers.tgz": archive}, MIRROR)
    _plain(captions, MIRROR)
    assert read("flowers102").captions[ORDER.index(5)] == sentences


@pytest.mark.parametrize("text", [b"", b" \r\n\n", b"\xef\xbb\xbf"])
def test_captions_of_an_image_that_is_not_described(flowers, text):
    _, lists, archive, captions = flowers
    captions["text_c10/class_00002/image_00005.txt"] = text
    _plain(lists | {"102flowers.tgz": archive}, MIRROR)
    _plain(captions, MIRROR)
    with pytest.raises(AdvcodesError, match=r"mirror/text_c10/class_00002/image_00005.txt: no sentence in it; copy"):
        read("flowers102")


def test_flowers102_in_part(flowers):
    images, lists, _, captions = flowers
    _plain(images | lists | captions, MIRROR / "flowers102")
    os.remove(MIRROR / "flowers102" / "text_c10" / "class_00002" / "image_00005.txt")
    with pytest.raises(
        AdvcodesError, match=r"no captions for image_00005.jpg in text_c10/ \(expected image_00005.txt\)"
    ):
        read("flowers102")
    shutil.rmtree(MIRROR / "flowers102" / "text_c10")
    os.remove(MIRROR / "flowers102" / "jpg" / "image_00005.jpg")
    with pytest.raises(AdvcodesError, match=r"flowers102: image_00005.jpg is missing"):
        read("flowers102")
    os.remove(MIRROR / "flowers102" / "setid.mat")
    with pytest.raises(AdvcodesError, match=r"\(102flowers.tgz, imagelabels.mat, setid.mat\) into mirror/flowers102"):
        read("flowers102")


# ------------------------------------------------------------------------------------------------------------
# Identity, by which results know what they were made from


def same_size(path: str | Path) -> None:
    """Change a file so that its size and time stay."""
    path, status = Path(path), Path(path).stat()
    path.write_bytes(bytes(path.read_bytes()[:-1]) + b"?")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def identity_of(source, recorded=None):
    return identity(source, Machine(mirror="mirror"), recorded)


def test_official_files_need_no_identity_of_their_own(mnist, flowers):
    assert identity_of("mnist") is None and identity_of("flowers102") is None
    _packed(mnist, MIRROR)
    assert identity_of("mnist") is None
    _, lists, archive, _ = flowers
    _plain(lists | {"102flowers.tgz": archive}, MIRROR)
    assert identity_of("flowers102") is None


@pytest.mark.parametrize("place", IMAGE_PLACES)
def test_images_in_a_mirror_are_known_by_their_content(mnist, place):
    IMAGE_PLACES[place]()
    before = identity_of("mnist")
    assert before and identity_of("mnist") == before
    used = read("mnist").files
    assert used and all(f.get("fingerprint") or f.get("sha256") for f in used)
    same_size(sorted(p for p in MIRROR.rglob("*") if p.is_file() and "like" not in p.name)[0])
    assert identity_of("mnist") != before


def test_captions_are_known_by_their_content(flowers):
    _, lists, archive, captions = flowers
    _plain(lists | {"102flowers.tgz": archive}, MIRROR)
    _plain(captions, MIRROR / "flowers102")
    before = identity_of("flowers102")
    same_size(MIRROR / "flowers102" / "text_c10" / "class_00002" / "image_00005.txt")
    assert identity_of("flowers102") not in (before, None)


@pytest.mark.parametrize("name", ["celeba/img_align_celeba/img_align_celeba/000003.jpg", "celeba/list_attr_celeba.csv"])
def test_celeba_unpacked_is_known_by_its_content(celeba, name):
    _kaggle(*celeba, True)
    before = identity_of("celeba")
    same_size(MIRROR / name)
    assert identity_of("celeba") not in (before, None)


def test_a_dataset_whose_originals_are_gone_keeps_its_identity(mnist):
    _as_folder()
    before = identity_of("mnist")
    shutil.rmtree(MIRROR)
    assert identity_of("mnist") == before
    assert identity_of("mnist", recorded="of the prepared dataset") == "of the prepared dataset"


def test_the_key_of_a_prepared_dataset_follows_it(mnist):
    _as_folder()
    params = resolve(
        {
            "scale": "demo",
            "seeds": [0],
            "machine": {"mirror": "mirror"},
            "budget": {"default": {"images": 1}},
            "datasets": {"mnist": {}},
            "architectures": {"infogan": {"family": "infogan"}},
            "variants": {"gan": {"method": "gan"}},
        }
    )
    before = Graph(params).prepared("mnist").key
    same_size(next(MIRROR.rglob("*.png")))
    assert Graph(params).prepared("mnist").key != before


# ------------------------------------------------------------------------------------------------------------
# The same on real files, where a developer has them: ADVCODES_TEST_MIRROR names the mirror

REAL = os.environ.get("ADVCODES_TEST_MIRROR")


def _written_mnist(request):
    _packed(request.getfixturevalue("mnist"), MIRROR)
    return "mnist", "mirror", (12, 5), DIGIT_LABELS["train"][:5].tolist(), float(DIGITS["train"][:12].mean())


def _written_flowers(request):
    _, lists, archive, _ = request.getfixturevalue("flowers")
    _plain(lists | {"102flowers.tgz": archive}, MIRROR)
    return "flowers102", "mirror", (2, 2, 4), [101, 1, 0, 2, 101], None


SETS = [_written_mnist, _written_flowers]
if REAL:
    SETS += [
        lambda _: ("mnist", REAL, (60_000, 10_000), [5, 0, 4, 1, 9], 33.3184),
        lambda _: ("flowers102", REAL, (1_020, 1_020, 6_149), [0] * 5, None),
        lambda _: ("cifar10", REAL, (50_000, 10_000), None, 120.7076),
    ]


@pytest.mark.parametrize("which", range(len(SETS)))
def test_known_facts(request, which):
    name, mirror, counts, labels, mean = SETS[which](request)
    source = read(name, mirror=mirror)
    assert tuple(source.splits.values()) == counts
    assert labels is None or source.labels[:5].tolist() == labels
    assert mean is None or np.mean([np.asarray(source.image(i)).mean() for i in range(counts[0])]) == pytest.approx(
        mean, abs=1e-3
    )
