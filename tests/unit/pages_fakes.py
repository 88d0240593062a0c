"""Artifacts of runs that were never trained, with numbers that a test chooses."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from advcodes.build.provenance import Artifact
from advcodes.pages.request import Request
from advcodes.papers.items import Item
from advcodes.studies import base
from advcodes.studies.request import Request as StudyRequest

MASKS = {"smallest": 0.25, "largest": 0.75, "seed": 5}
SAMPLING = {"batch_norm": "reestimate", "batch_size": 50, "reestimate_batches": 4}
METRICS = ("fd_classifier", "score_classifier", "kd_classifier", "precision_classifier", "recall_classifier")
PROTOCOL = {
    "n_generated": 2000,
    "n_reference": 360,
    "split": "test",
    "is_splits": 10,
    "extractor": "classifier",
    "extractor_sha256": "ab" * 32,
}

ITEM = {
    "id": "acl/table1",
    "kind": "table",
    "title": "FID of GANs",
    "source": "Table 1",
    "reference": "Yuan et al.; arXiv 2001.11539",
    "metric": "fid",
    "better": "lower",
    "protocol": "10,000 generated against 10,000 test images",
    "columns": ["cifar10", "celeba"],
    "rows": {
        "gan": {"label": "GAN", "paper": {"cifar10": [67.07, 2.82], "celeba": [64.28, 2.12]}},
        "acl_gan": {"label": "ACL-GAN", "paper": {"cifar10": [56.05, 0.36], "celeba": [52.02, 0.25]}},
        "dcgan": {"label": "DCGAN", "cited": "the DCGAN paper", "paper": {"cifar10": 37.7}},
    },
}
CURVES = {
    **{k: v for k, v in ITEM.items() if k not in ("id", "kind", "rows")},
    "id": "acl/fig8",
    "kind": "curves",
    "rows": {
        "gan": {"label": "GAN", "style": {"line": "dashed"}},
        "acl_gan": {"label": "ACL-GAN", "style": {"line": "solid"}},
    },
}


def item(base: Mapping[str, Any] = ITEM, **changes: Any) -> Item:
    """A declared item with some keys changed."""
    return Item.model_validate({**base, **changes})


def artifact(directory: Path, id_: str, name: str = "manifest.json", **kwargs: Any) -> Artifact:
    """An artifact whose files lie in ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    return Artifact(id_, directory / name, **{"config": {}, **kwargs})


def run(
    root: Path,
    run_id: str,
    fd: float,
    *,
    images: int = 128_000,
    protocol: Mapping[str, Any] = PROTOCOL,
    names: Sequence[str] = METRICS,
    curve: Sequence[tuple[int, float]] = (),
    shape: tuple[int, ...] = (1, 8, 8),
    samples: np.ndarray | None = None,
    method: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Artifact]:
    """Write what the stages before reports leave of one run; its artifacts by the roles that reports give them."""
    seed = int(run_id.rpartition("seed")[2])
    values = dict(zip(names, (fd, 2.5, fd / 1000, 0.75, 0.5), strict=False))
    floor = dict(zip(names, (0.31, 9.5, 0.0002, 0.99, 0.98), strict=False))
    points = [{"step": i // 64, "images": i, names[0]: v} for i, v in curve]
    content = {
        "run": run_id,
        "metrics": values,
        "protocol": {**protocol, "seed": seed, "checkpoint_key": f"key-{run_id}"},
        "curve": points,
        "curve_protocol": {"n_generated": 500 if "classifier" in names[0] else protocol["n_generated"]},
        "floor": {"metrics": floor, "protocol": {**protocol, "n_generated": 1437}},
    }
    made = {
        run_id: artifact(root / "metrics" / run_id, f"evaluate/{run_id}"),
        f"run/{run_id}": artifact(root / "runs" / run_id, f"train/{run_id}"),
        f"samples/{run_id}": artifact(root / "samples" / run_id, f"sample/{run_id}"),
    }
    (made[run_id].directory / "metrics.json").write_text(json.dumps(content))
    training = {"batch_size": 64, "precision": "float32"}
    config = {"method": {"method": "gan", **method}, "training": training}
    about = {"images": images, "config": config, "precision": "float32"}
    trained = made[f"run/{run_id}"].directory
    (trained / "run.json").write_text(json.dumps(about))
    lines = [f"{s},{64 * s},{fd + s},{seed}" for s in (50, 100, 150, 200)]
    (trained / "losses.csv").write_text(
        "\n".join(["step,images,generate/adversarial,discriminate/loss", *lines]) + "\n"
    )
    if samples is None:
        samples = np.random.default_rng(seed).integers(0, 256, (32, *shape), dtype=np.uint8)
    np.save(made[f"samples/{run_id}"].directory / "samples.npy", samples)
    return made


def study_request(
    item: Item,
    inputs: Mapping[str, Any] | None = None,
    columns: Mapping[str, str | None] | None = None,
    rows: Iterable[str] | None = None,
) -> StudyRequest:
    """What the study of a figure is asked for, on the CPU.

    Args:
        item: the figure.
        inputs: artifacts by role; none without.
        columns: the dataset that serves each; none without.
        rows: variants; those of the paper's rows unless given.
    """
    served = {c: d for c, d in (columns or {}).items() if d is not None}
    said = item.declaration()
    return StudyRequest(
        item.id,
        item.kind,
        {v: {c: d for c, d in served.items() if item.trains(v, c)} for v in rows or item.variants},
        {key: said[key] for key in item.declares.study_options()},
        dict.fromkeys(served.values(), "test"),
        SAMPLING,
        MASKS,
        inputs or {},
    )


def render_artifact(root: Path, declared: Item, inputs: Mapping[str, Artifact], **config: Any) -> Artifact:
    """The artifact of an item at scale demo, in the place that the graph gives it, with its study made."""
    settings = {
        "scale": "demo",
        "item": declared.declaration(),
        "rows": declared.variants,
        "columns": {"cifar10": "digits", "celeba": None},
        "whole": {},
        **config,
    }
    inputs = dict(inputs)
    if declared.declares.needs:
        made = importlib.import_module(f"advcodes.studies.kinds.{declared.kind}").study(
            study_request(declared, inputs, settings["columns"], settings["rows"])
        )
        inputs["study"] = artifact(root / "study", f"study/{settings['scale']}/{declared.id}")
        base.write(inputs["study"].directory, made)
    paper, _, name = declared.id.partition("/")
    directory = root / "reports" / settings["scale"] / paper
    return artifact(
        directory,
        f"item/{settings['scale']}/{declared.id}",
        f"{name}.manifest.json",
        config=settings,
        inputs=inputs,
    )


def requested(root: Path, declared: Item, inputs: Mapping[str, Artifact], **config: Any) -> Request:
    """What that artifact is rendered from."""
    made = render_artifact(root, declared, inputs, **config)
    return Request.of_artifact(made.config, made.inputs)
