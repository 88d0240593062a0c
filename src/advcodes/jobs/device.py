"""Which device a job runs on; jobs share several GPUs through locks, one or more jobs a GPU."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch
from filelock import FileLock, Timeout

from advcodes.build.provenance import LOCKS
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError

AFFECTS_RESULTS = False


def pick(machine: Machine) -> torch.device:
    """The device that params.yaml asks for; ``auto`` is a GPU where there is one.

    Raises:
        AdvcodesError: a GPU is asked for that torch does not see.
    """
    if machine.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(machine.device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise AdvcodesError(
            f"machine.device: {machine.device!r} asked for, but torch sees {torch.cuda.device_count()} GPUs here; "
            "set it to auto or cpu"
        )
    return device


@contextlib.contextmanager
def claimed(machine: Machine) -> Iterator[torch.device]:
    """A device for one job: on a machine with several GPUs, one with a free slot (``machine.jobs_per_gpu``).

    The kernel frees a slot when its job ends, however it ends.
    """
    torch.set_num_threads(machine.threads)
    device = pick(machine)
    if device.type == "cpu" or device.index is not None:
        yield device
        return
    LOCKS.mkdir(parents=True, exist_ok=True)
    slots = [(gpu, slot) for slot in range(machine.jobs_per_gpu) for gpu in range(torch.cuda.device_count())]
    while True:
        for gpu, slot in slots:
            lock = FileLock(LOCKS / f"gpu{gpu}-{slot}.lock")
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                try:
                    torch.cuda.set_device(gpu)
                    yield torch.device("cuda", gpu)
                finally:
                    lock.release()
                return
        time.sleep(1)
