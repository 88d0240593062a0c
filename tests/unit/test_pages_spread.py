"""Tables of metrics whose sd within a run papers print: over minibatches, or over draws of labelled sets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pages_fakes import item, render_artifact, run

from advcodes.build.provenance import Artifact
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.pages import render, text
from advcodes.pages.results import only, over_seeds, read_results
from advcodes.papers.items import Item

#: Two columns of GALI's table 1, and its table 2 (facts 4.3).
TABLE1 = {
    "id": "gali/table1",
    "kind": "table",
    "title": "Reconstructions of GALI",
    "source": "Table 1",
    "reference": "Dandi et al.",
    "metric": "pixel_mse",
    "better": "lower",
    "protocol": "mean and sd over minibatches",
    "columns": ["svhn_extra"],
    "measures": {"svhn_extra": ["pixel_mse", "feature_mse"]},
    "rows": {
        "ali": {
            "label": "ALI",
            "paper": {"svhn_extra": {"pixel_mse": [0.023, 0.0024], "feature_mse": [0.0857, 0.0075]}},
        },
        "gali": {"label": "GALI-4", "paper": {"svhn_extra": {"pixel_mse": [0.0132, 0.0011]}}},
    },
}  # fmt: skip
TABLE2 = {
    **{k: v for k, v in TABLE1.items() if k not in ("measures", "rows")},
    "id": "gali/table2",
    "metric": "svm_error",
    "rows": {"ali": {"label": "ALI", "paper": {"svhn_extra": [19.05, 0.53]}}, "gali": {"label": "GALI-4"}},
}
FEATURE = {
    "feature_images": 360, "feature_split": "test", "feature_minibatch": 100, "feature_minibatches": 4,
    "feature_kind": "classes", "feature_units": 96, "feature_side": 8, "feature_accuracy": {"test": 0.95},
}  # fmt: skip
SVM = {
    "svm_labelled": 100, "svm_draws": 20, "svm_validation": 200, "svm_pool": 1237, "svm_split": "train",
    "svm_test_images": 360, "svm_test_split": "test", "svm_error_of_pixels": 21.0,
}  # fmt: skip
DASH = text.DASH


def measured(root: Path, run_id: str, values: dict[str, tuple[float, float | None]]) -> dict[str, Artifact]:
    """A run with these metrics, each with its sd within the run; the FD's sd is there, too, and is not printed."""
    made = run(root, run_id, 3.0)
    path = made[run_id].directory / "metrics.json"
    content = json.loads(path.read_text())
    content["metrics"] |= {metric: value for metric, (value, _) in values.items()}
    content["spread"] = {"score_classifier": 0.125} | {m: sd for m, (_, sd) in values.items() if sd is not None}
    content["protocol"] |= FEATURE | SVM
    path.write_text(json.dumps(content))
    return made


def table1(root: Path, seeds: int = 3) -> dict[str, Artifact]:
    inputs = {}
    for variant, pixel, feature in (("ali", 0.02, 0.15), ("gali", 0.01, 0.1)):
        for seed in range(seeds):
            within = (0.001 * seed + 0.002, 0.02)
            values = {"pixel_mse": (pixel + 0.001 * seed, within[0]), "feature_mse": (feature, within[1])}
            inputs |= measured(root, f"demo/digits/{variant}/seed{seed}", values)
    return inputs


def rendered(root: Path, declared: Item, inputs: dict[str, Artifact], **config: Any) -> tuple[str, dict[str, Any], str]:
    made = render_artifact(root, declared, inputs, **({"columns": {"svhn_extra": "digits"}} | config))
    render.make(made, Machine())
    name = declared.id.partition("/")[2]
    files = {end: (made.directory / f"{name}.{end}").read_text() for end in ("md", "json", "tex")}
    return files["md"], json.loads(files["json"]), files["tex"]


def first_table(page: str) -> list[list[str]]:
    found = re.search(r"(?:^\|.*\n?)+", page, re.MULTILINE)
    return [[c.strip() for c in line.strip("|").split("|")] for line in found[0].strip().splitlines()][2:]


def test_both_deviations_are_printed_beside_the_paper_s(tmp_path: Path):
    page, _, tex = rendered(tmp_path, item(TABLE1), table1(tmp_path))
    assert first_table(page) == [
        ["ALI", "0.0210 ± 0.0010 (3 seeds; batches ± 0.0030)", "0.0230 ± 0.0024", "0.150 ± 0.000 (3 seeds; batches ± "
         "0.020)", "0.0857 ± 0.0075"],
        ["GALI-4", "**0.0110 ± 0.0010 (3 seeds; batches ± 0.0030)**", "0.0132 ± 0.0011", "**0.100 ± 0.000 (3 seeds; "
         "batches ± 0.020)**", DASH],
    ]  # fmt: skip
    assert (
        "**Ours**: mean ± sample standard deviation (n - 1) over seeds; \u2013 where there is nothing; “batches ±”: "
        "population standard deviation over minibatches of 100 images, its mean over seeds; the best of ours in bold, "
        "where no other lies within one standard deviation, if it beats the mean training image in place of each."
    ) in page
    assert r"\textbf{0.0110 $\pm$ 0.0010 (3 seeds; batches $\pm$ 0.0030)} & 0.0132 $\pm$ 0.0011" in tex
    assert "% “batches ±”: population standard deviation over minibatches of 100 images, its mean over seeds\n" in tex


def test_of_one_seed_there_is_the_deviation_within(tmp_path: Path):
    page, content, _ = rendered(tmp_path, item(TABLE1), table1(tmp_path, seeds=1))
    assert first_table(page)[0][1] == "0.0200 (1 seed; batches ± 0.0020)"
    ours = content["rows"]["ali"]["cells"]["svhn_extra"]["ours"]
    assert ours["pixel_mse"] == {"mean": 0.02, "sd": None, "seeds": 1, "spread": 0.002}


def test_the_json_has_the_mean_over_seeds_and_each_seed_s(tmp_path: Path):
    _, content, _ = rendered(tmp_path, item(TABLE1), table1(tmp_path))
    cell = content["rows"]["gali"]["cells"]["svhn_extra"]
    assert cell["ours"]["pixel_mse"]["spread"] == pytest.approx(0.003)
    assert cell["ours"]["pixel_mse"]["sd"] == pytest.approx(0.001)
    assert "spread" not in cell["ours"]["score_classifier"], "of other metrics all is as it was"
    assert [r["spread"]["pixel_mse"] for r in cell["runs"]] == pytest.approx([0.002, 0.003, 0.004])
    assert set(cell["runs"][0]["spread"]) == {"pixel_mse", "feature_mse"}


def test_error_rates_of_svms_over_draws(tmp_path: Path):
    inputs = {}
    for seed, (error, within) in enumerate([(18.0, 0.4), (20.0, 0.8)]):
        inputs |= measured(tmp_path, f"demo/digits/ali/seed{seed}", {"svm_error": (error, within)})
    page, _, tex = rendered(tmp_path, item(TABLE2), inputs)
    assert first_table(page) == [
        ["ALI", "19.00 ± 1.41 (2 seeds; draws ± 0.60)", "19.05 ± 0.53"], ["GALI-4", DASH, DASH]
    ]  # fmt: skip
    assert "; “draws ±”: population standard deviation over draws of labelled sets, its mean over seeds." in page
    assert "minibatches" not in page.split("**Ours**")[1].splitlines()[0]
    assert r"19.00 $\pm$ 1.41 (2 seeds; draws $\pm$ 0.60)" in tex


def test_a_table_of_several_columns_says_seeds_over_it_and_batches_in_it(tmp_path: Path):
    columns = ["a", "b", "c", "d"]
    wide = {**TABLE1, "columns": columns, "measures": {c: ["pixel_mse", "svm_error"] for c in columns}, "rows": {
        "ali": {"label": "ALI"}, "gali": {"label": "GALI-4"}}}  # fmt: skip
    inputs = {}
    for variant in ("ali", "gali"):
        values = {"pixel_mse": (0.02, 0.002), "svm_error": (18.0, 0.4)}
        inputs |= measured(tmp_path, f"demo/digits/{variant}/seed0", values)
    page, _, _ = rendered(tmp_path, item(wide), inputs, columns=dict.fromkeys(columns, "digits"))
    assert "**Ours**, 1 seed each:" in page
    assert first_table(page)[0][1:3] == ["**0.0200 (batches ± 0.0020)**", "**18.00 (draws ± 0.40)**"]
    assert page.count("“batches ±”") == page.count("“draws ±”") == 1


def test_without_a_deviation_within_tables_are_as_they_were(tmp_path: Path):
    inputs = measured(tmp_path, "demo/digits/ali/seed0", {"svm_error": (18.0, None)})  # of a single draw
    page, content, _ = rendered(tmp_path, item(TABLE2), inputs)
    assert first_table(page)[0][1] == "18.00 (1 seed)" and "draws ±" not in page
    cell = content["rows"]["ali"]["cells"]["svhn_extra"]
    assert set(cell["ours"]["svm_error"]) == {"mean", "sd", "seeds"} and "spread" not in cell["runs"][0]


def test_where_a_seed_has_none_there_is_none(tmp_path: Path):
    inputs = measured(tmp_path, "demo/digits/ali/seed0", {"svm_error": (18.0, 0.4)})
    inputs |= measured(tmp_path, "demo/digits/ali/seed1", {"svm_error": (18.0, None)})
    assert "spread" not in over_seeds(read_results(inputs))["svm_error"]


def test_metrics_of_before_have_no_spread(tmp_path: Path):
    inputs = run(tmp_path, "demo/digits/ali/seed0", 3.0)
    (result,) = read_results(inputs)
    assert result.spread == {} and over_seeds([result])["fd_classifier"] == {"mean": 3.0, "sd": None, "seeds": 1}


def test_a_deviation_that_is_no_number(tmp_path: Path):
    inputs = measured(tmp_path, "demo/digits/ali/seed0", {"svm_error": (18.0, float("nan"))})
    with pytest.raises(AdvcodesError, match=r"metrics.json: svm_error is nan, expected a finite number"):
        read_results(inputs)


@pytest.mark.parametrize("metric", ["pixel_mse", "inpainted_feature_mse", "svm_error"])
def test_a_metric_that_no_run_has(metric: str):
    with pytest.raises(AdvcodesError, match=rf"one metric of kind '{metric}', found none; only runs on images have it"):
        only(metric, ["fd_classifier"], "gali/table1, digits")
