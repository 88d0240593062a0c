"""Declarations of papers: what is refused, and how it is said."""

from __future__ import annotations

import re

import pytest

from advcodes.core.errors import AdvcodesError
from advcodes.papers.items import ANY, Item
from advcodes.papers.read import paper_titles, read_claims, read_items

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
        (("metric: fid", "metric: FID"),
         "items.table1.metric: input should be 'fid', "),
        (("kind: table", "kind: curve"), "items.table1.kind: input should be 'table', 'curves', 'grids', "),
        (("label: ACL-GAN", "label: ACL-GAN, colour: blue"), "items.table1.rows.acl_gan.colour: unknown key"),
        (("label: ACL-GAN", "style: {line: solid}"), "items.table1.rows.acl_gan.label: missing"),
        (("label: ACL-GAN", "label: A, style: {line: wavy}"),
         "items.table1.rows.acl_gan.style.line: input should be 'solid', 'dashed'"),
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
        (("loser: gan", "kind: beyond"), "than: missing with `kind: beyond`"),
        (("loser: gan", "loser: gan, kind: beyond, than: 1"), "loser: goes not with `kind: beyond`"),
        (("loser: gan", "loser: gan, than: 1"), "than: goes not with `kind: better`"),
        (("loser: gan", "loser: gan, kind: not_worse, margin: -1"), "margin: input should be greater than 0, got -1"),
    ],
)  # fmt: skip
def test_claims_that_do_not_fit_their_kind(papers, change, message):
    with pytest.raises(AdvcodesError, match=re.escape(f"acl.yaml: claims.c1.{message}")):
        read_claims(papers(change))


def test_a_course_of_training_is_claimed_of_what_is_measured_over_it(papers):
    directory = papers((", loser: gan", ", kind: falls"), ("metric: fid", "metric: is"), ("lower", "higher"))
    message = r"claims.c1.kind: 'falls' needs a metric over training, which 'is' of its item is not"
    with pytest.raises(AdvcodesError, match=message):
        read_claims(directory)


ROW = ("label: ACL-GAN", "label: ACL-GAN, {}")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("columns: [celebA]", "rows.acl_gan.columns: unknown column 'celebA'; did you mean 'celeba'? (columns: "),
        ("columns: [celeba, celeba]", "rows.acl_gan.columns: 'celeba' stands there twice"),
        ("columns: []", "rows.acl_gan.columns: list should have at least 1 item"),
        ("cited: elsewhere, columns: [celeba]", "rows.acl_gan.columns: go with trained rows only, and this one is"),
        ("real: true, columns: [celeba]", "rows.acl_gan.columns: go with trained rows only, and this one is of real"),
        ("real: true, cited: elsewhere", "rows.acl_gan.real: goes with `kind: table` only, and not with `cited`"),
        ("marks: [A]", "rows.acl_gan.marks: unknown mark 'A' (marks: none)"),
    ],
)  # fmt: skip
def test_malformed_rows(papers, keys, message):
    with pytest.raises(AdvcodesError, match=re.escape(f"items.table1.{message}")):
        read_items(papers((ROW[0], ROW[1].format(keys))))


def test_marks_are_those_of_the_item(papers):
    marked = ("    rows:\n", "    marks: {A: learned prior}\n    rows:\n")
    item = read_items(papers(marked, (ROW[0], ROW[1].format("marks: [A]"))))["acl/table1"]
    assert item.rows["acl_gan"].marks == ["A"] and Item.model_validate(item.declaration()) == item


@pytest.mark.parametrize(
    ("marks", "message"), [("[A, B]", "unknown mark 'B' (marks: A)"), ("[A, A]", "'A' stands there twice")]
)
def test_malformed_marks(papers, marks, message):
    marked = ("    rows:\n", "    marks: {A: learned prior}\n    rows:\n")
    directory = papers(marked, (ROW[0], ROW[1].format(f"marks: {marks}")))
    with pytest.raises(AdvcodesError, match=re.escape(f"items.table1.rows.acl_gan.marks: {message}")):
        read_items(directory)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("marks: {A: a}\n    kind: grids", "marks: go with `kind: table` only, not with 'grids'"),
        ("sides: [generated]\n    kind: table", "sides: go with `kind: codes` only, not with 'table'"),
        ("sides: [encoded]\n    kind: codes", "sides: lack 'generated'; a figure of codes shows the code generator's"),
        ("sides: [generated, generated]\n    kind: codes", "sides: 'generated' stands there twice"),
        ("sentences: [a]\n    kind: table", "sentences: go with `kind: sentences` only, not with 'table'"),
        ("swap: {word: a, by: [b, c]}\n    kind: table", "swap: goes with `kind: sentences` only, not with 'table'"),
        ("kind: sentences", "sentences: missing with `kind: sentences`"),
        ("sentences: {cifar10: [a]}\n    kind: sentences", "sentences: none for column 'celeba' (there are: cifar10)"),
        ("sentences: {cifar10: []}\n    kind: sentences", "sentences.cifar10: list should have at least 1 item"),
        ("sentences: [a red star]\n    swap: {word: blue, by: [a, b]}\n    kind: sentences",
         "swap.word: 'blue' is no word of 'a red star'"),
        ("sentences: [a reddish star]\n    swap: {word: red, by: [a, b]}\n    kind: sentences",
         "swap.word: 'red' is no word of 'a reddish star'"),
        ("sentences: [red]\n    swap: {word: red, by: [red, blue, red]}\n    kind: sentences",
         "swap.by: 'red' stands there twice"),
        ("sentences: [red]\n    swap: {word: red, by: [blue]}\n    kind: sentences",
         "swap.*.by: list should have at least 2 items"),
        ("sentences: {cifar10: [red], celeba: [red]}\n    swap: {mnist: {word: red, by: [a, b]}}\n    kind: sentences",
         "swap.mnist: there are no sentences for 'mnist'"),
        ("kind: table\n    better: higher", "better: of 'fid', lower values are better, not higher"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_their_kind(papers, keys, message):
    text = PAPER.replace("    better: lower\n", "") if "better" in keys else PAPER
    text = text.replace("kind: table", keys, 1)
    if "better" not in text:
        text = text.replace("    metric: fid\n", "    metric: fid\n    better: lower\n")
    with pytest.raises(AdvcodesError, match=re.escape(f"items.table1.{message}")):
        read_items(papers(text=text))


def test_a_panel_shows_rows_that_are_trained_for_its_column(papers):
    panel = ("    rows:\n", "    panels: [{title: t, column: cifar10, rows: [acl_gan]}]\n    rows:\n")
    directory = papers(("kind: table", "kind: curves"), panel, (ROW[0], ROW[1].format("columns: [celeba]")))
    with pytest.raises(AdvcodesError, match=r"panels.0: row 'acl_gan' is not trained for column 'cifar10'"):
        read_items(directory)


def test_a_claim_is_about_rows_that_are_trained_for_its_column(papers):
    directory = papers((ROW[0], ROW[1].format("columns: [celeba]")))
    with pytest.raises(
        AdvcodesError, match=r"claims.c1: row 'acl_gan' of acl/table1 is not trained for column 'cifar10'"
    ):
        read_claims(directory)


def test_sentences_hold_on_any_dataset_or_on_those_named(papers):
    keys = "sentences: [a Red star, red]\n    swap: {word: red, by: [blue, 'a\\b']}\n    kind: sentences"
    item = read_items(papers(text=PAPER.replace("kind: table", keys, 1)))["acl/table1"]
    assert item.sentences == {ANY: ["a Red star", "red"]} and Item.model_validate(item.declaration()) == item
    assert item.swap[ANY].of("a Red star, red") == ["a blue star, blue", r"a a\b star, a\b"]
    assert item.swap[ANY].marked("a Red star") == "a [Red] star"


def test_a_claim_names_a_metric_of_its_own(papers):
    own = (", says: s", ", metric: label_accuracy, says: s")
    assert read_claims(papers(own))[0].metric == "label_accuracy"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("metric: accuracy", "claims.c1.metric: input should be 'fid', "),
        ("kind: falls, metric: label_accuracy",
         "claims.c1.kind: 'falls' needs a metric over training, which 'label_accuracy' is not"),
    ],
)  # fmt: skip
def test_malformed_metrics_of_claims(papers, keys, message):
    change = (", loser: gan, says: s", f", {keys}, says: s") if "falls" in keys else (", says: s", f", {keys}, says: s")
    with pytest.raises(AdvcodesError, match=re.escape(message)):
        read_claims(papers(change))


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
