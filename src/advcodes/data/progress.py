"""A line every few seconds about work that takes long."""

from __future__ import annotations

import time

AFFECTS_RESULTS = False


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

    def at(self, done: int) -> None:
        """Say that ``done`` of the whole amount is there."""
        now = time.monotonic()
        if now - self.last < self.seconds:
            return
        self.last = now
        scale, unit, digits = (1e6, "MB", 1) if self.unit == "bytes" else (1, self.unit, 0)
        line = f"{self.what}: {done / scale:,.{digits}f}"
        if self.total:
            line += f" of {self.total / scale:,.{digits}f}"
            if done > self.start:
                rest = (self.total - done) * (now - self.begun) / (done - self.start)
                unit += f", {100 * done / self.total:.0f}%, {rest:.0f} s left"
        print(f"{line} {unit}", flush=True)
