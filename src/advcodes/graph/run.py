"""What a run is called, and where results lie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from advcodes.core.errors import AdvcodesError

AFFECTS_RESULTS = False
DATA = Path("data")
REPORTS = Path("reports")


class Run(NamedTuple):
    """One training: dataset x variant x seed."""

    scale: str
    dataset: str
    variant: str
    seed: int

    @property
    def id(self) -> str:
        return f"{self.scale}/{self.dataset}/{self.variant}/seed{self.seed}"

    @classmethod
    def parse(cls, text: str) -> Run:
        """Inverse of :attr:`id`; also takes the run's directory."""
        parts = Path(text).parts[-4:]
        if len(parts) != 4 or not re.fullmatch(r"seed\d+", parts[3]):
            raise AdvcodesError(
                f"run {text!r}: expected <scale>/<dataset>/<variant>/seed<k>, as in demo/digits/gan/seed0"
            )
        return cls(parts[0], parts[1], parts[2], int(parts[3].removeprefix("seed")))


def plain(model: Any) -> dict[str, Any]:
    return model.model_dump(mode="json")
