"""What this machine has for advcodes, and what to do about what it lacks."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from advcodes.app.planning import speeds
from advcodes.build.provenance import LOCKS
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.core.locks import FileLock
from advcodes.data import mirror

AFFECTS_RESULTS = False
GB = 1e9
ROOM, FULL = 20 * GB, 2 * GB  #: free bytes of a disk: enough for all of a scale, and too few for anything
MEMORY = 2 * GB  #: bytes that a training job may take
PYTHON = (3, 11)
PROGRAMS = ("torch", "torchvision", "snakemake", "dvc", "torch-fidelity", "matplotlib")
SLURM = "snakemake-executor-plugin-slurm"


class Finding(NamedTuple):
    """One thing that was looked at.

    Attributes:
        what: it is.
        state: ``ok``; ``note``, where something is slower or not to be had; or ``fault``, where jobs will fail.
        found: what is there.
        remedy: what to do; empty where nothing is to be done.
    """

    what: str
    state: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        """One line, and the remedy on another."""
        line = f"{self.state:<6}{self.what:<11}{self.found}"
        return f"{line}\n{'':<17}-> {self.remedy}" if self.remedy else line


def examine(machine: Machine, data: Path = Path("data")) -> Iterator[Finding]:
    """Look at everything that jobs need, one thing after another.

    Args:
        machine: of params.yaml.
        data: where results are written.
    """
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("versions", versions),
        ("device", lambda: device(machine)),
        ("bfloat16", lambda: bfloat16(machine)),
        ("threads", lambda: threads(machine, speeds.cores())),
        ("memory", lambda: memory(available(), machine, speeds.cores())),
        ("disk", lambda: disk(data)),
        ("locks", locks),
        ("mirror", lambda: mirrored(machine)),
        ("weights", lambda: weights(machine)),
        ("plugins", plugins),
    )
    for what, check in checks:
        try:
            yield check()
        except AdvcodesError as error:  # a sentence that ends with what to do
            fault, _, remedy = str(error).rpartition("; ")
            yield Finding(what, "fault", fault or remedy, remedy if fault else "")


def versions() -> Finding:
    """Python, and the libraries that results depend on, against what this package asks for."""
    there, wrong = [f"Python {sys.version.split()[0]}"], []
    if sys.version_info < PYTHON:
        wrong.append(f"Python {'.'.join(map(str, PYTHON))} or later")
    least = {re.split(r"[^\w.-]", text)[0]: text for text in metadata.requires("advcodes") or ()}
    for name in PROGRAMS:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(name)
            continue
        there.append(f"{name} {version}")
        wanted = re.search(r">=\s*([\d.]+)", least.get(name, ""))
        if wanted and _parts(version) < _parts(wanted[1]):
            wrong.append(f"{name} {wanted[1]} or later")
    remedy = f"needs {', '.join(wrong)}: run `make venv`, or `pip install -e .`" if wrong else ""
    return Finding("versions", "fault" if wrong else "ok", ", ".join(there), remedy)


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version.partition("+")[0])[:3])


def device(machine: Machine) -> Finding:
    """Where jobs would run.

    Raises:
        AdvcodesError: a GPU is asked for that is not there.
    """
    import torch

    from advcodes.jobs.device import pick

    chosen = pick(machine)
    if chosen.type == "cuda":
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return Finding("device", "ok", f"GPU: {', '.join(names)}")
    if speeds.gpus(machine):
        return Finding("device", "note", "CPU, though a driver shows a GPU: this torch was built without CUDA, or for "
                       "another driver", "install torch for this driver's CUDA version, or leave it so")  # fmt: skip
    return Finding("device", "ok", "CPU")


def bfloat16(machine: Machine) -> Finding:
    """Whether the precision of scale `laptop` is computed as asked for."""
    from advcodes.jobs.device import pick
    from advcodes.jobs.precision import native_bfloat16

    if native_bfloat16(pick(machine)):
        return Finding("bfloat16", "ok", "the device has its own")
    return Finding("bfloat16", "note", "none of its own: what asks for it is computed in float32, about half as fast",
                   "nothing need be done; a newer CPU or GPU has it")  # fmt: skip


def threads(machine: Machine, cores: int) -> Finding:
    """CPU threads of a job against the cores that this process may use."""
    reading = f"{machine.threads} a job, {cores} cores: {max(1, cores // machine.threads)} jobs at once"
    if machine.threads > cores:
        return Finding("threads", "note", reading, f"set machine.threads to {cores} or fewer")
    return Finding("threads", "ok", reading)


def available() -> int:
    """Bytes of memory that this process may still take: what the kernel has, or what its control group leaves."""
    free = next(
        int(line.split()[1]) * 1024 for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line
    )
    group = Path("/sys/fs/cgroup")
    try:
        return min(free, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no control group, or no limit: "max"
        return free


def memory(free: int, machine: Machine, cores: int) -> Finding:
    """Memory for as many jobs as there are cores for."""
    jobs = max(1, cores // machine.threads)
    reading = f"{free / GB:.1f} GB to be had"
    if free >= jobs * MEMORY:
        return Finding("memory", "ok", reading)
    fewer = int(free // MEMORY)
    if fewer < 1:
        return Finding("memory", "fault", reading, "end something else: one training takes up to 2 GB")
    return Finding("memory", "note", f"{reading}, {jobs} jobs may take {jobs * MEMORY / GB:.0f}",
                   f"run `snakemake --cores {fewer * machine.threads}`")  # fmt: skip


def disk(data: Path) -> Finding:
    """Room where results are written."""
    place = next(p for p in (data, *data.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    reading = f"{free / GB:.1f} GB free for {data}/"
    if free < FULL:
        return Finding("disk", "fault", reading, "free some, or make data/ a link to another disk")
    if free < ROOM:
        return Finding(
            "disk", "note", reading, "enough for scale demo; `advcodes prune` deletes runs that nothing names"
        )
    return Finding("disk", "ok", reading)


def locks() -> Finding:
    """Whether this file system has locks, which keep two jobs from making the same thing.

    Raises:
        AdvcodesError: it has none.
    """
    LOCKS.mkdir(parents=True, exist_ok=True)
    with FileLock(LOCKS / "doctor.lock"):
        return Finding("locks", "ok", f"{LOCKS}/ has them")


def mirrored(machine: Machine) -> Finding:
    """The mirror of original files.

    Raises:
        AdvcodesError: it is set, but is no directory.
    """
    directory = mirror.directory(machine)
    if directory is None:
        return Finding("mirror", "ok", "none: scale demo needs no download, other scales download what they need",
                       f"without a network: put archives into a folder, and set {mirror.VARIABLE} to it")  # fmt: skip
    return Finding("mirror", "ok", f"{directory}: {len(list(directory.iterdir()))} entries")


def weights(machine: Machine) -> Finding:
    """The 2015 Inception weights, which `fid` and `is` are defined by.

    Raises:
        AdvcodesError: a path is set, and is not those weights.
    """
    from advcodes.extractors import inception

    given = os.environ.get(inception.WEIGHTS.variable) or machine.inception_weights
    folder = mirror.directory(machine)
    if given:
        inception.WEIGHTS.verify(Path(given).expanduser())
        return Finding("weights", "ok", f"Inception: {given}")
    if folder and (folder / inception.NAME).is_file():
        return Finding("weights", "ok", f"Inception: {folder / inception.NAME}")
    return Finding("weights", "ok", "Inception: none; only `metrics.extractor: inception` needs them, and fetches them",
                   f"without a network: set {inception.WEIGHTS.variable} to {inception.NAME}")  # fmt: skip


def plugins() -> Finding:
    """Snakemake's plugin for Slurm, where there is a Slurm."""
    try:
        return Finding("plugins", "ok", f"{SLURM} {metadata.version(SLURM)}")
    except metadata.PackageNotFoundError:
        pass
    if shutil.which("sbatch"):
        return Finding("plugins", "note", "this machine has Slurm, and Snakemake no plugin for it",
                       "pip install -e '.[slurm]', then snakemake --profile profiles/slurm")  # fmt: skip
    return Finding("plugins", "ok", "none needed: no Slurm here")
