"""Recursive chains: encoder and generator by turns, from test images and from draws of the prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from advcodes.core.errors import AdvcodesError
from advcodes.core.values import to_stored
from advcodes.evaluation.sample import normalised_for_samples
from advcodes.metrics.images.reconstruction import pairs
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import CHAIN_ROWS as ROWS
from advcodes.studies.shared import CHAIN_TURNS as TURNS
from advcodes.studies.shared import CHAINS_FROM
from advcodes.training.restore import Restored

MEASURED = 1000  #: chains of each kind that numbers are means over, at most
IMAGES, PRIOR = CHAINS_FROM


class Chains(NamedTuple):
    """Chains of one kind.

    Attributes:
        shown: the first ones, uint8 [R, 1 + TURNS, C, H, W].
        numbers: of all of them, see :func:`follow`.
    """

    shown: np.ndarray
    numbers: dict[str, Any]


def study(request: Request) -> Study:
    """Of the first seed of each row and column chains from ``images`` and from the ``prior``; numbers of all seeds.

    Chains are uint8 [R, 1 + TURNS, C, H, W]. Numbers are the ``split``, the ``seed`` and number of ``images`` shown,
    how many are ``measured``, and ``runs`` by seed: what :func:`both` measures.

    Raises:
        AdvcodesError: a run cannot encode or decode, or its dataset has no images.
    """
    cells = {}
    for place in request.places():
        data, runs, shown = request.pictured(place), {}, {}
        real = request.real(place, MEASURED)
        for seed, run in place.runs.items():
            restored = networks.restored(request, run)
            check(restored, request.where(place))
            training = data.split(restored.config["view"]["train_split"]).images
            made = both(restored, real, request.sampling, training, seed, request.item)
            runs[str(seed)] = {kind: chains.numbers for kind, chains in made.items()}
            if seed == place.seed:
                shown = {kind: chains.shown for kind, chains in made.items()}
        about = {"split": request.split(place), "seed": place.seed}
        counts = {"images": len(real[:ROWS]), "measured": len(real)}
        cells[place.key] = Cell({**about, **counts, "runs": runs}, shown)
    return cells


def check(restored: Restored, where: str) -> None:
    """See that a run has both chains.

    Raises:
        AdvcodesError: it does not encode and decode, or has no codes that are decoded into samples.
    """
    method = restored.method
    if not (method.can("encode") and method.can("decode") and hasattr(method, "codes")):
        raise AdvcodesError(
            f"{where}: {method.name} does not encode, decode and draw codes, so it has no chains; take its variant out"
        )


def both(
    restored: Restored,
    real: np.ndarray,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str = "chains",
) -> dict[str, Chains]:
    """The two chains of GALI figure 1a: x, E(x), G(E(x)), ... and z, G(z), E(G(z)), ..., with deterministic codes.

    Every image but G(z) is decoded as a reconstruction is: batch norm re-estimated, where it is, on reconstructions of
    training images. G(z) is decoded as samples are, in 8 bits as a stored image.

    Args:
        restored: a trained run.
        real: uint8 [N, C, H, W], where chains start; there are as many of the prior.
        sampling: ``batch_norm``, ``batch_size``, ``reestimate_batches``: `sampling` of params.yaml.
        training_images: uint8 [M, C, H, W], or a memory map.
        seed: of the draws, which are those of the run's samples, and of the choice of training images.
        what: named in errors.

    Returns:
        Those from images, and those from the prior.

    Raises:
        AdvcodesError: an image or a code is not finite.
    """
    z, samples = prior(restored, len(real), sampling, seed)
    variance = float(z.double().var(0, unbiased=False).mean())
    return {
        kind: follow(
            restored, start, codes, variance, sampling, training_images, seed, f"{what}, from {CHAINS_FROM[kind]}"
        )
        for kind, start, codes in ((IMAGES, real, None), (PRIOR, samples, z))
    }


def prior(restored: Restored, n: int, sampling: Mapping[str, Any], seed: int) -> tuple[Tensor, np.ndarray]:
    """The first codes that a run decodes into samples, [n, d], and the samples, uint8 [n, C, H, W]."""
    method, size, codes, samples = restored.method, sampling["batch_size"], [], []
    for_codes, for_statistics = (
        torch.Generator().manual_seed(int(s)) for s in np.random.SeedSequence(seed).generate_state(2)
    )  # as advcodes.evaluation.sample has them
    with torch.inference_mode(), normalised_for_samples(method, sampling, for_statistics):
        for _ in range(0, n, size):
            codes.append(method.codes(size, for_codes))
            samples.append(to_stored(method.decode(codes[-1]), restored.value_range).cpu().numpy())
    return torch.cat(codes)[:n], np.concatenate(samples)[:n]


def follow(
    restored: Restored,
    start: np.ndarray,
    z: Tensor | None,
    variance: float,
    sampling: Mapping[str, Any],
    training_images: np.ndarray,
    seed: int,
    what: str,
) -> Chains:
    """Encode images and decode their codes, by turns.

    Args:
        restored: a trained run.
        start: uint8 [N, C, H, W].
        z: codes [N, d] that these were decoded from, if they were.
        variance: of the prior, which distances of codes are relative to.
        sampling: as :func:`both`.
        training_images: as :func:`both`.
        seed: as :func:`both`.
        what: named in errors.

    Returns:
        Numbers are means over chains of ``images`` (pixels on [0, 1]) and ``codes`` (relative to the prior's variance):
        ``to_start`` and ``to_previous``, mean squared distances after each turn to the first one of its chain and to
        the one before it, and ``unrelated``, that of first ones of different chains.
    """
    method, (low, high) = restored.method, restored.value_range

    def turned(x: Tensor, first: int | None) -> Tensor:
        """What follows in a chain, with all its codes, side by side: [B, TURNS pixels + (1 + TURNS) d]."""
        if first is None:
            return method.reconstruct(x)
        codes, made = [method.encode(x)], []
        for _ in range(TURNS):
            made.append(method.decode(codes[-1]))
            codes.append(method.encode(made[-1]))
        return torch.cat([part.float().flatten(1) for part in (*made, *codes)], 1)

    strips, all_codes, count, pixels = [], [], 0, int(np.prod(restored.shape))
    to_start, to_previous = torch.zeros(2, TURNS, dtype=torch.float64)
    for x, rest in pairs(restored, start, sampling, training_images, seed, what, turned, "chain"):
        made, codes = rest.split([TURNS * pixels, rest.shape[1] - TURNS * pixels], 1)
        chain = torch.cat([x[:, None], made.reshape(len(x), TURNS, *restored.shape)], 1)
        if count < ROWS:
            strips.append(to_stored(chain[: ROWS - count], restored.value_range).cpu())
        all_codes.append(codes.reshape(len(x), 1 + TURNS, -1).cpu())
        unit = (chain.flatten(2).double() - low) / (high - low)
        to_start += (unit[:, 1:] - unit[:, :1]).square().mean(2).sum(0).cpu()
        to_previous += unit.diff(dim=1).square().mean(2).sum(0).cpu()
        count += len(x)
    codes = torch.cat(all_codes)
    if z is not None:
        codes = torch.cat([z[:, None].float().cpu(), codes[:, :-1]], 1)
    codes = codes.double() / max(variance, float(np.finfo(np.float32).tiny)) ** 0.5
    numbers = {
        IMAGES: _rounded(to_start / count, to_previous / count, _unrelated(torch.from_numpy(start).flatten(1) / 255)),
        "codes": _rounded(
            (codes[:, 1:] - codes[:, :1]).square().mean((0, 2)),
            codes.diff(dim=1).square().mean((0, 2)),
            _unrelated(codes[:, 0]),
        ),
    }
    return Chains(torch.cat(strips).numpy(), numbers)


def _unrelated(rows: Tensor) -> Tensor:
    return (rows - rows.roll(1, 0)).square().mean(dtype=torch.float64)


def _rounded(to_start: Tensor, to_previous: Tensor, unrelated: Tensor) -> dict[str, Any]:
    distances = {"to_start": to_start.tolist(), "to_previous": to_previous.tolist()}
    return {key: [round(v, 6) for v in values] for key, values in distances.items()} | {
        "unrelated": round(float(unrelated), 6)
    }
