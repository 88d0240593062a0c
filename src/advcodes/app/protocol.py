"""docs/protocol.md: what scale `paper` does, beside what the papers state."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from advcodes.core.errors import AdvcodesError
from advcodes.data.expected import expected
from advcodes.graph.compared import settings
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.metrics.extracted import OnFeatures, metric_name
from advcodes.metrics.registry import metric_of
from advcodes.pages import text
from advcodes.papers.items import Item
from advcodes.papers.protocol import Statement
from advcodes.papers.read import paper_titles, read_protocol

AFFECTS_RESULTS = False
STATED, ASSUMED, DIFFERS = "as stated", "not stated (assumed)", "differs"
INTRODUCTION = """\
# Protocol at scale `paper`

<!-- `advcodes docs` writes this page from params.yaml and from `protocol` in pipeline/papers. -->

What a run at scale `paper` does, setting by setting, beside what its paper states, or the code published around it.
Each line is marked:

- **as stated**: the two are the same.
- **not stated (assumed)**: neither paper nor published code has it; ours is a choice, and a key of `params.yaml`.
- **differs, because**: the two are not the same, and why.

*Updates* count every phase that updates a kind of network; a decoder counts as a generator, and whatever tells real
images from others as a discriminator. *lr* and *betas* are Adam's. Early stopping may end a run before. Sources in
brackets are sections of the papers or repositories, which section 0.2 of [facts](facts.md) lists.
"""
#: Settings of a run that are shown, in order; of the last ones, what stands behind a dot is the kind of network.
SHOWN = ("train_split", "train_images", "epochs", "images", "batch_size", "latent_dim", "precision", "early_stopping",
         "optimiser.decay", "prior", "updates", "lr", "betas")  # fmt: skip
_BY_NETWORK = SHOWN[-3:]
_WHERE_STATED = ("prior",)  #: shown only where something is stated of it
MEASURED = "What is measured"
_NUMBERS = ("metric", "n_generated", "n_reference", "reference_split", "n_reconstructed")


class Line(NamedTuple):
    """A line of the sheet.

    Attributes:
        setting: its dotted key.
        rows: variants that have it so.
        here: the value at scale `paper`.
        statement: what is stated; None where nothing is.
        where: item or dataset, for messages.
    """

    setting: str
    rows: list[str]
    here: Any
    statement: Statement | None
    where: str

    @property
    def mark(self) -> str:
        """One of the three."""
        if self.statement is None:
            return ASSUMED
        return STATED if alike(self.here, self.statement.value) else DIFFERS


def alike(here: Any, stated: Any) -> bool:
    """Whether two values are the same, a number and a list of it alone among them."""
    one, two = (v[0] if isinstance(v, list | tuple) and len(v) == 1 else v for v in (here, stated))
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(alike, one, two))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (one, two))
    return abs(one - two) <= 1e-9 * max(abs(one), abs(two)) if numbers else (type(one), one) == (type(two), two)


def lines(graph: Graph, paper: str, statements: Sequence[Statement]) -> dict[str, list[Line]]:
    """The sheet of a paper: its lines by section, the items' first and then those of trainings by dataset.

    Raises:
        AdvcodesError: two statements on one setting of a run, or one that is about no run at all, where params.yaml
            has every variant.
    """
    items = {i: item for i, item in graph.items.items() if i.partition("/")[0] == paper}
    used: set[int] = set()
    cells: dict[str, dict[tuple[str, str, int | None], Line]] = {}
    for item in items.values():
        for column, dataset, row in _cells(graph, item):
            for section, setting, here, who in _told(graph, item, column, dataset, row):
                matching = [(n, s) for n, s in enumerate(statements) if s.about(setting, item.id, column, row)]
                used |= {n for n, _ in matching}
                if len(matching) > 1:
                    raise AdvcodesError(
                        f"protocol of {paper}: two statements on {setting} of {row} on {column} in {item.id}"
                    )
                if setting in _WHERE_STATED and not matching:
                    continue
                number, statement = matching[0] if matching else (None, None)
                line = Line(setting, [], here, statement, section)
                kept = cells.setdefault(section, {}).setdefault((setting, repr(here), number), line)
                if who not in kept.rows:
                    kept.rows.append(who)
    # Where params.yaml leaves out variants, so it does what is stated of them.
    whole = all(row in graph.params.variants for item in items.values() for row in item.rows if item.rows[row].trained)
    for n, statement in enumerate(statements):
        if n not in used and whole:
            raise AdvcodesError(
                f"protocol of {paper}: {text.listing(statement.settings)} ({statement.source}) is about no run"
            )
    return {section: _joined(matching.values()) for section, matching in cells.items()}


def _joined(lines: Iterable[Line]) -> list[Line]:
    """Lines in order; those of several kinds of networks that say the same are one."""
    joined: dict[Any, Line] = {}
    for line in sorted(lines, key=lambda x: _order(x.setting)):
        first, _, kind = line.setting.partition(".")
        key = (first, repr(line.here), id(line.statement), tuple(line.rows)) if first in _BY_NETWORK else id(line)
        if key in joined:
            line = line._replace(setting=f"{joined[key].setting}, {kind}")
        joined[key] = line
    return list(joined.values())


def _cells(graph: Graph, item: Item) -> Iterator[tuple[str, str, str]]:
    """Column, the dataset that serves it, and row of everything that an item trains."""
    for column in item.columns:
        dataset = graph.params.served(column, item.id)
        for row in graph.rows(item) if dataset is not None else ():
            if row in graph.params.variants and item.trains(row, column):
                yield column, str(dataset), row


def _told(graph: Graph, item: Item, column: str, dataset: str, row: str) -> Iterator[tuple[str, str, Any, str]]:
    """Section, setting, value, and what has it, of all that is told of a cell."""
    for metric in item.measured(column):
        for key, value in _measured(graph, item, dataset, metric):
            yield MEASURED, key, value, f"`{item.id.partition('/')[2]}` on {text.dataset(column)}"
    run = Run(graph.params.scale, dataset, row, 0)
    config, whole = graph.train(run).config, settings(graph, run)
    look, split = expected(graph.params, dataset), config["view"]["train_split"]
    size = look.size(split, dataset) if look else None
    stopping = config["training"].get("early_stopping")
    told = whole | {
        "train_split": split,
        "train_images": size,
        "epochs": config["budget"]["epochs"] or (size and round(whole["images"] / size, 1)),
        "early_stopping": "held-out reconstructions" if stopping else "none",
    }
    for key, value in told.items():
        if _order(key) < len(SHOWN):
            yield f"Training on {text.dataset(dataset)} (`{dataset}`)", key, value, f"`{row}`"


def _measured(graph: Graph, item: Item, dataset: str, metric: str) -> Iterator[tuple[str, Any]]:
    """How a number of an item is measured: its full name, and how many images of which split it compares."""
    m, cls = graph.params.metrics, metric_of(metric)
    look = expected(graph.params, dataset)
    if not issubclass(cls, OnFeatures):
        yield "metric", metric
        if "reconstructions" in cls.needs and look:
            test = graph.params.datasets[dataset].test_split
            yield f"n_reconstructed.{metric}", min(m.n_reconstructed or m.n_reference, look.size(test, dataset))
        return  # or as its own settings say
    split = graph.reference_split(dataset)
    generated = m.curve_n_generated if item.declares.over_training else m.n_generated
    if metric == "is":
        generated = m.n_generated_is or generated
    reference = min(m.n_reference, look.size(split, dataset) if look else m.n_reference)
    yield "metric", metric_name(metric, graph.looks_through(dataset), generated, reference, split)
    yield f"n_generated.{metric}", generated
    if metric != "is":
        yield f"n_reference.{metric}", reference
        yield f"reference_split.{metric}", split


def _order(setting: str) -> int:
    """Place of a setting in :data:`SHOWN`; numbers of items come first, and what is not shown last."""
    first = setting.partition(".")[0]
    if first in _NUMBERS:
        return _NUMBERS.index(first) - len(_NUMBERS)
    return next((i for i, shown in enumerate(SHOWN) if shown in (setting, first)), len(SHOWN))


def unexplained(graph: Graph, protocol: Mapping[str, Sequence[Statement]]) -> list[str]:
    """What differs without a reason, and reasons of what does not differ, a sentence each."""
    wrong = []
    for paper, statements in protocol.items():
        marks: dict[int, set[str]] = {}
        for line in itertools.chain.from_iterable(lines(graph, paper, statements).values()):
            stated = line.statement
            if stated is None:
                continue
            marks.setdefault(id(stated), set()).add(line.mark)
            if line.mark == DIFFERS and stated.because is None:
                wrong.append(
                    f"{paper}, {line.where}: {line.setting} of {', '.join(line.rows)} is {_value(line.here)}, and "
                    f"{_value(stated.value)} is stated ({stated.source}): set it so, or say why (`because`)"
                )
        for stated in statements:
            if stated.because and DIFFERS not in marks[id(stated)]:
                keys = text.listing(stated.settings)
                wrong.append(f"{paper}: {keys} ({stated.source}) does not differ: remove `because`")
    return wrong


def page(graph: Graph) -> str:
    """The whole of docs/protocol.md.

    Args:
        graph: at scale `paper`.
    """
    protocol, titles = read_protocol(), paper_titles()
    parts = [INTRODUCTION]
    for paper, statements in protocol.items():
        if not any(item.in_paper for i, item in graph.items.items() if i.partition("/")[0] == paper):
            continue
        parts.append(f"\n## {titles[paper]}")
        for section, section_lines in lines(graph, paper, statements).items():
            everyone = list(dict.fromkeys(row for line in section_lines for row in line.rows))
            rows = [_row(line, everyone) for line in section_lines]
            parts.append(f"\n### {section}\n")
            who = "items" if section == MEASURED else "rows"
            parts.append(text.markdown_table(["setting", who, "here", "stated", ""], rows, left=range(5)))
    return "\n".join(parts) + "\n"


def _row(line: Line, everyone: Sequence[str]) -> list[str]:
    who = "all" if len(line.rows) == len(everyone) else ", ".join(line.rows)
    stated = line.statement
    told = f"{_value(stated.value)} ({stated.source})" if stated else text.DASH
    mark = f"differs, because {stated.because}" if stated and line.mark == DIFFERS else line.mark
    return [line.setting, who, _value(line.here), told, f"**{mark}**" if line.mark == DIFFERS else mark]


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return _value(value[0]) if len(value) == 1 else ", ".join(map(_value, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
    return str(value)
