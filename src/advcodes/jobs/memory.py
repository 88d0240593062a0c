"""How much memory there is, and how much of it this process has had at most."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

AFFECTS_RESULTS = False


def reset_peak() -> None:
    """Count the peak from now on, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most memory in bytes since :func:`reset_peak`; since the process began where that cannot be told."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def free() -> int:
    """Memory in bytes that a process could have now (Linux; elsewhere 4 GB, to be careful)."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4_000_000_000
