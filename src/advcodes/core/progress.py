"""One line now and then about work that takes long: how far, how fast, how long still.

Not tqdm: jobs write through a pipe to Snakemake's logs, where it draws its bar again and again into one endless line.
"""

from __future__ import annotations

import time

AFFECTS_RESULTS = False


def duration(seconds: float) -> str:
    """``3:07`` or ``2:03:07``."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


class Progress:
    """Print how much of some work is done, at most once in ``seconds``, and nothing if it is over before.

    Args:
        what: first words of the line.
        total: the whole amount; None where it is unknown.
        unit: what is counted; ``bytes`` are shown as MB.
        seconds: between lines.
        start: what was there before the work began.
    """

    def __init__(self, what: str, total: int | None, unit: str, seconds: float = 10.0, start: int = 0):
        self.what, self.total, self.unit, self.seconds = what, total, unit, seconds
        self.begun = self.last = time.monotonic()
        self.start = start

    def at(self, done: int, note: str = "") -> None:
        """Say that ``done`` of the whole amount is there, and how things go (``note``)."""
        now = time.monotonic()
        if now - self.last < self.seconds:
            return
        self.last = now
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
        print(line + (f" | {note}" if note else ""), flush=True)
