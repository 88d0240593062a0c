"""Ctrl-C and SIGTERM as a request that work looks at when it can: training then saves a checkpoint and ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from advcodes.core.errors import Interrupted

AFFECTS_RESULTS = False
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], int | None]]:
    """While this holds, the first of the signals is only noted; a second one interrupts at once.

    Yields:
        A function that gives the signal that has come, or None. Outside of the main thread, where signals cannot be
        handled, it is always None.
    """
    come: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if come:
            raise Interrupted("interrupted twice; what came after the last checkpoint is lost", number)
        come.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield lambda: come[0] if come else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
