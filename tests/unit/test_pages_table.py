"""Tables: what is printed for a cell, and every sentence around it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages_fakes import ITEM, METRICS, PROTOCOL, artifact, item, render_artifact, requested, run
from PIL import Image

from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.pages import render, text
from advcodes.pages.content import as_json
from advcodes.pages.kinds.tables import table
from advcodes.pages.results import read_results

FID = ("fid", "is_10000", "kid", "precision", "recall")
AT_PAPER = {**PROTOCOL, "extractor": "inception", "n_generated": 10_000, "n_reference": 10_000}


def three_seeds(root, values=None, dataset="digits"):
    inputs = {}
    for variant, seeds in (values or {"gan": (3.0, 4.0, 5.0), "acl_gan": (2.0, 2.5, 3.0)}).items():
        for seed, fd in enumerate(seeds):
            inputs |= run(root, f"demo/{dataset}/{variant}/seed{seed}", fd)
    return inputs


def rendered(root, declared, inputs, **config):
    made = render_artifact(root, declared, inputs, **config)
    files, _ = render.make(made, Machine())
    name = declared.id.partition("/")[2]
    assert sorted(files) == [f"{name}.{e}" for e in ("json", "md", "png", "tex")]
    return (
        (made.directory / f"{name}.md").read_text(),
        json.loads((made.directory / f"{name}.json").read_text()),
        made.directory,
    )


def rows(page):
    """Cells of the first table by its first column."""
    table = next(part for part in page.split("\n\n") if part.startswith("|"))
    lines = table.splitlines()
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    return {c[0]: c[1:] for c in cells}


EXPECTED = """\
# FID of GANs

`acl/table1`: Table 1 of Yuan et al.; arXiv 2001.11539. Run at scale `demo`.

Shown: numbers over seeds, and samples. Best mean of ours: ACL-GAN on digits, `fd_classifier` 2.50 ± 0.50 (3 seeds; in \
the paper, too).

- **Not comparable with the paper's numbers**: the paper prints FID, ours are `fd_classifier`, which is another \
quantity on another scale. At most the order of the rows can be compared.
- **Stand-ins**: at this scale CIFAR-10 is served by digits. Our numbers are about digits, not about CIFAR-10.
- **Not run** at this scale: CelebA.

| Model | CIFAR-10 (served by digits): ours, `fd_classifier` ↓ | CIFAR-10: paper, FID ↓ | CelebA (not run): ours \
| CelebA: paper, FID ↓ |
| --- | ---: | ---: | ---: | ---: |
| GAN | 4.00 ± 1.00 (3 seeds) | 67.07 ± 2.82 | \u2013 | 64.28 ± 2.12 |
| ACL-GAN | **2.50 ± 0.50 (3 seeds)** | 56.05 ± 0.36 | \u2013 | 52.02 ± 0.25 |
| DCGAN (cited: the DCGAN paper) | \u2013 | 37.70 | \u2013 | \u2013 |
| acl_gan_w10 (addition) | 3.10 (1 seed) | \u2013 | \u2013 | \u2013 |

**Ours**: mean ± sample standard deviation (n - 1) over seeds; \u2013 where there is nothing; the best of ours in \
bold, where no other lies within one standard deviation; additions are rows of params.yaml that the paper does not \
have; cited rows are numbers that the paper took from elsewhere; they are not trained here.

![The first 24 samples of seed 0 of each row, not selected; small images are enlarged without smoothing.](table1.png)

The first 24 samples of seed 0 of each row, not selected; small images are enlarged without smoothing.

## Other metrics of the same runs

| digits | `score_classifier` ↑ | `kd_classifier` ↓ | `precision_classifier` ↑ | `recall_classifier` ↑ |
| --- | ---: | ---: | ---: | ---: |
| GAN | 2.50 ± 0.00 | 0.00400 ± 0.00100 | 0.750 ± 0.000 | 0.500 ± 0.000 |
| ACL-GAN | 2.50 ± 0.00 | 0.00250 ± 0.00050 | 0.750 ± 0.000 | 0.500 ± 0.000 |
| acl_gan_w10 (addition) | 2.50 | 0.00310 | 0.750 | 0.500 |
| *real training images* | 9.50 | 0.000200 | 0.990 | 0.980 |

<details><summary>What these are</summary>

"""


FOLDED = """\
<details><summary>Protocol: how it was trained and measured, and where the numbers come from</summary>

- **Training**: 128,000 images of digits seen (an image counts each time), in batches of 64; the same for every row.
- **Metric**: `fd_classifier`: Fréchet distance on features of a classifier trained on this dataset (not the \
Inception-based FID, and not comparable with it); 2,000 generated and 360 real images (split test).
- **Floor**: in place of generated images, real training images score `fd_classifier` 0.310 (1,437 images of digits): \
about the best that a generator can reach.
- **The paper's protocol**: 10,000 generated against 10,000 test images.
- **About the paper**: A note.
- **Where the numbers come from**: each is read from \
`data/evaluation/metrics/demo/<dataset>/<variant>/seed<k>/metrics.json`. Rebuild them with \
`snakemake --cores 8 reports/table1.md` and `scale: demo` in params.yaml. Beside this page: \
[table1.json](table1.json) (every seed's values and their protocols) and [table1.tex](table1.tex) (LaTeX).

</details>
"""


def test_whole_page(tmp_path):
    inputs = three_seeds(tmp_path) | run(tmp_path, "demo/digits/acl_gan_w10/seed0", 3.1)
    page, _, _ = rendered(tmp_path, item(notes=["A note."]), inputs, rows=["gan", "acl_gan", "acl_gan_w10"])
    # The sentences of other metrics belong to the metrics themselves.
    assert page[: len(EXPECTED)] == EXPECTED
    assert page.endswith(FOLDED)
    tail = page[len(EXPECTED) : -len(FOLDED)].splitlines()
    assert [re.match(r"- `(\w+)`: ", line)[1] for line in tail[:4]] == list(METRICS[1:])
    assert tail[4:] == ["", "</details>", ""]


def test_single_seed_has_no_deviation_and_lone_row_is_not_best(tmp_path):
    page, content, _ = rendered(tmp_path, item(), run(tmp_path, "demo/digits/gan/seed7", 3.14159))
    assert rows(page)["GAN"][0] == "3.14 (1 seed)"
    assert rows(page)["ACL-GAN"][0] == text.DASH
    assert "in bold" not in page
    assert content["rows"]["gan"]["cells"]["cifar10"]["ours"]["fd_classifier"] == {
        "mean": 3.14159,
        "sd": None,
        "seeds": 1,
    }
    assert "samples of seed 7" in page


def test_bold_marks_the_best_in_the_item_s_direction_and_ties(tmp_path):
    inputs = three_seeds(tmp_path, {"gan": (2.0, 4.0), "acl_gan": (3.0, 3.0), "worse": (5.0, 5.0)})
    page, _, _ = rendered(tmp_path, item(), inputs, rows=["gan", "acl_gan", "worse"])
    cells = {name: c[0] for name, c in rows(page).items()}
    assert cells["GAN"] == "**3.00 ± 1.41 (2 seeds)**"
    assert cells["ACL-GAN"] == "**3.00 ± 0.00 (2 seeds)**"
    assert not cells["worse (addition)"].startswith("**")
    # The score is 2.5 for every run: with `is` as the item's metric all tie, and higher is better.
    higher = item(metric="is", better="higher")
    page, _, _ = rendered(tmp_path, higher, inputs)
    assert rows(page)["GAN"][0] == "**2.50 ± 0.00 (2 seeds)**"
    assert "`score_classifier` ↑" in page and "Inception Score ↑" in page


def test_fid_at_the_paper_s_counts_is_printed_as_fid_without_the_warning(tmp_path):
    inputs = run(tmp_path, "paper/cifar10/gan/seed0", 67.0, names=FID, protocol=AT_PAPER)
    columns = {"cifar10": "cifar10", "celeba": None}
    page, _, _ = rendered(tmp_path, item(), inputs, scale="paper", columns=columns)
    assert "| CIFAR-10: ours, `fid` ↓ |" in page
    assert "Not comparable" not in page
    assert "Stand-ins" not in page


@pytest.mark.parametrize(
    ("names", "protocol", "printed"),
    [
        (("fid_2000_vs_360_test",), {**PROTOCOL, "extractor": "inception"}, "fid_2000_vs_360_test"),
        (METRICS, PROTOCOL, "fd_classifier"),
    ],
)
def test_other_protocols_are_never_printed_as_fid(tmp_path, names, protocol, printed):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0, names=names, protocol=protocol)
    page, content, directory = rendered(tmp_path, item(), inputs)
    assert f"ours, `{printed}` ↓" in page
    assert "**Not comparable with the paper's numbers**: the paper prints FID, ours are" in page
    assert content["columns"]["cifar10"]["metric"] == printed
    assert "ours, " + printed.replace("_", r"\_") in (directory / "table1.tex").read_text()
    for text_ in re.findall(r"`(fid\w*)`", page):
        assert text_ == printed


def test_a_name_that_its_protocol_contradicts_is_refused(tmp_path):
    inputs = run(
        tmp_path,
        "demo/digits/gan/seed0",
        3.0,
        names=("fid",),
        protocol={**PROTOCOL, "extractor": "inception"},
    )
    with pytest.raises(AdvcodesError, match=r"'fid': its protocol .* is that of 'fid_2000_vs_360_test'"):
        rendered(tmp_path, item(), inputs)


def test_a_metric_that_was_not_computed_is_named(tmp_path):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0, names=("score_classifier",))
    with pytest.raises(AdvcodesError, match=r"acl/table1, digits: expected one metric of kind 'fid', found none; add"):
        rendered(tmp_path, item(), inputs)


def test_nothing_ran(tmp_path):
    page, _, directory = rendered(tmp_path, item(), {}, columns={"cifar10": None, "celeba": None})
    assert rows(page)["GAN"] == [text.DASH, "67.07 ± 2.82", text.DASH, "64.28 ± 2.12"]
    assert "**Not run** at this scale: CIFAR-10 and CelebA." in page
    assert "Metric" not in page and "Training" not in page and "Other metrics" not in page
    assert "Nothing was run at this scale." in page
    with Image.open(directory / "table1.png") as picture:
        assert picture.size[0] > 100


def test_both_columns_served_by_one_dataset(tmp_path):
    page, _, _ = rendered(tmp_path, item(), three_seeds(tmp_path), columns={"cifar10": "digits", "celeba": "digits"})
    assert rows(page)["GAN"][0] == rows(page)["GAN"][2] == "4.00 ± 1.00 (3 seeds)"
    assert "CIFAR-10 is served by digits and CelebA is served by digits. Our numbers are about digits, not" in page
    assert page.count("| digits |") == 1


def test_the_share_of_the_papers_training_is_said(tmp_path):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0, images=128_000)
    inputs |= run(tmp_path, "demo/digits/acl_gan/seed0", 2.0, images=64_000)
    whole = {"cifar10": 5_000_000, "celeba": 320_000}
    page, content, _ = rendered(
        tmp_path, item(), inputs, whole=whole, columns={"cifar10": "digits", "celeba": "digits"}
    )
    assert (
        "- **Budget**: 1.3 to 2.6 % of 5,000,000 images of CIFAR-10 and 20 to 40 % of 320,000 images of CelebA, "
        "which a run sees at scale `paper`."
    ) in page
    assert content["columns"]["celeba"]["whole"] == 320_000
    page, _, _ = rendered(tmp_path / "other", item(), {}, whole=whole)
    assert "Budget" not in page, "nothing was run"


def test_unequal_training_is_said(tmp_path):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0)
    inputs |= run(tmp_path, "demo/digits/acl_gan/seed0", 2.0, images=64_000)
    page, _, _ = rendered(tmp_path, item(), inputs)
    assert (
        "64,000 to 128,000 images of digits seen (an image counts each time), in batches of 64; **not the same" in page
    )


def test_early_stopping_is_said(tmp_path):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0) | run(
        tmp_path, "demo/digits/acl_gan/seed0", 2.0, images=64_000
    )
    trained = inputs["run/demo/digits/acl_gan/seed0"].directory / "run.json"
    trained.write_text(
        json.dumps(json.loads(trained.read_text()) | {"early_stopping": {"stopped": 1500, "errors": []}})
    )
    page, content, _ = rendered(tmp_path, item(), inputs)
    assert "reconstructed held-out images best, out of 96,000 images seen." in page
    assert content["columns"]["cifar10"]["best_of"] == [96_000]
    plain, content, _ = rendered(tmp_path / "b", item(), run(tmp_path / "b", "demo/digits/gan/seed0", 3.0))
    assert "Early stopping" not in plain and "best_of" not in content["columns"]["cifar10"]


def test_the_precision_that_was_used_is_said(tmp_path):
    first, second = (run(tmp_path, f"demo/digits/{v}/seed0", 3.0) for v in ("gan", "acl_gan"))

    def page(*used: str) -> tuple[str, dict[str, Any]]:
        for name, inputs, precision in zip(("gan", "acl_gan"), (first, second), used, strict=True):
            path = inputs[f"run/demo/digits/{name}/seed0"].directory / "run.json"
            about = json.loads(path.read_text())
            about["config"]["training"]["precision"] = "bfloat16"
            path.write_text(json.dumps(about | {"precision": precision}))
        text, content, _ = rendered(tmp_path, item(), first | second)
        return text, content

    text, content = page("bfloat16", "bfloat16")
    assert "**Precision**: networks computed in bfloat16, losses and updates in float32." in text
    assert content["columns"]["cifar10"]["precision"] == [["bfloat16", "bfloat16"]]
    assert (
        "networks computed in float32; bfloat16 was asked for, but the device of these runs has none of its own."
        in page("float32", "float32")[0]
    )
    assert (
        "bfloat16 was asked for, but the device of some of these runs has none of its own; **not the same for every"
        in page("bfloat16", "float32")[0]
    )
    plain, content, _ = rendered(tmp_path / "b", item(), run(tmp_path / "b", "demo/digits/gan/seed0", 3.0))
    assert "Precision" not in plain and "precision" not in content["columns"]["cifar10"]


def test_json_has_every_seed_with_its_protocol(tmp_path):
    _, content, _ = rendered(tmp_path, item(), three_seeds(tmp_path))
    cell = content["rows"]["acl_gan"]["cells"]["cifar10"]
    assert cell["paper"] == {"value": 56.05, "spread": 0.36}
    assert [r["metrics"]["fd_classifier"] for r in cell["runs"]] == [2.0, 2.5, 3.0]
    assert [r["seed"] for r in cell["runs"]] == [0, 1, 2]
    assert cell["runs"][1]["protocol"] == {"seed": 1}, "keys stand in data/"
    protocol = {k: v for k, v in PROTOCOL.items() if k != "extractor_sha256"}
    assert content["columns"]["cifar10"]["protocol"] == protocol
    assert set(cell["ours"]) == set(METRICS)


def test_mean_and_deviation_agree_with_numpy(tmp_path):
    values = np.random.default_rng(0).gamma(2.0, 3.0, 7)
    _, content, _ = rendered(tmp_path, item(), three_seeds(tmp_path, {"gan": values.tolist()}))
    ours = content["rows"]["gan"]["cells"]["cifar10"]["ours"]["fd_classifier"]
    assert ours["mean"] == pytest.approx(values.mean(), rel=5e-6)
    assert ours["sd"] == pytest.approx(values.std(ddof=1), rel=5e-6)


def test_json_of_reports_has_six_digits_and_no_keys():
    value = {
        "a": [1 / 3, (2e-9 / 3, 7)],
        "samples_key": "0",
        "extractor_sha256": "1",
        "key_points": True,
        "n": 10**8 + 1,
    }
    assert json.loads(as_json(value)) == {"a": [0.333333, [6.66667e-10, 7]], "key_points": True, "n": 10**8 + 1}
    found = [json.loads(p.read_text()) for p in Path("reports").rglob("*.json")]
    assert found and all(json.loads(as_json(content)) == content for content in found)


def test_latex(tmp_path):
    _, _, directory = rendered(tmp_path, item(), three_seeds(tmp_path))
    lines = [x for x in (directory / "table1.tex").read_text().splitlines() if not x.startswith("%")]
    assert lines == [
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{CIFAR-10 (served by digits)} & \multicolumn{2}{c}{CelebA (not run)} \\",
        r"\cmidrule(lr){2-3} \cmidrule(lr){4-5}",
        r"Model & ours, fd\_classifier $\downarrow$ & paper, FID $\downarrow$ & ours & paper, FID $\downarrow$ \\",
        r"\midrule",
        r"GAN & 4.00 $\pm$ 1.00 (3 seeds) & 67.07 $\pm$ 2.82 & -- & 64.28 $\pm$ 2.12 \\",
        r"ACL-GAN & \textbf{2.50 $\pm$ 0.50 (3 seeds)} & 56.05 $\pm$ 0.36 & -- & 52.02 $\pm$ 0.25 \\",
        r"DCGAN (cited: the DCGAN paper) & -- & 37.70 & -- & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_sheet_shows_the_first_samples_enlarged_by_whole_pixels(tmp_path):
    samples = np.zeros((24, 1, 8, 8), np.uint8)
    samples[:] = np.arange(24, dtype=np.uint8)[:, None, None, None] * 5 + 100
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0, samples=samples)
    _, _, directory = rendered(tmp_path, item(rows={"gan": ITEM["rows"]["gan"]}), inputs)
    assert (directory / "table1.png").stat().st_size < 300_000
    with Image.open(directory / "table1.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    for i in range(24):
        assert (pixels == 100 + 5 * i).sum() >= 64 * 64  # text may have the same greys


@pytest.mark.parametrize(("value", "shown"), [(None, "None"), (float("nan"), "nan"), (float("inf"), "inf")])
def test_metrics_that_are_no_numbers_are_refused(tmp_path, value, shown):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0)
    path = inputs["demo/digits/gan/seed0"].directory / "metrics.json"
    content = json.loads(path.read_text())
    content["metrics"]["fd_classifier"] = value
    path.write_text(json.dumps(content))
    with pytest.raises(AdvcodesError, match=rf"metrics.json: fd_classifier is {shown}, expected a finite number"):
        read_results(inputs)


def test_damaged_inputs_are_named(tmp_path):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0)
    path = inputs["demo/digits/gan/seed0"].directory / "metrics.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(AdvcodesError, match=r"seed0/metrics.json: not valid JSON; delete it"):
        read_results(inputs)
    path.write_text("{}")
    with pytest.raises(AdvcodesError, match=r"demo/digits/gan/seed0: metrics.json or run.json lacks 'metrics'"):
        read_results(inputs)
    path.unlink()
    with pytest.raises(AdvcodesError, match=r"seed0/metrics.json: No such file or directory; run the pipeline"):
        read_results(inputs)


def test_points_are_not_drawn_as_images(tmp_path):
    samples = np.zeros((24, 2), np.float32)
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0, samples=samples)
    page, _, _ = rendered(tmp_path, item(), inputs)
    assert rows(page)["GAN"][0] == "3.00 (1 seed)"


def test_a_paper_can_print_an_energy_distance(tmp_path):
    inputs = run(tmp_path, "demo/digits/gan/seed0", 0.25, names=("energy_distance",))
    page, _, directory = rendered(tmp_path, item(metric="energy_distance"), inputs)
    assert "CIFAR-10: paper, energy distance ↓" in page and "Not comparable" not in page
    assert "paper, energy distance" in (directory / "table1.tex").read_text()


def test_other_items_are_rebuilt_under_their_own_name(tmp_path):
    other = item(id="khan/table1")
    content = table.content(requested(tmp_path, other, {}, columns={"cifar10": None, "celeba": None}))
    assert "`snakemake --cores 8 reports/demo/khan/table1.md`" in table.markdown(content)


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([67.07, 3.2], 2),
        ([0.5], 3),
        ([0.0423], 4),
        ([1e-9], 6),
        ([0.0], 2),
        ([], 2),
        ([-0.5, 0.02], 3),
        ([9999.0], 2),
        ([54_400.0, 3.5], 0),
    ],
)
def test_decimals_show_three_digits(values, places):
    assert text.decimals(values) == places


def test_text():
    assert text.number(-0.001, 2) == "0.00"
    assert text.number(-1.5, 2) == "-1.50"
    assert text.paper_decimals([5.0, 4.89, 6.8]) == 2
    assert text.paper_decimals([6.0]) == 0
    assert text.listing([]) == ""
    assert text.listing(["a", "b", "c"]) == "a, b and c"
    assert text.markdown_table(["a|b", "c"], [["1", "2"]]) == "| a\\|b | c |\n| --- | ---: |\n| 1 | 2 |"
    assert text.latex("a_b 5% -0.5 x-1") == r"a\_b 5\% $-$0.5 x-1"


def test_unused_artifact_roles_do_not_matter(tmp_path):
    inputs = three_seeds(tmp_path) | {"acl/table1": artifact(tmp_path / "other", "item/demo/acl/table1")}
    assert {r.variant for r in read_results(inputs)} == {"gan", "acl_gan"}


@pytest.mark.parametrize(
    ("values", "bold"),
    [
        ({"gan": (3.0, 4.0, 5.0), "acl_gan": (2.0, 2.5, 3.0)}, ["ACL-GAN"]),
        ({"gan": (2.0, 3.0, 4.0), "acl_gan": (2.0, 2.5, 3.0)}, []),  # 0.5 apart, and one has an sd of 1
        ({"gan": (3.0,), "acl_gan": (2.9,)}, ["ACL-GAN"]),  # of one seed there is no sd
        ({"gan": (3.0, 4.0), "acl_gan": (4.0, 3.0)}, ["GAN", "ACL-GAN"]),  # a tie
    ],
)
def test_the_best_is_bold_where_no_other_lies_within_one_sd(tmp_path, values, bold):
    page, _, _ = rendered(tmp_path, item(), three_seeds(tmp_path, values))
    assert [name for name, cells in rows(page).items() if cells[0].startswith("**")] == bold
    assert ("the best of ours in bold" in page) == bool(bold)


@pytest.mark.parametrize(("trivial", "bold"), [(0.3, ["ACL-GAN"]), (0.25, []), (0.2, [])])
def test_what_does_not_beat_the_mean_image_is_never_bold(tmp_path, trivial, bold):
    """One row alone says what the mean image would give, as rows can lack the metric."""
    declared = item(metric="mse", better="lower", rows={k: ITEM["rows"][k] for k in ("gan", "acl_gan")})
    inputs = {}
    for variant, value in (("gan", 0.5), ("acl_gan", 0.25)):
        said = {"mse_images": 9, "mse_split": "test"} | ({"mse_of_mean_image": trivial} if variant == "gan" else {})
        inputs |= run(tmp_path, f"demo/digits/{variant}/seed0", value, names=("mse",), protocol={**PROTOCOL, **said})
    page, _, _ = rendered(tmp_path, declared, inputs)
    assert [name for name, cells in rows(page).items() if cells[0].startswith("**")] == bold
    assert (
        "in bold, where no other lies within one standard deviation, if it beats the mean training image" in page
    ) == (bool(bold))


def test_an_error_is_printed_in_one_unit(tmp_path):
    """`mse` is four times `pixel_mse`: where that one stands, it does not stand beside it."""
    said = {"mse_images": 9, "mse_split": "test", "feature_images": 9, "feature_split": "test", "feature_minibatch": 9,
            "feature_minibatches": 1}  # fmt: skip
    inputs = {}
    for variant, value in (("gan", 0.5), ("acl_gan", 0.25)):
        names = ("fd_classifier", "mse", "pixel_mse")
        inputs |= run(tmp_path, f"demo/digits/{variant}/seed0", value, names=names, protocol={**PROTOCOL, **said})
    page, _, _ = rendered(tmp_path, item(), inputs)
    assert "| digits | `pixel_mse` ↓ |" in page and "`mse`" not in page
    page, _, _ = rendered(tmp_path, item(metric="pixel_mse"), inputs)
    assert "| digits | `fd_classifier` ↓ |" in page and "`mse`" not in page


def test_updates_stand_under_the_table_where_rows_differ_in_them(tmp_path):
    critic = {"method": "wgan_gp"}
    inputs = run(tmp_path, "demo/digits/gan/seed0", 3.0) | run(
        tmp_path, "demo/digits/acl_gan/seed0", 2.0, method=critic
    )
    page, content, _ = rendered(tmp_path, item(), inputs)
    assert content["columns"]["cifar10"]["updates"] == {
        "gan": {"generator": [2000, 2000], "discriminator": [2000, 2000]},
        "acl_gan": {"generator": [400, 400], "discriminator": [2000, 2000]},
    }
    assert (
        "- **Updates** on digits (a decoder counts as a generator): GAN 2,000 generator, 2,000 discriminator; "
        "ACL-GAN 400 generator, 2,000 discriminator.\n"
    ) in page


def test_an_added_row_has_the_name_that_params_gives_it(tmp_path):
    inputs = three_seeds(tmp_path) | run(tmp_path, "demo/digits/gan_8/seed0", 3.1)
    added = ["gan", "acl_gan", "gan_8"]
    page, _, _ = rendered(tmp_path, item(), inputs, rows=added, labels={"gan_8": "GAN, 8 numbers"})
    assert "GAN, 8 numbers (addition)" in rows(page)
