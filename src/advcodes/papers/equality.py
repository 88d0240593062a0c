"""Within what two rows of a paper count as equal."""

from __future__ import annotations

from pydantic import Field

from advcodes.core.schema import Model, Positive

AFFECTS_RESULTS = False  # declarations enter a report's key as values


class Equality(Model):
    """The margin of a paper's claims that name none of their own."""

    margin: Positive = Field(description="share of the other row's mean")
    because: str = Field(min_length=1, description="why no smaller difference matters to what the paper says")
