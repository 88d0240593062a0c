"""What else the two tools and the command line do in a project."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from advcodes.papers.read import read_items
from workflow.project import MEASURED, Project, jobs


@pytest.mark.parametrize("how", ["--config", "--configfile"])
def test_configuration_beside_params_yaml_is_refused(built: Project, tmp_path: Path, how: str):
    (tmp_path / "more.yaml").write_text("seeds: [7]\n")
    value = {"--config": "seeds=[7]", "--configfile": str(tmp_path / "more.yaml")}[how]
    output = built.snakemake("reports/table1.md", how, value, ok=False)
    expected = (
        "--config/--configfile are not supported (got seeds): params.yaml is the single input; edit it, "
        "or run `dvc exp run -S <key>=<value>`"
    )
    assert expected in output
    assert "Traceback" not in output


def test_a_mistake_in_params_yaml_is_one_line_from_both_tools(built: Project):
    built.set(variants__gan__optimizer={"lr": 1e-3})
    expected = "params.yaml: variants.gan.optimizer: unknown key; did you mean 'optimiser'?"
    for output in (built.snakemake(ok=False), built.dvc("repro", ok=False)):
        assert expected in output
        assert "Traceback" not in output


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("reports/laptop/acl/fig6.png", "fig6: params.yaml is at scale 'demo'; set `scale: laptop` there first"),
        ("reports/demo/acl/fig66.png", "unknown item 'acl/fig66'; did you mean 'acl/fig6'?"),
    ],
)
def test_what_cannot_be_built_is_refused_before_anything_is_trained(built: Project, target: str, message: str):
    output = built.snakemake(target, ok=False)
    assert message in output and not jobs(output)


def test_everything_is_all_six_groups_whatever_is_chosen(built: Project):
    planned = jobs(built.snakemake("--dry-run", "everything"))
    assert planned["claims"] == 1
    assert planned["render"] == len(read_items()) - 1  # the table is there


def test_lint_asks_for_nothing_but_an_environment_a_rule(built: Project):
    """All rules share the one that requirements.lock pins."""
    said = built.run("snakemake", "--lint", ok=None)
    asked = set(re.findall(r"^ +\* (.*)", said, re.MULTILINE))
    assert asked == {"Specify a conda environment or container for each rule.:"}


def test_the_report_is_one_self_contained_file(built: Project):
    built.run("snakemake", "--report", "report.html")
    page = (built.root / "report.html").read_text()
    assert not re.findall(r"""<(?:script|link|img) [^>]*(?:src|href)=["']https?://""", page), "loads from elsewhere"
    picture = re.search(r'"data_uri": "data:image/png;[^"]*filename=table1.png;base64,([^"]+)"', page)
    assert base64.b64decode(picture[1]) == (built.root / "reports/demo/acl/table1.png").read_bytes()
    assert "Shown: numbers over seeds, and samples." in page and "system-message" not in page, "the page is its caption"
    assert "Adversarial Code Learning for Image Generation" in page, "its category is its paper"


def test_a_plan_of_600_jobs(built: Project, capsys: pytest.CaptureFixture[str]):
    built.set(seeds=list(range(102)))
    began = time.monotonic()
    plan = built.snakemake("--dry-run")
    seconds = time.monotonic() - began
    assert jobs(plan) == {"train": 200, "sample": 200, "evaluate": 200, **MEASURED}
    with capsys.disabled():
        print(f"\na plan of {sum(jobs(plan).values())} jobs took {seconds:.1f} s")


def test_another_checkout_is_not_judged_by_these_sources(built: Project):
    output = built.run("advcodes", "accept", "--reason", "judged by other sources", ok=False)
    assert "not those of this checkout; install it" in output
    assert "Traceback" not in output


def test_list_says_what_is_built_stale_and_missing(built: Project):
    built.set(seeds=[0, 5], variants__gan__optimiser__lr=1e-3)
    listed = built.advcodes("list")
    runs = dict(re.findall(r"^ +demo/digits/(\w+/seed\d) +(train.*)$", listed, re.MULTILINE))
    assert runs == {
        "gan/seed0": "train: stale  sample: stale  evaluate: stale",
        "gan/seed5": "train: missing  sample: missing  evaluate: missing",
        "acl_gan/seed0": "train: built  sample: built  evaluate: built",
        "acl_gan/seed5": "train: missing  sample: missing  evaluate: missing",
    }
    assert re.search(r"^ +acl/table1 +stale ", listed, re.MULTILINE)
    assert re.search(r"^ +digits +digits +prepared$", listed, re.MULTILINE)
    assert re.search(r"^ +cifar10 .*served by digits", listed, re.MULTILINE)
    assert re.search(r"^ +celeba .*not run at this scale", listed, re.MULTILINE)
    assert re.search(r"^ +acl_gan_gp +\w", listed, re.MULTILINE)


def test_prune_deletes_on_request_only(built: Project):
    tree = built.params
    del tree["variants"]["acl_gan"]
    built.params = tree
    gone, kept = built.run_directory("acl_gan", 0), built.run_directory("gan", 0)
    assert jobs(built.snakemake()) == MEASURED
    assert gone.exists(), "building deletes nothing"
    listed = built.advcodes("prune")
    assert listed.count("would delete ") == 6
    assert "data/runs/demo/digits/acl_gan/seed0" in listed
    assert "run `advcodes prune --yes`" in listed
    assert gone.exists()
    assert built.advcodes("prune", "--yes").count("deleted data/") == 6
    assert not gone.exists() and kept.exists()
    assert "nothing to prune" in built.advcodes("prune")
    built.assert_nothing_to_do()
    # What was committed comes back from dvc's cache.
    built.git("checkout", "--quiet", "--", ".")
    built.dvc("checkout")
    assert gone.exists()
    built.assert_nothing_to_do()


def test_dvc_reports_nothing_home(built: Project):
    assert built.dvc("config", "core.analytics").strip() == "false"
    assert "core.analytics=false" in built.dvc("config", "--project", "--list")


def test_training_on_a_folder_of_images_needs_no_edited_file(built: Project, tmp_path: Path):
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    random = np.random.default_rng(0)
    for i in range(150):
        Image.fromarray(random.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(images / f"{i:03}.png")
    command = ["train", "--data", str(images), "--method", "acl_gan", "--out", str(out)]
    command += ["--size", "16", "--images", "640"]
    small = (f"architectures.infogan.{s}" for s in ("width=8", "features=32", "code.width=32"))
    command += [f"--set={s}" for s in (*small, "training.snapshots=2", "sampling.grid=4")]
    output = built.advcodes(*command)
    run = out / "runs/laptop/images/acl_gan/seed0"
    assert f"advcodes.load('{run}')" in output
    assert (run / "networks.pt").exists()
    grids = out / "grids/acl_gan_seed0"
    for grid in (*sorted(grids.glob("0*.png")), grids / "samples.png"):
        picture = Image.open(grid)
        assert picture.mode == "RGB" and picture.width >= 4 * 16
    assert [p.name for p in sorted(grids.glob("0*.png"))] == ["000000320.png", "000000640.png"]
    assert built.git("status", "--porcelain") == ""
    again = built.advcodes(*command)
    assert "train/laptop/images/acl_gan/seed0: already made" in again
