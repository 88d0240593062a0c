"""A word of a sentence that others take the place of, in figures of sentences."""

from __future__ import annotations

import re

from pydantic import Field

from advcodes.core.schema import Model

AFFECTS_RESULTS = False  # declarations enter a report's key as values


class Swap(Model):
    """A word of a sentence, and the words that take its place one after the other."""

    word: str = Field(min_length=1)
    by: list[str] = Field(min_length=2)

    def of(self, sentence: str) -> list[str]:
        """The sentence with each of the words in that place."""
        # As it stands: a backslash would be an escape.
        return [_word(self.word).sub(word.replace("\\", r"\\"), sentence) for word in self.by]

    def occurs(self, sentence: str) -> bool:
        """Whether the sentence has that word."""
        return _word(self.word).search(sentence) is not None

    def marked(self, sentence: str) -> str:
        """The sentence with that place in brackets."""
        return _word(self.word).sub(lambda match: f"[{match[0]}]", sentence)


def _word(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
