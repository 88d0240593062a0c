"""Samples, what they are compared with, and metrics."""

from __future__ import annotations

import functools

from advcodes.build.keys import digest
from advcodes.build.provenance import Artifact
from advcodes.graph.run import Run, plain
from advcodes.graph.training import TrainingGraph
from advcodes.methods import registry
from advcodes.papers.items import Item
from advcodes.papers.read import read_items

AFFECTS_RESULTS = False
#: Keys of `metrics` that say what is computed, and how.
_MEASURED = ("compute", "n_generated_is", "is_splits", "kid_subsets", "kid_subset_size", "prc_neighborhood")


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
            "extractor": m.extractor,
            "split": self.reference_split(dataset),
            "n_reference": m.n_reference,
            # What real training images score under the same protocol is measured here, once for all runs.
            "floor_split": view.train_split,
            **{k: getattr(m, k) for k in ("n_generated", *_MEASURED)},
        }
        inputs = {"data": self.prepared(dataset), "extractor": self.extractor(dataset)}
        place = f"reference/{dataset}/{digest([config, inputs['extractor'].id])[:8]}"
        return Artifact(
            place,
            self.data / "evaluation" / place / "manifest.json",
            config,
            inputs,
            ("advcodes.evaluation.reference",),
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
        keys = (*_MEASURED, "n_generated", "curve_n_generated")
        config = {
            "extractor": m.extractor,
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
        modules = ["advcodes.evaluation.evaluate"]
        method, view = registry.method(p.variants[run.variant].method), p.datasets[run.dataset]
        asks = method.asks
        if asks == "text":
            inputs["data"] = self.prepared(run.dataset)
        # Of `shapes` alone a classifier can tell what captions say.
        if asks in ("labels", "clusters") or (asks == "text" and p.source(run.dataset) == "shapes"):
            config["asks"] = asks
            inputs["data"] = self.prepared(run.dataset)
            if asks == "text":
                inputs["statements"] = self.classifier(run.dataset, "statements")
            else:
                inputs["classifier"] = self.classifier(run.dataset)
            modules.append("advcodes.evaluation.conditional")
        if method.can("reconstruct") and p.source(run.dataset) != "gaussians":
            config["mse"] = {"split": view.test_split, "train_split": view.train_split, "n_images": m.n_reference}
            inputs["data"] = self.prepared(run.dataset)
            modules.append("advcodes.evaluation.reconstruction")
        wanted = self._wanted(run)
        compared = {"split": view.test_split, "n_images": m.n_reference, "minibatch": m.minibatch}
        if wanted & {"pixel_mse", "feature_mse"}:
            config["feature_error"] = compared
            modules.append("advcodes.evaluation.feature_error")
        if wanted & {"inpainted_pixel_mse", "inpainted_feature_mse", "inpainted_seam"}:
            config["inpainting"] = {**compared, **plain(m.inpainting)}
            modules.append("advcodes.evaluation.inpainting")
        if {"feature_error", "inpainting"} & config.keys():
            inputs |= {"data": self.prepared(run.dataset), "features": self.feature_network(run.dataset)}
        if "svm_error" in wanted:
            config["svm"] = {**plain(m.svm), "train_split": "train", "test_split": view.test_split}
            inputs["data"] = self.prepared(run.dataset)
            modules.append("advcodes.evaluation.svm")
        if "settling_images" in wanted:
            config["settling"] = plain(m.settling)
            modules.append("advcodes.evaluation.settling")
        if m.mnist_score is not None and self.is_mnist(run.dataset):
            config["mnist_score"] = {"split": view.test_split}
            inputs |= {"data": self.prepared(run.dataset), "mnist_score": self.mnist_score()}
            modules.append("advcodes.evaluation.mnist_score")
        return Artifact(
            f"evaluate/{run.id}",
            self.data / "evaluation" / "metrics" / run.id / "manifest.json",
            config,
            inputs,
            tuple(modules),
        )

    def _wanted(self, run: Run) -> set[str]:
        """Metrics that any declared item, chosen or not, shows of a run's variant on its dataset."""
        return {
            metric
            for item in self.items.values()
            if run.variant in item.variants or item.id in self.params.variants[run.variant].items
            for column in item.columns
            if self.params.served(column, item.id) == run.dataset and item.trains(run.variant, column)
            for metric in item.measured(column)
        }

    @functools.cached_property
    def items(self) -> dict[str, Item]:
        """Declared items by id."""
        return read_items()
