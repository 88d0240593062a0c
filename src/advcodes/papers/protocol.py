"""What papers state of how they train and measure, beside which docs/protocol.md sets what is done here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from advcodes.core.errors import did_you_mean
from advcodes.core.schema import Model
from advcodes.papers.items import Item

AFFECTS_RESULTS = False


class Statement(Model):
    """One setting, as a paper or the code published around it has it."""

    setting: str | list[str] = Field(
        description="dotted key or keys: `batch_size`, `lr.generator`, `n_generated.fid`; `lr` is that of all networks"
    )
    value: Any = Field(description="what is stated")
    source: str = Field(description="where: a section of the paper, or a repository (docs/facts.md lists them)")
    items: list[str] | None = Field(None, min_length=1, description="tables and figures that it is about; null: all")
    columns: list[str] | None = Field(None, min_length=1, description="the paper's datasets; null: all")
    rows: list[str] | None = Field(None, min_length=1, description="variants; null: all")
    because: str | None = Field(None, min_length=1, description="why ours is another, where it is")

    @property
    def settings(self) -> list[str]:
        """Its keys."""
        return [self.setting] if isinstance(self.setting, str) else self.setting

    def about(self, setting: str, item: str, column: str, row: str) -> bool:
        """Whether it is about a setting of a row in a column of an item."""
        name = item.partition("/")[2]
        pairs = ((self.items, name), (self.columns, column), (self.rows, row))
        here = any(setting == one or setting.startswith(f"{one}.") for one in self.settings)
        return here and all(chosen is None or one in chosen for chosen, one in pairs)


def agree(statement: Statement, items: Mapping[str, Item]) -> None:
    """See that a statement is about what its paper has.

    Raises:
        ValueError: an item, column or row is not there; the message goes on from the statement's key.
    """
    known = {
        "items": [i.partition("/")[2] for i in items],
        "columns": list(dict.fromkeys(c for item in items.values() for c in item.columns)),
        "rows": list(dict.fromkeys(v for item in items.values() for v in item.variants)),
    }
    for key, names in known.items():
        for name in getattr(statement, key) or ():
            if name not in names:
                raise ValueError(f".{key}: unknown {key[:-1]} {name!r}{did_you_mean(name, names)}")
