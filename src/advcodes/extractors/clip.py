"""CLIP's image encoder (Radford et al. 2021; ViT-B/32), as torch-fidelity has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.extractors.features import Extractor, sha256
from advcodes.extractors.fidelity import WITHOUT, Stored, Weights
from advcodes.metrics.extracted import fidelity

NETWORK = "clip-vit-b-32"
WEIGHTS = Weights(
    "the weights of CLIP ViT-B/32",
    "ViT-B-32.pt",
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "clip_weights",
)
BATCH = 100  #: images a pass
RESIZE = "to the network's side inside (224x224), bilinear as in TensorFlow 1"


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make the `extractor/clip` artifact: a verified copy of the weights, and ``clip.json``.

    Raises:
        AdvcodesError: the weights can be had neither locally nor from the network, or are not the right ones.
    """
    module = fidelity("feature_extractor_clip")
    kept = WEIGHTS.obtain(module.MODEL_URLS[NETWORK], artifact.directory / WEIGHTS.name, machine)
    network(kept)  # they fit
    about = {"sha256": sha256(kept), "source": module.MODEL_URLS[NETWORK], "network": NETWORK}
    write_atomically(artifact.directory / "clip.json", json.dumps(about, indent=1) + "\n")
    return [WEIGHTS.name, "clip.json"], {"sha256": about["sha256"]}


def network(weights: Path) -> Stored:
    """The network with verified weights, in evaluation mode.

    Raises:
        AdvcodesError: the file is missing, is another one, or does not fit.
    """
    WEIGHTS.verify(weights)
    try:
        with torch.random.fork_rng(devices=[]):
            extractor = fidelity("feature_extractor_clip").FeatureExtractorCLIP(
                NETWORK, ["clip"], feature_extractor_weights_path=str(weights), verbose=False
            )
    except (RuntimeError, KeyError, ValueError, AttributeError):
        raise AdvcodesError(
            f"{weights}: holds something else than CLIP's weights; replace it by {WEIGHTS.name}, or {WITHOUT}"
        ) from None
    return Stored(extractor, "CLIP").eval().requires_grad_(False)


def load(directory: Path, where: torch.device | str) -> Extractor:
    """The extractor of a directory that :func:`make` filled."""
    weights = directory / WEIGHTS.name
    return Extractor(network(weights).to(where), sha256(weights), BATCH, RESIZE, False)
