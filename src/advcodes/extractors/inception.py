"""The 2015 Inception network that FID and IS are defined on, as torch-fidelity has it."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.extractors.features import Extractor, check_images, sha256
from advcodes.extractors.fidelity import WITHOUT, Weights
from advcodes.metrics.extracted import IS_SPLITS, fidelity
from advcodes.metrics.samples.inception_score import inception_score

NAME = "weights-inception-2015-12-05-6726825d.pth"
#: Those that torch-fidelity publishes, converted from the 2015 graph.
WEIGHTS = Weights("the 2015 Inception weights", NAME, "6726825d", "inception_weights")
BATCH = 100  #: images a pass: about 2 GB of activations at 299 x 299


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make the `extractor/inception` artifact: a verified copy of the weights, and ``inception.json``.

    Raises:
        AdvcodesError: the weights can be had neither locally nor from the network, or are not the right ones.
    """
    kept = obtain(artifact.directory / NAME, machine)
    network(kept)  # they fit
    about = {"sha256": sha256(kept), "source": fidelity("feature_extractor_inceptionv3").URL_INCEPTION_V3,
             "features": "2048 (pool3)", "logits": "1008, without bias"}  # fmt: skip
    write_atomically(artifact.directory / "inception.json", json.dumps(about, indent=1) + "\n")
    return [NAME, "inception.json"], {"sha256": about["sha256"]}


def obtain(path: Path, machine: Machine) -> Path:
    """Bring the weights to ``path``: from ADVCODES_INCEPTION_WEIGHTS or ``machine.inception_weights``, else from the
    mirror, else from torch-fidelity's own address.

    Raises:
        AdvcodesError: no such file, a wrong checksum, or no network.
    """
    return WEIGHTS.obtain(fidelity("feature_extractor_inceptionv3").URL_INCEPTION_V3, path, machine)


class Inception(nn.Module):
    """torch-fidelity's extractor: layer ``2048`` and ``logits_unbiased`` of uint8 images [N, 1 or 3, H, W].

    Images are resized to 299 x 299 inside, as TensorFlow 1 did; grey ones get three equal channels.
    """

    def __init__(self, state: dict[str, Tensor]):
        super().__init__()
        # The constructor unpickles the file that it is given, so it is given one that we just wrote from plain tensors.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        buffer.seek(0)
        extractor = fidelity("feature_extractor_inceptionv3").FeatureExtractorInceptionV3
        self.extractor = extractor(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=buffer
        )

    def forward(self, stored: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, 2048] and logits [N, 1008] of stored images."""
        check_images(stored, "Inception", WITHOUT)
        return self.extractor(stored.expand(-1, 3, -1, -1))

    def pool3(self, x: Tensor) -> Tensor:
        """Features [N, 2048] of float images [N, 1 or 3, H, W] on [0, 255], differentiable in ``x``: for GALI-PT.

        Those of :meth:`forward`, whose 8 bits have no gradient (torch-fidelity takes nothing else). In float32, also
        under autocast.

        Raises:
            AdvcodesError: images are not of floats, or neither grey nor in colour.
        """
        if x.ndim != 4 or not x.is_floating_point() or x.shape[1] not in (1, 3):
            raise AdvcodesError(
                f"Inception's pool3 takes grey or colour images of floats on [0, 255], got {x.dtype} "
                f"{list(x.shape[1:])}"
            )
        side = self.extractor.INPUT_IMAGE_SIZE
        resize = fidelity("interpolate_compat_tensorflow").interpolate_bilinear_2d_like_tensorflow1x
        with torch.autocast(x.device.type, enabled=False):
            x = (resize(x.float().expand(-1, 3, -1, -1), size=(side, side), align_corners=False) - 128) / 128
            for name, layer in self.extractor.named_children():  # in the order in which its forward runs them
                if name != "fc":
                    x = layer(x)
        return x.flatten(1)


def network(weights: Path) -> Inception:
    """The network with verified weights, in evaluation mode.

    Raises:
        AdvcodesError: the file is missing, is another one, holds code, or does not fit.
    """
    WEIGHTS.verify(weights)
    try:
        with torch.random.fork_rng(devices=[]):
            return Inception(torch.load(weights, map_location="cpu", weights_only=True)).eval().requires_grad_(False)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, AttributeError, KeyError, TypeError):
        raise AdvcodesError(f"{weights}: holds something else than Inception's weights (it was not executed); "
                            f"replace it by {NAME}, or {WITHOUT}") from None  # fmt: skip


def load(directory: Path, where: torch.device | str) -> Extractor:
    """The extractor of a directory that :func:`make` filled."""
    weights = directory / NAME
    resize = "299x299 inside, bilinear as in TensorFlow 1"
    return Extractor(_on(network(weights), where), sha256(weights), BATCH, resize, True)


def _on(net: Inception, where: torch.device | str) -> Inception:
    return net.to(where).to(memory_format=torch.channels_last)  # a third faster on a CPU


def check_cifar10_is(
    weights: Path | str, prepared: Path | str, where: torch.device | str = "cpu"
) -> tuple[float, float]:
    """Inception Score of CIFAR-10's 50,000 training images in 10 splits: mean and sd over splits.

    The check that the protocol is the papers' (facts 6.3): Salimans et al. 2016, and Khan's "real images", have
    11.24; within 0.1 of it, other scores can be trusted. Takes over an hour on a CPU.

    Args:
        weights: the weights file.
        prepared: directory of prepared CIFAR-10 (32 x 32, colour, no validation set held out).
        where: device.

    Raises:
        AdvcodesError: as :func:`network`; no such dataset.
    """
    images = load_prepared(prepared).split("train").images
    extractor = Extractor(_on(network(Path(weights)), where), "", BATCH, "", True)
    _, logits = extractor.features(images, "Inception Score of real images")
    return inception_score(logits, IS_SPLITS)
