"""How far work that takes long is, how fast, how long still: a bar on a terminal, now and then a line in a log.

Not tqdm: jobs write through a pipe to Snakemake's logs, where it draws its bar again and again into one endless line.
"""

from __future__ import annotations

import shutil
import sys
import time

AFFECTS_RESULTS = False
BAR = 20  #: characters
REDRAWN = 0.2  #: seconds between two pictures of a bar
_drawn = False  # whether the terminal's last line is a bar


def duration(seconds: float) -> str:
    """``3:07`` or ``2:03:07``."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


def end_bar() -> None:
    """Begin a new line where a bar stands, before anything else is printed."""
    global _drawn
    if _drawn:
        print(flush=True)
    _drawn = False


class Progress:
    """Say how much of some work is done, and nothing if it is over before ``seconds``.

    In a log that is a line at most once in ``seconds``; on a terminal a bar that is drawn over.

    Args:
        what: first words of the line.
        total: the whole amount; None where it is unknown.
        unit: what is counted; ``bytes`` are shown as MB.
        seconds: between lines; before a bar appears, ``REDRAWN`` of them.
        start: what was there before the work began.
    """

    def __init__(self, what: str, total: int | None, unit: str, seconds: float = 10.0, start: int = 0):
        self.what, self.total, self.unit = what, total, unit
        self.begun = self.last = time.monotonic()
        self.start = start
        self.bar = sys.stdout.isatty()
        self.seconds = min(seconds, REDRAWN) if self.bar else seconds

    def at(self, done: int, note: str = "") -> None:
        """Say that ``done`` of the whole amount is there, and how things go (``note``)."""
        global _drawn
        now, over = time.monotonic(), self.total is not None and done >= self.total
        if now - self.last < self.seconds and not (self.bar and _drawn and over):
            return
        self.last = now
        line = self._line(done, now) + (f" | {note}" if note else "")
        if not self.bar:
            print(line, flush=True)
            return
        if self.total:
            full = min(BAR, BAR * done // self.total)
            line = f"[{'#' * full}{'.' * (BAR - full)}] {line}"
        wide = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{line[:wide]}", end="", flush=True)
        _drawn = True
        if over:
            end_bar()

    def _line(self, done: int, now: float) -> str:
        scale, unit, digits = (1e6, "MB", 1) if self.unit == "bytes" else (1, self.unit, 0)
        line = f"{self.what}: {done / scale:,.{digits}f}"
        if self.total:
            line += f" of {self.total / scale:,.{digits}f}"
        line += f" {unit}"
        rate = (done - self.start) / max(now - self.begun, 1e-9)
        if rate > 0:
            line += f", {rate / scale:,.{digits}f} {unit}/s"
            if self.total:
                line += f", {100 * done / self.total:.0f}%, {duration((self.total - done) / rate)} left"
        return line
