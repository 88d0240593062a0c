"""The front page and the files that DVC compares."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import textwrap

import pytest
from pages_fakes import CURVES, artifact, item, render_artifact, run

from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.pages import front, render, summary, verdicts
from advcodes.pages.results import read_results

CLAIM = {"id": "c", "paper": "acl", "item": "acl/table1", "says": "ACL helps", "where": "w", "column": "cifar10",
         "winner": "acl_gan", "loser": "gan"}  # fmt: skip

VERDICTS = {  # with the table and without it
    True: {"holds": 1, "does not hold": 0, "equal": 0, "undecided": 0, "confounded": 0},
    False: {"holds": 0, "does not hold": 0, "equal": 0, "undecided": 1, "confounded": 0},
}


def inputs_of(root):
    inputs = {}
    for variant, start in (("gan", 4.0), ("acl_gan", 2.0)):
        for seed in range(3):
            fd = start + seed / 10
            inputs |= run(root, f"demo/digits/{variant}/seed{seed}", fd, curve=[(1000, 3 * fd), (2000, fd)])
    return inputs


def made(root, items=("acl/table1", "acl/fig8")):
    inputs = inputs_of(root)
    rendered = {}
    for declared in (item(), item(CURVES)):
        if declared.id in items:
            rendered[declared.id] = render_artifact(root, declared, inputs)
            render.make(rendered[declared.id], Machine())
    columns = {"cifar10": "digits", "celeba": None}
    declared = {
        d.id: {"item": d.declaration(), "columns": columns, "seeds": [0, 1, 2]}
        for d in (item(), item(CURVES))
        if d.id in items
    }
    config = {"scale": "demo", "items": declared, "claims": [CLAIM], "compared": {}, "paired": []}
    config |= {"papers": {"acl": "ACL"}, "equal": {"acl": {"margin": 0.05, "because": "it is little"}}}
    whole = artifact(root / "reports", "summary/demo", config=config, inputs=rendered | inputs)
    page = artifact(root / "reports/demo", "claims/demo", "claims.manifest.json", config=config, inputs=inputs)
    plots = ["claims-acl.png", "claims-acl.svg"] if "acl/table1" in items else []
    assert verdicts.make(page, Machine()) == (
        ["claims.md", "claims.json", *plots],
        {"claims": VERDICTS["acl/table1" in items]},
    )
    return whole, summary.make(whole, Machine())


def made_front(root, items=("acl/table1",)):
    whole, _ = made(root, items)
    config = whole.config | {"items": {i: v for i, v in whole.config["items"].items() if i == "acl/table1"}}
    page = artifact(root / "reports", "front/demo", "front.manifest.json", config=config, inputs=whole.inputs)
    assert front.make(page, Machine()) == (["table1.md"], {})
    return page


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_files(tmp_path):
    whole, (files, facts) = made(tmp_path)
    assert (sorted(files), facts) == (["curves.csv", "losses.csv", "metrics.json"], {})
    assert all((whole.directory / f).is_file() for f in files)
    assert "ACL helps" in (whole.directory / "demo/claims.md").read_text()


def test_links_of_the_front_page_lead_somewhere(tmp_path):
    page = made_front(tmp_path)
    text = (page.directory / "table1.md").read_text()
    links = [part.partition(")")[0] for part in text.split("](")[1:]]
    assert links == ["demo/acl/table1.png", "demo/acl/table1.json", "demo/acl/table1.tex", "demo/claims.md"]
    assert all((page.directory / link).is_file() for link in links)
    body = text.split("\n\n")[3]
    assert body == (page.directory / "demo/acl/table1.md").read_text().split("\n\n")[3]


def test_the_front_page_judges_the_claims_about_its_table(tmp_path):
    text = (made_front(tmp_path).directory / "table1.md").read_text()
    judged = text.split("## What the paper claims of it")[1]
    assert "| ACL helps (w; `acl/table1`; `c`) |" in judged and "**holds** on digits by `fd_classifier`" in judged


def test_only_relative_links_move():
    page = "[a](x.md) ![b](y/z.png) [c](https://e.org/) [d](#top) [e](/root) [mail](mailto:x)"
    moved = "[a](s/p/x.md) ![b](s/p/y/z.png) [c](https://e.org/) [d](#top) [e](/root) [mail](mailto:x)"
    assert front.relink(page, "s/p") == moved


def test_without_the_front_item_no_old_table_stays(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/table1.md").write_text("an old table")
    page = made_front(tmp_path, items=["acl/fig8"])
    assert (page.directory / "table1.md").read_text() == (
        "`acl/table1` is not among `items` in params.yaml, so it was not made at scale `demo`.\n"
    )
    claim = json.loads((page.directory / "demo/claims.json").read_text())["claims"][0]
    assert (claim["verdict"], claim["reason"]) == ("undecided", "not run")


def test_metrics_json_has_numbers_at_its_leaves(tmp_path):
    whole, _ = made(tmp_path)
    tree = json.loads((whole.directory / "metrics.json").read_text())
    assert list(tree) == ["digits"] and list(tree["digits"]) == ["gan", "acl_gan"]
    leaf = tree["digits"]["acl_gan"]
    assert leaf["fd_classifier"] == pytest.approx(2.1)
    assert leaf["fd_classifier_sd"] == pytest.approx(0.1)
    assert leaf["seeds"] == 3
    assert all(isinstance(v, int | float) for v in leaf.values())


def test_metrics_of_one_seed_have_no_sd(tmp_path):
    results = read_results(run(tmp_path, "demo/digits/gan/seed0", 3.0))
    assert "fd_classifier_sd" not in summary.metrics(results)["digits"]["gan"]


def test_curves_csv(tmp_path):
    whole, _ = made(tmp_path)
    rows = table((whole.directory / "curves.csv").read_text())
    assert rows[0] == {
        "dataset": "digits", "variant": "gan", "metric": "fd_classifier", "images": "1000", "value": "12.3",
    }  # fmt: skip
    assert [r["value"] for r in rows] == ["12.3", "4.1", "6.3", "2.1"]


def test_losses_csv_is_the_mean_over_seeds(tmp_path):
    whole, _ = made(tmp_path)
    rows = table((whole.directory / "losses.csv").read_text())
    gan = [r for r in rows if r["variant"] == "gan"]
    adversarial = [float(r["value"]) for r in gan if r["loss"] == "generate/adversarial"]
    assert adversarial == pytest.approx([54.1, 104.1, 154.1, 204.1])
    assert [float(r["value"]) for r in gan if r["loss"] == "discriminate/loss"] == [1, 1, 1, 1]
    assert [r["images"] for r in gan[:4]] == ["3200", "6400", "9600", "12800"]


def test_long_losses_are_thinned_by_averaging(tmp_path):
    logs = {}
    for variant in range(8):
        for seed in range(3):
            path = tmp_path / f"{variant}-{seed}.csv"
            lines = [f"{s},{64 * s},{s},{-s},nan," for s in range(50, 60_001, 50)]
            path.write_text("\n".join(["step,images,a/x,b/y,c/diverged,d/rare", *lines]) + "\n")
            logs[f"paper/cifar10/v{variant}/seed{seed}"] = path
    text = summary.losses(logs)
    assert len(text) < 300_000
    rows = [r for r in table(text) if r["variant"] == "v3"]
    assert {r["loss"] for r in rows} == {"a/x", "b/y", "c/diverged"}
    x = [(int(r["images"]), float(r["value"])) for r in rows if r["loss"] == "a/x"]
    assert x[-1][0] == 64 * 60_000
    assert len(x) > 100
    assert sum(v for _, v in x) / len(x) == pytest.approx(30_025, rel=0.01)
    edges = [0, *(i // 64 for i, _ in x)]
    for (_, value), low, high in zip(x, edges, edges[1:], strict=False):
        assert value == pytest.approx((low + 50 + high) / 2, rel=1e-3)


def test_logs_of_other_intervals_are_put_together(tmp_path):
    for seed, every in ((0, 50), (1, 100)):
        lines = [f"{s},{s},{seed}" for s in range(every, 201, every)]
        (tmp_path / f"{seed}.csv").write_text("\n".join(["step,images,l", *lines]) + "\n")
    rows = table(summary.losses({f"demo/d/v/seed{s}": tmp_path / f"{s}.csv" for s in (0, 1)}))
    assert [(r["images"], float(r["value"])) for r in rows] == [("50", 0), ("100", 0.5), ("150", 0), ("200", 0.5)]


@pytest.mark.parametrize("content", ["step,images,l\n1,64,abc\n", "step,l\n1,2\n"])
def test_damaged_logs_are_named(tmp_path, content):
    (tmp_path / "losses.csv").write_text(content)
    with pytest.raises(
        AdvcodesError, match=r"losses.csv: no readable log of losses; delete it and train demo/d/v/seed0"
    ):
        summary.losses({"demo/d/v/seed0": tmp_path / "losses.csv"})


def test_reports_need_no_torch_and_planning_no_matplotlib(tmp_path):
    inputs_of(tmp_path)
    script = textwrap.dedent(f"""
        import sys
        class Refuse:
            def find_spec(self, name, path=None, target=None):
                assert name.partition(".")[0] != "torch", "torch is imported"
        sys.meta_path.insert(0, Refuse())
        sys.path.insert(0, {str(__file__).rpartition("/")[0]!r})
        import advcodes.pages.render, advcodes.pages.summary, advcodes.pages.verdicts, advcodes.pages.pictures.images
        assert not {{"matplotlib", "scipy", "PIL"}} & set(sys.modules)
        import test_pages_summary, pathlib
        test_pages_summary.made(pathlib.Path({str(tmp_path)!r}))
        assert "matplotlib" in sys.modules
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
