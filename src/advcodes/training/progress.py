"""One line now and then about a long job: how far, how fast, how long still."""

from __future__ import annotations

import time
from collections.abc import Mapping

AFFECTS_RESULTS = False


def duration(seconds: float) -> str:
    """``3:07`` or ``2:03:07``."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"


class Progress:
    """Prints at most one line every ``interval`` seconds, and always the last.

    Args:
        name: of the job, shown first.
        total: steps in all.
        done: steps already done (a resumed run).
        images_per_step: for images/s.
    """

    def __init__(self, name: str, total: int, done: int, images_per_step: int, interval: float = 10.0):
        self.name, self.total, self.first, self.per_step, self.interval = (
            name,
            total,
            done,
            images_per_step,
            interval,
        )
        self.start = self.last = time.monotonic()

    def update(self, step: int, values: Mapping[str, float]) -> None:
        """Report that ``step`` steps are done."""
        now = time.monotonic()
        if step < self.total and now - self.last < self.interval:
            return
        self.last = now
        rate = (step - self.first) / max(now - self.start, 1e-9)
        shown = " ".join(f"{k} {v:.3g}" for k, v in values.items() if v == v)
        eta = "" if step >= self.total else f" | ETA {duration((self.total - step) / max(rate, 1e-9))}"
        print(
            f"{self.name} | step {step}/{self.total} | {rate * self.per_step:,.0f} img/s{eta} | {shown}",
            flush=True,
        )
