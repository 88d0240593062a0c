"""File locks that the kernel frees when their process ends, however it ends."""

from __future__ import annotations

import errno
from typing import Any

import filelock

from advcodes.core.errors import AdvcodesError

AFFECTS_RESULTS = False
Timeout = filelock.Timeout
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class FileLock(filelock.FileLock):
    """filelock's lock, without its way out where a file system has no ``flock``.

    There it would leave a file in place of a lock, for which all would wait for ever once its process was killed.
    """

    def __init__(self, path: Any):
        super().__init__(path, fallback_to_soft=False)

    def acquire(self, *arguments: Any, **options: Any) -> Any:
        """As in filelock.

        Raises:
            AdvcodesError: the file system has no locks.
        """
        try:
            return super().acquire(*arguments, **options)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            raise AdvcodesError(
                f"{self.lock_file}: this file system has no flock ({error.strerror}), which keeps two jobs from making "
                "the same thing; mount it with locks (Lustre: -o flock; NFS: version 4, or lockd), or use another"
            ) from None
