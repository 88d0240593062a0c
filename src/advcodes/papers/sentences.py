"""Comparative sentences of papers, and which claims test them; docs/claims.md lists them."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field, model_validator

from advcodes.core.errors import did_you_mean
from advcodes.core.schema import Model

AFFECTS_RESULTS = False


class Sentence(Model):
    """One comparative sentence, or part of one, in the paper's words."""

    said: str = Field(min_length=1, description="the words; ours in square brackets")
    where: str = Field(min_length=1, description="section, table or figure of the paper")
    claims: list[str] = Field([], description="ids of the claims that test it")
    because: str | None = Field(None, min_length=1, description="why none does, or not all of it")

    @model_validator(mode="after")
    def _answered(self) -> Sentence:
        if not self.claims and self.because is None:
            raise ValueError("claims: none; name those that test it, or say why none can (`because`)")
        for claim in self.claims:
            if self.claims.count(claim) > 1:
                raise ValueError(f"claims: {claim!r} stands there twice")
        return self


def tested(sentence: Sentence, claims: Collection[str]) -> None:
    """See that the claims of a sentence are its paper's.

    Args:
        sentence: of a paper.
        claims: ids of those that the paper's file declares.

    Raises:
        ValueError: one is not there; the message goes on from the sentence's key.
    """
    for claim in sentence.claims:
        if claim not in claims:
            raise ValueError(f".claims: unknown claim {claim!r}{did_you_mean(claim, claims)}")
