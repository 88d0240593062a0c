"""Tables, figures and claims of the papers, declared as data in pipeline/papers/*.yaml."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from advcodes.errors import AdvcodesError, did_you_mean
from advcodes.explain import reason
from advcodes.schema import Model, Positive, Real
from advcodes.yamlfile import read_yaml

AFFECTS_RESULTS = False  # declarations enter a report's key as values
PAPERS = Path("pipeline/papers")
FRONT_ITEM = "acl/table1"  #: the item shown as reports/table1.md


class Style(Model):
    """How a row is drawn in a figure of curves."""

    color: Literal["blue", "orange", "green", "red", "purple", "brown", "pink", "gray", "olive", "cyan"]
    line: Literal["solid", "dashed", "dotted"] = "solid"


class PaperValue(Model):
    """A number the paper prints: a value, and its spread where it gives one."""

    value: Real
    spread: Real | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        """Accept ``67.07`` and ``[67.07, 2.82]``."""
        if isinstance(raw, list):
            if len(raw) not in (1, 2):
                raise ValueError(f"expected a number or [value, spread], got {raw}")
            return dict(zip(("value", "spread"), raw, strict=False))
        return raw if isinstance(raw, dict) else {"value": raw}


class Row(Model):
    """A row: its name in the paper, and what the paper prints by column. ``cited`` rows are never trained."""

    label: str
    paper: dict[str, PaperValue] = {}
    cited: str | None = Field(None, description="where the paper took the number from; the row is then not trained")
    style: Style | None = Field(None, description="colour and line in a figure of curves")


class Panel(Model):
    """One of several panels of curves."""

    title: str
    column: str
    rows: list[str] = Field(min_length=1)


class Item(Model):
    """One table or figure."""

    id: str
    kind: Literal["table", "curves", "grids", "codes", "interpolation", "priors"] = Field(
        description="module of advcodes.reporting that renders it"
    )
    title: str
    source: str = Field(description="Table 1, Figure 8: where it stands in the paper")
    reference: str = Field("", description="authors and number of the paper; set from its file")
    metric: Literal["fid", "is", "energy_distance"] = Field(description="what the paper measures, or what we do")
    paper_measures: bool = Field(True, description="false: the paper shows pictures, and the metric is our choice")
    better: Literal["lower", "higher"]
    protocol: str = Field(description="the paper's protocol, in words")
    columns: list[str] = Field(min_length=1, description="datasets of the paper, as named in params.yaml")
    rows: dict[str, Row] = Field(min_length=1, description="variants of params.yaml, in the paper's order")
    panels: list[Panel] = Field([], description="panels of curves; one a column with all rows unless given")
    notes: list[str] = []

    @model_validator(mode="after")
    def _columns_agree(self) -> Item:
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise ValueError(f"columns: {column!r} stands there twice")
        if self.kind == "curves" and self.metric == "is":
            raise ValueError(f"metric: {self.metric!r} is not measured over training")
        if self.kind == "table" and not self.paper_measures:
            raise ValueError("paper_measures: `false` goes with figures only; a table prints the paper's numbers")
        if self.panels and self.kind != "curves":
            raise ValueError(f"panels: go with `kind: curves` only, not with {self.kind!r}")
        for i, panel in enumerate(self.panels):
            for what, name, known in (
                ("column", panel.column, self.columns),
                *(("row", row, self.rows) for row in panel.rows),
            ):
                if name not in known:
                    near = did_you_mean(name, known)
                    raise ValueError(f"panels.{i}: unknown {what} {name!r}{near} (known: {', '.join(known)})")
        for name, row in self.rows.items():
            for column in row.paper:
                if column not in self.columns:
                    raise ValueError(
                        f"rows.{name}.paper: unknown column {column!r}{did_you_mean(column, self.columns)} "
                        f"(columns: {', '.join(self.columns)})"
                    )
        return self

    @property
    def variants(self) -> list[str]:
        """Variants of the rows that are trained."""
        return [v for v, row in self.rows.items() if row.cited is None]

    def declaration(self) -> dict[str, Any]:
        """Everything that enters the key of what is rendered from it."""
        return self.model_dump(mode="json")


class Claim(Model):
    """A comparative statement of a paper about an item, which runs can support or contradict."""

    id: str
    paper: str
    kind: Literal["better", "not_worse", "falls"] = Field(
        "better",
        description="`winner` is better than `loser`; is not worse by more than `margin`; or is better at the end of "
        "its training than at the first snapshot",
    )
    item: str = Field(description="id of the item whose numbers decide")
    says: str = Field(description="the claim, in our words")
    where: str = Field(description="section, table or figure of the paper")
    column: str
    winner: str = Field(description="variant that the paper says is better")
    loser: str | None = Field(None, description="the other one; none where the claim is about one")
    margin: Positive | None = Field(None, description="of `not_worse`, as a share of the loser's mean")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Claim:
        if (self.loser is None) != (self.kind == "falls"):
            raise ValueError(f"loser: {'missing' if self.loser is None else 'goes not'} with `kind: {self.kind}`")
        if (self.margin is None) == (self.kind == "not_worse"):
            raise ValueError(f"margin: {'missing' if self.margin is None else 'goes not'} with `kind: {self.kind}`")
        return self


class _Paper(Model):
    paper: str
    title: str
    reference: str
    items: dict[str, dict[str, Any]]
    claims: list[dict[str, Any]] = []


def _read(path: Path) -> _Paper:
    try:
        return _Paper.model_validate(read_yaml(path))
    except ValidationError as error:
        raise AdvcodesError(f"{path}: {_first(error)}") from None


@functools.cache
def _papers(directory: Path) -> tuple[tuple[_Paper, Path], ...]:
    found = [(_read(path), path) for path in sorted(directory.glob("*.yaml"))]
    seen: dict[str, Path] = {}
    for paper, path in found:
        if paper.paper in seen:
            raise AdvcodesError(f"{path}: paper: {paper.paper!r} is declared in {seen[paper.paper]} already")
        seen[paper.paper] = path
    return tuple(found)


def _first(error: ValidationError) -> str:
    """The first problem: path of the key, what is wrong."""
    first = error.errors()[0]
    keys = ".".join(map(str, first["loc"]))
    return f"{keys}: {reason(first)}" if keys else reason(first)


def read_items(directory: Path | None = None) -> dict[str, Item]:
    """Every declared item by id (``acl/table1``).

    Args:
        directory: of the papers' YAML files; ``pipeline/papers`` unless given.

    Raises:
        AdvcodesError: a declaration is malformed; the message names file and key.
    """
    return _items(directory or PAPERS)


@functools.cache
def _items(directory: Path) -> dict[str, Item]:
    items = {}
    for paper, path in _papers(directory):
        for name, raw in paper.items.items():
            id_ = f"{paper.paper}/{name}"
            try:
                items[id_] = Item.model_validate({"id": id_, "reference": paper.reference, **raw})
            except ValidationError as error:
                raise AdvcodesError(f"{path}: items.{name}.{_first(error)}") from None
    return items


def paper_titles(directory: Path | None = None) -> dict[str, str]:
    """Title of every paper by its key."""
    return {paper.paper: paper.title for paper, _ in _papers(directory or PAPERS)}


def read_claims(directory: Path | None = None) -> list[Claim]:
    """Every declared claim, in order.

    Args:
        directory: of the papers' YAML files; ``pipeline/papers`` unless given.

    Raises:
        AdvcodesError: a claim is malformed, stands twice, or names an item, column or row that is unknown.
    """
    return list(_claims(directory or PAPERS))


@functools.cache
def _claims(directory: Path) -> tuple[Claim, ...]:
    claims: dict[str, Claim] = {}
    items = _items(directory)
    for paper, path in _papers(directory):
        for raw in paper.claims:
            here = f"{path}: claims.{raw.get('id', '?')}"
            try:
                claim = Claim.model_validate({"paper": paper.paper, **raw})
            except ValidationError as error:
                raise AdvcodesError(f"{here}.{_first(error)}") from None
            if claim.id in claims:
                raise AdvcodesError(f"{here}: stands there twice; give each claim its own id")
            item = items.get(claim.item)
            rows = item.variants if item else []
            for what, name, known in (
                ("item", claim.item, items),
                ("column", claim.column, item.columns if item else ()),
                ("trained row", claim.winner, rows),
                *([("trained row", claim.loser, rows)] if claim.loser is not None else []),
            ):
                if name not in known:
                    near = did_you_mean(name, known)
                    raise AdvcodesError(f"{here}: unknown {what} {name!r}{near} (known: {', '.join(known)})")
            if claim.winner == claim.loser:
                raise AdvcodesError(f"{here}: winner and loser are both {claim.winner!r}; a claim compares two rows")
            if claim.kind == "falls" and items[claim.item].metric == "is":
                raise AdvcodesError(f"{here}.kind: 'falls' needs a metric over training, which 'is' of its item is not")
            claims[claim.id] = claim
    return tuple(claims.values())
