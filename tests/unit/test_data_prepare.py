"""Preparing: files, splits, views, memory, threads, full disks; and reading what was prepared."""

from __future__ import annotations

import json
import os
import resource
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advcodes.build.provenance import Artifact
from advcodes.config.params import resolve
from advcodes.config.sections import Machine, View
from advcodes.core.errors import AdvcodesError
from advcodes.data import prepare
from advcodes.data.prepared import load
from advcodes.data.source import Source
from advcodes.graph.graph import Graph


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()


def config(**view):
    return {"dataset": "mine", **View(**view).model_dump(mode="json"), "source": "folder"}


def image(i: int, side: int = 6) -> Image.Image:
    return Image.new("RGB", (side, side), (i % 256, i // 256, 7))


def source(n: int = 30, **kwargs) -> Source:
    first = n // 3 * 2
    kwargs = {
        "image": image,
        "labels": np.arange(n) % 3,
        "splits": {"train": first, "test": n - first},
        **kwargs,
    }
    return Source(**kwargs)


def write(of: Source, threads: int = 1, **view):
    return prepare.write(of, config(**view), Path("out"), threads)


def test_files_and_what_is_read_back():
    rich = source(
        classes=["a", "b", "c"],
        attributes=np.arange(60, dtype=np.uint8).reshape(30, 2) % 2,
        attribute_names=["odd", "even"],
        captions=[[f"number {i}", "ünïcode"] for i in range(30)],
        files=[{"name": "x.zip", "md5": "0", "bytes": 1, "origin": "mirror"}],
    )
    files, facts = write(rich)
    assert sorted(files) == sorted(os.listdir("out")) == sorted(prepare.FILES)
    assert facts == {"images": 30, "shape": [3, 6, 6], "splits": {"train": [0, 20], "test": [20, 30]}}
    data = load("out")
    assert isinstance(data.images, np.memmap) and not data.images.flags.writeable and data.images.flags.c_contiguous
    assert data.images.dtype == np.uint8 and data.images.shape == (30, 3, 6, 6) and data.shape == (3, 6, 6)
    assert data.images[:, 0, 0, 0].tolist() == list(range(30)) and (data.images[:, 2] == 7).all()
    assert data.labels.dtype == np.int64 and data.labels.tolist() == rich.labels.tolist()
    assert data.classes == ("a", "b", "c") and data.attribute_names == ("odd", "even") and not data.points
    meta = json.loads(Path("out/meta.json").read_text())
    assert meta["counts"] == {"train": 20, "test": 10} and meta["files"] == rich.files and meta["dtype"] == "uint8"

    test = data.split("test")
    assert len(test) == 10 and test.images[0, 0, 0, 0] == 20 and test.captions[0] == ["number 20", "ünïcode"]
    assert (test.attributes == rich.attributes[20:]).all() and test.splits == {"test": (0, 10)}
    assert len(data.split("train+test")) == 30
    with pytest.raises(
        AdvcodesError, match=r"split of dataset 'mine': 'tset'; did you mean 'test'\? \(known: test, train\)"
    ):
        data.split("tset")


def test_optional_files_are_not_left_over():
    write(source(captions=[["x"]] * 30, attributes=np.zeros((30, 1), np.uint8), attribute_names=["a"]))
    write(source())
    assert sorted(os.listdir("out")) == ["images.npy", "labels.npy", "meta.json"]
    data = load("out")
    assert data.captions is None and data.attributes is None


def test_a_linked_file_is_replaced_not_overwritten():
    write(source())
    os.link("out/images.npy", "cached.npy")
    before = Path("cached.npy").read_bytes()
    write(source(image=lambda i: image(i + 1)))
    assert Path("cached.npy").read_bytes() == before != Path("out/images.npy").read_bytes()


def test_hold_out():
    write(source(), hold_out=5)
    data = load("out")
    assert dict(data.splits) == {"validation": (0, 5), "train": (5, 20), "test": (20, 30)}
    assert data.split("validation").images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert data.split("train").images[0, 0, 0, 0] == 5
    assert len(data.split("train+validation")) == 20
    with pytest.raises(AdvcodesError, match="join splits that follow each other: validation, train, test"):
        data.split("validation+test")
    with pytest.raises(AdvcodesError, match=r"datasets.mine.hold_out: 20 of 20 training images leave none"):
        write(source(), hold_out=20)


def test_the_view_is_applied():
    write(source(), size=4, channels=1, crop={"size": 2})
    assert load("out").images.shape == (30, 1, 4, 4)
    write(source(channels=1))
    assert load("out").images.shape == (30, 1, 6, 6)
    with pytest.raises(AdvcodesError, match=r"datasets.mine: image 0: the crop box of 5x5 at top 3, left 0 leaves"):
        write(source(), crop={"kind": "box", "size": 5, "top": 3})


@pytest.mark.parametrize("threads", [1, 2])
def test_sizes_that_differ(threads):
    odd = source(image=lambda i: image(i, 6 if i < 17 else 8), name="picture {}".format)
    with pytest.raises(
        AdvcodesError,
        match=r"datasets.mine.size: picture 0 is 6x6 with 3 channels and picture 17 is 8x8 with 3 channels",
    ):
        write(odd, threads)
    write(odd, threads, size=6)


def test_threads_do_not_change_the_result(monkeypatch):
    monkeypatch.setattr(prepare, "CHUNK", 64)
    write(source(300))
    one = Path("out/images.npy").read_bytes()
    write(source(300), threads=3)
    assert Path("out/images.npy").read_bytes() == one
    assert load("out").images[:, 0, 0, 0].tolist() == [i % 256 for i in range(300)]


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_does_not_grow_with_the_set(threads):
    n, side = 5_000, 64  # 61 MB
    big = source(n, image=lambda i: image(i, side), labels=np.zeros(n, np.int64))
    tracemalloc.start()
    try:
        write(big, threads)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert Path("out/images.npy").stat().st_size > 60e6 and peak < 20e6


def test_points():
    points = np.arange(60, dtype=np.float32).reshape(30, 2)
    write(source(points=points, image=None))
    data = load("out")
    assert data.points and data.shape == (2,) and data.images.dtype == np.float32
    assert (data.split("test").images == points[20:]).all()


# ------------------------------------------------------------------------------------------------------------
# What goes wrong


def test_a_disk_without_room_is_noticed_first(monkeypatch):
    usage = shutil.disk_usage("out")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(
        AdvcodesError, match=r"out/images.npy: needs 0.000 GB and the disk has 0.000 GB free; free some space"
    ):
        write(source())


@pytest.mark.parametrize("threads", [1, 2])
def test_a_disk_that_fills_up(threads):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # the kernel refuses larger files
    try:
        with pytest.raises(
            AdvcodesError, match=r"out/images.npy: cannot write: File too large; free some space"
        ) as error:
            write(source(3000), threads)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(error.value) and not Path("out/images.npy").exists()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_reader_that_fails_is_not_taken_for_a_full_disk(threads):
    def broken(i):
        if i == 25:
            raise OSError(5, "Input/output error")
        return image(i)

    with pytest.raises(AdvcodesError, match=r"image 25: cannot be read: Input/output error"):
        write(source(image=broken), threads)


DAMAGE = {
    "truncated images": (
        lambda: os.truncate("out/images.npy", 1000),
        r"out/images.npy: damaged \(mmap length",
    ),
    "empty images": (
        lambda: os.truncate("out/images.npy", 0),
        r"out/images.npy: damaged \(.+; delete out and run `snakemake`",
    ),
    "no images": (lambda: os.remove("out/images.npy"), r"out/images.npy: damaged \(No such file"),
    "other images": (
        lambda: np.save("out/images.npy", np.zeros((29, 3, 6, 6), np.uint8)),
        r"images.npy: damaged \(uint8 \[29, 3, 6, 6\], expected uint8 \[30, 3, 6, 6\]\)",
    ),
    "truncated labels": (lambda: os.truncate("out/labels.npy", 200), r"out/labels.npy: damaged"),
    "a pickle": (
        lambda: np.save("out/labels.npy", np.array([{}] * 30), allow_pickle=True),
        r"out/labels.npy: damaged \(.*allow_pickle",
    ),
    "truncated meta": (lambda: os.truncate("out/meta.json", 100), r"out/meta.json: damaged"),
    "other meta": (lambda: Path("out/meta.json").write_text("[]"), r"out/meta.json: damaged"),
    "no meta": (
        lambda: os.remove("out/meta.json"),
        r"out: no prepared dataset \(no meta.json\); run `snakemake`",
    ),
    "captions": (
        lambda: Path("out/captions.json").write_text("[[]]"),
        r"captions.json: damaged \(1 rows, expected 30\)",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_files(what):
    write(source())
    damage, message = DAMAGE[what]
    damage()
    with pytest.raises(AdvcodesError, match=message) as error:
        load("out")
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------------------------------
# As a stage


def test_the_stage_makes_what_the_graph_plans():
    for i in range(20):
        path = Path(f"pictures/{'ab'[i % 2]}/{i}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        image(i).save(path)
    params = resolve(
        {
            "scale": "demo",
            "seeds": [0],
            "budget": {"default": {"images": 1}},
            "datasets": {
                "digits": {"size": 16, "channels": 3},
                "gaussians": {"count": 50},
                "mine": {"source": "folder", "path": "pictures", "hold_out": 2},
            },
            "architectures": {},
            "variants": {},
        }
    )
    graph = Graph(params)
    for name, shape, rows in (
        ("digits", (3, 16, 16), 1297),
        ("gaussians", (2,), 40),
        ("mine", (3, 6, 6), 16),
    ):
        artifact = graph.prepared(name)
        artifact.directory.mkdir(parents=True)
        (artifact.directory / ".scratch-of-a-killed-job").mkdir()
        files, facts = prepare.make(artifact, params.machine)
        artifact.finish(files, **facts)
        assert artifact.fresh() and facts["shape"] == list(shape)
        assert sorted([*files, "manifest.json"]) == sorted(os.listdir(artifact.directory))
        data = load(artifact.directory)
        assert data.shape == shape and len(data.split("train")) == rows and data.dataset == name
    key = graph.prepared("mine").key
    image(99).save("pictures/a/0.png")
    assert Graph(params).prepared("mine").key != key
    assert Graph(params).prepared("digits").key == graph.prepared("digits").key
    # The code of one source is no part of another's key.
    assert "advcodes.data.generated" in graph.prepared("digits").spec["code"]
    assert "advcodes.data.official" not in graph.prepared("digits").spec["code"]
    assert "advcodes.data.generated" not in graph.prepared("mine").spec["code"]


def test_a_read_only_folder_gives_one_line(monkeypatch):
    artifact = Artifact("prepared/x", Path("taken/x/manifest.json"), config(), {}, ("", "advcodes.data.generated"))
    Path("taken").write_text("a file where the folder should be")
    with pytest.raises(AdvcodesError, match=r"mine: taken/x.*: Not a directory") as error:
        prepare.make(artifact, Machine())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (
            {"digits": {"count": 5}},
            "datasets.digits.count: goes with the sources `shapes` and `gaussians` only, not with",
        ),
        ({"shapes": {"keep_aspect": True}}, "datasets.shapes.keep_aspect: needs `size`"),
        ({"gaussians": {"size": 8}}, "datasets.gaussians.size: goes with images, not with the points"),
        ({"digits": {"resample": "tf1"}}, "datasets.digits.resample: input should be 'nearest', 'bilinear'"),
    ],
)
def test_views_that_make_no_sense(dataset, message):
    tree = {
        "scale": "demo",
        "seeds": [0],
        "budget": {"default": {"images": 1}},
        "architectures": {},
        "variants": {},
    }
    with pytest.raises(AdvcodesError, match=message):
        resolve({**tree, "datasets": dataset})


def test_all_faulty_images_are_named_at_once():
    def faulty(i: int) -> Image.Image:
        if i % 10 == 3:
            raise AdvcodesError(f"image {i}: does not decode")
        return image(i)

    message = "mine: 3 images cannot be used: image 3: does not decode; image 13: does not decode; image 23: does"
    with pytest.raises(AdvcodesError, match=message):
        write(source(image=faulty), threads=2, size=6)
    assert not Path("out/images.npy").exists() or not Path("out/meta.json").exists()
