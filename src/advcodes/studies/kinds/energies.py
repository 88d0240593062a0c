"""Energies: images and what a discriminator that is an autoencoder makes of them (Khan figure 4)."""

from __future__ import annotations

import numpy as np
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_float, to_stored
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import ENERGIES_SHOWN as SHOWN
from advcodes.training.restore import Restored

MEASURED = 1000  #: images of each kind that energies are means over, at most
BATCH = 100
FAKE, REAL, AGAIN = "generated", "real", "reconstructed"


def study(request: Request) -> Study:
    """Of the first seed of each row and column ``generated`` and ``real`` images, and how each was ``..._redrawn``.

    Images are uint8 [N, C, H, W]. Numbers are the ``split``, the ``seed`` and number of ``images`` shown, how many are
    ``measured``, and ``runs`` by seed: the mean ``generated`` and ``real`` energy, their ``ratio`` and what it is in
    ``balance``; with an encoder the energy of ``reconstructed`` images, too, else None. Generated and reconstructed
    images are measured as the discriminator sees them in training: unclamped, and not rounded.

    Raises:
        AdvcodesError: a run's discriminator is no autoencoder, or its dataset has no images.
    """
    cells = {}
    for place in request.places():
        request.pictured(place)  # an error where it has none
        real, runs, arrays = request.real(place, MEASURED), {}, {}
        for seed, run in place.runs.items():
            restored = networks.restored(request, run)
            check(restored, request.where(place))
            fakes = np.array(request.samples(run)[:SHOWN])
            (again_fake, _), (again_real, of_real) = (redrawn(restored, some) for some in (fakes, real))
            of_fake, of_again = unclamped(restored, real, seed)
            runs[str(seed)] = {FAKE: of_fake, REAL: of_real, AGAIN: of_again, "ratio": of_fake / of_real}
            runs[str(seed)]["balance"] = restored.method.balance
            if seed == place.seed:
                arrays = {FAKE: fakes, f"{FAKE}_redrawn": again_fake}
                arrays |= {REAL: real[:SHOWN], f"{REAL}_redrawn": again_real[:SHOWN]}
        about = {"split": request.split(place), "seed": place.seed}
        counts = {"images": len(real[:SHOWN]), "measured": len(real)}
        cells[place.key] = Cell({**about, **counts, "runs": runs}, arrays)
    return cells


def check(restored: Restored, where: str) -> None:
    """See that a run's discriminator redraws images.

    Raises:
        AdvcodesError: it does not.
    """
    if not hasattr(restored.method, "energy"):
        raise AdvcodesError(
            f"{where}: the discriminator of {restored.method.name} is no autoencoder, so it redraws nothing; take its "
            "variant out"
        )


@torch.inference_mode()
def redrawn(restored: Restored, stored: np.ndarray) -> tuple[np.ndarray, float]:
    """What a run's discriminator makes of images, and their mean absolute error on [0, 1].

    Args:
        restored: a trained run.
        stored: uint8 [N, C, H, W].

    Returns:
        uint8 [N, C, H, W], clamped; and the energy of these images, before clamping and rounding.
    """
    low, high = restored.value_range
    method, made, total = restored.method, [], 0.0
    for start in range(0, len(stored), BATCH):
        x = to_float(torch.from_numpy(stored[start : start + BATCH]).to(method.device), restored.value_range)
        again = method.discriminator(x).float()
        total += float((again - x).abs().double().sum()) / (high - low)
        made.append(to_stored(again.clamp(low, high), restored.value_range).cpu().numpy())
    return np.concatenate(made), total / stored.size


@torch.inference_mode()
def unclamped(restored: Restored, stored: np.ndarray, seed: int) -> tuple[float, float | None]:
    """Mean energies on [0, 1] of generated images and, with an encoder, of reconstructions, as training has them.

    Args:
        restored: a trained run.
        stored: real images uint8 [N, C, H, W], which are encoded; as many are generated.
        seed: of the noise.
    """
    method, noise = restored.method, torch.Generator().manual_seed(seed)
    low, high = restored.value_range
    totals = {FAKE: 0.0, AGAIN: 0.0}
    for x in networks.batches(restored, stored, BATCH):
        made = {FAKE: method.imagined(len(x), noise)}
        if hasattr(method, "reimagined"):
            made[AGAIN] = method.reimagined(x, noise)
        for kind, images in made.items():
            error = (method.discriminator(images).float() - images.float()).abs()
            totals[kind] += float(error.double().sum()) / (high - low)
    fake, again = (total / stored.size for total in totals.values())
    return fake, again if hasattr(method, "reimagined") else None
