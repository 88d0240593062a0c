"""Tables whose columns have several metrics: declarations, pages, and claims about them."""

from __future__ import annotations

import json
import re

import pytest
from pages_fakes import METRICS, PROTOCOL, item, render_artifact, requested, run

from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.pages import claims, render, text
from advcodes.pages.kinds.tables import table
from advcodes.pages.results import only, read_results
from advcodes.papers.items import Item, deciding
from advcodes.papers.read import read_claims, read_items

#: Table I of AAAE (facts 4.1).
TABLE1 = {
    "id": "aaae/table1",
    "kind": "table",
    "title": "Samples and reconstructions of AAAE",
    "source": "Table I",
    "reference": "Xu et al.",
    "metric": "fid",
    "better": "lower",
    "protocol": "10,000 samples",
    "columns": ["mnist", "cifar10", "celeba_178", "oxford102"],
    "measures": {"mnist": ["mnist_score", "mse"], "cifar10": ["is", "mse"], "celeba_178": ["fid", "mse"]},
    "footnotes": {"†": "from the ALICE paper", "‡": "computed with ALICE's method"},
    "rows": {
        "wgan_gp": {"label": "WGAN-GP", "cited": "the WGAN-GP paper", "paper": {"cifar10": {"is": 6.610}}},
        "ali": {
            "label": "ALI",
            "paper": {
                "mnist": {"mnist_score": {"value": 8.839, "mark": "†"}, "mse": {"value": 0.380, "mark": "†"}},
                "cifar10": {"is": {"value": 5.974, "mark": "†"}, "mse": {"value": 0.559, "mark": "†"}},
                "celeba_178": {"fid": 6.946, "mse": 0.283},
                "oxford102": 80.817,
            },
        },
        "alice": {
            "label": "ALICE",
            "columns": ["mnist", "cifar10"],
            "paper": {
                "mnist": {"mnist_score": {"value": 9.349, "mark": "†"}, "mse": {"value": 0.073, "mark": "†"}},
                "cifar10": {"is": {"value": 6.043, "mark": "†"}, "mse": {"value": 0.216, "mark": "†"}},
            },
        },
        "wae": {
            "label": "WAE",
            "paper": {"celeba_178": {"fid": 98.780, "mse": 0.019}, "oxford102": 196.560},
        },
        "aaae": {
            "label": "AAAE",
            "paper": {
                "mnist": {"mnist_score": {"value": 9.873, "mark": "‡"}, "mse": 0.011},
                "cifar10": {"is": 6.431, "mse": 0.053},
                "celeba_178": {"fid": 4.868, "mse": 0.023},
                "oxford102": {"fid": 103.460},
            },
        },
    },
}  # fmt: skip
STAND_INS = {"mnist": "digits", "cifar10": "digits", "celeba_178": "shapes", "oxford102": "shapes"}
#: Table II: one column with two metrics.
TABLE2 = {
    **{k: v for k, v in TABLE1.items() if k not in ("measures", "footnotes", "rows")},
    "id": "aaae/table2",
    "columns": ["celeba_178"],
    "measures": {"celeba_178": ["fid", "mse"]},
    "rows": {
        "weak": {"label": "λ₁ = 0.0001", "paper": {"celeba_178": {"fid": 88.564, "mse": 0.018}}},
        "aaae": {"label": "λ₁ = 0.001", "paper": {"celeba_178": {"fid": 4.868, "mse": 0.023}}},
    },
}
MSE = {"mse_images": 360, "mse_split": "test", "mse_range": [-1, 1]}
SCORE = {
    "mnist_score_images": 2000,
    "mnist_score_splits": 10,
    "mnist_score_split": "test",
    "mnist_score_real_images": 1500,
    "mnist_score_of_real": [9.88, 0.06],
}


def trained(root, run_id, fd, mse=None, mnist_score=None, **kwargs):
    """A run's artifacts, with metrics beside those of the extractor."""
    made = run(root, run_id, fd, **kwargs)
    path = made[run_id].directory / "metrics.json"
    content = json.loads(path.read_text())
    content["metrics"]["score_classifier"] = 10 - fd
    if mse is not None:
        content["metrics"]["mse"] = mse
        content["protocol"] |= MSE
    if mnist_score is not None:
        content["metrics"]["mnist_score"] = mnist_score
        content["protocol"] |= SCORE
        content["floor"]["metrics"]["mnist_score"] = 9.88
    path.write_text(json.dumps(content))
    return made


def all_of_table1(root, seeds=3):
    """Runs of every row on the stand-ins; WAE's mean squared error is the best on both."""
    inputs = {}
    values = {"ali": (4.0, 0.3), "alice": (3.0, 0.1), "wae": (8.0, 0.02), "aaae": (2.0, 0.05)}
    for dataset in ("digits", "shapes"):
        for variant, (fd, mse) in values.items():
            if (dataset, variant) != ("shapes", "alice"):
                for seed in range(seeds):
                    run_id = f"demo/{dataset}/{variant}/seed{seed}"
                    inputs |= trained(root, run_id, fd + seed / 10, mse + seed / 1000)
    return inputs


def rendered(root, declared, inputs, columns=None, **config):
    made = render_artifact(root, declared, inputs, columns=columns or STAND_INS, **config)
    render.make(made, Machine())
    name = declared.id.partition("/")[2]
    files = {end: (made.directory / f"{name}.{end}").read_text() for end in ("md", "json", "tex")}
    return files["md"], json.loads(files["json"]), files["tex"]


def tables(page):
    """Every table of a page: cells by line, the head first."""
    found = re.findall(r"(?:^\|.*\n?)+", page, re.MULTILINE)
    return [[[c.strip() for c in line.strip("|").split("|")] for line in t.strip().splitlines()] for t in found]


# ------------------------------------------------------------------------------------------------------------
# Declarations


def test_what_a_cell_prints_is_read_by_metric():
    declared = item(TABLE1)
    assert declared.measured("mnist") == ["mnist_score", "mse"] and declared.measured("oxford102") == ["fid"]
    found = declared.printed("ali", "mnist")
    assert {m: (v.value, v.spread, v.mark) for m, v in found.items()} == {
        "mnist_score": (8.839, None, "†"), "mse": (0.38, None, "†"),
    }  # fmt: skip
    for variant in ("ali", "aaae"):  # one number, and the same by its metric's name
        assert list(declared.printed(variant, "oxford102")) == ["fid"]
    assert declared.printed("wae", "mnist") == declared.printed("of params.yaml", "mnist") == {}
    assert Item.model_validate(json.loads(json.dumps(declared.declaration()))) == declared


def test_a_spread_may_stand_by_metric():
    rows = {"weak": {"label": "a", "paper": {"celeba_178": {"mse": [0.018, 0.001], "fid": {"value": 1, "spread": 2}}}}}
    found = item(TABLE2, rows=rows).printed("weak", "celeba_178")
    assert found["mse"].spread == 0.001 and found["fid"].spread == 2


def paper(**cell):
    return {"rows": {"aaae": {"label": "AAAE", "paper": cell}}}


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (TABLE1, {"measures": {"mnst": ["mse"]}}, "measures: unknown column 'mnst'; did you mean 'mnist'? (columns: "),
        (TABLE1, {"measures": {"mnist": ["mse", "mse"]}}, "measures.mnist: 'mse' stands there twice"),
        (TABLE1, {"measures": {"mnist": []}}, "List should have at least 1 item"),
        (TABLE1, {"measures": {"mnist": ["rmse"]}}, "Input should be 'fid', "),
        (TABLE2, {"metric": "is", "better": "higher"},
         "metric: 'is' is measured in no column; name one that `measures` has"),
        (TABLE2, paper(celeba_178=4.868),
         "rows.aaae.paper.celeba_178: a number without its metric, and the column has several; write {fid: 4.868} "
         "(measured: fid, mse)"),
        (TABLE2, paper(celeba_178={"mnist_score": 9.8}),
         "rows.aaae.paper.celeba_178: unknown metric 'mnist_score' (measured: fid, mse)"),
        (TABLE2, paper(celeba_178={"mes": 0.02}), "unknown metric 'mes'; did you mean 'mse'? (measured: fid, mse)"),
        (TABLE2, paper(celeba_178={"mse": {"value": 0.02, "mark": "†"}}),
         "rows.aaae.paper.celeba_178.mse.mark: unknown sign '†' (footnotes: none)"),
        (TABLE2, {"footnotes": {"†": "elsewhere"}}, "footnotes: '†' stands at no number of the paper"),
        (TABLE2, paper(celeba_178={"mse": {"value": 0.02, "sign": "†"}}), "paper.celeba_178.mse.sign"),
        (TABLE2, paper(celeba_178={"mse": [1, 2, 3]}), "expected a number or [value, spread], got [1, 2, 3]"),
        (TABLE2, {"kind": "grids"}, "measures: go with `kind: table` only, not with 'grids'"),
        (TABLE2, {"metric": "mse", "better": "higher"}, "better: of 'mse', lower values are better, not higher"),
        ({**TABLE2, "measures": {}}, {"kind": "curves", "metric": "mse"},
         "metric: 'mse' is not measured over training"),
    ],
)  # fmt: skip
def test_malformed_measures(base, changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        item(base, **changes)


CLAIMED = """\
paper: aaae
title: AAAE
reference: Xu et al.
items:
  table1:
    kind: table
    title: t
    source: Table I
    metric: fid
    better: lower
    protocol: p
    columns: [mnist, celeba, oxford]
    measures: {mnist: [mnist_score, mse], celeba: [fid, mse], oxford: [is]}
    rows:
      ali: {label: ALI, paper: {mnist: {mse: 0.38}}}
      aaae: {label: AAAE}
claims:
  - {id: c1, item: aaae/table1, column: celeba, winner: aaae, loser: ali, says: s, where: w}
"""


@pytest.mark.parametrize(
    ("change", "decides"),
    [
        ("column: celeba", "fid"),
        ("column: celeba, metric: mse", "mse"),
        ("column: mnist, metric: mnist_score", "mnist_score"),
        ("column: oxford", "is"),
    ],
)
def test_a_claim_is_about_any_of_its_columns_metrics(tmp_path, change, decides):
    (tmp_path / "aaae.yaml").write_text(CLAIMED.replace("column: celeba", change))
    (claim,) = read_claims(tmp_path)
    assert deciding(claim, read_items(tmp_path)["aaae/table1"]) == decides


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("column: mnist", "claims.c1.metric: missing; column 'mnist' of aaae/table1 has mnist_score, mse"),
        ("column: mnist, metric: fid",
         "claims.c1.metric: 'fid' is not measured in column 'mnist' of aaae/table1 (measured: mnist_score, mse)"),
        ("column: celeba, metric: psnr", "claims.c1.metric: input should be 'fid', "),
    ],
)  # fmt: skip
def test_malformed_claims_about_measures(tmp_path, change, message):
    (tmp_path / "aaae.yaml").write_text(CLAIMED.replace("column: celeba", change))
    with pytest.raises(AdvcodesError, match=re.escape(message)):
        read_claims(tmp_path)


def test_a_course_of_training_is_of_what_snapshots_are_measured_by(tmp_path):
    falls = CLAIMED.replace("column: celeba", "column: celeba, metric: mse, kind: falls").replace(" loser: ali,", "")
    (tmp_path / "aaae.yaml").write_text(falls)
    with pytest.raises(AdvcodesError, match=r"'falls' needs a metric over training, which 'mse' is not"):
        read_claims(tmp_path)


# ------------------------------------------------------------------------------------------------------------
# Pages

SPLIT = """\
**Ours**, 3 seeds each:

| Model | MNIST (served by digits), `score_classifier` ↑ | MNIST (served by digits), `mse` ↓ \
| CIFAR-10 (served by digits), `score_classifier` ↑ | CIFAR-10 (served by digits), `mse` ↓ \
| CelebA-178 (served by shapes), `fd_classifier` ↓ | CelebA-178 (served by shapes), `mse` ↓ \
| Oxford-102 (served by shapes), `fd_classifier` ↓ |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| ALI | 5.90 ± 0.10 | 0.301 ± 0.001 | 5.90 ± 0.10 | 0.301 ± 0.001 | 4.10 ± 0.10 | 0.301 ± 0.001 | 4.10 ± 0.10 |
| ALICE | 6.90 ± 0.10 | 0.101 ± 0.001 | 6.90 ± 0.10 | 0.101 ± 0.001 | \u2013 | \u2013 | \u2013 |
| WAE | 1.90 ± 0.10 | **0.021 ± 0.001** | 1.90 ± 0.10 | **0.021 ± 0.001** | 8.10 ± 0.10 | **0.021 ± 0.001** \
| 8.10 ± 0.10 |
| AAAE | **7.90 ± 0.10** | 0.051 ± 0.001 | **7.90 ± 0.10** | 0.051 ± 0.001 | **2.10 ± 0.10** | 0.051 ± 0.001 \
| **2.10 ± 0.10** |

**The paper's numbers**:

| Model | MNIST, MNIST score ↑ | MNIST, MSE ↓ | CIFAR-10, Inception Score ↑ | CIFAR-10, MSE ↓ | CelebA-178, FID ↓ \
| CelebA-178, MSE ↓ | Oxford-102, FID ↓ |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| WGAN-GP (cited: the WGAN-GP paper) | \u2013 | \u2013 | 6.610 | \u2013 | \u2013 | \u2013 | \u2013 |
| ALI | 8.839† | 0.380† | 5.974† | 0.559† | 6.946 | 0.283 | 80.817 |
| ALICE | 9.349† | 0.073† | 6.043† | 0.216† | \u2013 | \u2013 | \u2013 |
| WAE | \u2013 | \u2013 | \u2013 | \u2013 | 98.780 | 0.019 | 196.560 |
| AAAE | 9.873‡ | 0.011 | 6.431 | 0.053 | 4.868 | 0.023 | 103.460 |

**Ours**: mean"""


@pytest.fixture(scope="module")
def table1(tmp_path_factory):
    root = tmp_path_factory.mktemp("table1")
    return rendered(root, item(TABLE1), all_of_table1(root))


def test_a_wide_table_stands_in_two_ours_and_the_papers(table1):
    page, _, _ = table1
    assert f"\n\n{SPLIT}" in page
    for found in tables(page):
        assert len({len(line) for line in found}) == 1


def test_what_stands_under_it(table1):
    page, _, _ = table1
    notes = [line for line in page.splitlines() if line.startswith("- ")]
    assert "- **Footnotes**: †: from the ALICE paper; ‡: computed with ALICE's method." in notes
    assert (
        "- **Not comparable with the paper's numbers**: the paper prints MNIST score and Inception Score, ours are "
        "`score_classifier`; where it prints FID, ours are `fd_classifier`: other quantities on other scales. At most "
        "the order of the rows can be compared."
    ) in notes
    assert (
        "- **MNIST score**: runs on digits have none, as its classifier is one of MNIST; `score_classifier`, the same "
        "formula on predictions of another network, takes its place."
    ) in notes
    metrics = [line for line in notes if line.startswith("- **Metric**")]
    assert [re.match(r"- \*\*Metric\*\*: `(\w+)`", line)[1] for line in metrics] == [
        "score_classifier", "mse", "fd_classifier",
    ]  # fmt: skip
    assert "images on [-1, 1]" in metrics[1] and "360 images of split test" in metrics[1]
    floor = next(line for line in notes if line.startswith("- **Floor**"))
    assert "`score_classifier` 9.50 (1,437 images of digits)" in floor
    assert "`fd_classifier` 0.310 (1,437 images of shapes)" in floor and "mse" not in floor


def test_metrics_that_columns_measure_are_not_among_the_others(table1):
    page, _, _ = table1
    digits, shapes = tables(page.partition("## Other metrics")[2])
    assert digits[0][:2] == ["digits", "`fd_classifier` ↓"] and shapes[0][:2] == ["shapes", "`score_classifier` ↑"]
    assert not any("`mse`" in head for head in digits[0] + shapes[0])
    assert [line[0] for line in shapes[2:]] == ["ALI", "WAE", "AAAE", "*real training images*"]
    about = page.partition("What these are")[2].partition("</details>")[0]
    assert "- `fd_classifier`: " in about and "`mse`" not in about


def test_the_json_has_the_papers_numbers_by_metric(table1):
    _, content, _ = table1
    assert content["columns"]["mnist"]["measures"] == [
        {"paper_metric": "mnist_score", "metric": "score_classifier", "better": "higher"},
        {"paper_metric": "mse", "metric": "mse", "better": "lower"},
    ]
    assert content["footnotes"] == TABLE1["footnotes"]
    cell = content["rows"]["aaae"]["cells"]["mnist"]
    assert cell["paper"] == {
        "mnist_score": {"value": 9.873, "spread": None, "mark": "‡"}, "mse": {"value": 0.011, "spread": None},
    }  # fmt: skip
    assert cell["ours"]["mse"]["mean"] == pytest.approx(0.051) and cell["ours"]["mse"]["seeds"] == 3
    assert [r["metrics"]["mse"] for r in cell["runs"]] == pytest.approx([0.05, 0.051, 0.052])
    assert content["rows"]["alice"]["cells"]["celeba_178"] == {"paper": None, "ours": None, "runs": []}


def test_latex_has_both(table1):
    _, _, tex = table1
    lines = [x for x in tex.splitlines() if x and not x.startswith("%")]
    assert lines.count(r"\begin{tabular}{lrrrrrrr}") == lines.count(r"\end{tabular}") == 2
    heads = [x for x in lines if "multicolumn" in x]
    assert heads[0].startswith(r" & \multicolumn{2}{c}{MNIST (served by digits)} & \multicolumn{2}{c}{CIFAR-10 (served")
    assert heads[1].endswith(r"& \multicolumn{2}{c}{CelebA-178} & \multicolumn{1}{c}{Oxford-102} \\")
    assert lines[3] == r"\cmidrule(lr){2-3} \cmidrule(lr){4-5} \cmidrule(lr){6-7} \cmidrule(lr){8-8}"
    assert lines[4].startswith(r"Model & score\_classifier $\uparrow$ & mse $\downarrow$ &")
    assert r"ALI & 8.839\dag{} & 0.380\dag{} & 5.974\dag{}" in tex and r"9.873\ddag{} & 0.011" in tex
    for line in lines:
        if " & " in line and "multicolumn" not in line:
            assert line.count(" & ") == 7


def test_cells_say_their_seeds_where_these_differ(tmp_path):
    inputs = all_of_table1(tmp_path, seeds=2) | trained(tmp_path, "demo/digits/aaae/seed2", 2.0, 0.05)
    page, _, _ = rendered(tmp_path, item(TABLE1), inputs)
    assert "\n\n**Ours**:\n\n" in page
    ours = {line[0]: line[1:] for line in tables(page)[0]}
    assert ours["AAAE"][0] == "**7.97 ± 0.06 (3 seeds)**" and ours["ALI"][1] == "0.300 ± 0.001 (2 seeds)"


def test_a_narrow_table_has_ours_beside_the_papers(tmp_path):
    inputs = trained(tmp_path, "demo/shapes/weak/seed0", 9.0, 0.01) | trained(
        tmp_path, "demo/shapes/aaae/seed0", 3, 0.02
    )
    page, _, tex = rendered(tmp_path, item(TABLE2), inputs, columns={"celeba_178": "shapes"})
    head, _, *lines = tables(page)[0]
    over = "CelebA-178 (served by shapes): ours,"
    assert head == [
        "Model", f"{over} `fd_classifier` ↓", "CelebA-178: paper, FID ↓", f"{over} `mse` ↓", "CelebA-178: paper, MSE ↓",
    ]  # fmt: skip
    assert lines == [
        ["λ₁ = 0.0001", "9.00 (1 seed)", "88.564", "**0.0100 (1 seed)**", "0.018"],
        ["λ₁ = 0.001", "**3.00 (1 seed)**", "4.868", "0.0200 (1 seed)", "0.023"],
    ]
    assert r" & \multicolumn{4}{c}{CelebA-178 (served by shapes)} \\" in tex
    assert "the paper prints FID, ours are `fd_classifier`, which is another quantity on another scale." in page


def test_what_no_dataset_served_and_what_a_method_cannot_be_measured_by(tmp_path):
    inputs = trained(tmp_path, "demo/digits/ali/seed0", 3.0) | trained(tmp_path, "demo/digits/aaae/seed0", 2.0, 0.05)
    columns = {**dict.fromkeys(STAND_INS), "mnist": "digits"}
    page, content, _ = rendered(tmp_path, item(TABLE1), inputs, columns=columns)
    head, _, *lines = tables(page)[0]
    assert head[2:5] == ["MNIST (served by digits), `mse` ↓", "CIFAR-10 (not run), Inception Score ↑",
                         "CIFAR-10 (not run), MSE ↓"]  # fmt: skip
    dash = text.DASH
    assert lines[0] == ["ALI", "7.00", *[dash] * 6] and lines[3] == ["AAAE", "**8.00**", "0.0500", *[dash] * 5]
    assert lines[1] == ["ALICE", *[dash] * 7]
    assert "**Not run** at this scale: CIFAR-10, CelebA-178 and Oxford-102." in page
    assert content["columns"]["oxford102"]["measures"] == [{"paper_metric": "fid", "metric": None, "better": "lower"}]


def test_nothing_ran(tmp_path):
    page, _, tex = rendered(tmp_path, item(TABLE1), {}, columns=dict.fromkeys(STAND_INS))
    ours, papers = tables(page)
    assert ours[2] == ["ALI", *[text.DASH] * 7] and papers[3][0] == "ALI" and tex.count("tabular}{") == 2


def test_a_wide_table_of_one_metric(tmp_path):
    rows = {"ali": {"label": "ALI", "paper": dict.fromkeys(STAND_INS, 80.8)}, "wae": {"label": "WAE"}}
    declared = item(TABLE1, measures={}, footnotes={}, rows=rows)
    columns = {**STAND_INS, "oxford102": None}
    page, content, _ = rendered(tmp_path, declared, trained(tmp_path, "demo/digits/wae/seed0", 3.0), columns=columns)
    ours, papers = tables(page)[:2]
    assert ours[0] == [
        "Model", "MNIST (served by digits), `fd_classifier` ↓", "CIFAR-10 (served by digits), `fd_classifier` ↓",
        "CelebA-178 (served by shapes)", "Oxford-102 (not run)",
    ]  # fmt: skip
    assert [line[0] for line in ours[2:]] == ["ALI", "WAE"] and [line[0] for line in papers[2:]] == ["ALI"]
    assert papers[0][1] == "MNIST, FID ↓" and papers[2] == ["ALI", *["80.8"] * 4]
    assert "measures" not in content["columns"]["mnist"]


def test_a_metric_that_no_run_of_a_column_has_is_named(tmp_path):
    inputs = trained(tmp_path, "demo/shapes/aaae/seed0", 3.0)
    message = r"aaae/table2, shapes: expected one metric of kind 'mse', found none; only runs on images have it whose"
    with pytest.raises(AdvcodesError, match=message):
        rendered(tmp_path, item(TABLE2), inputs, columns={"celeba_178": "shapes"})


def test_mnist_itself_has_its_score(tmp_path):
    inputs = trained(tmp_path, "paper/mnist/aaae/seed0", 1.0, 0.011, mnist_score=9.8)
    columns = {**dict.fromkeys(STAND_INS), "mnist": "mnist"}
    page, content, _ = rendered(tmp_path, item(TABLE1), inputs, columns=columns, scale="paper")
    assert tables(page)[0][0][1] == "MNIST, `mnist_score` ↑" and "**MNIST score**" not in page
    assert "Not comparable" not in page
    assert "real images of split test score `mnist_score` 9.88 (1,500 images of MNIST)" in page
    assert content["columns"]["mnist"]["metric"] == "mnist_score"
    others = tables(page.partition("## Other metrics")[2])[0][0]
    assert "`score_classifier` ↑" in others and "`mnist_score` ↑" not in others


def test_the_floor_of_the_mnist_score_is_not_of_training_images(tmp_path):
    inputs = trained(tmp_path, "demo/mnist/aaae/seed0", 1.0, 0.011, mnist_score=9.8)
    declared = item(TABLE1, columns=["mnist"], measures={"mnist": ["fid"]}, rows={"aaae": {"label": "A"}}, footnotes={})
    page, _, _ = rendered(tmp_path, declared, inputs, columns={"mnist": "mnist"})
    head, _, *lines = tables(page.partition("## Other metrics")[2])[0]
    floor = dict(zip(head, lines[-1], strict=True))
    assert floor["`mnist_score` ↑"] == floor["`mse` ↓"] == text.DASH and floor["`score_classifier` ↑"] == "9.50"


@pytest.mark.parametrize(
    ("metric", "values", "found"),
    [
        ("mnist_score", ["score_classifier", "mnist_score", "mse"], "mnist_score"),
        ("mnist_score", ["fd_classifier", "score_classifier"], "score_classifier"),
        ("mnist_score", ["is_2000", "mse"], "is_2000"),
        ("mse", ["is_2000", "mse"], "mse"),
    ],
)
def test_the_mnist_score_of_what_is_not_mnist(metric, values, found):
    assert only(metric, values, "x") == found


def test_other_metrics_have_no_replacement():
    with pytest.raises(AdvcodesError, match=r"x: expected one metric of kind 'is', found none; add it to"):
        only("is", ["mnist_score"], "x")


def test_arrows_point_to_better_values():
    assert [text.arrow(m) for m in ("mse", "mnist_score", "kd_classifier", "fid", "recall")] == list("↓↑↓↓↑")


def test_tables_without_measures_are_as_they_were(tmp_path):
    """Ours beside the paper's, whatever else runs have; neither page nor JSON has a word of measures."""
    inputs = trained(tmp_path, "demo/digits/gan/seed0", 3.0, 0.1)
    page, content, _ = rendered(tmp_path, item(), inputs, columns={"cifar10": "digits", "celeba": None})
    assert tables(page)[0][0][1] == "CIFAR-10 (served by digits): ours, `fd_classifier` ↓"
    assert "measures" not in content["columns"]["cifar10"] and "footnotes" not in content
    assert content["rows"]["gan"]["cells"]["cifar10"]["paper"] == {"value": 67.07, "spread": 2.82}
    assert set(content["rows"]["gan"]["cells"]["cifar10"]["ours"]) == {*METRICS, "mse"}


# ------------------------------------------------------------------------------------------------------------
# Claims

CLAIM = {"id": "c", "paper": "aaae", "item": "aaae/table1", "says": "WAE reconstructs better", "where": "Table I",
         "winner": "wae", "loser": "aaae"}  # fmt: skip


def judged(inputs, **changes):
    made = {"item": item(TABLE1).declaration(), "columns": STAND_INS, "seeds": [0, 1, 2]}
    return claims.content("demo", [CLAIM | changes], {"aaae/table1": made}, read_results(inputs))


def test_a_claim_is_judged_by_the_metric_that_it_names(tmp_path):
    inputs = all_of_table1(tmp_path)
    by_error, by_score = judged(inputs, column="mnist", metric="mse"), judged(inputs, column="celeba_178")
    (error,), (score,) = by_error["claims"], by_score["claims"]
    assert (error["verdict"], error["metric"], error["paper_metric"], error["better"]) == (
        "holds", "mse", "mse", "lower",
    )  # fmt: skip
    assert (score["verdict"], score["metric"], score["paper_metric"]) == ("does not hold", "fd_classifier", "fid")
    page = claims.markdown(by_error, {})
    assert "| digits, `mse` ↓ (stand-in for MNIST) |" in page and "**holds** on digits by `mse`" in page
    assert "**Metric**" not in page


def test_a_claim_by_the_mnist_score_says_what_took_its_place(tmp_path):
    found = judged(all_of_table1(tmp_path), column="mnist", metric="mnist_score", winner="aaae", loser="ali")
    claim = found["claims"][0]
    assert (claim["verdict"], claim["metric"], claim["better"]) == ("holds", "score_classifier", "higher")
    assert "measured by `score_classifier`, where the paper has MNIST score." in claims.markdown(found, {})


def test_a_claim_by_what_a_row_cannot_have_names_the_row(tmp_path):
    inputs = trained(tmp_path, "demo/digits/wae/seed0", 1.0) | trained(tmp_path, "demo/digits/aaae/seed0", 2.0, 0.05)
    with pytest.raises(AdvcodesError, match=r"aaae/table1, digits, wae: expected one metric of kind 'mse', found none"):
        judged(inputs, column="mnist", metric="mse")


def test_content_takes_rows_that_params_yaml_adds(tmp_path):
    inputs = trained(tmp_path, "demo/shapes/mine/seed0", 1.0, 0.5, protocol=PROTOCOL)
    declared = item(TABLE2)
    rows = [*declared.variants, "mine"]
    found = table.content(requested(tmp_path, declared, inputs, rows=rows, columns={"celeba_178": "shapes"}))
    page = table.markdown(found)
    assert tables(page)[0][-1] == ["mine (addition)", "1.00 (1 seed)", text.DASH, "0.500 (1 seed)", text.DASH]
