"""Reads the papers' tables, figures and claims, declared as data in pipeline/papers/*.yaml."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from advcodes.config.explain import reason
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Model
from advcodes.core.yaml import read_yaml
from advcodes.papers.equality import Equality
from advcodes.papers.items import Claim, Item, check
from advcodes.papers.protocol import Statement, agree
from advcodes.papers.sentences import Sentence, tested
from advcodes.papers.tuning import Tuning

AFFECTS_RESULTS = False  # declarations enter a report's key as values
PAPERS = Path("pipeline/papers")


class _Paper(Model):
    paper: str
    title: str
    reference: str
    items: dict[str, dict[str, Any]]
    claims: list[dict[str, Any]] = []
    sentences: list[Sentence] = []
    protocol: list[Statement] = []
    equal: Equality | None = None
    tuning: Tuning | None = None


def _read(path: Path) -> _Paper:
    try:
        return _Paper.model_validate(read_yaml(path))
    except ValidationError as error:
        raise AdvcodesError(f"{path}: {_first(error)}") from None


def _papers(directory: Path) -> tuple[tuple[_Paper, Path], ...]:
    return _papers_in(directory, Path.cwd())


@functools.cache
def _papers_in(directory: Path, _: Path) -> tuple[tuple[_Paper, Path], ...]:
    papers = [(_read(path), path) for path in sorted(directory.glob("*.yaml"))]
    seen: dict[str, Path] = {}
    for paper, path in papers:
        if paper.paper in seen:
            raise AdvcodesError(f"{path}: paper: {paper.paper!r} is declared in {seen[paper.paper]} already")
        seen[paper.paper] = path
    return tuple(papers)


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


def _items(directory: Path) -> dict[str, Item]:
    return _items_in(directory, Path.cwd())  # a relative directory is another one elsewhere


@functools.cache
def _items_in(directory: Path, _: Path) -> dict[str, Item]:
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


def equalities(directory: Path | None = None) -> dict[str, Equality]:
    """Within what rows count as equal, by the key of each paper that says so."""
    return {p.paper: p.equal for p, _ in _papers(directory or PAPERS) if p.equal is not None}


def read_tuning(item: str, directory: Path | None = None) -> Tuning:
    """How rows of an item's paper are tuned.

    Args:
        item: its id.
        directory: of the papers' YAML files; ``pipeline/papers`` unless given.

    Raises:
        AdvcodesError: its paper declares nothing of that.
    """
    for paper, path in _papers(directory or PAPERS):
        if paper.paper == item.partition("/")[0] and paper.tuning is not None:
            return paper.tuning
        if paper.paper == item.partition("/")[0]:
            raise AdvcodesError(f"{path}: tuning: missing; declare the grid that rows are tuned on")
    raise AdvcodesError(f"tune {item}: no paper of {directory or PAPERS} declares it")


def read_claims(directory: Path | None = None) -> list[Claim]:
    """Every declared claim, in order; with its paper's margin of equality where it has none of its own.

    Args:
        directory: of the papers' YAML files; ``pipeline/papers`` unless given.

    Raises:
        AdvcodesError: a claim is malformed, stands twice, or names an item, column or row that is unknown.
    """
    return list(_claims_in(directory or PAPERS, Path.cwd()))


@functools.cache
def _claims_in(directory: Path, _: Path) -> tuple[Claim, ...]:
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
            try:
                check(claim, items)
            except ValueError as error:
                raise AdvcodesError(f"{here}{error}") from None
            if claim.margin is None and paper.equal is not None:
                claim = claim.model_copy(update={"margin": paper.equal.margin})
            claims[claim.id] = claim
    return tuple(claims.values())


def read_protocol(directory: Path | None = None) -> dict[str, list[Statement]]:
    """What each paper, or the code published with it, states of how it trains and measures, by the paper's key.

    Args:
        directory: of the papers' YAML files; ``pipeline/papers`` unless given.

    Raises:
        AdvcodesError: a statement is malformed, or is about an item, row or column that the paper does not have.
    """
    directory = directory or PAPERS
    statements = {}
    for paper, path in _papers(directory):
        items = {i: item for i, item in _items(directory).items() if i.partition("/")[0] == paper.paper}
        for position, statement in enumerate(paper.protocol):
            try:
                agree(statement, items)
            except ValueError as error:
                raise AdvcodesError(f"{path}: protocol.{position}{error}") from None
        statements[paper.paper] = paper.protocol
    return statements


def read_sentences(directory: Path | None = None) -> dict[str, list[Sentence]]:
    """Comparative sentences of each paper, by its key.

    Args:
        directory: of the papers' YAML files; ``pipeline/papers`` unless given.

    Raises:
        AdvcodesError: a sentence is malformed, or names a claim that its paper's file does not declare.
    """
    directory = directory or PAPERS
    claims = read_claims(directory)
    for paper, path in _papers(directory):
        known = [claim.id for claim in claims if claim.paper == paper.paper]
        for position, sentence in enumerate(paper.sentences):
            try:
                tested(sentence, known)
            except ValueError as error:
                raise AdvcodesError(f"{path}: sentences.{position}{error}") from None
    return {paper.paper: paper.sentences for paper, _ in _papers(directory)}
