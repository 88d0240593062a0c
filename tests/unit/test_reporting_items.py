"""Declarations of papers: what is refused, and how it is said."""

from __future__ import annotations

import re

import pytest

from advcodes.errors import AdvcodesError
from advcodes.reporting.items import Item, paper_titles, read_claims, read_items

PAPER = """\
paper: acl
title: Adversarial Code Learning
reference: Yuan et al.
items:
  table1:
    kind: table
    title: GANs
    source: Table 1
    metric: fid
    better: lower
    protocol: p
    columns: [cifar10, celeba]
    rows:
      gan: {label: GAN, paper: {cifar10: [67.07, 2.82], celeba: 64.28}}
      acl_gan: {label: ACL-GAN}
      dcgan: {label: DCGAN, cited: elsewhere}
claims:
  - {id: c1, item: acl/table1, column: cifar10, winner: acl_gan, loser: gan, says: s, where: w}
"""


@pytest.fixture
def papers(tmp_path):
    def write(*changes, text=PAPER, name="acl.yaml"):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / name).write_text(text)
        return tmp_path

    return write


def test_a_declaration_is_read_and_its_json_is_the_same_item(papers):
    item = read_items(papers())["acl/table1"]
    assert item.reference == "Yuan et al."
    assert item.variants == ["gan", "acl_gan"]
    assert item.rows["gan"].paper["cifar10"].spread == 2.82
    assert item.rows["gan"].paper["celeba"].spread is None
    assert Item.model_validate(item.declaration()) == item
    assert [c.id for c in read_claims(papers())] == ["c1"]
    assert paper_titles(papers()) == {"acl": "Adversarial Code Learning"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("celeba: 64.28", "celebA: 64.28"),
         "items.table1.rows.gan.paper: unknown column 'celebA'; did you mean 'celeba'? (columns: cifar10, celeba)"),
        (("[cifar10, celeba]", "[cifar10, celeba, cifar10]"), "items.table1.columns: 'cifar10' stands there twice"),
        (("[cifar10, celeba]", "[]"), "items.table1.columns: list should have at least 1 item"),
        (("    metric: fid\n", ""), "items.table1.metric: missing"),
        (("metric: fid", "metric: FID"), "items.table1.metric: input should be 'fid', 'is' or 'energy_distance', got"),
        (("kind: table", "kind: curve"), "items.table1.kind: input should be 'table', 'curves', 'grids', "),
        (("label: ACL-GAN", "label: ACL-GAN, colour: blue"), "items.table1.rows.acl_gan.colour: unknown key"),
        (("label: ACL-GAN", "style: {color: blue}"), "items.table1.rows.acl_gan.label: missing"),
        (("label: ACL-GAN", "label: A, style: {color: navy}"),
         "items.table1.rows.acl_gan.style.color: input should be 'blue', 'orange'"),
        (("[67.07, 2.82]", "[67.07, 2.82, 3]"),
         "items.table1.rows.gan.paper.cifar10: expected a number or [value, spread], got [67.07, 2.82, 3]"),
        (("[67.07, 2.82]", "yes"), "items.table1.rows.gan.paper.cifar10.value: expected a number, not a boolean"),
        (("      dcgan:", "      gan:"), "line 16: not valid YAML: 'gan' stands there twice"),
        (("[cifar10, celeba]", "[cifar10, celeba"), "line 13: not valid YAML: "),
        (("title: Adversarial Code Learning\n", ""), "title: missing"),
    ],
)  # fmt: skip
def test_malformed_items(papers, change, message):
    directory = papers(change)
    with pytest.raises(AdvcodesError, match=re.escape(f"{directory}/acl.yaml: {message}")):
        read_items(directory)


def test_curves_are_of_what_is_measured_over_training(papers):
    directory = papers(("kind: table", "kind: curves"), ("metric: fid", "metric: is"))
    with pytest.raises(AdvcodesError, match=r"items.table1.metric: 'is' is not measured over training"):
        read_items(directory)


def test_a_table_has_the_papers_numbers(papers):
    directory = papers(("kind: table", "kind: table\n    paper_measures: false"))
    with pytest.raises(AdvcodesError, match=r"items.table1.paper_measures: `false` goes with figures only"):
        read_items(directory)


@pytest.mark.parametrize(
    ("kind", "panel", "message"),
    [
        ("table", "{title: t, column: cifar10, rows: [gan]}", "panels: go with `kind: curves` only, not with 'table'"),
        ("curves", "{title: t, column: cifar, rows: [gan]}",
         "panels.0: unknown column 'cifar'; did you mean 'cifar10'? (known: cifar10, celeba)"),
        ("curves", "{title: t, column: cifar10, rows: [gan, acl]}", "panels.0: unknown row 'acl'"),
        ("curves", "{title: t, column: cifar10, rows: []}", "panels.0.rows: list should have at least 1 item"),
    ],
)  # fmt: skip
def test_malformed_panels(papers, kind, panel, message):
    changes = ("kind: table", f"kind: {kind}"), ("    rows:\n", f"    panels: [{panel}]\n    rows:\n")
    with pytest.raises(AdvcodesError, match=re.escape(f"items.table1.{message}")):
        read_items(papers(*changes))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("item: acl/table1", "item: acl/table2"), "unknown item 'acl/table2'; did you mean 'acl/table1'?"),
        (("column: cifar10", "column: cifar"),
         "unknown column 'cifar'; did you mean 'cifar10'? (known: cifar10, celeba)"),
        (("winner: acl_gan", "winner: aclgan"),
         "unknown trained row 'aclgan'; did you mean 'acl_gan'? (known: gan, acl_gan)"),
        (("loser: gan", "loser: dcgan"), "unknown trained row 'dcgan'; did you mean 'gan'?"),
        (("loser: gan", "loser: acl_gan"), "winner and loser are both 'acl_gan'; a claim compares two rows"),
    ],
)  # fmt: skip
def test_malformed_claims(papers, change, message):
    with pytest.raises(AdvcodesError, match=re.escape(f"acl.yaml: claims.c1: {message}")):
        read_claims(papers(change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((", loser: gan", ""), "loser: missing with `kind: better`"),
        (("loser: gan", "loser: gan, kind: falls"), "loser: goes not with `kind: falls`"),
        (("loser: gan", "loser: gan, kind: not_worse"), "margin: missing with `kind: not_worse`"),
        (("loser: gan", "loser: gan, margin: 0.1"), "margin: goes not with `kind: better`"),
        (("loser: gan", "loser: gan, kind: not_worse, margin: -1"), "margin: input should be greater than 0, got -1"),
    ],
)  # fmt: skip
def test_claims_that_do_not_fit_their_kind(papers, change, message):
    with pytest.raises(AdvcodesError, match=re.escape(f"acl.yaml: claims.c1.{message}")):
        read_claims(papers(change))


def test_a_course_of_training_is_claimed_of_what_is_measured_over_it(papers):
    directory = papers((", loser: gan", ", kind: falls"), ("metric: fid", "metric: is"))
    message = r"claims.c1.kind: 'falls' needs a metric over training, which 'is' of its item is not"
    with pytest.raises(AdvcodesError, match=message):
        read_claims(directory)


def test_a_claim_stands_twice(papers):
    with pytest.raises(AdvcodesError, match=r"claims.c1: stands there twice; give each claim its own id"):
        read_claims(papers(text=PAPER + PAPER.splitlines()[-1] + "\n"))


def test_a_claim_lacks_a_key(papers):
    with pytest.raises(AdvcodesError, match=r"claims.c1.says: missing"):
        read_claims(papers((" says: s,", "")))


def test_two_files_of_one_paper(papers):
    papers()
    directory = papers(name="copy.yaml")
    with pytest.raises(AdvcodesError, match=r"copy.yaml: paper: 'acl' is declared in .*acl.yaml already"):
        read_items(directory)
