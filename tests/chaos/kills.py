"""Ways for a pipeline to end too early, and what it has cost until then."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import psutil

from workflow.project import Process

TICKS = os.sysconf("SC_CLK_TCK")


def _family(process: Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def _child(process: Process, random: Random) -> None:
    """kill -9 of one descendant; those that called it notice, or not."""
    if family := _family(process):
        with contextlib.suppress(psutil.NoSuchProcess):
            random.choice(family).kill()


def _signal(number: int, group: bool) -> Callable[[Process, Random], None]:
    def send(process: Process, random: Random) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number) if group else os.kill(process.pid, number)

    return send


#: By name; `group` is what a terminal does, or a machine that goes down.
KILLS: dict[str, Callable[[Process, Random], None]] = {
    "kill -9 of main": _signal(signal.SIGKILL, group=False),
    "kill -9 of a child": _child,
    "kill -9 of the group": _signal(signal.SIGKILL, group=True),
    "SIGTERM of main": _signal(signal.SIGTERM, group=False),
    "SIGTERM of the group": _signal(signal.SIGTERM, group=True),
    "SIGINT of the group": _signal(signal.SIGINT, group=True),
}


class Accounts:
    """Core-seconds of all processes in the sessions of watched calls, seen four times a second."""

    def __init__(self) -> None:
        self._sessions: set[int] = set()
        self._spent: dict[tuple[int, int], float] = {}
        threading.Thread(target=self._look, daemon=True).start()

    @property
    def total(self) -> float:
        return sum(self._spent.copy().values())

    def watch(self, process: Process) -> Process:
        self._sessions.add(process.pid)
        return process

    def _look(self) -> None:
        while True:
            for entry in os.listdir("/proc"):
                if entry.isdecimal():
                    with contextlib.suppress(OSError, ValueError, IndexError):
                        fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                        if int(fields[3]) in self._sessions:
                            self._spent[int(entry), int(fields[19])] = (int(fields[11]) + int(fields[12])) / TICKS
            time.sleep(0.25)
