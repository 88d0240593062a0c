"""Rows: columns that they are trained for, marks, and numbers cited beside trained ones."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from pages_fakes import CURVES, ITEM, PROTOCOL, artifact, item, render_artifact, requested, run

from advcodes.config.params import resolve
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.pages import claims, render, text
from advcodes.pages.kinds.course import curves
from advcodes.pages.results import read_results
from evaluation_fakes import write_prepared

BOTH = {"cifar10": "digits", "celeba": "digits"}  # one dataset serves both columns
ROWS = {
    "gan": {"label": "GAN", "columns": ["cifar10"]},
    "acl_gan": {"label": "ACL-GAN", "columns": ["celeba"]},
    "wgan_gp": {"label": "WGAN-GP"},
}


def rendered(root, declared, inputs, **config):
    made = render_artifact(root, declared, inputs, **config)
    render.make(made, Machine())
    return made.directory, declared.id.partition("/")[2]


def three(root, **kwargs):
    inputs = {}
    for variant, fd in (("gan", 3.0), ("acl_gan", 2.0), ("wgan_gp", 1.0)):
        inputs |= run(root, f"demo/digits/{variant}/seed0", fd, **kwargs)
    return inputs


def line(page, start):
    """Cells of the first line of a table that starts so."""
    found = next(x for x in page.splitlines() if x.startswith(f"| {start}"))
    return [c.strip() for c in found.strip("|").split("|")]


# ------------------------------------------------------------------------------------------------------------
# Columns of a row


def test_only_runs_for_a_rows_columns_are_made(tree):
    tree["stand_ins"] = tree["scales"]["demo"]["stand_ins"] = {"cifar10": "digits", "celeba": "shapes"}
    tree["seeds"] = [0]
    graph = Graph(resolve(tree))
    declared = item(id="x/table1", rows=ROWS)
    made = {(r.dataset, r.variant) for r in graph.runs(declared)}
    assert made == {("digits", "gan"), ("shapes", "acl_gan"), ("digits", "wgan_gp"), ("shapes", "wgan_gp")}
    tree["scales"]["demo"]["stand_ins"]["celeba"] = "digits"
    graph = Graph(resolve(tree))
    assert graph.runs(declared) == [Run("demo", "digits", v, 0) for v in ROWS]  # each once


def test_an_item_may_train_some_of_its_rows_only(tree, tmp_path):
    tree["seeds"], tree["stand_ins"] = [0], {}
    tree["scales"]["demo"] |= {"stand_ins": BOTH, "per_item": {"x/table1": {"rows": ["wgan_gp"]}}}
    declared = item(id="x/table1", rows={**ROWS, "gan": {"label": "GAN", "paper": {"cifar10": 67.07}}})
    graph = Graph(resolve(tree))
    assert graph.rows(declared) == ["wgan_gp"]
    assert graph.runs(declared) == [Run("demo", "digits", "wgan_gp", 0)]
    made, name = rendered(tmp_path, declared, run(tmp_path, "demo/digits/wgan_gp/seed0", 1.0), columns=BOTH,
                          rows=graph.rows(declared))  # fmt: skip
    gan = line((made / f"{name}.md").read_text(), "GAN")
    assert gan[1:3] == ["\N{EN DASH}", "67.07"], "the paper's number stands, and ours is a dash"
    tree["scales"]["demo"]["per_item"]["x/table1"]["rows"] = ["wgan"]
    with pytest.raises(AdvcodesError, match=r"unknown row under per_item.x/table1.rows 'wgan'.*wgan_gp"):
        Graph(resolve(tree)).rows(declared)


def test_a_variant_cannot_take_the_name_of_a_cited_row(tree):
    tree["variants"]["dcgan"] = {"method": "gan", "items": ["acl/table1"]}
    with pytest.raises(AdvcodesError, match=r"variants.dcgan.items: row 'dcgan' of acl/table1 is a cited number"):
        Graph(resolve(tree)).rows(item())


def test_a_variant_cannot_take_the_name_of_a_row_of_real_images(tree):
    tree["variants"]["real"] = {"method": "gan", "items": ["acl/table1"]}
    rows = {"gan": {"label": "GAN"}, "real": {"label": "Real images", "real": True}}
    with pytest.raises(AdvcodesError, match=r"row 'real' of acl/table1 is of real images, which are not trained"):
        Graph(resolve(tree)).rows(item(rows=rows))


def test_a_table_has_a_dash_where_a_row_is_not_for_the_column(tmp_path):
    directory, name = rendered(tmp_path, item(rows=ROWS), three(tmp_path), columns=BOTH)
    page = (directory / f"{name}.md").read_text()
    dash = text.DASH
    assert line(page, "GAN") == ["GAN", "3.00 (1 seed)", dash, dash, dash]
    assert line(page, "ACL-GAN") == ["ACL-GAN", dash, dash, "2.00 (1 seed)", dash]
    assert line(page, "WGAN-GP") == ["WGAN-GP", "**1.00 (1 seed)**", dash, "**1.00 (1 seed)**", dash]
    content = json.loads((directory / f"{name}.json").read_text())
    assert content["rows"]["gan"]["cells"]["celeba"] == {"paper": None, "ours": None, "runs": []}
    others = page.partition("## Other metrics")[2]
    assert [line(others, row)[1] for row in ("GAN", "ACL-GAN", "WGAN-GP")] == ["2.50"] * 3


def test_footnotes_of_a_column_are_about_its_own_rows(tmp_path):
    inputs = three(tmp_path) | run(tmp_path, "demo/digits/gan/seed0", 3.0, images=64_000)
    found = requested(tmp_path, item(rows=ROWS), inputs, rows=list(ROWS), columns=BOTH).frame()
    assert found["columns"]["cifar10"]["images"] == [64_000, 128_000]
    assert found["columns"]["celeba"]["images"] == [128_000]
    directory, name = rendered(tmp_path, item(rows=ROWS), inputs, columns=BOTH)
    assert "64,000 to 128,000 images of digits seen" in (directory / f"{name}.md").read_text()


def test_curves_have_panels_of_the_rows_of_their_columns(tmp_path):
    inputs = three(tmp_path, curve=[(1000, 4.0), (2000, 3.0)])
    declared = item(CURVES, rows=ROWS)
    figure = curves.content(requested(tmp_path, declared, inputs, rows=list(ROWS), columns=BOTH))
    shown = {panel["column"]: panel["rows"] for panel in figure["panels"]}
    assert shown == {"cifar10": ["gan", "wgan_gp"], "celeba": ["acl_gan", "wgan_gp"]}
    assert list(figure["rows"]["gan"]["curves"]) == ["cifar10"]


def test_grids_have_a_line_for_each_column(tmp_path):
    levels = {"gan": 50, "acl_gan": 100, "wgan_gp": 150}
    inputs = {}
    for variant, level in levels.items():
        samples = np.full((70, 1, 8, 8), level, np.uint8)
        inputs |= run(tmp_path, f"demo/digits/{variant}/seed0", 3.0, samples=samples)
    write_prepared(tmp_path / "digits", np.full((100, 1, 8, 8), 200, np.uint8), {"train": 30, "test": 70})
    inputs["data/digits"] = artifact(tmp_path / "digits", "prepared/digits")
    declared = item(id="acl/fig6", kind="grids", paper_measures=False, rows=ROWS)
    directory, name = rendered(tmp_path, declared, inputs, columns=BOTH)
    from PIL import Image

    pixels = np.asarray(Image.open(directory / f"{name}.png").convert("L"))
    high, wide = pixels.shape[0] // 2, pixels.shape[1] // 3
    upper, lower = ([(half[:, i * wide : (i + 1) * wide]) for i in range(3)] for half in (pixels[:high], pixels[high:]))
    full = 64 * 64 * 8 * 8
    for parts, expected in ((upper, (200, 50, 150)), (lower, (200, 100, 150))):
        assert [int(np.bincount(part[part < 255]).argmax()) for part in parts] == list(expected)
        assert all((part == level).sum() >= 0.99 * full for part, level in zip(parts, expected, strict=True))
    assert "| GAN | 3.00 (1 seed) | \u2013 |" in (directory / f"{name}.md").read_text()


# ------------------------------------------------------------------------------------------------------------
# Marks, and cited numbers

MARKED = {
    "marks": {"A": "learned prior", "B": "perceptual loss"},
    "rows": {
        "gan": {"label": "AAE", "paper": {"cifar10": 2.15}},
        "acl_gan": {"label": "Ours", "marks": ["A"], "paper": {"cifar10": 3.04}},
        "wgan_gp": {"label": "Cited", "marks": ["B", "A"], "cited": "elsewhere", "paper": {"cifar10": 7.86}},
    },
    "columns": ["cifar10"],
    "metric": "is",
    "better": "higher",
}


@pytest.fixture
def marked(tmp_path):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0) | run(tmp_path, "demo/digits/acl_gan/seed0", 2.0)
    directory, name = rendered(tmp_path, item(**MARKED), inputs, columns={"cifar10": "digits"})
    return {end: (directory / f"{name}.{end}").read_text() for end in ("md", "tex", "json")}


def test_marks_are_columns_between_label_and_numbers(marked):
    page = marked["md"]
    assert line(page, "Model")[:4] == ["Model", "A", "B", "CIFAR-10 (served by digits): ours, `score_classifier` ↑"]
    assert line(page, "---") == ["---", "---", "---", "---:", "---:"]
    assert line(page, "AAE") == ["AAE", "", "", "**2.50 (1 seed)**", "2.15"]
    assert line(page, "Ours")[:3] == ["Ours", "✓", ""]
    assert line(page, "Cited") == ["Cited (cited: elsewhere)", "✓", "✓", text.DASH, "7.86"]
    assert "- **Marks**: A: learned prior; B: perceptual loss." in page
    assert "✓" not in page.partition("## Other metrics")[2]


def test_marks_in_json_and_latex(marked):
    content = json.loads(marked["json"])
    assert content["marks"] == MARKED["marks"] and content["rows"]["wgan_gp"]["marks"] == ["B", "A"]
    lines = [x for x in marked["tex"].splitlines() if not x.startswith("%")]
    assert lines[0] == r"\begin{tabular}{lccrr}"
    assert lines[2:5] == [
        r" & & & \multicolumn{2}{c}{CIFAR-10 (served by digits)} \\",
        r"\cmidrule(lr){4-5}",
        r"Model & A & B & ours, score\_classifier $\uparrow$ & paper, Inception Score $\uparrow$ \\",
    ]
    assert lines[7] == r"Ours & \checkmark{} &  & \textbf{2.50 (1 seed)} & 3.04 \\"
    assert r"% needs \usepackage{booktabs,amssymb}" in marked["tex"]


def test_a_table_without_marks_says_nothing_of_them(tmp_path):
    directory, name = rendered(tmp_path, item(), run(tmp_path, "demo/digits/gan/seed0", 3.0))
    files = [(directory / f"{name}.{end}").read_text() for end in ("md", "tex", "json")]
    assert not any(re.search("marks|Marks|amssymb|✓", file) for file in files)


def test_a_cited_row_and_a_trained_one_beside_it(tmp_path, tree):
    rows = {
        "dcgan_cited": {"label": "DCGAN", "cited": "the WGAN-GP paper", "paper": {"cifar10": 6.16}},
        "gan": {"label": "DCGAN"},
        "acl_gan": {"label": "Ours", "paper": {"cifar10": 6.52}},
    }
    declared = item(columns=["cifar10"], rows=rows, metric="is", better="higher")
    assert {r.variant for r in Graph(resolve(tree)).runs(declared)} == {"gan", "acl_gan"}
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0) | run(tmp_path, "demo/digits/acl_gan/seed0", 2.0)
    directory, name = rendered(tmp_path, declared, inputs, columns={"cifar10": "digits"})
    page = (directory / f"{name}.md").read_text()
    table = page.partition("**Ours**")[0].splitlines()
    assert [x.split(" | ") for x in table if x.startswith("| DCGAN")] == [
        ["| DCGAN (cited: the WGAN-GP paper)", text.DASH, "6.16 |"],
        ["| DCGAN", "**2.50 (1 seed)**", f"{text.DASH} |"],
    ]
    assert "cited rows are numbers that the paper took from elsewhere; they are not trained here" in page


def test_a_row_of_real_images_has_what_they_score(tmp_path, tree):
    rows = {
        "gan": {"label": "GAN"},
        "real": {"label": "Real images", "real": True, "paper": {"cifar10": 11.24}},
    }
    declared = item(columns=["cifar10"], rows=rows, metric="is", better="higher")
    assert Graph(resolve(tree)).rows(declared) == ["gan"], "they are not trained"
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0)
    directory, name = rendered(tmp_path, declared, inputs, columns={"cifar10": "digits"}, rows=["gan"])
    page, other = (directory / f"{name}.md").read_text().split("## Other metrics")
    assert line(page, "Real images") == ["Real images", "9.50", "11.24"], "the floor of this metric, never in bold"
    assert line(page, "GAN")[1] == "2.50 (1 seed)"
    assert "real images are training images in place of generated ones, measured by the same code" in page
    assert "Real images" not in other and "*real training images*" in other
    cell = json.loads((directory / f"{name}.json").read_text())["rows"]["real"]["cells"]["cifar10"]
    assert cell["ours"]["score_classifier"] == {"mean": 9.5, "sd": None, "seeds": 0} and cell["runs"] == []


def test_a_row_of_real_images_where_nothing_was_run(tmp_path):
    rows = {"gan": {"label": "GAN"}, "real": {"label": "Real images", "real": True, "paper": {"cifar10": 11.24}}}
    declared = item(columns=["cifar10"], rows=rows, metric="is", better="higher")
    directory, name = rendered(tmp_path, declared, {}, columns={"cifar10": None}, rows=["gan"])
    assert line((directory / f"{name}.md").read_text(), "Real images")[1:] == [text.DASH, "11.24"]


# ------------------------------------------------------------------------------------------------------------
# Metrics that not every row has

NAMES = ("fd_classifier", "label_accuracy")
ASKED = {**PROTOCOL, "conditioned_on": "labels", "classes": 10, "class_accuracy": 0.97}


def test_metrics_that_some_rows_lack_are_dashes(tmp_path):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0, names=NAMES[:1])
    inputs |= run(tmp_path, "demo/digits/acl_gan/seed0", 2.0, names=NAMES, protocol=ASKED)
    directory, name = rendered(tmp_path, item(), inputs)
    page = (directory / f"{name}.md").read_text()
    others = page.partition("## Other metrics")[2]
    assert line(others, "GAN") == ["GAN", text.DASH] and line(others, "ACL-GAN") == ["ACL-GAN", "2.50"]
    assert line(others, "*real") == ["*real training images*", text.DASH]  # the floor is of other images
    assert "97.0 % right on test images" in others  # the protocol is that of the runs that have it


def test_the_floor_of_what_was_asked_is_of_reference_images(tmp_path):
    inputs = run(tmp_path, "demo/digits/acl_gan/seed0", 2.0, names=NAMES, protocol=ASKED)
    rows = {"acl_gan": {"label": "ACL-GAN"}}
    declared = item(metric="label_accuracy", better="higher", rows=rows)
    directory, name = rendered(tmp_path, declared, inputs)
    page = (directory / f"{name}.md").read_text()
    assert "real images of split test score `label_accuracy` 9.50 (360 images of digits)" in page
    assert "CIFAR-10: paper, label accuracy ↑" in page


def test_a_metric_of_conditional_runs_that_a_run_lacks_is_named(tmp_path):
    inputs = run(tmp_path, "demo/digits/acl_gan/seed0", 2.0, names=NAMES[:1])
    message = "expected one metric of kind 'label_accuracy', found none; only runs of conditional methods have it"
    with pytest.raises(AdvcodesError, match=message):
        rendered(tmp_path, item(metric="label_accuracy", better="higher"), inputs)


def test_a_claim_is_judged_by_its_own_metric(tmp_path):
    """By FD, lower, the GAN is better; by label accuracy, higher, the other is."""
    inputs = {}
    for variant, fd in (("gan", 1.0), ("acl_gan", 2.0)):
        for seed in range(3):
            id_ = f"demo/digits/{variant}/seed{seed}"
            inputs |= run(tmp_path, id_, fd + seed / 10, names=NAMES, protocol=ASKED)
            path = inputs[id_].directory / "metrics.json"
            content = json.loads(path.read_text())
            content["metrics"]["label_accuracy"] = fd / 4 + seed / 100
            path.write_text(json.dumps(content))
    claim = {"id": "c", "paper": "acl", "item": "acl/table1", "says": "s", "where": "w", "column": "cifar10",
             "winner": "acl_gan", "loser": "gan"}  # fmt: skip
    made = {"acl/table1": {"item": ITEM, "columns": {"cifar10": "digits", "celeba": None}, "seeds": [0, 1, 2]}}

    def verdict(**changes):
        return claims.content("demo", [claim | changes], made, read_results(inputs))

    usual, own = verdict(), verdict(metric="label_accuracy")
    assert usual["claims"][0]["verdict"] == "does not hold" and usual["claims"][0]["paper_metric"] == "fid"
    found = own["claims"][0]
    assert (found["verdict"], found["metric"], found["better"]) == ("holds", "label_accuracy", "higher")
    page = claims.markdown(own, {})
    assert "digits, `label_accuracy` ↑" in page and "where the paper has" not in page
