"""The one exception that reaches a user: a single line that says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

AFFECTS_RESULTS = False


class AdvcodesError(Exception):
    """An error caused by input, files or machine, whose text is one line made for the user.

    The command line prints it after ``advcodes: error:`` and exits with status 1, without a traceback.
    """


class Interrupted(KeyboardInterrupt):
    """A signal has ended work that can be taken up again; the text is one line for the user.

    Attributes:
        signal: its number.
    """

    def __init__(self, text: str, signal: int):
        super().__init__(text)
        self.signal = signal


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of ``known``, else an empty string."""
    near = difflib.get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown(what: str, word: str, known: Iterable[str]) -> AdvcodesError:
    """An error for a name that is not among ``known``, with the nearest one and the whole list."""
    known = sorted(str(k) for k in known)
    return AdvcodesError(f"unknown {what} {word!r}{did_you_mean(word, known)} (known: {', '.join(known)})")
