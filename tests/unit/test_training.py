"""The loop: deterministic, resumable bit by bit, stopped by NaN with a name, blind to what must not matter."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError, Interrupted
from advcodes.core.progress import Progress, duration, end_bar
from advcodes.jobs import checkpoint, device
from advcodes.jobs.seed import epoch_order, random_state, restore_random_state, seed_all
from advcodes.methods import registry
from advcodes.training.data import Batch, TrainingData
from advcodes.training.divergence import LastFinite
from advcodes.training.loop import Loop, snapshot_steps, total_steps
from advcodes.training.restore import build_method, restore, snapshots
from advcodes.training.train import LossLog, train
from conftest import captions_for, run_config

METHODS = sorted(registry.methods())
CPU = torch.device("cpu")


class Killed(Exception):
    pass


def run(config: dict[str, Any], prepared: Path, to: Path, **kw: Any) -> tuple[list[str], dict[str, Any]]:
    to.mkdir(exist_ok=True)
    text = captions_for(config["method"]["method"], prepared)
    kw = {"key": "k", "log_every": 5, **kw}
    return train(config, prepared / "digits", to, CPU, text=text, **kw)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    content = checkpoint.load(folder / "networks.pt")["networks"]
    return {f"{role}.{name}": t for role, state in content.items() for name, t in state.items()}


def assert_same(a: Path, b: Path) -> None:
    one, two = weights(a), weights(b)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert (a / "losses.csv").read_bytes() == (b / "losses.csv").read_bytes()
    assert (a / "run.json").read_bytes() == (b / "run.json").read_bytes()
    for path in (a / "snapshots").iterdir():
        left, right = checkpoint.load(path), checkpoint.load(b / "snapshots" / path.name)
        for role, state in left["networks"].items():
            assert all(torch.equal(t, right["networks"][role][k]) for k, t in state.items())


@pytest.mark.parametrize("name", METHODS)
def test_a_seed_fixes_everything_and_another_seed_changes_it(name: str, prepared: Path, tmp_path: Path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(run_config(name, seed=seed), prepared, tmp_path / folder)
    assert_same(tmp_path / "a", tmp_path / "b")
    a, c = weights(tmp_path / "a"), weights(tmp_path / "c")
    assert any(not torch.equal(a[k], c[k]) for k in a)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", METHODS)
def test_a_killed_run_ends_bitwise_where_an_uninterrupted_one_ends(
    name: str, precision: str, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    config = run_config(name, training__precision=precision, training__flip=True, budget__images=960)

    def kill(step: int) -> None:
        if step == 15:
            random.random(), np.random.rand(), torch.rand(3)  # a new process would start from other streams
            raise Killed

    with pytest.raises(Killed):
        run(config, prepared, tmp_path / "killed", checkpoint_seconds=1e-9, on_checkpoint=kill)
    with open(tmp_path / "killed/losses.csv", "a") as f:
        f.write("17,544,half a row that the process wrote after its last check")
    assert not (tmp_path / "killed/networks.pt").exists()
    run(config, prepared, tmp_path / "killed", checkpoint_seconds=1e9)
    assert "resumed at step 15/30" in capsys.readouterr().out
    run(config, prepared, tmp_path / "whole", checkpoint_seconds=1e9)
    assert_same(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_a_checkpoint_wherever_it_comes(number: int, prepared: Path, tmp_path: Path):
    before = signal.getsignal(number)
    config, asked = run_config("acl_gan", budget__images=640), lambda step: os.kill(os.getpid(), number)
    with pytest.raises(Interrupted, match=r"interrupted at step 6/20; .*checkpoint.pt goes on from there") as raised:
        run(config, prepared, tmp_path / "stopped", log_every=5, checkpoint_seconds=1e-9, on_checkpoint=asked)
    assert raised.value.signal == number and signal.getsignal(number) is before
    run(config, prepared, tmp_path / "stopped", log_every=5)
    run(config, prepared, tmp_path / "whole", log_every=5)
    assert_same(tmp_path / "stopped", tmp_path / "whole")


def test_a_run_is_made_longer(prepared: Path, tmp_path: Path):
    short, long = (run_config("acl_gan", budget__images=n) for n in (320, 640))
    run(short, prepared, tmp_path / "a", key="short", whole=True)
    run(long, prepared, tmp_path / "a", key="long", earlier=["short"])
    run(long, prepared, tmp_path / "b", key="long")
    one, two = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert (tmp_path / "a/losses.csv").read_bytes() == (tmp_path / "b/losses.csv").read_bytes()
    assert [step for step, _ in snapshots(tmp_path / "a")] == [5, 10, 20]


def test_a_checkpoint_of_other_parameters_is_not_continued(
    prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    def kill(step: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        run(
            run_config("gan"),
            prepared,
            tmp_path / "a",
            key="old",
            checkpoint_seconds=1e-9,
            on_checkpoint=kill,
        )
    run(run_config("gan", seed=3), prepared, tmp_path / "a", key="new")
    run(run_config("gan", seed=3), prepared, tmp_path / "b", key="new")
    assert "resumed" not in capsys.readouterr().out
    assert_same(tmp_path / "a", tmp_path / "b")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize(
    ("what", "step"),
    [
        (["checkpoint.pt"], 15),
        (["checkpoint.pt", "checkpoint_before.pt"], None),
        (["snapshots/000000018.pt"], 15),
        (["snapshots/000000009.pt"], None),
        (["losses.csv"], 20),
    ],
)
def test_what_is_damaged_in_unfinished_work_is_not_gone_on_from(
    what: list[str], step: int | None, damage: Any, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    config, work = run_config("gan", training__snapshots=3, budget__images=27 * 32), tmp_path / "killed"

    def kill(step: int) -> None:
        if step == 20:
            raise Killed

    with pytest.raises(Killed):
        run(config, prepared, work, checkpoint_seconds=1e-9, on_checkpoint=kill)
    for name in what:
        damage(work / name)
    capsys.readouterr()
    run(config, prepared, work, checkpoint_seconds=1e9)
    said = capsys.readouterr().out
    assert (f"resumed at step {step}/27" in said) if step else ("resumed" not in said)
    if step != 20 and not (damage is Path.unlink and what[0].startswith("checkpoint")):
        assert f": not continued, and set aside as {work}/checkpoint.damaged" in said
    run(config, prepared, tmp_path / "whole")
    assert_same(work, tmp_path / "whole")


def test_the_log_gains_columns_when_phases_begin_and_loses_none_when_resumed(tmp_path: Path):
    log = LossLog(tmp_path / "losses.csv", 10)
    log.start()
    log.write(1, {"pretrain/moments": 0.5})
    log.write(2, {"match/error": 2.0, "match/penalty": 0.25})
    log.close()
    rows = ["step,images,pretrain/moments,match/error,match/penalty", "1,10,0.5,,", "2,20,,2,0.25", ""]
    assert (tmp_path / "losses.csv").read_text().split("\n") == rows
    again = LossLog(tmp_path / "losses.csv", 10)
    again.resume("step,images,pretrain/moments\n1,10,0.5\n")  # killed after its first row was checkpointed
    again.write(2, {"match/error": 2.0, "match/penalty": 0.25})
    again.close()
    assert (tmp_path / "losses.csv").read_text().split("\n") == rows


def test_the_log_can_be_plotted(prepared: Path, tmp_path: Path):
    run(run_config("wgan_gp"), prepared, tmp_path / "a", log_every=3)
    with open(tmp_path / "a/losses.csv") as f:
        rows = list(csv.DictReader(f))
    assert [r["step"] for r in rows] == ["5", "10"], "whole cycles of n_critic = 5"
    assert [r["images"] for r in rows] == ["160", "320"]
    assert all(float(v) == float(v) for r in rows for v in r.values())
    assert {"discriminate/penalty", "generate/adversarial"} <= set(rows[0])


def test_how_often_one_logs_changes_no_result(prepared: Path, tmp_path: Path):
    run(run_config("acl_gan"), prepared, tmp_path / "a", log_every=1)
    run(run_config("acl_gan"), prepared, tmp_path / "b", log_every=100, checkpoint_seconds=1e-9)
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_nan_stops_with_phase_and_step(prepared: Path, tmp_path: Path):
    data = TrainingData(prepared / "digits", "train", (0.0, 1.0), 32, 0, CPU)
    method = build_method(run_config("acl_gan"), data.spec, CPU)
    loop = Loop(method, method.phases(method.config))
    for step in range(4):
        batch = data.batch(step)
        if step == 2:
            with torch.no_grad():
                next(method.encoder.parameters()).fill_(torch.nan)
        loop.train_step(batch)
    message = r"training diverged: 'reconstruction' of phase 'match' became nan at step 3; lower the learning rate"
    with pytest.raises(AdvcodesError, match=message):
        loop.flush()


def test_nan_from_a_learning_rate_leaves_the_last_checkpoint(prepared: Path, tmp_path: Path):
    config = run_config("wgan_gp", method__optimiser={"lr": 1e30}, budget__images=3200)
    with pytest.raises(
        AdvcodesError,
        match=r"training diverged: .* of phase '(match|discriminate|generate)' became (nan|inf|-inf) at step \d+",
    ):
        run(config, prepared, tmp_path / "a", log_every=1)
    assert not (tmp_path / "a/networks.pt").exists()


def diverging(**changes: Any) -> dict[str, Any]:
    """Of 60 steps, whose weights are infinite some steps after the first."""
    return run_config("gan", method__optimiser={"lr": 3e36}, budget__images=32 * 60, training__snapshots=[32, 64, 1600],
                      training__diverged="keep", **changes)  # fmt: skip


def test_a_diverged_run_is_a_result_where_that_is_asked_for(prepared: Path, tmp_path: Path, capsys):
    """Its last networks whose numbers are finite, and when it diverged, whatever the log's intervals and kills."""
    run(diverging(), prepared, tmp_path / "a")
    about = json.loads((tmp_path / "a/run.json").read_text())
    assert 0 < about["diverged"] <= 60 and about["steps"] < about["diverged"]
    assert (
        f"diverged at step {about['diverged']}; its networks of step {about['steps']} are kept"
        in capsys.readouterr().out
    )
    assert all(torch.isfinite(t).all() for t in weights(tmp_path / "a").values())
    assert about["snapshots"][-1] == about["steps"] and not list((tmp_path / "a/snapshots").glob("*01600.pt"))
    assert restore(tmp_path / "a").step == about["steps"]
    with open(tmp_path / "a/losses.csv") as f:
        assert all(int(row["step"]) < about["diverged"] for row in csv.DictReader(f))
    run(diverging(), prepared, tmp_path / "b", log_every=7)
    assert json.loads((tmp_path / "b/run.json").read_text()) == about
    one, two = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_a_run_that_diverges_before_its_first_snapshot_keeps_its_first_weights(prepared: Path, tmp_path: Path):
    config = diverging()
    config["training"]["snapshots"] = 1
    run(config, prepared, tmp_path / "a", log_every=1)
    about = json.loads((tmp_path / "a/run.json").read_text())
    assert about["snapshots"] == [0] and about["images"] == 0 and about["diverged"] > 0
    assert restore(tmp_path / "a").method.sample(2).isfinite().all()


def test_networks_with_a_number_that_is_not_finite_are_not_kept():
    net = torch.nn.Linear(2, 2)
    found = LastFinite(SimpleNamespace(networks={"net": net}, state=dict))
    found.remember(3)
    with torch.no_grad():
        net.weight[0, 0] = torch.inf
    found.remember(4)
    assert found.kept["step"] == 3 and found.kept["networks"]["net"]["weight"].isfinite().all()
    other = LastFinite(SimpleNamespace(networks={}, state=dict))
    other.load_state(found.state())
    assert other.kept is found.kept


def test_shared_forward_passes_record_only_what_is_needed(prepared: Path):
    """In a critic-only step of WGAN-GP the generator runs without a graph; in GAN one graph serves both phases."""
    data = TrainingData(prepared / "digits", "train", (0.0, 1.0), 32, 0, CPU)
    for name, expected in (("wgan_gp", [False] * 4 + [False]), ("gan", [True] * 5)):
        method = build_method(run_config(name), data.spec, CPU)
        loop = Loop(method, method.phases(method.config))
        graphs, original = [], method.discriminate

        def watched(step: Any, original: Any = original, graphs: Any = graphs, name: str = name) -> Any:
            out = original(step)
            graphs.append(step.once("critic fakes" if name == "wgan_gp" else "fakes", (), lambda: None).requires_grad)
            return out

        method.discriminate = watched
        for step in range(5):
            loop.train_step(data.batch(step))
        assert graphs == expected


@pytest.mark.parametrize("name", ["acl_gan", "wgan_gp"])
def test_compiled_networks_train_the_same(name: str, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Traced and differentiated as by the default compiler, but run without the C++ compiler that it needs."""
    original, compiled = torch.nn.Module.compile, []

    def traced(self: torch.nn.Module) -> None:
        compiled.append(type(self).__name__)
        original(self, backend="aot_eager")

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    for folder, flag in (("plain", False), ("compiled", True)):
        run(run_config(name, training__compile=flag), prepared, tmp_path / folder)
    assert len(compiled) == len(registry.method(name).nets(registry.method(name).Config()))
    a, b = weights(tmp_path / "plain"), weights(tmp_path / "compiled")
    assert all(torch.allclose(a[k].float(), b[k].float(), atol=1e-4) for k in a)


def test_budget_and_snapshots():
    assert total_steps({"images": 1000, "epochs": None}, 64, 10) == 16
    assert total_steps({"images": None, "epochs": 2.5}, 64, 10) == 25
    assert snapshot_steps(100, 5, 64) == [20, 40, 60, 80, 100]
    assert snapshot_steps(3, 5, 64) == [1, 2, 3]
    assert snapshot_steps(100, [64, 640, 6400, 9999], 64) == [1, 10, 100]


def test_snapshots_are_listed_and_restored(prepared: Path, tmp_path: Path):
    files, facts = run(run_config("acl_gan"), prepared, tmp_path / "a")
    assert sorted(files) == ["losses.csv", "networks.pt", "run.json", "snapshots/000000005.pt"]
    assert all((tmp_path / "a" / f).is_file() for f in files)
    assert facts["images_per_second"] > 0
    assert set(facts["parameters"]) == {
        "generator",
        "discriminator",
        "encoder",
        "code_generator",
        "code_discriminator",
    }
    assert snapshots(tmp_path / "a") == [(5, 160), (10, 320)]
    early, final = restore(tmp_path / "a", step=5), restore(tmp_path / "a")
    assert (early.step, early.images, final.step) == (5, 160, 10)
    z = torch.randn(2, 16)
    assert not torch.equal(early.method.decode(z), final.method.decode(z))
    assert not any(net.training for net in final.method.networks.values())
    with pytest.raises(AdvcodesError, match=r"no snapshot at step 7 \(there are: 5, 10\)"):
        restore(tmp_path / "a", step=7)


def test_restoring_leaves_the_random_stream_alone(prepared: Path, tmp_path: Path):
    run(run_config("gan"), prepared, tmp_path / "a")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    restore(tmp_path / "a")
    assert torch.equal(torch.rand(3), expected)


def test_bad_checkpoints_are_named(prepared: Path, tmp_path: Path):
    with pytest.raises(AdvcodesError, match="no trained run here; train it first"):
        restore(tmp_path)
    run(run_config("gan"), prepared, tmp_path / "a")
    run(run_config("wgan_gp", method__latent_dim=8), prepared, tmp_path / "b")
    (tmp_path / "b/networks.pt").rename(tmp_path / "a/networks.pt")
    with pytest.raises(
        AdvcodesError,
        match=r"networks\.pt: holds weights of another variant than .*run\.json says; train again",
    ):
        restore(tmp_path / "a")
    path = tmp_path / "a/networks.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(AdvcodesError, match=r"not a readable checkpoint \(truncated, damaged"):
        restore(tmp_path / "a")
    torch.save({"format": 99}, path)
    with pytest.raises(AdvcodesError, match="not a checkpoint of this version"):
        restore(tmp_path / "a")
    path.unlink()
    with pytest.raises(AdvcodesError, match="no such checkpoint"):
        restore(tmp_path / "a")


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path):
    class Evil:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "owned").touch, ())

    torch.save({"format": 1, "x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(AdvcodesError, match="not a readable checkpoint"):
        checkpoint.load(tmp_path / "evil.pt")
    assert not (tmp_path / "owned").exists()


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"step": 1})

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(
        AdvcodesError,
        match=r"checkpoint\.pt: cannot write checkpoint: No space left on device; free some space",
    ):
        checkpoint.save(path, {"step": 2})
    assert checkpoint.load(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_batches_are_an_index_in_a_seeded_order(prepared: Path):
    data = TrainingData(prepared / "digits", "train", (-1.0, 1.0), 64, 7, CPU)
    n = len(data.images)
    assert data.steps_per_epoch == n // 64
    order = epoch_order(n, 7, 1)
    assert sorted(order.tolist()) == list(range(n)) and not torch.equal(order, epoch_order(n, 7, 0))
    batch = data.batch(data.steps_per_epoch + 2)
    index = order[128:192]
    assert torch.equal(batch.labels, data.labels[index])
    expected = data.images[index].double() / 255 * 2 - 1
    torch.testing.assert_close(batch.images.double(), expected, atol=1e-6, rtol=0)
    assert torch.equal(
        data.batch(3).images,
        TrainingData(prepared / "digits", "train", (-1.0, 1.0), 64, 7, CPU).batch(3).images,
    )


def test_flips_mirror_some_images_and_keep_the_others(prepared: Path):
    plain = TrainingData(prepared / "digits", "train", (0.0, 1.0), 64, 0, CPU).batch(0).images
    flipped = TrainingData(prepared / "digits", "train", (0.0, 1.0), 64, 0, CPU, flip=True).batch(0).images
    mirrored = [torch.equal(a.flip(-1), b) and not torch.equal(a, b) for a, b in zip(plain, flipped, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(plain, flipped, strict=True)]
    assert 16 < sum(mirrored) < 48 and all(m or s for m, s in zip(mirrored, same, strict=True))


def test_too_few_images_for_a_batch(prepared: Path):
    with pytest.raises(
        AdvcodesError, match=r"split 'train' has \d+ images, fewer than one batch; lower training.batch_size"
    ):
        TrainingData(prepared / "digits", "train", (0.0, 1.0), 10_000, 0, CPU)


def test_random_states_come_back():
    seed_all(3)
    state = random_state()
    drawn = (random.random(), np.random.rand(), torch.rand(2).tolist())
    seed_all(4)
    restore_random_state(state)
    assert (random.random(), np.random.rand(), torch.rand(2).tolist()) == drawn


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device.pick(Machine()) == CPU
    with pytest.raises(
        AdvcodesError,
        match=r"machine.device: 'cuda' asked for, but torch sees 0 GPUs here; set it to auto or cpu",
    ):
        device.pick(Machine(device="cuda"))


def test_jobs_spread_over_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", lambda i: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(uuid=f"uuid{i}"))
    monkeypatch.setattr(device, "LOCKS", tmp_path)
    for name in ("SLURM_JOB_ID", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    machine = Machine(jobs_per_gpu=2)
    with (
        device.claimed(machine) as a,
        device.claimed(machine) as b,
        device.claimed(machine) as c,
        device.claimed(machine) as d,
    ):
        assert [x.index for x in (a, b, c, d)] == [0, 1, 0, 1]
    with device.claimed(machine) as again:
        assert again.index == 0
    with device.claimed(Machine(device="cuda:1")) as chosen:
        assert chosen.index == 1
    monkeypatch.setattr(socket, "gethostname", lambda: "other")  # a node of a cluster that shares the directory
    with device.claimed(Machine()) as a, device.claimed(Machine()) as b:
        assert [a.index, b.index] == [0, 1]
    assert sorted(p.name for p in tmp_path.glob("gpu-other*")) == ["gpu-other-uuid0-0.lock", "gpu-other-uuid1-0.lock"]


@pytest.mark.parametrize(
    ("environment", "indices"),
    [
        ({"SLURM_JOB_GPUS": "1,3"}, [1, 3]),
        ({"SLURM_JOB_GPUS": "1,3", "SLURM_STEP_GPUS": "3"}, [3]),
        ({"SLURM_JOB_GPUS": "5", "CUDA_VISIBLE_DEVICES": "0"}, [0, 1, 2, 3]),
        ({"SLURM_JOB_GPUS": "4,5,6,7"}, [0, 1, 2, 3]),  # it sees these four alone
        ({"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b,GPU-c,GPU-d"}, [0, 1, 2, 3]),
    ],
)
def test_a_job_of_a_cluster_takes_the_gpus_it_was_given(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], indices: list[int]
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: SimpleNamespace(uuid=f"uuid{i}"))
    for name in ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"SLURM_JOB_ID": "17", **environment}.items():
        monkeypatch.setenv(name, value)
    assert device._lock_names() == {i: f"gpu-job17-uuid{i}" for i in indices}


def test_progress_says_how_far_how_fast_and_how_long(capsys: pytest.CaptureFixture):
    progress = Progress("demo/digits/gan/seed0", 6400, "images", seconds=0)
    progress.begun -= 10
    progress.at(3200, "generate 1.23")
    line = capsys.readouterr().out.strip()
    expected = r"demo/digits/gan/seed0: 3,200 of 6,400 images, 3\d\d images/s, 50%, 0:10 left \| generate 1.23"
    assert re.fullmatch(expected, line), line
    assert duration(3_723) == "1:02:03" and duration(59.6) == "1:00"


def test_progress_is_whole_lines_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Logs are read line by line, so nothing is drawn over; short work says nothing."""
    clock = iter([0, 1, 9, 11, 12, 20, 22])
    monkeypatch.setattr("advcodes.core.progress.time.monotonic", lambda: next(clock))
    progress = Progress("x", 60, "steps", seconds=10)
    for done in range(10, 70, 10):
        progress.at(done)
    out = capsys.readouterr().out
    assert out == "x: 30 of 60 steps, 3 steps/s, 50%, 0:11 left\nx: 60 of 60 steps, 3 steps/s, 100%, 0:00 left\n"


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    clock = iter([0, 0.1, 1, 1.1, 2, 2.1])
    monkeypatch.setattr("advcodes.core.progress.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    progress = Progress("x", 40, "steps")
    for done in (4, 10, 12, 20, 40):
        progress.at(done, "a note that is longer than the terminal is wide")
    drawn = capsys.readouterr().out.split("\r\x1b[K")
    assert drawn[0] == "" and len(drawn) == 4, "neither before its time nor too often"
    assert drawn[1].startswith("[#####...............] x: 10 of 40 steps, 10 steps/s") and len(drawn[1]) == 59
    assert drawn[3].startswith("[####################] x: 40 of 40 steps") and drawn[3].endswith("\n")
    end_bar()
    assert capsys.readouterr().out == "", "it is over, and nothing stands open"


def test_progress_of_a_run_shows_each_phase(prepared: Path):
    data = TrainingData(prepared / "digits", "train", (0.0, 1.0), 32, 0, CPU)
    method = build_method(run_config("acl_gan"), data.spec, CPU)
    loop = Loop(method, method.phases(method.config))
    loop.train_step(data.batch(0), logged=True)
    means = loop.flush()
    shown = loop.by_phase(means)
    assert list(shown) == ["match", "discriminate", "generate", "discriminate_codes", "generate_codes"]
    assert shown["discriminate"] == pytest.approx(means["discriminate/real"] + means["discriminate/fake"])


def test_batch_of_points_passes_unchanged(prepared: Path):
    data = TrainingData(prepared / "gaussians", "train", (0.0, 1.0), 16, 0, CPU, flip=True, channels_last=True)
    batch = data.batch(0)
    assert isinstance(batch, Batch) and batch.images.shape == (16, 2) and batch.images.abs().max() > 1


def test_snapshots_at_given_lengths_keep_what_figures_need(prepared: Path, tmp_path: Path):
    """ACL-AE's snapshots encode, too: a figure shows both kinds of codes during training."""
    run(run_config("acl_ae", training__snapshots=[64, 160, 99_999]), prepared, tmp_path / "a")
    assert snapshots(tmp_path / "a") == [(2, 64), (5, 160), (10, 320)]
    x = torch.rand(4, 1, 8, 8)
    codes = [restore(tmp_path / "a", step=step).method.encode(x) for step in (2, 5, 10)]
    assert not torch.allclose(codes[0], codes[1]) and not torch.allclose(codes[1], codes[2])
    held = checkpoint.load(tmp_path / "a/snapshots/000000002.pt")["networks"]
    assert set(held) == {"decoder", "code_generator", "encoder"}


def test_a_phase_repeats_with_new_draws_on_the_same_batch(prepared: Path):
    data = TrainingData(prepared / "digits", "train", (0.0, 1.0), 32, 0, CPU)
    method = build_method(run_config("aae", method__encoder_steps=3), data.spec, CPU)
    loop, seen, confuse = Loop(method, method.phases(method.config)), [], method.confuse

    def watched(step: Any) -> dict[str, torch.Tensor]:
        seen.append([p.detach().clone() for p in method.encoder.parameters()])
        return confuse(step)

    method.confuse = watched
    loop.train_step(data.batch(0))
    assert len(seen) == 3
    assert not torch.equal(seen[0][0], seen[1][0]) and not torch.equal(seen[1][0], seen[2][0])


def test_betas_follow_the_role(prepared: Path):
    data = TrainingData(prepared / "digits", "train", (0.0, 1.0), 32, 0, CPU)
    config = run_config(
        "acl_ae", method__betas={"code_generator": [0, 0.99]}, method__optimiser={"betas": [0.9, 0.999]}
    )
    method = build_method(config, data.spec, CPU)
    optimisers = Loop(method, method.phases(method.config)).optimisers
    assert [g["betas"] for g in optimisers["generate_codes"].param_groups] == [(0, 0.99)]
    assert {g["betas"] for g in optimisers["reconstruction"].param_groups} == {(0.9, 0.999)}


def test_a_run_of_another_version_is_named(tmp_path: Path):
    (tmp_path / "run.json").write_text('{"config": {}, "shape": [1, 8, 8], "steps": 1, "images": 1, "snapshots": [1]}')
    with pytest.raises(AdvcodesError, match=r"run.json: lacks examples: written by another version; train again"):
        restore(tmp_path)


def test_a_forward_pass_shared_within_another_keeps_its_gradients(prepared: Path):
    """`once` inside `once` must leave frozen and thawed what the outer pass had."""
    data = TrainingData(prepared / "digits", "train", (0.0, 1.0), 32, 0, CPU)
    method = build_method(run_config("acl_gan", method__fakes="encoded"), data.spec, CPU)
    before = [p.detach().clone() for p in method.generator.parameters()]
    Loop(method, [p for p in method.phases(method.config) if p.name in ("discriminate", "generate")]).train_step(
        data.batch(0)
    )
    pairs = zip(before, method.generator.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs), "the fakes carry no gradient into the generator"
