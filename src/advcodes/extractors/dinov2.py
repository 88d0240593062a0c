"""DINOv2 (Oquab et al. 2023; ViT-B/14), as torch-fidelity has it: through torch.hub, which keeps code and weights.

A machine without network takes both from another one's cache (the folder ``hub`` under ``TORCH_HOME``). The checksum is
that of the tensors, so that it does not depend on the file that brought them.
"""

from __future__ import annotations

import hashlib
import json
import urllib.error
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.extractors.features import Extractor
from advcodes.extractors.fidelity import WITHOUT, Stored
from advcodes.metrics.extracted import fidelity

NETWORK = "dinov2-vit-b-14"
BATCH = 100  #: images a pass
RESIZE = "224x224 inside, bilinear as in TensorFlow 1"


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make the `extractor/dinov2` artifact: ``dinov2.json``, with the checksum that every later use has to find.

    Raises:
        AdvcodesError: torch.hub cannot have it, or the checksum is not that of ``machine.dinov2_sha256``.
    """
    sha256 = checksum(network().network.state_dict())
    wanted = machine.dinov2_sha256
    if wanted and not sha256.startswith(wanted.lower()):
        raise AdvcodesError(
            f"DINOv2: SHA-256 of its tensors is {sha256[: len(wanted)]}, and machine.dinov2_sha256 says {wanted}; "
            f"delete torch.hub's cache and run again, correct it, or {WITHOUT}"
        )
    about = {"sha256": sha256, "source": "torch.hub facebookresearch/dinov2", "network": NETWORK}
    write_atomically(artifact.directory / "dinov2.json", json.dumps(about, indent=1) + "\n")
    return ["dinov2.json"], {"sha256": sha256}


def network() -> Stored:
    """The network as torch.hub has it, in evaluation mode.

    Raises:
        AdvcodesError: it can be had neither from its cache nor from the network.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            extractor = fidelity("feature_extractor_dinov2").FeatureExtractorDinoV2(NETWORK, ["dinov2"])
    except (urllib.error.URLError, OSError, RuntimeError, ImportError) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split()) or type(error).__name__
        raise AdvcodesError(
            f"DINOv2: torch.hub cannot have facebookresearch/dinov2 ({reason}); connect once, or copy the folder `hub` "
            f"of TORCH_HOME from a machine that has it, or {WITHOUT}"
        ) from None
    return Stored(extractor, "DINOv2").eval().requires_grad_(False)


def checksum(state: dict[str, Tensor]) -> str:
    """SHA-256 of a network's tensors with their names, in hex."""
    sha256 = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        sha256.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        sha256.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha256.hexdigest()


def load(directory: Path, where: torch.device | str) -> Extractor:
    """The extractor of a directory that :func:`make` filled.

    Raises:
        AdvcodesError: the directory has none, or torch.hub has another network now.
    """
    path = directory / "dinov2.json"
    try:
        wanted = json.loads(path.read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        raise AdvcodesError(f"{path}: missing or damaged; delete {directory} and run `snakemake` again") from None
    loaded = network()
    sha256 = checksum(loaded.network.state_dict())
    if sha256 != wanted:
        raise AdvcodesError(
            f"DINOv2: torch.hub has another network (SHA-256 {sha256[:8]}) than the one that {path} was made with "
            f"({wanted[:8]}); delete {directory} and run `snakemake` again, and all that it measured is made anew"
        )
    return Extractor(loaded.to(where), sha256, BATCH, RESIZE, False)
