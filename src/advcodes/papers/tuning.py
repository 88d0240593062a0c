"""How the rows of a paper's items are tuned before they are compared: declared in its file, the same for every row."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field, model_validator

from advcodes.core.schema import Count, Model, Natural, Positive

AFFECTS_RESULTS = False


class Tuning(Model):
    """A grid and a small fixed budget; on a seed and a split that no table is about."""

    grid: Annotated[dict[str, Annotated[list[Any], Field(min_length=1)]], Field(min_length=1)] = Field(
        description="values tried of each key of a variant (`optimiser.lr`)"
    )
    trials: Count = Field(description="of every row; at most as many as the grid has points")
    share: Annotated[Positive, Field(le=1)] = Field(0.2, description="of a run's images that a trial sees")
    held_out: Annotated[Positive, Field(lt=1)] = Field(
        0.1, description="of the split `train` that trials are measured on and do not see"
    )
    seed: Natural = Field(1000, description="of all trials; none that a table has")

    @property
    def points(self) -> int:
        """How many there are in the grid."""
        return math.prod(map(len, self.grid.values()))

    @model_validator(mode="after")
    def _fits(self) -> Tuning:
        if self.trials > self.points:
            raise ValueError(f"trials: {self.trials}, and the grid has {self.points}")
        return self
