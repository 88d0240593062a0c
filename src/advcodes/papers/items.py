"""What a table, a figure and a claim of a paper are; :mod:`advcodes.papers.read` reads their declarations."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from advcodes.core.errors import did_you_mean
from advcodes.core.schema import Model, Positive, Real
from advcodes.metrics.registry import quantities, quantity
from advcodes.papers.kinds import KINDS, Kind, KindName
from advcodes.papers.swap import Swap

AFFECTS_RESULTS = False  # declarations enter a report's key as values
FRONT_ITEM = "acl/table1"  #: the item shown as reports/table1.md
ANY = "*"  #: dataset under which stands what is said on every dataset


def _declared(name: str) -> str:
    known = [q.name for _, q in quantities().values() if q.own]
    if name not in known:
        listed = [repr(own) for own in known]
        expected = f"{', '.join(listed[:-1])} or {listed[-1]}"
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
    return name


Metric = Annotated[str, AfterValidator(_declared)]  #: name of a number that some metric gives, and items may be about
Side = Literal["encoded", "generated"]


class Style(Model):
    """How a row is drawn in a figure of lines; its colour is its method's (:mod:`advcodes.pages.pictures.styles`)."""

    line: Literal["solid", "dashed", "dotted", "dashdot"]


class PaperValue(Model):
    """A number the paper prints: a value, its spread where it gives one, and the sign of a footnote (``†``)."""

    value: Real
    spread: Real | None = None
    mark: str | None = Field(None, min_length=1, max_length=3, description="sign of one of the item's `footnotes`")

    @model_validator(mode="before")
    @classmethod
    def _short(cls, raw: Any) -> Any:
        """Accept ``67.07`` and ``[67.07, 2.82]``."""
        if isinstance(raw, list):
            if len(raw) not in (1, 2):
                raise ValueError(f"expected a number or [value, spread], got {raw}")
            return dict(zip(("value", "spread"), raw, strict=False))
        return raw if isinstance(raw, dict) else {"value": raw}


def _printed(raw: Any) -> PaperValue | dict[str, PaperValue]:
    """One number of a cell, or several by metric."""
    if isinstance(raw, dict) and raw and not raw.keys() & PaperValue.model_fields.keys():
        return _BY_METRIC.validate_python(raw)
    return PaperValue.model_validate(raw)


_BY_METRIC = TypeAdapter(dict[str, PaperValue])
Printed = Annotated[PaperValue | dict[str, PaperValue], BeforeValidator(_printed)]


class Row(Model):
    """A row: its name in the paper, and what the paper prints by column; ``cited`` or ``real`` ones are not trained."""

    label: str
    paper: dict[str, Printed] = Field({}, description="a number a column; or, where it has several, by metric")
    cited: str | None = Field(None, description="where the paper took the number from; the row is then not trained")
    real: bool = Field(False, description="of real training images, which are measured as samples are; not trained")
    columns: list[str] | None = Field(None, min_length=1, description="columns that it is trained for; null: all")
    marks: list[str] = Field([], description="letters of the item's `marks` that it has")
    style: Style | None = Field(None, description="its line in a figure of lines over training")

    @property
    def trained(self) -> bool:
        """Whether its numbers are those of a variant."""
        return self.cited is None and not self.real


def _on_any(value: Any) -> Any:
    """What is not said by dataset holds on every dataset."""
    return {ANY: value} if isinstance(value, list) or (isinstance(value, dict) and "word" in value) else value


Sentences = Annotated[list[str], Field(min_length=1)]
Attributes = Annotated[list[str], Field(min_length=1)]
Measures = Annotated[list[Metric], Field(min_length=1)]


class Panel(Model):
    """One of several panels of curves."""

    title: str
    column: str
    rows: list[str] = Field(min_length=1)


class Item(Model):
    """One table or figure."""

    id: str
    kind: KindName = Field(description="of advcodes.papers.kinds; the module of advcodes.pages.kinds that renders it")
    title: str
    source: str = Field(description="Table 1, Figure 8: where it stands in the paper")
    reference: str = Field("", description="authors and number of the paper; set from its file")
    metric: Metric = Field(description="what the paper measures, or what we do")
    paper_measures: bool = Field(True, description="false: the paper shows pictures, and the metric is our choice")
    in_paper: bool = Field(True, description="false: no table or figure of a paper, but our own")
    better: Literal["lower", "higher"]
    protocol: str = Field(description="the paper's protocol, in words")
    columns: list[str] = Field(min_length=1, description="datasets of the paper, as named in params.yaml")
    measures: dict[str, Measures] = Field(
        {}, description="metrics of a table's column, in order; the item's `metric` alone for columns not named"
    )
    rows: dict[str, Row] = Field(min_length=1, description="variants of params.yaml, in the paper's order")
    panels: list[Panel] = Field([], description="panels of curves; one a column with all rows unless given")
    marks: dict[str, str] = Field({}, description="what letters mean that stand as columns of ✓ in a table")
    footnotes: dict[str, str] = Field({}, description="what a sign (†) at the paper's numbers means")
    sides: list[Side] = Field(["encoded", "generated"], min_length=1, description="whose codes a figure of codes shows")
    sentences: Annotated[dict[str, Sentences], BeforeValidator(_on_any)] = Field(
        {}, description="conditions of images; a list, or one for each dataset that may serve"
    )
    swap: Annotated[dict[str, Swap], BeforeValidator(_on_any)] = Field(
        {}, description="a word of the sentences that others take the place of; or one for each dataset"
    )
    layout: Literal["pairs", "blocks", "rows", "models", "formation"] = Field(
        "pairs",
        description="of reconstructions: each beside its image, a panel for each row; or three blocks of inputs, "
        "reconstructions and samples, with a column for each row; or a line of images, and one of reconstructions for "
        "each row. Of inpainting: lines of images, of what is left of them, and of what each row makes of that; or, of "
        "each row, the steps from an image to the mixed one",
    )
    samples: bool = Field(False, description="with `layout: pairs`, a panel of samples beside each of reconstructions")
    more: bool = Field(False, description="other images than figures show else: those that come after them")
    held_out: bool = Field(
        False, description="real images are those of the split `validation` (or `val`), where the dataset has it"
    )
    attributes: Annotated[dict[str, Attributes], BeforeValidator(_on_any)] = Field(
        {}, description="attributes that are added to images; a list, or one for each dataset; all unless given"
    )
    strength: Positive = Field(1, description="factor on the difference of codes that adds an attribute")
    edits: Literal["images", "samples"] = Field(
        "images",
        description="what attributes are added to: test images that lack them; or samples, and then they are taken "
        "from those that have them, too",
    )
    notes: list[str] = []

    @model_validator(mode="after")
    def _agrees(self) -> Item:
        _once("columns", self.columns)
        if self.declares.over_training and not quantity(self.metric).over_training:
            raise ValueError(f"metric: {self.metric!r} is not measured over training")
        if self.declares.metrics and self.metric not in self.declares.metrics:
            shown = " or ".join(self.declares.metrics)
            raise ValueError(f"metric: `kind: {self.kind}` shows {shown}, not {self.metric!r}")
        if self.better != quantity(self.metric).better:
            raise ValueError(
                f"better: of {self.metric!r}, {quantity(self.metric).better} values are better, not {self.better}"
            )
        if self.paper_measures and not self.in_paper:
            raise ValueError("paper_measures: `true` goes with what is in a paper only, not with `in_paper: false`")
        if self.declares.prints and not self.paper_measures:
            raise ValueError("paper_measures: `false` goes with figures only; a table prints the paper's numbers")
        self._options_agree()
        self._layout_agrees()
        for i, panel in enumerate(self.panels):
            _known(f"panels.{i}", "column", [panel.column], self.columns)
            _known(f"panels.{i}", "row", panel.rows, self.rows)
            for variant in panel.rows:
                if not self.trains(variant, panel.column):
                    raise ValueError(f"panels.{i}: row {variant!r} is not trained for column {panel.column!r}")
        self._measures_agree()
        for name, row in self.rows.items():
            self._row_agrees(f"rows.{name}", row)
        _once("sides", self.sides)
        if "generated" not in self.sides:
            raise ValueError("sides: lack 'generated'; a figure of codes shows the code generator's, at least")
        for key in self.declares.required:
            if not getattr(self, key):
                raise ValueError(f"{key}: missing with `kind: {self.kind}`")
        self._sentences_agree()
        if self.samples and self.layout != "pairs":
            blocks = "; blocks show samples anyway" if self.layout == "blocks" else ""
            raise ValueError(f"samples: goes with `layout: pairs` only{blocks}")
        for dataset, names in self.attributes.items():
            _once("attributes" if dataset == ANY else f"attributes.{dataset}", names)
        self._of_every_column("attributes")
        return self

    def _options_agree(self) -> None:
        """See that the item has no key that goes with other kinds only."""
        for kind in KINDS.values():
            for key in (*kind.options, *kind.page_options):
                if self.kind != kind.name and getattr(self, key) != Item.model_fields[key].default:
                    goes = "go" if key.endswith("s") else "goes"
                    raise ValueError(f"{key}: {goes} with `kind: {kind.name}` only, not with {self.kind!r}")

        for key in ("more", "held_out"):
            if getattr(self, key) and not getattr(self.declares, key):
                kinds = "` or `".join(kind.name for kind in KINDS.values() if getattr(kind, key))
                raise ValueError(f"{key}: goes with `kind: {kinds}` only, not with {self.kind!r}")

    def _layout_agrees(self) -> None:
        if not (layouts := self.declares.layouts):
            if self.layout != Item.model_fields["layout"].default:
                kinds = "` or `".join(kind.name for kind in KINDS.values() if kind.layouts)
                raise ValueError(f"layout: goes with `kind: {kinds}` only, not with {self.kind!r}")
        elif self.layout not in layouts:
            raise ValueError(f"layout: `kind: {self.kind}` has `{'` or `'.join(layouts)}`, not {self.layout!r}")

    def _measures_agree(self) -> None:
        _known("measures", "column", self.measures, self.columns, "columns")
        for column, metrics in self.measures.items():
            _once(f"measures.{column}", metrics)
        if all(self.metric not in self.measured(column) for column in self.columns):
            raise ValueError(f"metric: {self.metric!r} is measured in no column; name one that `measures` has")
        signs = {p.mark for row in self.rows for c in self.columns for p in self.printed(row, c).values() if p.mark}
        for sign in self.footnotes:
            if sign not in signs:
                raise ValueError(f"footnotes: {sign!r} stands at no number of the paper")

    def _row_agrees(self, here: str, row: Row) -> None:
        _known(f"{here}.paper", "column", row.paper, self.columns, "columns")
        for column, printed in row.paper.items():
            at, measured = f"{here}.paper.{column}", self.measured(column)
            if isinstance(printed, PaperValue) and len(measured) > 1:
                raise ValueError(
                    f"{at}: a number without its metric, and the column has several; write {{{measured[0]}: "
                    f"{printed.value:g}}} (measured: {', '.join(measured)})"
                )
            values = {measured[0]: printed} if isinstance(printed, PaperValue) else printed
            _known(at, "metric", values, measured, "measured")
            for metric, value in values.items():
                _known(f"{at}.{metric}.mark", "sign", [value.mark] if value.mark else [], self.footnotes, "footnotes")
        if row.real and (not self.declares.prints or row.cited is not None):
            raise ValueError(f"{here}.real: goes with `kind: table` only, and not with `cited`")
        _known(f"{here}.marks", "mark", row.marks, self.marks, "marks")
        _once(f"{here}.marks", row.marks)
        if row.columns is not None:
            if not row.trained:
                kind = "cited" if row.cited is not None else "of real images"
                raise ValueError(f"{here}.columns: go with trained rows only, and this one is {kind}")
            _known(f"{here}.columns", "column", row.columns, self.columns, "columns")
            _once(f"{here}.columns", row.columns)

    def _of_every_column(self, key: str) -> None:
        """What is said by dataset, if anything, is said of each of the paper's."""
        by_dataset = getattr(self, key)
        for column in self.columns:
            if by_dataset and ANY not in by_dataset and column not in by_dataset:
                raise ValueError(f"{key}: none for column {column!r} (there are: {', '.join(by_dataset)})")

    def _sentences_agree(self) -> None:
        self._of_every_column("sentences")
        for dataset, swap in self.swap.items():
            here = "swap" if dataset == ANY else f"swap.{dataset}"
            _once(f"{here}.by", swap.by)
            if dataset not in self.sentences and ANY not in self.sentences:
                raise ValueError(f"{here}: there are no sentences for {dataset!r}")
            for sentence in self.sentences.get(dataset, self.sentences.get(ANY, [])):
                if not swap.occurs(sentence):
                    raise ValueError(f"{here}.word: {swap.word!r} is no word of {sentence!r}")

    @property
    def declares(self) -> Kind:
        """What its kind declares."""
        return KINDS[self.kind]

    def measured(self, column: str) -> list[Metric]:
        """Metrics of a column, in the paper's order."""
        return self.measures.get(column, [self.metric])

    def printed(self, variant: str, column: str) -> dict[str, PaperValue]:
        """What the paper prints in a cell, by metric."""
        printed = self.rows[variant].paper.get(column) if variant in self.rows else None
        if isinstance(printed, PaperValue):
            return {self.measured(column)[0]: printed}
        return printed or {}

    def trains(self, variant: str, column: str) -> bool:
        """Whether a variant is trained for a column: one that params.yaml adds is for all."""
        row = self.rows.get(variant)
        return row is None or (row.trained and (row.columns is None or column in row.columns))

    @property
    def variants(self) -> list[str]:
        """Variants of the rows that are trained."""
        return [v for v, row in self.rows.items() if row.trained]

    def declaration(self) -> dict[str, Any]:
        """Everything that enters the key of what is rendered from it."""
        return self.model_dump(mode="json")


def _known(here: str, what: str, names: Collection[str], known: Collection[str], label: str = "known") -> None:
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            raise ValueError(f"{here}: unknown {what} {name!r}{near} ({label}: {', '.join(known) or 'none'})")


def _once(here: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{here}: {name!r} stands there twice")


class Claim(Model):
    """A comparative statement of a paper about an item, which runs can support or contradict."""

    id: str
    paper: str
    kind: Literal["better", "not_worse", "falls", "throughout", "beyond", "together"] = Field(
        "better",
        description="`winner` is better than `loser`; is not worse by more than `margin`; is better at the end of "
        "its training than at the first snapshot; is better than `loser` at every snapshot; is better than the "
        "number `than`; or goes with `goes_with` over the snapshots of `winner`",
    )
    item: str = Field(description="id of the item whose numbers decide")
    says: str = Field(description="the claim, in our words")
    where: str = Field(description="section, table or figure of the paper")
    column: str
    winner: str = Field(description="variant that the paper says is better")
    loser: str | None = Field(None, description="the other one; none where the claim is about one")
    margin: Positive | None = Field(
        None,
        description="as a share of the loser's mean: by how much the winner of `not_worse` may be worse; of others, "
        "within which both count as equal (the paper's `equal` unless given)",
    )
    than: Real | None = Field(None, description="of `beyond`: the number")
    goes_with: Metric | None = Field(None, description="of `together`: the other metric, over training")
    differs: list[str] = Field(
        ["method"],
        description="settings that it is about, in which its rows may differ (`method`, `latent_dim`, `architecture`, "
        "`updates.generator`); whatever else they differ in confounds it",
    )
    metric: Metric | None = Field(
        None, description="that decides; the item's unless given, or the one measure of the column"
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Claim:
        if (self.loser is None) != self.alone:
            raise ValueError(f"loser: {'missing' if self.loser is None else 'goes not'} with `kind: {self.kind}`")
        if self.margin is None and self.kind == "not_worse":
            raise ValueError("margin: missing with `kind: not_worse`")
        for key, kind in (("than", "beyond"), ("goes_with", "together")):
            given = getattr(self, key) is not None
            if given != (self.kind == kind):
                raise ValueError(f"{key}: {'goes not' if given else 'missing'} with `kind: {self.kind}`")
        return self

    @property
    def alone(self) -> bool:
        """Whether it is about one row, whose runs are compared with themselves or with a number."""
        return self.kind in ("falls", "beyond", "together")


def deciding(claim: Claim, item: Item) -> Metric:
    """The metric that decides a claim: its own, else the item's, else the first of its column."""
    measured = item.measured(claim.column)
    return claim.metric or (item.metric if item.metric in measured else measured[0])


def check(claim: Claim, items: Mapping[str, Item]) -> None:
    """See that a claim is about what its item shows.

    Raises:
        ValueError: its item, column, row or metric is not there; the message goes on from the claim's key.
    """
    _known("", "item", [claim.item], items)
    item = items[claim.item]
    rows = [row for row in (claim.winner, claim.loser) if row is not None]
    _known("", "column", [claim.column], item.columns)
    _known("", "trained row", rows, item.variants)
    for row in rows:
        if not item.trains(row, claim.column):
            raise ValueError(f": row {row!r} of {item.id} is not trained for column {claim.column!r}")
    if claim.winner == claim.loser:
        raise ValueError(f": winner and loser are both {claim.winner!r}; a claim compares two rows")
    measured = item.measured(claim.column)
    if claim.metric is None and item.metric not in measured and len(measured) > 1:
        raise ValueError(f".metric: missing; column {claim.column!r} of {item.id} has {', '.join(measured)}")
    if claim.metric is not None and claim.metric not in item.measures.get(claim.column, [claim.metric]):
        here = f"column {claim.column!r} of {item.id}"
        raise ValueError(f".metric: {claim.metric!r} is not measured in {here} (measured: {', '.join(measured)})")
    metric = deciding(claim, item)
    over_training = [metric] if claim.goes_with is None else [metric, claim.goes_with]
    metric = next((m for m in over_training if not quantity(m).over_training), metric)
    if claim.kind in ("falls", "throughout", "together") and not quantity(metric).over_training:
        whose = "" if claim.metric else " of its item"
        raise ValueError(f".kind: {claim.kind!r} needs a metric over training, which {metric!r}{whose} is not")
