"""The stage that extracts features of real images, and the score that more real images would get."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.build.writing import written
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.chosen import SEED, choose
from advcodes.data.prepared import Prepared
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation.compared import measure
from advcodes.extractors.features import Extractor, load_extractor
from advcodes.jobs import device
from advcodes.metrics.extracted import Reference, Statistics
from advcodes.metrics.samples.frechet import statistics


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make a `reference/...` artifact: ``reference.npz`` (features, mean, covariance, points) and ``floor.json``.

    The floor is what ``n_generated`` real training images score against the reference, or as many as there are: the
    score of a generator that has learnt the data set perfectly.
    """
    config, inputs = artifact.config, artifact.inputs
    prepared = load_prepared(inputs["data"].directory)
    with device.claimed(machine) as where, threadpool_limits(machine.threads, "blas"):
        extractor = load_extractor(inputs["extractor"].directory, config["extractor"], where)
        chosen = choose(prepared, config["split"], config["n_reference"])
        reference = extract(prepared.images[chosen], extractor, config["split"], artifact.id)
        floor = measure_floor(prepared, chosen, reference, extractor, config, artifact.id)
    save(artifact.directory, reference)
    write_atomically(artifact.directory / "floor.json", json.dumps(floor, indent=1) + "\n")
    return ["reference.npz", "floor.json"], {"n_reference": len(chosen), "extractor_sha256": extractor.sha256}


def extract(images: np.ndarray, extractor: Extractor, split: str, what: str) -> Reference:
    """Features and statistics of real images, uint8 [N, C, H, W] or points float32 [N, D]."""
    features, _ = extractor.features(images, what)
    return Reference(features, statistics(features), split, images if images.ndim == 2 else None)


def measure_floor(
    prepared: Prepared,
    chosen: np.ndarray,
    reference: Reference,
    extractor: Extractor,
    config: Mapping[str, Any],
    what: str,
) -> dict[str, Any]:
    """Metrics of real training images that are not in the reference; empty where fewer than two are left."""
    more = config.get("n_generated_is") or 0
    rows = choose(prepared, config["floor_split"], max(config["n_generated"], more), besides=chosen)
    if more > config["n_generated"]:  # all metrics but the IS take the first of them
        rows = np.random.default_rng(SEED).permutation(rows)
    if len(rows) < 2:
        return {
            "metrics": {},
            "spread": {},
            "protocol": {"n_generated": len(rows), "floor_split": config["floor_split"]},
        }
    images = prepared.images[rows]
    features, logits = extractor.features(images, f"{what}, floor")
    floor = measure(features, logits, reference, config["extractor"], extractor.classes, config, images)
    floor["protocol"]["floor_split"] = config["floor_split"]
    return floor


def save(directory: Path, reference: Reference) -> None:
    """Write ``reference.npz``."""
    s = reference.statistics
    points: dict[str, Any] = {} if reference.points is None else {"points": reference.points}
    with written(directory / "reference.npz"):
        np.savez(
            directory / "reference.npz",
            features=reference.features.numpy(), mean=s.mean, covariance=s.covariance, split=np.array(reference.split),
            **points,
        )  # fmt: skip


def load(directory: Path) -> Reference:
    """Inverse of :func:`save`.

    Raises:
        AdvcodesError: the file is missing or damaged.
    """
    path = directory / "reference.npz"
    try:
        with np.load(path, allow_pickle=False) as f:
            about = Statistics(f["mean"], f["covariance"]), str(f["split"])
            return Reference(torch.from_numpy(f["features"]), *about, f.get("points"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or "damaged"
        raise AdvcodesError(f"{path}: not a readable reference ({why}); delete it and run `snakemake` again") from None
