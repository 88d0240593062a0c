"""What a prior does to code learning: points in the plane, from noise over codes to generated data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import PRIORS_DRAWN as DRAWN
from advcodes.studies.shared import PRIORS_PANELS as PANELS
from advcodes.training.restore import Restored, restore, snapshots


def study(request: Request) -> Study:
    """Points of the first seed of each row and column, and numbers of all seeds.

    Of a cell: ``split``, ``seed``; ``prior``, ``snapshots``, ``data`` and ``generated`` points; how many are
    ``measured``; and ``mismatches`` by seed: step, images and mismatch of codes at each snapshot.

    Raises:
        AdvcodesError: data or codes do not lie in the plane, or snapshots have no encoder.
    """
    cells = {}
    for place in request.places():
        data = np.array(request.prepared(place).split(request.split(place)).images[: networks.MEASURED])
        runs = {
            seed: codes_over_training(request.run(run), data, seed, request.item, request.device)
            for seed, run in place.runs.items()
        }
        cells[place.key] = Cell(
            {
                "split": request.split(place),
                "seed": place.seed,
                **strip(runs[place.seed], networks.restored(request, place.first), place.seed),
                "data": networks.coordinates(data[:DRAWN]),
                "generated": networks.coordinates(request.samples(place.first)[:DRAWN]),
                "measured": len(data),
                "mismatches": {str(seed): mismatches(codes) for seed, codes in runs.items()},
            }
        )
    return cells


def codes_over_training(
    directory: Path, data: np.ndarray, seed: int, where: str, device: torch.device | str = "cpu"
) -> list[tuple[int, int, torch.Tensor, torch.Tensor]]:
    """Codes of one run at each of its snapshots.

    Args:
        directory: of the trained run.
        data: points to encode, float32 [N, 2].
        seed: of the noise, the same at each snapshot.
        where: named in errors.
        device: to compute on.

    Returns:
        Step, images seen, E(x) and G_z(z), float32 [N, 2] each, on the CPU.

    Raises:
        AdvcodesError: data or codes do not lie in the plane, or snapshots have no encoder.
    """
    steps = []
    for step, images in snapshots(directory):
        restored = restore(directory, device, step)
        _check(restored, where)
        codes = networks.generated(restored, len(data), seed).cpu()
        steps.append((step, images, networks.encoded(restored, data), codes))
    return steps


def _check(restored: Restored, where: str) -> None:
    networks.check_codes(restored, where)
    method = restored.method
    if len(restored.shape) != 1 or restored.shape[0] != 2 or method.config.latent_dim != 2:
        raise AdvcodesError(
            f"{where}: shows points and codes in the plane, got data of shape {list(restored.shape)} and codes of "
            f"{method.config.latent_dim} numbers; serve it by `gaussians` and set `latent_dim: 2`"
        )
    if "encoder" not in (*method.sampling_roles, *method.snapshot_roles):
        raise AdvcodesError(
            f"{where}: snapshots of {method.name} hold no encoder, so its codes during training are lost; add it to "
            "snapshot_roles of the method"
        )


def strip(
    codes: Sequence[tuple[int, int, torch.Tensor, torch.Tensor]], restored: Restored, seed: int
) -> dict[str, Any]:
    """Points of one run for JSON: ``prior``, and ``snapshots`` with ``step``, ``images``, ``real`` and ``codes``."""
    shown = np.unique(np.linspace(0, len(codes) - 1, PANELS).round().astype(int))
    with torch.inference_mode():
        noise = restored.method.noise(DRAWN, torch.Generator().manual_seed(seed)).cpu()
    snapshots = []
    for step, images, real, generated in (codes[i] for i in shown):
        clouds = {"real": networks.coordinates(real[:DRAWN]), "codes": networks.coordinates(generated[:DRAWN])}
        snapshots.append({"step": step, "images": images, **clouds})
    return {"prior": networks.coordinates(noise), "snapshots": snapshots}


def mismatches(codes: Sequence[tuple[int, int, torch.Tensor, torch.Tensor]]) -> list[tuple[int, int, float]]:
    """Step, images seen, and the mismatch of codes at each snapshot."""
    return [(step, n, round(float(losses.codes.mismatch(real, fake)), 6)) for step, n, real, fake in codes]
