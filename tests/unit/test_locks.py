"""Locks that end with their process, or none at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import filelock._unix
import pytest

from advcodes.core.errors import AdvcodesError
from advcodes.core.locks import FileLock


def no_flock(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def flock(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(filelock._unix.fcntl, "flock", flock)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int):
    no_flock(monkeypatch, number)
    with pytest.raises(AdvcodesError, match=r"run\.lock: this file system has no flock \(.*\), which keeps two jobs"):
        FileLock(tmp_path / "run.lock").acquire(timeout=0)
    with pytest.raises(AdvcodesError), FileLock(tmp_path / "run.lock"):
        raise AssertionError("no lock is held")


def test_other_errors_are_told_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    no_flock(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        FileLock(tmp_path / "run.lock").acquire(timeout=0)
