"""What items will cost: runs and images are counted as training counts them, and hours are from measured speed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from advcodes.app.cli import main
from advcodes.app.planning import speeds
from advcodes.app.planning.plan import Group, Plan, images_of, look, plan
from advcodes.app.planning.speeds import Speed
from advcodes.config.params import merge, read, resolve
from advcodes.core.errors import AdvcodesError
from advcodes.data.expected import Look
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.training import speed as measuring
from advcodes.training.data import TrainingData
from advcodes.training.loop import Loop, total_steps

GAN = Run("demo", "digits", "gan", 0)
CPU = "CPU, 1 threads"


@pytest.fixture
def small(tree: dict[str, Any]) -> dict[str, Any]:
    """One table of two rows on the digits, three seeds of 1,000 images each: 16 batches of 64."""
    return merge(
        tree,
        {
            "scale": "demo",
            "items": ["acl/table1"],
            "seeds": [0, 1, 2],
            "machine": {"device": "cpu", "threads": 1},
            "per_item": {"acl/table1": {"rows": ["gan", "wgan_gp"]}},
            "scales": {"demo": {"budget": {"default": {"images": 1000}}}},
        },
    )


@pytest.fixture(autouse=True)
def untimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without the repository's own timings, which tests of them bring back."""
    monkeypatch.setattr(speeds, "TIMINGS", tmp_path / "timings.yaml")


def graph_of(tree: dict[str, Any], data: Path) -> Graph:
    return Graph(resolve(tree), data=data)


def finish(graph: Graph, run: Run, speed: float, device: str = CPU, **changes: Any) -> Path:
    """Write what a finished run leaves, as small as planning needs it; ``changes`` are of its spec.

    Returns:
        The manifest.
    """
    artifact = graph.train(run)
    artifact.directory.mkdir(parents=True)
    about = json.dumps({"examples": {"shape": [1, 8, 8]}})
    (artifact.directory / "run.json").write_text(about)
    record = {
        "key": "of another configuration" if changes else artifact.key,
        "spec": merge(artifact.spec, changes),
        "files": {"run.json": {"bytes": len(about)}},
        "facts": {"images_per_second": speed, "device": device},
    }
    artifact.manifest.write_text(json.dumps(record))
    return artifact.manifest


def of(planned: Plan, variant: str = "gan") -> Group:
    return next(g for g in planned.groups if g.variant == variant)


def test_every_run_is_counted_once_with_whole_batches(small: dict[str, Any], tmp_path: Path):
    planned = plan(graph_of(small, tmp_path))
    assert {(g.dataset, g.variant): (g.seeds, g.built, g.images) for g in planned.groups} == {
        ("digits", variant): ((0, 1, 2), (), 1024) for variant in ("gan", "wgan_gp")
    }
    assert planned.images == 6 * 1024 and planned.unknown == 6 and planned.hours == 0
    small["items"] = ["acl/table1", "acl"]
    assert of(plan(graph_of(small, tmp_path))).seeds == (0, 1, 2)  # a run that several items show


@pytest.mark.parametrize("stopping", [None, {"held_out": 0.1}])
@pytest.mark.parametrize("budget", [{"images": 1000, "epochs": None}, {"images": None, "epochs": 2.5}])
def test_images_are_those_of_training(budget: dict[str, Any], stopping: dict[str, Any] | None, prepared: Path):
    config = {
        "budget": budget,
        "training": {"batch_size": 48, **({"early_stopping": stopping} if stopping else {})},
        "view": {"train_split": "train"},
    }
    held_out = stopping["held_out"] if stopping else None
    data = TrainingData(prepared / "digits", "train", (0, 1), 48, 0, torch.device("cpu"), held_out=held_out)
    seen = Look({"train": 1297, "test": 500}, (1, 8, 8))
    assert images_of(config, seen, "digits") == 48 * total_steps(budget, 48, data.steps_per_epoch)


def test_datasets_look_before_they_are_prepared_as_they_do_after(small: dict[str, Any], prepared: Path, tmp_path: Path):
    before, after = graph_of(small, tmp_path), graph_of(small, prepared.parent)
    for dataset in ("digits", "gaussians"):
        assert not before.prepared(dataset).fresh() and after.prepared(dataset).fresh()
        assert look(before, dataset)[:2] == look(after, dataset)[:2]
    small["datasets"]["own"] = {"source": "folder", "path": str(tmp_path), "size": 16}
    graph = graph_of(small, tmp_path / "none")
    sizes = {
        d: look(graph, d).size(graph.params.datasets[d].train_split, d)
        for d in ("mnist", "svhn_extra", "oxford102", "celeba", "shapes")
    }
    assert sizes == {"mnist": 55_000, "svhn_extra": 531_131, "oxford102": 8_189, "celeba": 162_770, "shapes": 10_000}
    assert look(graph, "mnist").splits["validation"] == 5_000
    assert look(graph, "celeba_64").shape == (3, 64, 64) and look(graph, "celeba_128").shape == (3, 128, 128)
    with pytest.raises(AdvcodesError, match="unknown split of dataset 'mnist': 'trian'; did you mean 'train'"):
        look(graph, "mnist").size("trian", "mnist")


def test_epochs_of_a_folder_are_unknown_until_it_is_prepared(small: dict[str, Any], tmp_path: Path):
    (tmp_path / "own").mkdir()
    small["datasets"]["own"] = {"source": "folder", "path": str(tmp_path / "own"), "size": 16}
    small["scales"]["demo"]["stand_ins"] = {"cifar10": "own", "celeba": None}
    small["scales"]["demo"]["budget"] = {"default": {"epochs": 3}}
    planned = plan(graph_of(small, tmp_path))
    assert of(planned).images is None and planned.as_dict()["total"]["runs_of_unknown_images"] == 6
    assert re.search(r"own +gan +3 +0 +unknown +- +unknown +not measured; run with --measure", str(planned))
    assert "to train: 6, at least 0 images" in str(planned)


def test_early_stopping_may_end_a_run_before(small: dict[str, Any], tmp_path: Path):
    small["variants"]["wgan_gp"]["training"] = {"early_stopping": {}}
    planned = plan(graph_of(small, tmp_path))
    assert of(planned, "wgan_gp").at_most and not of(planned).at_most
    assert re.search(r"wgan_gp +3 +0 +<= 1,024", str(planned)) and "early stopping may end a run sooner" in str(planned)


def test_speed_is_the_median_of_finished_seeds_and_fresh_runs_cost_nothing(small: dict[str, Any], tmp_path: Path):
    graph = graph_of(small, tmp_path)
    finish(graph, GAN, 256)
    planned = plan(graph)
    assert of(planned).speed == Speed(256, f"1 finished run ({CPU})")
    assert of(planned).built == (0,) and of(planned).hours == pytest.approx(2 * 1024 / 256 / 3600)
    assert of(planned, "wgan_gp").speed is None and planned.unknown == 3
    for seed, speed in ((1, 1024), (2, 512)):
        finish(graph, GAN._replace(seed=seed), speed)
    planned = plan(graph)
    assert of(planned).speed == Speed(512, f"3 finished runs ({CPU})")
    assert of(planned).to_train == 0 and of(planned).hours == 0
    assert planned.images == 3 * 1024  # of wgan_gp alone
    assert re.search(r"gan +3 +3 +1,024 +512 +0 +3 finished runs", str(planned))


def test_a_run_of_another_budget_and_scale_tells_the_speed(small: dict[str, Any], tmp_path: Path):
    manifest = finish(graph_of(small, tmp_path), GAN, 128, config={"budget": {"images": 64}})
    manifest.parent.rename(tmp_path / "elsewhere")
    place = tmp_path / "runs/paper/digits/gan"
    place.mkdir(parents=True)
    (tmp_path / "elsewhere").rename(place / "seed7")
    group = of(plan(graph_of(small, tmp_path)))
    assert group.speed == Speed(128, f"1 finished run ({CPU})") and group.built == ()


@pytest.mark.parametrize(
    "found",
    [
        {"config": {"training": {"batch_size": 32}}},
        {"device": "CPU, 2 threads"},
        {"device": "NVIDIA H200"},
        {"speed": 0},  # nothing was left to train when the run was resumed
    ],
    ids=str,
)
def test_what_says_nothing_of_the_speed(found: dict[str, Any], small: dict[str, Any], tmp_path: Path):
    finish(graph_of(small, tmp_path), GAN, **{"speed": 100, **found})
    assert of(plan(graph_of(small, tmp_path))).speed is None


def test_images_of_another_size_and_damaged_manifests_say_nothing(small: dict[str, Any], tmp_path: Path):
    graph = graph_of(small, tmp_path)
    finish(graph, GAN, 100).write_text("{")
    other = finish(graph, GAN._replace(seed=1), 100).parent / "run.json"
    other.write_text(json.dumps({"examples": {"shape": [1, 16, 16]}}))
    assert of(plan(graph)).speed is None


def test_runs_by_other_code_count_where_there_are_no_others(small: dict[str, Any], tmp_path: Path):
    graph = graph_of(small, tmp_path)
    finish(graph, GAN, 100, code={"advcodes.training.train": "older"})
    group = of(plan(graph))
    assert group.built == ()
    assert group.speed == Speed(100, f"1 finished run ({CPU}), by code that has changed since", changed=True)
    finish(graph, GAN._replace(seed=1), 300)
    assert of(plan(graph)).speed == Speed(300, f"1 finished run ({CPU})")


def test_a_fresh_clone_takes_the_repositorys_own_timings(small: dict[str, Any], tmp_path: Path):
    speeds.TIMINGS.write_text("cpu: {demo: {digits: {gan: 0.001, wgan_gp: 0.002}, shapes: {gan: 0.1}}}")
    graph = graph_of(small, tmp_path)
    assert of(plan(graph)).speed == Speed(pytest.approx(1000), "about, by timings.yaml", changed=True)
    finish(graph, GAN, 100)
    assert of(plan(graph)).speed == Speed(100, f"1 finished run ({CPU})"), "a finished run here tells more"
    at_two = plan(graph_of(merge(small, {"machine": {"threads": 2}}), tmp_path))
    assert of(at_two, "wgan_gp").speed.images_per_second == pytest.approx(1000)


def test_what_was_not_timed_is_told_by_what_is_alike(small: dict[str, Any], tmp_path: Path):
    speeds.TIMINGS.write_text("cpu: {demo: {shapes_16: {gan: 0.012}, shapes: {gan: 1}}}")
    planned = plan(graph_of(small, tmp_path))
    (speed,) = {of(planned).speed}
    assert speed.images_per_second == pytest.approx(1000), "768 numbers an image, where digits have 64"
    assert speed.source == "about, by timings.yaml on shapes_16, 0.083 times the pixels"
    assert of(planned, "wgan_gp").speed is None, "of another method nothing is known"
    small["items"], small["per_item"] = ["acl/table1"], {"acl/table1": {"rows": ["gan", "gan_8"]}}
    small["variants"]["gan_8"]["items"] = ["acl/table1"]
    assert of(plan(graph_of(small, tmp_path)), "gan_8").speed.source.startswith("about, by timings.yaml of gan on")
    points = merge(small, {"items": ["acl/fig11"]})
    assert of(plan(graph_of(points, tmp_path)), "acl_ae_1mode").speed is None, "points are no images"


def test_on_a_gpu_timings_of_cpus_say_nothing(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    speeds.TIMINGS.write_text("cpu: {demo: {digits: {gan: 0.001}}}")
    monkeypatch.setattr(speeds, "_driven", lambda: 1)
    assert of(plan(graph_of(merge(small, {"machine": {"device": "auto"}}), tmp_path))).speed is None


def test_the_repositorys_timings_know_every_table_of_the_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(speeds, "TIMINGS", Path("pipeline/timings.yaml"))
    assert plan(Graph(read(scale="demo"), data=tmp_path)).unknown == 0


def test_jobs_share_cores_or_gpus(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def jobs(cores: int | None, **machine: Any) -> tuple[int, int | None]:
        planned = plan(graph_of(merge(small, {"machine": machine}), tmp_path), cores)
        return planned.jobs, planned.threads

    monkeypatch.setattr(speeds, "cores", lambda: 6)
    monkeypatch.setattr(speeds, "_driven", lambda: 2)
    assert jobs(None) == (6, 1) and jobs(4, threads=2) == (2, 2) and jobs(1, threads=2) == (1, 2)
    assert jobs(None, device="auto") == (2, None) and jobs(None, device="cuda", jobs_per_gpu=2) == (4, None)
    assert jobs(3, device="auto", jobs_per_gpu=2) == (3, None) and jobs(8, device="cuda:1") == (1, None)
    finish(graph_of(small, tmp_path), GAN, 100)
    finish(graph_of(small, tmp_path), GAN._replace(seed=1), 9000, "NVIDIA H200")
    planned = plan(graph_of(merge(small, {"machine": {"device": "auto"}}), tmp_path))
    assert of(planned).speed == Speed(9000, "1 finished run (NVIDIA H200)")


def test_totals_of_several_jobs():
    def group(seeds: int, built: int, hours: float | None) -> Group:
        speed = Speed(100, "measured") if hours else None
        return Group(
            "digits", "gan", tuple(range(seeds)), tuple(range(built)), round(360_000 * (hours or 1)), False, speed
        )

    def total(jobs: int, *groups: Group) -> Plan:
        return Plan("demo", ("acl",), groups, jobs, 1)

    groups = (group(3, 0, 1), group(2, 1, 4))
    assert total(1, *groups).hours == total(1, *groups).hours_at_once == pytest.approx(7)
    assert total(2, *groups).hours_at_once == pytest.approx(5)  # 1 + 4 beside 1 + 1
    assert total(9, *groups).hours_at_once == pytest.approx(4)
    lines = str(total(2, *groups, group(2, 0, None)))
    assert "in all: 7 runs, 1 built already; to train: 6, 3,240,000 images" in lines
    assert "time: at least 7.00 hours one after another, at least 5.00 hours with 2 jobs at once" in lines
    assert "time of 2 runs not known" in lines and "hours are of training alone" in lines
    assert "time: 0 hours one after another" in str(total(2, group(2, 2, None)))
    assert "time:" not in str(total(2, group(2, 0, None)))
    assert str(total(2)) == "acl at scale demo, jobs of 1 thread: nothing is trained"


TINY = {
    "training": {"batch_size": 8},
    "scales": {
        "demo": {
            "architectures": {
                "infogan": {"width": 8, "features": 32},
                "lpaae": {"width": 8, "features": 32},
                "aaae": {"width": 8},
            }
        }
    },
}


@pytest.mark.parametrize(
    ("item", "rows", "there"),
    [
        ("acl/table1", ["gan", "wgan_gp"], True),
        ("acl/table1", ["gan", "acl_sgan"], False),  # classes
        ("acl/fig11", ["acl_ae_1mode"], True),  # points
        ("acl/fig11", ["acl_ae_1mode"], False),
        ("lpaae/fig14", ["lpaae_text"], False),  # captions
        ("aaae/table2", ["aaae"], False),  # held-out images
    ],
)
def test_measuring_trains_and_leaves_nothing(
    item: str,
    rows: list[str],
    there: bool,
    small: dict[str, Any],
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    steps = []
    real = Loop.train_step
    monkeypatch.setattr(Loop, "train_step", lambda self, *args: steps.append(self.step) or real(self, *args))
    monkeypatch.setattr(measuring, "SECONDS", 0.0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    small = merge(small, TINY)
    if "acl_sgan" in rows:
        small["variants"]["acl_sgan"]["items"] = [item]
    if rows == ["aaae"]:
        small["variants"]["aaae"]["training"]["batch_size"] = 8
    small |= {"items": [item], "seeds": [0], "per_item": {item: {"rows": rows}}}
    small["scales"]["demo"]["per_item"] = {}
    small["scales"]["demo"]["stand_ins"] |= {"flowers102": "shapes_16"}
    data = prepared.parent if there else tmp_path / "data"
    before = sorted(data.rglob("*"))
    planned = plan(graph_of(small, data), measure=True)
    assert [g.variant for g in planned.groups] == rows
    for group in planned.groups:
        assert group.speed.images_per_second > 0 and group.hours > 0
        assert group.speed.source == f"measured{'' if there else ' on random images'} ({CPU})"
    assert planned.unknown == 0 and len(steps) >= 4 * len(rows)  # a step to warm up, and three more
    assert sorted(data.rglob("*")) == before and not list(tmp_path.glob("advcodes-*"))
    assert capsys.readouterr().err == "".join(f"measuring {g.variant} on {g.dataset}\n" for g in planned.groups)


def test_only_what_has_to_be_is_measured(small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def measured(*args: Any, **kwargs: Any) -> tuple[float, str]:
        return 7.0, CPU

    monkeypatch.setattr(measuring, "measure", measured)
    graph = graph_of(small, tmp_path)
    finish(graph, GAN, 100)
    planned = plan(graph, measure=True)
    assert of(planned).speed.images_per_second == 100 and of(planned, "wgan_gp").speed.images_per_second == 7
    for seed in (0, 1, 2):
        finish(graph, Run("demo", "digits", "wgan_gp", seed), 50, code={"advcodes.training.train": "older"})
    assert of(plan(graph, measure=True), "wgan_gp").speed.images_per_second == 7


def test_what_cannot_be_measured_says_why(small: dict[str, Any], tmp_path: Path):
    small |= {"items": ["gali/table1-svhn"], "per_item": {"gali/table1-svhn": {"rows": ["gali_pt_svhn"]}}}
    small["scales"]["demo"]["per_item"] = {}
    (group,) = plan(graph_of(small, tmp_path), measure=True).groups
    assert group.speed is None
    assert re.fullmatch(r"not measured: needs extractor/features/digits/\w+; run `snakemake .*`", group.speed_from)
    small |= {"items": ["acl/table1"], "datasets": small["datasets"] | {"flowers102": {}}}
    small["scales"]["demo"]["stand_ins"] = {"cifar10": "flowers102", "celeba": None}
    group = of(plan(graph_of(small, tmp_path), measure=True))
    assert group.speed_from.startswith("not measured: the images' shape is not known; run `snakemake ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["acl/tabel1"], "unknown item 'acl/tabel1'; did you mean 'acl/table1'"),
        (["acl/table1", "lpae"], "unknown item 'lpae'; did you mean 'lpaae'"),
        (["--scale", "lapto"], "scale: expected one of demo, laptop, paper, got 'lapto'; did you mean 'laptop'"),
        (["acl/table1", "--cores", "0"], "--cores 0: expected at least one"),
    ],
)
def test_messages_of_bad_input(arguments: list[str], message: str, capsys: pytest.CaptureFixture):
    assert main(["plan", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("advcodes: error: ") and error.count("\n") == 1 and message in error


def test_a_split_smaller_than_a_batch_is_an_error(small: dict[str, Any], tmp_path: Path):
    small["training"]["batch_size"] = 1298
    with pytest.raises(AdvcodesError, match=r"dataset 'digits': 1,297 images to train on, fewer than one batch; lower"):
        plan(graph_of(small, tmp_path))


def test_each_of_several_items_is_counted_alone(small: dict[str, Any], tmp_path: Path):
    tree = merge(
        small,
        {
            "items": ["acl/fig8", "acl/table1"],
            "per_item": {"acl/fig8": {"rows": ["gan", "acl_gan"], "seeds": [0]}, "acl/table1": {"seeds": [0, 1]}},
        },
    )
    graph = graph_of(tree, tmp_path)
    finish(graph, GAN, 100)
    planned = plan(graph, cores=1)
    assert (planned.runs, planned.to_train) == (5, 4)  # of gan 2, of acl_gan 1, of wgan_gp 2
    figure, table = planned.parts
    assert (figure.items, figure.runs, figure.to_train) == (("acl/fig8",), 2, 1)
    assert (table.items, table.runs, table.to_train) == (("acl/table1",), 4, 3)
    assert of(figure).seeds == of(figure).built == (0,) and of(table).seeds == (0, 1)
    assert table.images == 3 * 1024 and table.unknown == 2 and table.hours == pytest.approx(1024 / 100 / 3600)
    lines = str(planned).splitlines()
    heads = lines.index("by table and figure; runs that they share count for each:") + 1
    assert [line.split() for line in lines[heads + 1 : heads + 3]] == [
        ["acl/fig8", "2", "1", "1,024", "unknown", "unknown"],
        ["acl/table1", "4", "1", "3,072", ">=", "<0.01", ">=", "<0.01"],
    ]
    assert planned.as_dict()["by_item"]["acl/table1"]["to_train"] == 3
    assert plan(graph_of(small, tmp_path)).parts == ()


def test_json_says_all_that_the_table_does(capsys: pytest.CaptureFixture):
    assert main(["plan", "acl/table1", "acl/fig11", "--scale", "laptop", "--cores", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["scale"] == "laptop" and printed["items"] == ["acl/table1", "acl/fig11"]
    assert {"dataset", "variant", "seeds", "built", "images", "images_per_second", "speed_from", "hours"} <= set(
        printed["groups"][0]
    )
    assert printed["total"]["runs"] == sum(len(g["seeds"]) for g in printed["groups"])
    assert main(["plan", "acl/table1", "acl/fig11", "--scale", "laptop"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("acl/table1, acl/fig11 at scale laptop, jobs ")
    assert len({line.index(word) for line, word in zip(lines[1:3], ("variant", "gan"), strict=True)}) == 1


def test_planning_costs_does_not_import_torch():
    code = "import sys; from advcodes.app.cli import main; main(['plan', '--scale', 'paper', 'acl', 'aaae']); "
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
