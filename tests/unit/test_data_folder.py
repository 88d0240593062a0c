"""Anyone's own images: folders, zips, their classes, splits and faults, and their identity."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advcodes.config.sections import Machine, View
from advcodes.core.errors import AdvcodesError
from advcodes.data import folder
from advcodes.data.files import OUTPUT, Tree
from advcodes.data.view import view_image


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def save(path: Path | str, level: int = 0, size: tuple[int, int] = (4, 4), mode: str = "RGB", **options) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level,) * len(mode)).save(path, **options)


def config(path="images", **view):
    view = View(source="folder", path=str(path), **view).model_dump(mode="json")
    return {"dataset": "mine", **view}


def read(path="images", **view):
    return folder.read(config(path, **view), Machine(), Path("unused"))


def levels(source) -> list[int]:
    """The first value of every image: which image it is."""
    return [int(view_image(source.image(i), channels=1).flat[0]) for i in range(len(source))]


def test_classes_and_a_split_of_a_tenth():
    for i in range(40):
        save(f"images/{'cat' if i < 30 else 'ant'}/deep/{i:02d}.png", i)
    source = read()
    assert source.splits == {"train": 36, "test": 4} and source.classes == ["ant", "cat"]
    assert sorted(levels(source)) == list(range(40))
    assert [("ant", "cat")[c] for c in source.labels] == ["cat" if level < 30 else "ant" for level in levels(source)]
    assert source.labels.dtype == np.int64 and source.channels == 3
    assert source.labels[:36].tolist() != sorted(source.labels[:36])  # or `hold_out` would take one class
    assert levels(source) == levels(read()) != levels(read(seed=1))


def test_folders_of_splits_and_numbered_classes():
    for i, name in enumerate(["train/10/a", "train/9/b", "train/9/c", "test/10/d", "validation/9/e"]):
        save(f"images/{name}.png", i)
    source = read()
    assert source.splits == {"train": 3, "val": 1, "test": 1} and source.classes == ["9", "10"]
    assert sorted(levels(source)[:3]) == [0, 1, 2] and levels(source)[3:] == [4, 3]
    assert source.labels[3:].tolist() == [0, 1]


@pytest.mark.parametrize(("train", "test"), [("training", "testing"), ("Train", "Test"), ("TRAIN", "val")])
def test_splits_have_many_names(train, test):
    for i in range(12):
        save(f"images/{train if i < 8 else test}/{i % 2}/{i}.png", i)
    source = read()
    assert source.splits == {"train": 8, "val" if test == "val" else "test": 4} and source.classes == ["0", "1"]
    assert sorted(levels(source)[:8]) == list(range(8))


def test_a_zip_of_another_system():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "png")
    for name, form in (("windows.zip", "data\\{}\\{}\\{}.png"), ("dots.zip", "./{}/{}/{}.png")):
        with zipfile.ZipFile(name, "w") as z:
            for i in range(8):
                z.writestr(form.format("Train" if i < 6 else "Test", i % 2, i), buffer.getvalue())
        source = read(name)
        assert source.splits == {"train": 6, "test": 2} and source.classes == ["0", "1"], name


def test_classes_of_one_number_have_one_order():
    for i in range(6):
        save(f"images/{('1', '01', '2')[i % 3]}/{i}.png", i)
    code = (
        "from pathlib import Path; from advcodes.config.sections import Machine; from advcodes.data import folder\n"
        f"print(folder.read({config()!r}, Machine(), Path('.')).classes)"
    )
    for seed in "013":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        assert run.stdout.strip() == "['01', '1', '2']"


def test_our_own_output_is_no_data():
    for i in range(4):
        save(f"images/{i}.png", i)
    before = folder.fingerprint(Path("images"))
    save("images/out/grid.png")
    Path("images/out", OUTPUT).touch()
    assert folder.fingerprint(Path("images")) == before and len(read()) == 4
    save("images/out/more.png")
    assert len(read("images/out")) == 2  # asked for by name it is read


def test_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for i in range(2):
        save(f"images/{i}.png", i)
    assert len(read("~/images")) == 2
    assert folder.fingerprint(Path("~/images")) == folder.fingerprint(Path("images"))


@pytest.mark.parametrize(("dtype", "what"), [(np.int32, "32-bit integer"), (np.float32, "floating-point")])
def test_pixels_of_unknown_range_are_refused(dtype, what):
    Path("images").mkdir()
    for i in range(2):
        Image.fromarray(np.full((4, 4), i, dtype)).save(f"images/{i}.tif")
    with pytest.raises(AdvcodesError, match=f"{what} pixels have no known range; save the image with 8 bits"):
        levels(read())


def test_only_a_train_folder_is_split():
    for i in range(20):
        save(f"images/train/{i}.png", i)
    source = read()
    assert source.splits == {"train": 18, "test": 2} and set(source.labels) == {-1} and source.classes == []


def test_every_format_and_an_outer_folder():
    for i, suffix in enumerate(["png", "bmp", "webp", "gif", "tiff", "ppm"]):
        save(
            f"images/outer/inner{i % 2}/{i}.{suffix}",
            20 * i,
            **({"lossless": True} if suffix == "webp" else {}),
        )
    save("images/outer/inner0/6.JPG", 120, quality=95)
    Path("images/outer/notes.txt").write_text("no image")
    save("images/outer/.hidden.png", 255)
    source = read()
    assert sorted(levels(source)) == [0, 20, 40, 60, 80, 100, 120] and source.classes == ["inner0", "inner1"]


def test_a_zip_is_like_its_folder():
    for i in range(10):
        save(f"images/{i % 2}/{i}.png", i)
    with zipfile.ZipFile("images.zip", "w") as z:
        for path in sorted(Path("images").rglob("*.png")):
            z.write(path)
        z.writestr("__MACOSX/images/0/._0.png", b"junk")
    plain, zipped = read(), read("images.zip")
    assert levels(plain) == levels(zipped) and plain.labels.tolist() == zipped.labels.tolist()
    assert zipped.classes == ["0", "1"]


def test_a_zip_cannot_write_outside():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "png")
    with zipfile.ZipFile("evil.zip", "w") as z:
        for name in ("a.png", "b.png", "../../evil1.png", "/evil2.png", "a/../../evil3.png"):
            z.writestr(name, buffer.getvalue())
    before = set(Path.cwd().parent.rglob("*"))
    source = read("evil.zip")
    assert len(source) == len(levels(source)) == 2
    assert set(Path.cwd().parent.rglob("*")) == before and not Path("/evil2.png").exists()


def test_grey_only_where_all_are_grey():
    save("images/a.png", 10, mode="L")
    save("images/b.png", 20, mode="L")
    assert read().channels == 1
    assert read(channels=3).channels == 3
    save("images/c.png", 30, mode="RGBA")
    assert read().channels == 3


def test_cameras_that_were_turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by a quarter
    picture = Image.new("RGB", (6, 4))
    picture.putpixel((0, 0), (255, 0, 0))
    for name in "ab":
        Path("images").mkdir(exist_ok=True)
        picture.save(f"images/{name}.png", exif=exif)
    save("images/c.png", size=(4, 6))  # upright, all have one size
    source = read()
    turned = [source.image(i) for i in range(3) if not source.name(i).endswith("c.png")]
    assert [t.size for t in turned] == [(4, 6)] * 2 and turned[0].getpixel((3, 0)) == (255, 0, 0)


def test_sizes_that_differ():
    save("images/a.png", size=(4, 4))
    save("images/b.png", size=(4, 4))
    save("images/c.png", size=(6, 5))
    save("images/d.png", size=(9, 9))
    with pytest.raises(
        AdvcodesError,
        match=r"images/a.png is 4x4 and images/c.png is 6x5 pixels; set datasets.mine.size in params.yaml",
    ):
        read()
    assert read(size=4).splits == {"train": 3, "test": 1}
    assert read(crop={"size": 4}).splits == {"train": 3, "test": 1}


@pytest.mark.parametrize("size", [None, 4])
def test_an_image_that_does_not_decode(size):
    for name in "abc":
        save(f"images/{name}.png", size=(64, 64))
    whole = Path("images/b.png").read_bytes()
    Path("images/b.png").write_bytes(whole[: len(whole) - 40])
    with pytest.raises(AdvcodesError, match=r"images/b.png: does not decode \(.+\); replace or remove it") as error:
        levels(read(size=size))
    assert "\n" not in str(error.value)
    Path("images/b.png").write_bytes(b"not an image")
    with pytest.raises(AdvcodesError, match=r"images/b.png: does not decode \(no known image format\)"):
        levels(read(size=size, channels=3))


@pytest.mark.parametrize(
    ("make", "path", "message"),
    [
        (lambda: None, "nowhere", "nowhere: no such folder or zip of images; correct `path` of the dataset"),
        (lambda: Path("images").mkdir(), "images", r"images: no images in it \(looked for .png"),
        (lambda: Path("a.txt").write_text(""), "a.txt", "a.txt: expected a folder or a zip of images"),
        (lambda: Path("a.zip").write_text("x"), "a.zip", "a.zip: not a readable zip"),
        (lambda: save("images/one.png"), "images", "images: only one image, one.png; expected at least two"),
        (
            lambda: (save("images/train/a.png"), save("images/test/b.png"), save("images/c.png")),
            "images",
            "images: has train/, but c.png lies beside it",
        ),
        (
            lambda: (save("images/cat/a.png"), save("images/b.png"), save("images/c.png")),
            "images",
            r"images: 2 images lie beside the folders of classes \(the first: b.png\)",
        ),
        (
            lambda: (save("images/Testing/a.png"), save("images/cat/b.png")),
            "images",
            r"images: has Testing/ but no train/, and images for testing are not trained on",
        ),
        (
            lambda: [save(f"images/{c}/{s}/a.png") for c in ("cat", "dog") for s in ("train", "test")],
            "images",
            r"images: cat/test/ looks like images for testing inside a class, .* as in test/cat/",
        ),
    ],
)
def test_what_makes_no_dataset(make, path, message):
    make()
    with pytest.raises(AdvcodesError, match=message) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_two_zips_with_the_same_file():
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(name, "w") as z:
            z.writestr("train/x.png", b"")
    with pytest.raises(AdvcodesError, match=r"b.zip: train/x.png is also in a.zip; keep one"):
        Tree(Path("a.zip"), Path("b.zip"))


def test_a_damaged_member_of_a_zip():
    with zipfile.ZipFile("a.zip", "w") as z:
        z.writestr("x.png", b"0123456789")
        z.writestr("y.png", b"0123456789")
    data = Path("a.zip").read_bytes().replace(b"0123456789", b"0123456780", 1)
    Path("a.zip").write_bytes(data)
    with pytest.raises(AdvcodesError, match=r"a.zip: x.png: cannot be read \(Bad CRC-32"):
        Tree(Path("a.zip")).read("x.png")
    assert Tree(Path("a.zip")).read("y.png") == b"0123456789"
    with pytest.raises(AdvcodesError, match=r"z.png: missing in a.zip"):
        Tree(Path("a.zip")).read("z.png")


# ------------------------------------------------------------------------------------------------------------
# Identity


def age(*paths: str, seconds: int = 10) -> None:
    """Make files look older: only what has settled is remembered."""
    for path in paths:
        status = os.stat(path)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - seconds * 10**9))


def hashed(monkeypatch) -> list[str]:
    """Names of the files whose contents are read from now on."""
    seen, original = [], folder._hash
    monkeypatch.setattr(folder, "_hash", lambda path: (seen.append(os.path.basename(path)), original(path))[1])
    return seen


def test_fingerprint_follows_names_and_contents(monkeypatch):
    save("images/cat/a.png", 1)
    save("images/cat/b.png", 2)
    age("images/cat/a.png", "images/cat/b.png")
    first = folder.fingerprint(Path("images"))
    seen = hashed(monkeypatch)
    assert folder.fingerprint(Path("images")) == first and seen == []  # nothing is read again
    Path("images/notes.txt").write_text("no image")
    os.utime("images/cat/a.png")  # touched, not changed
    assert folder.fingerprint(Path("images")) == first and seen == ["a.png"]

    Path("images/cat/a.png").write_bytes(Path("images/cat/a.png").read_bytes().replace(b"IDAT", b"IDAX"))
    assert folder.fingerprint(Path("images")) != first  # same size, other content
    save("images/cat/a.png", 1)
    assert folder.fingerprint(Path("images")) == first
    os.rename("images/cat", "images/dog")
    assert folder.fingerprint(Path("images")) != first  # another class
    os.rename("images/dog", "images/cat")
    os.remove("images/cat/b.png")
    assert folder.fingerprint(Path("images")) != first


def test_files_that_swap_names_are_seen():
    for name, level in (("cat/a", 1), ("dog/b", 2)):
        save(f"images/{name}.bmp", level)
    age("images/cat/a.bmp", "images/dog/b.bmp")
    os.utime("images/dog/b.bmp", ns=(0, os.stat("images/cat/a.bmp").st_mtime_ns))
    before = folder.fingerprint(Path("images"))
    os.rename("images/cat/a.bmp", "t")
    os.rename("images/dog/b.bmp", "images/cat/a.bmp")
    os.rename("t", "images/dog/b.bmp")
    assert folder.fingerprint(Path("images")) != before


def test_a_file_that_just_changed_is_not_remembered(monkeypatch):
    save("images/a.png", 1)
    folder.fingerprint(Path("images"))
    seen = hashed(monkeypatch)
    folder.fingerprint(Path("images"))
    assert seen == ["a.png"]


def test_fingerprint_of_a_zip_and_of_a_copy(tmp_path):
    with zipfile.ZipFile("a.zip", "w") as z:
        z.writestr("x.png", b"1")
    first = folder.fingerprint(Path("a.zip"))
    Path("copy.zip").write_bytes(Path("a.zip").read_bytes())
    assert folder.fingerprint(Path("copy.zip")) == first
    with zipfile.ZipFile("a.zip", "w") as z:
        z.writestr("x.png", b"2")
    assert folder.fingerprint(Path("a.zip")) != first


def test_a_broken_cache_costs_time_only():
    save("images/a.png", 1)
    age("images/a.png")
    first = folder.fingerprint(Path("images"))
    assert list(json.loads(folder.CACHE.read_text())) == [str(Path("images").absolute())]
    folder.CACHE.write_text("{half")
    assert folder.fingerprint(Path("images")) == first
    folder.CACHE.unlink()
    folder.CACHE.parent.rmdir()
    folder.CACHE.parent.write_text("a file where the folder should be")
    assert folder.fingerprint(Path("images")) == first


def test_fingerprint_of_what_is_not_there():
    with pytest.raises(AdvcodesError, match="nowhere: no such folder or zip of images"):
        folder.fingerprint(Path("nowhere"))


def test_planning_stays_light():
    code = "import sys, advcodes.data.folder; print([m for m in ('torch', 'numpy', 'PIL') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
