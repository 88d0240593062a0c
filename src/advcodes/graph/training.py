"""Trainings."""

from __future__ import annotations

import functools
from typing import Any

from advcodes.build.provenance import Artifact
from advcodes.config.updates import steps_for
from advcodes.core.errors import AdvcodesError, unknown
from advcodes.graph.extractors import ExtractorGraph
from advcodes.graph.run import Run, plain
from advcodes.methods import registry

AFFECTS_RESULTS = False


class TrainingGraph(ExtractorGraph):
    """Artifacts of training."""

    @functools.cache  # noqa: B019
    def train(self, run: Run) -> Artifact:
        """Checkpoint, snapshots and log of one run: data/runs/<run>."""
        p = self.params
        if run.variant not in p.variants:
            raise unknown("variant", run.variant, p.variants)
        self.check_scale(run.scale, f"run {run.id}")
        if run.dataset not in p.datasets:
            raise unknown("dataset", run.dataset, p.datasets)
        variant, view = p.variants[run.variant], p.datasets[run.dataset]
        architecture = p.architectures[view.architecture or variant.architecture]
        elsewhere = (
            "like",
            "items",
            "architecture",
            "training",
            "value_range",
            "label",
            "budget",
        )  # none of these, or resolved below
        hyperparameters = {k: v for k, v in plain(variant).items() if k not in elsewhere}
        training = plain(p.training_of(run.variant))
        del training["log_every"], training["checkpoint_seconds"]  # these never change results
        if training["early_stopping"] is None:
            del training["early_stopping"]
        if training["diverged"] == "stop":
            del training["diverged"]
        config = {
            "method": hyperparameters,
            "architecture": plain(architecture),
            "training": training,
            "budget": self._budget(run, hyperparameters, training["batch_size"]),
            "view": {"range": list(p.value_range_of(run.variant, run.dataset)), "train_split": view.train_split},
            "seed": run.seed,
        }
        method = registry.method(variant.method)
        modules = ["advcodes.training.train", method.__module__, f"advcodes.nets.families.{architecture.family}"]
        inputs = {"data": self.prepared(run.dataset)} | self._captions(run)
        if asked := method.pretrained(variant):
            of_metrics = asked == "extractor"
            if of_metrics and p.metrics.extractor not in ("classifier", "inception"):
                raise AdvcodesError(
                    f"variant {run.variant}: cannot learn from features of metrics.extractor {p.metrics.extractor!r}, "
                    "which takes stored images alone; name classifier or inception there, or set its `pretrained` to "
                    "features"
                )
            config["pretrained"] = self.looks_through(run.dataset) if of_metrics else asked
            inputs["pretrained"] = (self.extractor if of_metrics else self.feature_network)(run.dataset)
            # What loads it does so by name, as metrics do, whose code is no part of other runs' results.
            modules += ["advcodes.training.pretrained", *inputs["pretrained"].modules]
        return Artifact(
            f"train/{run.id}", self.data / "runs" / run.id / "manifest.json", config, inputs, tuple(modules)
        )

    def _budget(self, run: Run, hyperparameters: dict[str, Any], batch_size: int) -> dict[str, Any]:
        """A run's length in images or epochs."""
        budget = self.params.budget_of(run.dataset, run.variant)
        if budget.updates is not None:
            images = steps_for(hyperparameters, budget.updates) * batch_size
            return {"images": images, "epochs": None}
        return {"images": budget.images, "epochs": budget.epochs}

    def _captions(self, run: Run) -> dict[str, Artifact]:
        """Captions of the run's dataset, where its method asks for text."""
        on_text = registry.method(self.params.variants[run.variant].method).conditioned_on == "text"
        return {"text": self.text(run.dataset)} if on_text else {}
