"""Artifacts of the networks that metrics look through; :mod:`advcodes.extractors.registry` says which there are."""

from __future__ import annotations

import functools
from typing import Any

from advcodes.build.keys import digest
from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.extractors.registry import EXTRACTORS, for_task
from advcodes.graph.data import DataGraph
from advcodes.graph.run import plain

AFFECTS_RESULTS = False
MNIST_SCORE = EXTRACTORS["mnist_score"]


class ExtractorGraph(DataGraph):
    """Artifacts of feature extractors and classifiers."""

    @functools.cache  # noqa: B019
    def made_for(self, task: str, dataset: str = "") -> Artifact:
        """The extractor that is made for a task.

        Args:
            task: of :attr:`advcodes.extractors.registry.Kind.tasks`.
            dataset: on which it is trained; may be left out where there is one for all.

        Raises:
            AdvcodesError: no such task or dataset, or params.yaml asks for none.
        """
        kind = for_task(task)
        config: dict[str, Any] = {"extractor": kind.name}
        inputs = {}
        if kind.settings:
            trained_on = self._mnist(dataset) if kind is MNIST_SCORE else dataset
            if (settings := getattr(self.params.metrics, kind.settings)) is None:
                raise AdvcodesError(
                    f"extractor --task {task}: params.yaml asks for none (metrics.{kind.settings} is null); give it "
                    "its settings, or {} for the usual ones"
                )
            inputs["data"] = self.prepared(trained_on)
            config |= plain(settings)
        if kind.of_each_dataset:
            view = self.params.datasets[dataset]
            config |= {"train_split": view.train_split, "test_split": view.test_split}
        if task != kind.tasks[0]:
            config["task"] = task
        # Protocols of several scales lie side by side.
        place = kind.place.format(dataset=dataset, hash=digest(config)[:8])
        manifest = self.data / "evaluation" / "extractors" / place / "manifest.json"
        return Artifact(f"extractor/{place}", manifest, config, inputs, (kind.module,))

    def extractor_at(self, name: str, dataset: str = "", hash_: str = "") -> Artifact:
        """The extractor that lies in the directory of this name.

        Args:
            name: of its kind.
            dataset: on which it is trained, where there is one for each.
            hash_: of its configuration, where it lies in a directory of its own.

        Raises:
            AdvcodesError: params.yaml asks for none there.
        """
        kind = EXTRACTORS[name]
        there = {a.directory.name: a for task in kind.tasks for a in [self.made_for(task, dataset)]}
        place = kind.place.format(dataset=dataset, hash=hash_)
        if (directory := place.rpartition("/")[2]) not in there:
            raise AdvcodesError(
                f"extractor {place}: params.yaml asks for {' and '.join(there)} there; its metrics.{kind.settings} "
                "has other settings"
            )
        return there[directory]

    def looks_through(self, dataset: str) -> str:
        """Kind of the metrics' extractor: `metrics.extractor`, but for points, which Inception cannot see."""
        points = self.params.datasets.get(dataset) and self.params.source(dataset) == "gaussians"
        return "classifier" if points else self.params.metrics.extractor

    def extractor(self, dataset: str) -> Artifact:
        """The feature extractor of the metrics: a classifier of this dataset, or Inception for all."""
        kind = EXTRACTORS[self.looks_through(dataset)]
        return self.made_for(kind.tasks[0], dataset if kind.of_each_dataset else "")

    def classifier(self, dataset: str, task: str = "auto") -> Artifact:
        """A classifier of a dataset: it stands in for Inception, and says what an image looks like.

        Args:
            dataset: its name.
            task: ``auto``: classes, where there are such; ``statements``: binary attributes and classes together,
                on noisy images, to read what captions say.
        """
        return self.made_for(task, dataset)

    def mnist_score(self) -> Artifact:
        """The classifier of the MNIST score: there is one for all datasets that are MNIST, trained on `mnist`.

        Raises:
            AdvcodesError: params.yaml asks for none, or has no MNIST.
        """
        return self.made_for("mnist_score")

    def feature_network(self, dataset: str) -> Artifact:
        """The network whose features GALI's feature-MSE compares, and GALI-PT learns from: one for each dataset."""
        return self.made_for("features", dataset)

    def is_mnist(self, dataset: str) -> bool:
        """Whether a dataset is MNIST, in grey, as it is or padded to 32x32 (and not enlarged): the MNIST score's."""
        view = self.params.datasets[dataset]
        side = view.size or (view.crop.size if view.crop else 28)
        return self.params.source(dataset) == "mnist" and view.channels in (None, 1) and side in (28, 32)

    def _mnist(self, asked: str) -> str:
        """The dataset on which the MNIST score's classifier is trained, whichever MNIST is asked for."""
        ours = [d for d in self.params.datasets if self.is_mnist(d)]
        if asked and asked not in ours:
            raise AdvcodesError(f"extractor --task mnist_score: trained on MNIST alone, not on {asked!r}; name `mnist`")
        unset = self.params.metrics.mnist_score is None
        if unset or not ours:
            missing = "metrics.mnist_score is null" if unset else "no dataset has `source: mnist`"
            raise AdvcodesError(f"MNIST score: params.yaml asks for no classifier ({missing})")
        return "mnist" if "mnist" in ours else ours[0]
