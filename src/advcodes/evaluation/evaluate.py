"""The stage that measures a run: its samples, and its snapshots for the course over training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from torch import Tensor

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.config.sections import Machine
from advcodes.evaluation import reference as references
from advcodes.evaluation.compared import along_training, measure
from advcodes.evaluation.sample import captions_of, generate
from advcodes.evaluation.subject import EvaluatedRun
from advcodes.extractors.features import Extractor, load_extractor
from advcodes.jobs import device
from advcodes.metrics.extracted import Reference, fidelity, metric_name
from advcodes.metrics.registry import metrics
from advcodes.training.restore import restore, snapshots


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make an `evaluate/...` artifact: ``metrics.json``.

    It holds ``run``; ``metrics`` and ``spread`` by full name; their ``protocol``; ``floor`` (what real images
    score); ``curve``, a list of ``step``, ``images`` seen and the FD of a few samples at that point (of points the
    energy distance, too), and ``curve_protocol``. Each metric that has an entry in ``config`` adds what
    :meth:`advcodes.metrics.base.Metric.measure` gives, with ``chance`` and ``agreement`` where it says them.

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

        features = extractor.features(samples, artifact.id)
        same = "classifier" in inputs and inputs["classifier"].directory == inputs["extractor"].directory
        subject = EvaluatedRun(artifact, final, where, samples, reference, features[1] if same else None)
        # By their registry: the code of a metric is no part of the results of runs that are not measured by it.
        more = [metric.measure(subject) for metric in metrics().values() if metric.entry in config]
        measured = evaluate(samples, snapshots(run), generated, reference, extractor, config, artifact.id, features)
        for metric in metrics().values():
            if metric.entry in config and metric.along_training:
                for point in measured["curve"]:
                    point |= metric.along(subject, restore(run, where, point["step"]))
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
            ("feature_network", "features"), ("efficientnet_lite0", "efficientnet_lite0"))
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
    seen: tuple[Tensor, Tensor] | None = None,
) -> dict[str, Any]:
    """Measure samples against a reference, and snapshots against the same one.

    Args:
        samples: uint8 [N, C, H, W], or points float32 [N, D].
        points: (step, images seen) of the snapshots.
        generated: ``generated(step, n)`` gives ``n`` images of a snapshot.
        reference: features of real images by the same extractor.
        extractor: that gave them.
        config: ``extractor``, ``curve_n_generated``, and what :func:`advcodes.evaluation.compared.measure` needs.
        what: first words of progress lines.
        seen: features and logits of the samples, where they are known.

    Returns:
        ``metrics``, ``spread``, ``protocol``, ``curve``, ``curve_protocol``: see :func:`make`.
    """
    features, logits = extractor.features(samples, what) if seen is None else seen
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
        then = extractor.features(few, f"{what}, step {step}")
        compared = along_training(*then, reference, config["extractor"], extractor.classes, few)
        curve.append({"step": step, "images": images, **compared})
    return {**measured, "curve": curve, "curve_protocol": {"metric": name, **counts}}
