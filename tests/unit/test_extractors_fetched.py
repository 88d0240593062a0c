"""DINOv2 and CLIP through torch-fidelity, on small stand-ins for their networks: nothing is downloaded."""

from __future__ import annotations

import urllib.error
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from advcodes.config.params import resolve
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.download import fetch
from advcodes.extractors import clip, dinov2, fidelity
from advcodes.extractors.features import load_extractor, sha256
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.metrics.extracted import fidelity as torch_fidelity
from evaluation_fakes import artifact

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore::torch.jit.TracerWarning")
GREY = np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8), dtype=np.uint8)


# -- CLIP -----------------------------------------------------------------------------------------------------------


class _Scripted(nn.Module):
    """An archive as CLIP's are: the image encoder's tensors beside one of the text encoder."""

    def __init__(self, visual: nn.Module):
        super().__init__()
        self.visual = visual
        self.text_projection = nn.Parameter(torch.zeros(4, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.visual(x)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vision transformer of one layer, 16 x 16 pixels, in TorchScript."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        visual = torch_fidelity("feature_extractor_clip").VisionTransformer(16, 8, 64, 1, 1, 5).requires_grad_(False)
        scripted = torch.jit.trace(_Scripted(visual), torch.zeros(1, 3, 16, 16))
    path = tmp_path_factory.mktemp("clip") / clip.WEIGHTS.name
    torch.jit.save(scripted, path)
    return path


def accept(patch: pytest.MonkeyPatch, path: Path) -> None:
    """Let the file pass for the published one."""
    patch.setattr(clip, "WEIGHTS", replace(clip.WEIGHTS, sha256=sha256(path)))


def make_clip(directory: Path, **machine: str) -> tuple[list[str], dict[str, Any]]:
    return clip.make(artifact(directory, "extractor/clip", {"extractor": "clip"}), Machine(**machine))


def test_clip_from_a_path(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    accept(monkeypatch, archive)
    files, facts = make_clip(tmp_path / "clip", clip_weights=str(archive))
    assert files == ["ViT-B-32.pt", "clip.json"] and facts == {"sha256": sha256(archive)}
    extractor = load_extractor(tmp_path / "clip", "clip")
    features, logits = extractor.features(GREY)
    assert features.shape == (3, 5) and logits.shape == (3, 0) and not extractor.classes
    coloured, _ = extractor.features(np.repeat(GREY, 3, 1))
    torch.testing.assert_close(features, coloured)
    assert features.std(0).min() > 0


def test_clip_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("advcodes.data.download.ATTEMPTS", 1)
    closed = "http://127.0.0.1:9/weights.pt"
    monkeypatch.setattr(fidelity, "fetch", lambda url, path, **sums: fetch(closed, path, **sums))
    with pytest.raises(AdvcodesError, match=r"the weights of CLIP ViT-B/32: .*cannot be downloaded") as error:
        make_clip(tmp_path / "clip")
    assert "bring ViT-B-32.pt here yourself and set machine.clip_weights to its path" in str(error.value)


def test_clip_of_another_file(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AdvcodesError, match=r"not the weights of CLIP ViT-B/32 \(SHA256 is .*replace it by ViT-B"):
        make_clip(tmp_path / "clip", clip_weights=str(archive))
    other = tmp_path / "other.pt"
    other.write_bytes(archive.read_bytes()[:2000])
    accept(monkeypatch, other)
    with pytest.raises(AdvcodesError, match=r"holds something else than CLIP's weights; replace it by ViT-B"):
        make_clip(tmp_path / "clip", clip_weights=str(other))


# -- DINOv2 ---------------------------------------------------------------------------------------------------------


def hub(patch: pytest.MonkeyPatch, seed: int = 0) -> None:
    """Let torch.hub have a small network."""

    def load(repository: str, name: str) -> nn.Module:
        assert (repository, name) == ("facebookresearch/dinov2", "dinov2_vitb14")
        torch.manual_seed(seed)
        return nn.Sequential(nn.AvgPool2d(56), nn.Flatten(), nn.Linear(48, 6))

    patch.setattr(torch.hub, "load", load)


def make_dinov2(directory: Path, **machine: str) -> tuple[list[str], dict[str, Any]]:
    return dinov2.make(artifact(directory, "extractor/dinov2", {"extractor": "dinov2"}), Machine(**machine))


def test_dinov2_from_torch_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hub(monkeypatch)
    before = torch.random.get_rng_state()
    files, facts = make_dinov2(tmp_path / "dinov2")
    assert files == ["dinov2.json"] and len(facts["sha256"]) == 64
    extractor = load_extractor(tmp_path / "dinov2", "dinov2")
    features, logits = extractor.features(GREY)
    assert features.shape == (3, 6) and logits.shape == (3, 0) and extractor.sha256 == facts["sha256"]
    torch.testing.assert_close(features, extractor.features(np.repeat(GREY, 3, 1))[0])
    assert torch.equal(before, torch.random.get_rng_state()), "building it drew from the run's random numbers"


def test_dinov2_that_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hub(monkeypatch)
    _, facts = make_dinov2(tmp_path / "dinov2")
    make_dinov2(tmp_path / "again", dinov2_sha256=facts["sha256"][:8].upper())
    with pytest.raises(AdvcodesError, match=r"SHA-256 of its tensors is .* machine\.dinov2_sha256 says 00000000"):
        make_dinov2(tmp_path / "again", dinov2_sha256="00000000")
    hub(monkeypatch, seed=1)
    with pytest.raises(AdvcodesError, match=r"torch\.hub has another network .* than the one that .*dinov2\.json was"):
        load_extractor(tmp_path / "dinov2", "dinov2")


def test_dinov2_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def load(*_: str) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(torch.hub, "load", load)
    with pytest.raises(AdvcodesError, match=r"DINOv2: torch\.hub cannot have .* \(no route\); connect once, or copy"):
        make_dinov2(tmp_path / "dinov2")
    with pytest.raises(AdvcodesError, match=r"dinov2\.json: missing or damaged; delete"):
        load_extractor(tmp_path, "dinov2")


# -- both -----------------------------------------------------------------------------------------------------------


def test_points_are_refused(monkeypatch: pytest.MonkeyPatch):
    hub(monkeypatch)
    with pytest.raises(AdvcodesError, match=r"DINOv2 takes grey or colour images of 8 bits, got torch.float32 \[2\]"):
        dinov2.network()(torch.zeros(3, 2))


def test_params_may_name_them(tree: dict[str, Any]):
    tree["metrics"]["extractor"] = "clip"
    graph = Graph(resolve(tree))
    assert graph.metrics(Run("demo", "digits", "gan", 0)).inputs["extractor"].id == "extractor/clip"
    with pytest.raises(AdvcodesError, match=r"variant gali_pt_celeba: cannot learn from .* 'clip', which takes stored"):
        graph.train(Run("demo", "digits", "gali_pt_celeba", 0))
