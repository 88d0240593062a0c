"""Samples, what they are compared with, and metrics."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from advcodes.build.keys import digest
from advcodes.build.provenance import Artifact
from advcodes.graph.run import Run, plain
from advcodes.graph.training import TrainingGraph
from advcodes.methods import registry
from advcodes.metrics.base import Candidate, Facts, Input, Metric
from advcodes.metrics.extracted import compared_metrics
from advcodes.metrics.registry import metric_of, metrics
from advcodes.papers.items import Item
from advcodes.papers.read import read_claims, read_items

AFFECTS_RESULTS = False


def _measured() -> list[str]:
    """Keys of `metrics` that say which metrics of samples beside real images are computed, and how."""
    flat = [key for metric in metrics().values() if metric.flat and metric.Config for key in metric.Config.model_fields]
    return ["compute", "n_generated_is", *flat]


class EvaluationGraph(TrainingGraph):
    """Artifacts of evaluation."""

    def reference_split(self, dataset: str) -> str:
        """Split of a dataset that samples are compared with."""
        view = self.params.datasets[dataset]
        return view.test_split if self.params.metrics.reference_split == "test" else view.train_split

    @functools.cache  # noqa: B019
    def reference(self, dataset: str) -> Artifact:
        """Features of the real images that samples are compared with, cached by everything that enters them."""
        m, view = self.params.metrics, self.params.datasets[dataset]
        config = {
            "extractor": self.looks_through(dataset),
            "split": self.reference_split(dataset),
            "n_reference": m.n_reference,
            # What real training images score under the same protocol is measured here, once for all runs.
            "floor_split": view.train_split,
            **{k: getattr(m, k) for k in ("n_generated", *_measured())},
        }
        inputs = {"data": self.prepared(dataset), "extractor": self.extractor(dataset)}
        place = f"reference/{dataset}/{digest([config, inputs['extractor'].id])[:8]}"
        return Artifact(
            place,
            self.data / "evaluation" / place / "manifest.json",
            config,
            inputs,
            ("advcodes.evaluation.reference", *self._comparing(dataset)),
        )

    @functools.cache  # noqa: B019
    def samples(self, run: Run) -> Artifact:
        """Generated images of one run: data/evaluation/samples/<run>."""
        p = self.params
        m = p.metrics
        config = {"n_generated": max(m.n_generated, m.n_generated_is or 0), **plain(p.sampling)}
        inputs = {"run": self.train(run), **self._captions(run)}
        if "text" in inputs:  # samples show what the reference's captions say
            config["split"] = self.reference_split(run.dataset)
            inputs["data"] = self.prepared(run.dataset)
        return Artifact(
            f"sample/{run.id}",
            self.data / "evaluation" / "samples" / run.id / "manifest.json",
            config,
            inputs,
            ("advcodes.evaluation.sample",),
        )

    @functools.cache  # noqa: B019
    def metrics(self, run: Run) -> Artifact:
        """Metrics of one run and their course over training: data/evaluation/metrics/<run>."""
        p, m = self.params, self.params.metrics
        keys = (*_measured(), "n_generated", "curve_n_generated")
        config = {
            "extractor": self.looks_through(run.dataset),
            "sampling": plain(p.sampling),
            **{k: getattr(m, k) for k in keys},
        }
        inputs = {
            "samples": self.samples(run),
            "run": self.train(run),
            "extractor": self.extractor(run.dataset),
            "reference": self.reference(run.dataset),
            **self._captions(run),  # snapshots show what they say, too
        }
        modules, candidate = ["advcodes.evaluation.evaluate"], self._candidate(run)
        if candidate.method.conditioned_on == "text":
            inputs["data"] = self.prepared(run.dataset)
        for metric in self.measured_by(run):
            modules.append(metric.__module__)
            if (settings := metric.settings(candidate)) is not None:
                config[metric.entry or metric.key] = settings
            for role in metric.inputs_of(candidate):
                inputs[role] = self._input(role, run.dataset)
                if role != "data":  # networks are loaded by name
                    modules += inputs[role].modules
        return Artifact(
            f"evaluate/{run.id}",
            self.data / "evaluation" / "metrics" / run.id / "manifest.json",
            config,
            inputs,
            tuple(dict.fromkeys(modules)),
        )

    def measured_by(self, run: Run) -> list[type[Metric]]:
        """Metrics that a run is measured by."""
        candidate = self._candidate(run)
        return [metric for metric in metrics().values() if metric.applies(candidate)]

    def _candidate(self, run: Run) -> Candidate:
        """A run as metrics see it before there is any."""
        variant = self.params.variants[run.variant]
        method, settings = registry.method(variant.method), self.params.metrics
        return Candidate(method, variant, self._facts(run.dataset), self._wanted(run.dataset, run.variant), settings)

    def _facts(self, dataset: str) -> Facts:
        """What metrics have to know of a dataset before it is prepared."""
        view, source = self.params.datasets[dataset], self.params.source(dataset)
        return Facts(
            points=source == "gaussians",
            statements=source == "shapes",  # of others, captions say what no attribute does
            digits=self.is_mnist(dataset),
            train_split=view.train_split,
            test_split=view.test_split,
        )

    def _comparing(self, dataset: str) -> list[str]:
        """Modules of the metrics that compare samples of a dataset with real images."""
        facts = self._facts(dataset)
        return [metric.__module__ for metric in compared_metrics() if metric.applies_to(facts)]

    def _input(self, role: Input, dataset: str) -> Artifact:
        """What a metric asks for under ``inputs``."""
        if role == "data":
            return self.prepared(dataset)
        if role == "mnist_score":
            return self.mnist_score()
        if role in ("features", "efficientnet_lite0"):
            return self.made_for(role, dataset)
        return self.classifier(dataset, "statements") if role == "statements" else self.classifier(dataset)

    @functools.cache  # noqa: B019
    def _wanted(self, dataset: str, variant: str) -> set[str]:
        """Metrics that any declared item, chosen or not, shows of a variant on a dataset; or a claim."""
        claimed = {
            metric
            for claim in read_claims()
            if variant in (claim.winner, claim.loser) and self.params.served(claim.column, claim.item) == dataset
            for metric in (claim.metric, claim.goes_with)
            if metric is not None
        }
        return claimed | {
            metric
            for item in self.items.values()
            if variant in item.variants or item.id in self.params.variants[variant].items
            for column in item.columns
            if self.params.served(column, item.id) == dataset and item.trains(variant, column)
            for metric in item.measured(column)
        }

    def about(self, items: Iterable[Item]) -> list[str]:
        """Modules of the metrics that items are about: what they are called, and which values are better."""
        names = {name for item in items for column in item.columns for name in item.measured(column)}
        return sorted({metric_of(name).__module__ for name in names})

    @functools.cached_property
    def items(self) -> dict[str, Item]:
        """Declared items by id."""
        return read_items()
