"""The blocks of docs/acl_module.md for Lightning and Hugging Face, run as they stand there."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import ViTConfig, ViTModel

from conftest import ROOT

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def example(section: str) -> str:
    """The block of a section of the page; under 20 lines."""
    page = (ROOT / "docs/acl_module.md").read_text()
    code = re.findall(r"```python\n(.*?)```", page.split(f"## {section}\n")[1], re.DOTALL)[0]
    assert len(code.strip().splitlines()) < 20
    return code


def trainer(folder: Path, epochs: int, precision: Any = "32-true") -> lightning.Trainer:
    with warnings.catch_warnings(action="ignore"):
        return lightning.Trainer(
            accelerator="cpu", max_epochs=epochs, default_root_dir=folder, precision=precision, logger=False,
            enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
        )  # fmt: skip


def model(names: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    encoder, decoder = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)), nn.Linear(4, 16)
    return names["Generative"](encoder, decoder, 4)


@pytest.mark.filterwarnings("ignore")
def test_lightning_trains_resumes_bitwise_and_plays_in_float32(tmp_path: Path):
    names: dict[str, Any] = {}
    exec(example("In Lightning"), names)
    data = DataLoader(torch.randn(64, 16, generator=torch.Generator().manual_seed(0)), batch_size=16)

    class Seeds(lightning.Callback):
        """Each step's random numbers: when Lightning itself draws some depends on where a fit began."""

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
            torch.manual_seed(trainer.global_step)

    def fitted(run: lightning.Trainer, model: Any, checkpoint: Path | None = None) -> Any:
        run.callbacks.append(Seeds())
        run.fit(model, data, ckpt_path=checkpoint)
        return model

    whole = fitted(trainer(tmp_path, 2), model(names))
    first = trainer(tmp_path, 1)
    fitted(first, model(names))
    first.save_checkpoint(tmp_path / "half.ckpt")
    resumed = fitted(trainer(tmp_path, 2), model(names), tmp_path / "half.ckpt")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    assert whole.acl.sample(1).shape == (1, 4)

    mixed = fitted(trainer(tmp_path, 1, "bf16-mixed"), model(names))
    assert mixed.acl.sample(3).dtype == torch.float32


def test_a_vision_transformer_becomes_generative():
    torch.manual_seed(0)
    config = ViTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=8,
                       patch_size=4, num_channels=1)  # fmt: skip
    vit = ViTModel(config, add_pooling_layer=False).eval()
    before = [p.detach().clone() for p in vit.parameters()]
    decoder = nn.Sequential(nn.Linear(16, 64), nn.Sigmoid(), nn.Unflatten(1, (1, 8, 8)))
    batches = [torch.rand(32, 1, 8, 8) for _ in range(20)]
    names: dict[str, Any] = {"vit": vit, "decoder": decoder, "batches": batches}
    exec(example("With a Hugging Face model"), names)
    assert names["images"].shape == (64, 1, 8, 8) and torch.isfinite(names["images"]).all()
    assert all(torch.equal(a, b) for a, b in zip(before, vit.parameters(), strict=True))
