"""Writing files so that a full disk is one line that names the file, and nothing half-written is taken for whole."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from advcodes.core.errors import AdvcodesError

if TYPE_CHECKING:
    import numpy as np

AFFECTS_RESULTS = False
ROOM = 1 << 20  #: bytes that a pipeline needs for its own notes before it starts
REMEDY = "free some space or fix permissions, then run again"
#: Errors that say something about the disk. (numpy's and Pillow's have no number, when they cannot write all.)
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS)


def reason(error: OSError) -> str:
    """What the system says, on one line."""
    return error.strerror or " ".join(str(error).split()) or type(error).__name__


@contextlib.contextmanager
def written(path: Path) -> Iterator[None]:
    """Hold while a block makes a new file; what it wrote of it is removed where it fails.

    A file of that name is removed first and not written over: a cache may hold a hard link to it.

    Raises:
        AdvcodesError: it cannot be written.
    """
    try:
        path.unlink(missing_ok=True)
        yield
    except OSError as error:
        if error.errno is not None and error.errno not in DISK:
            raise
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise AdvcodesError(f"{path}: cannot write: {reason(error)}; {REMEDY}") from None


def save_array(path: Path, array: np.ndarray) -> None:
    """``numpy.save``, whose file must then be as long as it has to be.

    Raises:
        AdvcodesError: it is not, or cannot be written.
    """
    import numpy as np

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    expected = header.tell() + array.nbytes
    with written(path):
        np.save(path, array)
        if (size := path.stat().st_size) != expected:
            raise OSError(errno.EIO, f"{size:,} of {expected:,} bytes arrived")


def check_room(folders: Iterable[Path]) -> None:
    """See that the file systems of folders have room for what Snakemake and logs write.

    Raises:
        AdvcodesError: one is full, or cannot be written.
    """
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
            probe = folder / f".room.{os.getpid()}.tmp"
            try:
                probe.write_bytes(bytes(1 << 14))  # of a quota, disk_usage knows nothing
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise AdvcodesError(f"{folder}: cannot write: {reason(error)}; {REMEDY}") from None
        if free < ROOM:
            raise AdvcodesError(f"{folder}: only {free / 1e6:.1f} MB of its disk are free; free some, then run again")
