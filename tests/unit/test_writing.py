"""A disk that gets full: one line that names the file, and nothing half-written stays."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from advcodes.build.provenance import write_atomically
from advcodes.build.writing import check_room, save_array, written
from advcodes.core.errors import AdvcodesError
from advcodes.evaluation import reference
from advcodes.jobs import checkpoint
from advcodes.metrics.extracted import Reference, Statistics
from advcodes.pages.kinds.tables import leaderboard
from advcodes.pages.pictures import images
from advcodes.studies import base
from advcodes.training.train import LossLog

RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(200, 100))
PIXELS = RANDOM.integers(0, 256, (16, 3, 32, 32), np.uint8)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process gets longer: as on a full disk, writes come to an end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_study(folder: Path) -> None:
    base.write(folder, {("gan", "digits"): base.Cell({}, {"codes": NUMBERS})})


def write_reference(folder: Path) -> None:
    statistics = Statistics(NUMBERS[0], np.cov(NUMBERS.T))
    reference.save(folder, Reference(torch.from_numpy(NUMBERS), statistics, "test"))


def write_leaderboard(folder: Path) -> None:
    board = {
        "rows": {},
        "better": "lower",
        "columns": {"digits": {"metric": None, "served_by": "digits", "entries": {}}},
    }
    leaderboard.draw(board, folder / "leaderboard.png")


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (lambda folder: save_array(folder / "samples.npy", NUMBERS), "samples.npy"),
        (write_study, "gan.digits.codes.npy"),
        (write_reference, "reference.npz"),
        (lambda folder: images.grid(PIXELS, 4, 4, folder / "grid.png"), "grid.png"),
        (lambda folder: images.grid(PIXELS, 4, 4, folder / "grid.png", limit=None), "grid.png"),
        (write_leaderboard, "leaderboard.png"),
        (lambda folder: write_atomically(folder / "metrics.json", "1" * 9999), "metrics.json"),
        (lambda folder: checkpoint.save(folder / "networks.pt", {"w": torch.ones(9999)}), "networks.pt"),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_no_part_of_a_file(write: Callable[[Path], None], name: str, tmp_path: Path):
    with files_of_at_most(2048), pytest.raises(AdvcodesError, match=rf"/{name}: cannot write") as caught:
        write(tmp_path)
    assert "\n" not in str(caught.value) and "free some space" in str(caught.value)
    assert not list(tmp_path.iterdir())
    write(tmp_path)
    assert (tmp_path / name).stat().st_size > 2048


def test_an_array_that_is_cut_off_without_an_error_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    save = np.save

    def short(path: Path, array: np.ndarray) -> None:
        save(path, array)
        os.truncate(path, 1000)

    monkeypatch.setattr(np, "save", short)
    with pytest.raises(AdvcodesError, match=r"a\.npy: cannot write: 1,000 of 160,128 bytes arrived; free some space"):
        save_array(tmp_path / "a.npy", NUMBERS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "array", [NUMBERS, NUMBERS.T, PIXELS, np.empty((0, 3)), np.array(1.5), np.array(["a", "bcd"]), np.arange(5) > 2]
)
def test_whatever_is_saved_is_read_again(array: np.ndarray, tmp_path: Path):
    save_array(tmp_path / "a.npy", array)
    assert np.array_equal(np.load(tmp_path / "a.npy"), array)


def test_an_old_file_is_not_written_over(tmp_path: Path):
    """A cache may hold a hard link to it."""
    save_array(tmp_path / "a.npy", NUMBERS)
    os.link(tmp_path / "a.npy", tmp_path / "kept.npy")
    save_array(tmp_path / "a.npy", PIXELS)
    assert np.array_equal(np.load(tmp_path / "kept.npy"), NUMBERS)


def test_errors_that_are_not_of_the_disk_are_told_as_they_are(tmp_path: Path):
    with pytest.raises(ConnectionError), written(tmp_path / "a"):
        raise ConnectionError(104, "Connection reset by peer")


def test_a_pipeline_does_not_start_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    check_room([tmp_path / "logs"])
    with files_of_at_most(100), pytest.raises(AdvcodesError, match=r"logs: cannot write: File too large; free some"):
        check_room([tmp_path / "logs"])
    assert not list((tmp_path / "logs").iterdir())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 300_000))
    with pytest.raises(AdvcodesError, match=r"logs: only 0\.3 MB of its disk are free; free some, then run again"):
        check_room([tmp_path / "logs"])


def test_a_row_of_the_log_that_cannot_be_written(tmp_path: Path):
    log = LossLog(tmp_path / "losses.csv", batch_size=64)
    log.start()
    log.write(1, {"discriminate/real": 0.5})
    text = (tmp_path / "losses.csv").read_text()
    with (
        files_of_at_most(len(text)),
        pytest.raises(AdvcodesError, match=r"losses\.csv: cannot write: File too large; "),
    ):
        log.write(2, {"discriminate/real": 0.25})
    log.close()
    assert (tmp_path / "losses.csv").read_text() == text + "2,128,0.25\n"
