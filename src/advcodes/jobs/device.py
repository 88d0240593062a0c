"""Which device a job runs on; jobs share several GPUs through locks, one or more jobs a GPU."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator

import torch

from advcodes.build.provenance import LOCKS
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.core.locks import FileLock, Timeout

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

    In a job of Slurm, a GPU among those that the job was given. The kernel frees a slot when its job ends, however it
    ends.
    """
    torch.set_num_threads(machine.threads)
    device = pick(machine)
    if device.type == "cpu" or device.index is not None:
        yield device
        return
    LOCKS.mkdir(parents=True, exist_ok=True)
    names = _lock_names()
    slots = [(gpu, slot) for slot in range(machine.jobs_per_gpu) for gpu in names]
    while True:
        for gpu, slot in slots:
            lock = FileLock(LOCKS / f"{names[gpu]}-{slot}.lock")
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                try:
                    torch.cuda.set_device(gpu)
                    yield torch.device("cuda", gpu)
                finally:
                    lock.release()
                return
        time.sleep(1)


def _lock_names() -> dict[int, str]:
    """Name of each GPU that may be used, by torch's index.

    Machines that share this directory have GPUs of the same index, so a name has the GPU's UUID and the host. What a
    job of Slurm was given is its own, even where the cluster gives one GPU to several jobs: the job's number is in it.
    """
    count = torch.cuda.device_count()
    given = os.environ.get("SLURM_STEP_GPUS") or os.environ.get("SLURM_JOB_GPUS")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    job = os.environ.get("SLURM_JOB_ID") if given or visible else None
    indices = list(range(count))
    if job and given and not visible:
        # All of the node's numbers, unless the job sees its own GPUs alone, which torch counts from 0.
        numbers = [int(n) for n in given.split(",") if n.isdigit()]
        indices = numbers if len(numbers) < count and max(numbers, default=count) < count else indices
    owner = f"job{job}" if job else socket.gethostname()
    return {i: f"gpu-{owner}-{torch.cuda.get_device_properties(i).uuid}" for i in indices}
