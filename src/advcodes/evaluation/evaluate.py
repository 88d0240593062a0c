"""The stage that measures a run: its samples, and its snapshots for the course over training."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from torch import Tensor

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.evaluation import reference as references
from advcodes.evaluation.metrics import Reference, energy_distance, fidelity, frechet_distance, measure, statistics
from advcodes.evaluation.names import ENERGY, metric_name
from advcodes.evaluation.sample import captions_of, generate
from advcodes.extractors.features import Extractor, load_extractor
from advcodes.jobs import device
from advcodes.training.restore import restore, snapshots


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make an `evaluate/...` artifact: ``metrics.json``.

    It holds ``run``; ``metrics`` and ``spread`` by full name; their ``protocol``; ``floor`` (what real images
    score); ``curve``, a list of ``step``, ``images`` seen and the FD of a few samples at that point (of points the
    energy distance, too), and ``curve_protocol``. Of a method whose samples are asked to show something
    (``config["asks"]``), also what of that can be seen, and ``chance`` and ``agreement``: see
    :class:`advcodes.evaluation.conditional.Scores`. Of one that reconstructs (``config["mse"]``) the squared error, and
    of digits (``config["mnist_score"]``) their score. Where an item shows them, also errors of features
    (``config["feature_error"]``), of inpainting, and of linear SVMs on its codes (``config["svm"]``), and when its
    controller has settled (``config["settling"]``).

    Raises:
        AdvcodesError: an input is missing or damaged, a sample is not finite, or a dataset without classes or
            attributes cannot tell what samples show.
    """
    config, inputs = artifact.config, artifact.inputs
    run, sampling = inputs["run"].directory, config["sampling"]
    samples = np.load(inputs["samples"].directory / "samples.npy", mmap_mode="r", allow_pickle=False)
    reference = references.load(inputs["reference"].directory)
    with device.claimed(machine) as where, threadpool_limits(machine.threads, "blas"):
        extractor = load_extractor(inputs["extractor"].directory, config["extractor"], where)
        final = restore(run, where)
        seed = final.config["seed"]
        given = captions_of(inputs, reference.split) if "text" in inputs else None

        def generated(step: int, n: int) -> np.ndarray:
            # The samples' first images are what generating fewer would give.
            if step == final.step and n <= len(samples):
                return samples[:n]
            return generate(restore(run, where, step), n, sampling, seed, f"{artifact.id}, step {step}", given)

        found, more = extractor.features(samples, artifact.id), []
        # By name: the code of these is no part of the results of runs that are not measured by them.
        if "asks" in config:
            conditional = importlib.import_module("advcodes.evaluation.conditional")
            same = "classifier" in inputs and inputs["classifier"].directory == inputs["extractor"].directory
            known = found[1] if same else None
            more.append(vars(conditional.measure(artifact, samples, known, reference, where)))
        if "mse" in config:
            reconstruction = importlib.import_module("advcodes.evaluation.reconstruction")
            more.append(reconstruction.measure(artifact, final))
        for part in ("feature_error", "inpainting", "svm", "settling"):
            if part in config:
                more.append(importlib.import_module(f"advcodes.evaluation.{part}").measure(artifact, final, where))
        if "mnist_score" in config:
            mnist_score = importlib.import_module("advcodes.evaluation.mnist_score")
            more.append(mnist_score.measure(artifact, samples, where))
        measured = evaluate(samples, snapshots(run), generated, reference, extractor, config, artifact.id, found)
    floor = json.loads((inputs["reference"].directory / "floor.json").read_text())
    for scores in more:
        for part in ("metrics", "spread", "protocol"):
            measured[part] |= scores.get(part, {})
        measured |= {k: scores[k] for k in ("chance", "agreement") if k in scores}
        floor["metrics"] |= scores.get("floor", {})
        floor["spread"] |= scores.get("floor_spread", {})
    measured["protocol"] |= {
        "batch_norm": sampling["batch_norm"],
        "seed": seed,
        "step": final.step,
        "images": final.images,
        **{f"{name}_key": inputs[role].key for name, role in
           (("checkpoint", "run"), ("samples", "samples"), ("reference", "reference"), ("extractor", "extractor"),
            ("classifier", "classifier"), ("statements", "statements"), ("mnist_classifier", "mnist_score"),
            ("feature_network", "features"))
           if role in inputs},
    }  # fmt: skip
    content = {"run": artifact.id.partition("/")[2], **measured, "floor": floor}
    write_atomically(artifact.directory / "metrics.json", json.dumps(content, indent=1) + "\n")
    return ["metrics.json"], {"metrics": measured["metrics"]}


def evaluate(
    samples: np.ndarray,
    points: Iterable[tuple[int, int]],
    generated: Callable[[int, int], np.ndarray],
    reference: Reference,
    extractor: Extractor,
    config: Mapping[str, Any],
    what: str = "evaluating",
    found: tuple[Tensor, Tensor] | None = None,
) -> dict[str, Any]:
    """Measure samples against a reference, and snapshots against the same one.

    Args:
        samples: uint8 [N, C, H, W], or points float32 [N, D].
        points: (step, images seen) of the snapshots.
        generated: ``generated(step, n)`` gives ``n`` images of a snapshot.
        reference: features of real images by the same extractor.
        extractor: that gave them.
        config: ``extractor``, ``curve_n_generated``, and what :func:`advcodes.evaluation.metrics.measure` needs.
        what: first words of progress lines.
        found: features and logits of the samples, where they are known.

    Returns:
        ``metrics``, ``spread``, ``protocol``, ``curve``, ``curve_protocol``: see :func:`make`.
    """
    features, logits = extractor.features(samples, what) if found is None else found
    measured = measure(features, logits, reference, config["extractor"], extractor.classes, config, samples)
    measured["protocol"] |= {
        "extractor": config["extractor"],
        "extractor_sha256": extractor.sha256,
        **{f"extractor_{k}": v for k, v in extractor.about.items()},
        "resize": extractor.resize,
        "torch_fidelity": fidelity("version").__version__,
    }
    counts = {
        "n_generated": config["curve_n_generated"],
        "n_reference": len(reference.features),
        "split": reference.split,
    }
    name = metric_name("fid", config["extractor"], **counts)
    curve = []
    for step, images in points:
        few = generated(step, counts["n_generated"])
        then, _ = extractor.features(few, f"{what}, step {step}")
        point = {"step": step, "images": images, name: frechet_distance(statistics(then), reference.statistics)}
        if reference.points is not None:
            point[ENERGY] = energy_distance(few, reference.points)
        curve.append(point)
    return {**measured, "curve": curve, "curve_protocol": {"metric": name, **counts}}
