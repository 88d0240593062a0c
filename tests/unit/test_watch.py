"""TensorBoard's log of a training, read back by TensorBoard's own reader."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from advcodes.app.cli import main
from advcodes.app.watch import Watch
from advcodes.core.errors import AdvcodesError, Interrupted
from advcodes.training.train import train
from conftest import run_config

CPU = torch.device("cpu")


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0}).Reload()


def trained(config: dict[str, Any], prepared: Path, out: Path, watch: Any = None, **how: Any) -> dict[str, Any]:
    train(config, prepared / config.pop("dataset", "digits"), out, CPU, log_every=2, on_log=watch, **how)
    return torch.load(out / "networks.pt", weights_only=True)["networks"]


@pytest.mark.parametrize("method", ["acl_gan", "wgan_gp", "vae", "lpaae_supervised", "began", "gali"])
def test_it_has_losses_metrics_and_images_and_changes_nothing(method: str, prepared: Path, tmp_path: Path):
    config = run_config(method, budget__images=32 * 6)
    plain = trained(config, prepared, tmp_path / "plain")
    watch = Watch(tmp_path / "log", config, prepared / "digits")
    seen = trained(config, prepared, tmp_path / "seen", watch)
    for role, state in plain.items():
        assert all(torch.equal(state[k], seen[role][k]) for k in state), role

    log = read(tmp_path / "log")
    tags = log.Tags()
    loss = next(tag for tag in tags["scalars"] if tag.startswith("losses/"))
    steps = [event.step for event in log.Scalars(loss)]
    assert len(steps) >= 2 and steps[-1] == 192, "steps are images seen"
    assert "metrics/images_per_second" in tags["scalars"]
    for tag in ["images/samples", *(["images/reconstructions"] if "encoder" in plain else [])]:
        assert [event.step for event in log.Images(tag)] == steps
    if "encoder" in plain:
        assert all(0 < event.value < 1 for event in log.Scalars("metrics/reconstruction_error_held_out"))
    assert method in log.Tensors("configuration/text_summary")[0].tensor_proto.string_val[0].decode()


def test_points_have_no_images(prepared: Path, tmp_path: Path):
    config = run_config("acl_ae", architecture={"family": "mlp", "width": 8}, method__latent_dim=2, dataset="gaussians")
    trained(config, prepared, tmp_path / "run", Watch(tmp_path / "log", config, prepared / "gaussians"))
    assert read(tmp_path / "log").Tags()["images"] == []


def test_a_resumed_run_goes_on_in_its_log(prepared: Path, tmp_path: Path):
    def killed(step: int) -> None:
        if step == 4:
            raise KeyboardInterrupt

    config = run_config("ae", budget__images=32 * 8)
    for on_checkpoint in (killed, None):
        watch = Watch(tmp_path / "log", config, prepared / "digits")
        try:
            trained(config, prepared, tmp_path / "run", watch, checkpoint_seconds=1e-9, on_checkpoint=on_checkpoint)
        except (KeyboardInterrupt, Interrupted):
            assert on_checkpoint
    log = read(tmp_path / "log")
    loss = next(tag for tag in log.Tags()["scalars"] if tag.startswith("losses/"))
    assert [event.step for event in log.Scalars(loss)] == [64, 128, 192, 256]


def test_without_tensorboard_it_says_what_to_install(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(AdvcodesError, match=r"--tensorboard needs the package tensorboard: pip install"):
        Watch(tmp_path / "log", run_config("ae"), prepared / "digits")


def test_own_images_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for i in range(30):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)).save(f"photos/{i}.png")
    small = ["--size=8", "--set=architectures.infogan.width=4", "--set=architectures.infogan.features=8",
             "--set=training.batch_size=16", "--set=training.snapshots=1", "--images=32"]  # fmt: skip
    assert main(["train", "--data", "photos", "--method", "ae", "--out", "run", "--tensorboard", *small]) == 0
    assert f"tensorboard --logdir {tmp_path / 'run/tensorboard'}" in capsys.readouterr().out
    assert "images/reconstructions" in read(tmp_path / "run/tensorboard/ae_seed0").Tags()["images"]
