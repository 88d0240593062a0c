"""Base types of every configuration model: immutable, unknown keys are errors, numbers are numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

AFFECTS_RESULTS = False
SEEDS = 2**32  #: seeds are below it, as numpy's


class Model(BaseModel):
    """An immutable configuration section in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)


def _number(value: Any) -> Any:
    """Refuse booleans (YAML's ``yes``) and let ``1e-4``, which YAML 1.1 reads as a string, be a float."""
    if isinstance(value, bool):
        raise ValueError("expected a number, not a boolean")
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ValueError("expected a number") from None
    return value


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Real, Field(gt=0)]
NonNegative = Annotated[Real, Field(ge=0)]
Fraction = Annotated[Real, Field(ge=0, lt=1)]
Count = Annotated[int, Field(strict=True, gt=0)]
Natural = Annotated[int, Field(strict=True, ge=0)]


def _kept(value: Any) -> Any:
    numbers = value if isinstance(value, list) else [value]
    if not numbers or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in numbers):
        raise ValueError("expected a count, or a list of images seen (one at least)")
    return value


Snapshots = Annotated[Count | Annotated[list[Count], Field(min_length=1)], BeforeValidator(_kept)]
