"""Networks that metrics look through: which there are, and what each is trained on."""

from __future__ import annotations

import functools
from typing import Literal, get_args

from advcodes.build.keys import digest
from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.graph.data import DataGraph
from advcodes.graph.run import plain

AFFECTS_RESULTS = False
Task = Literal["auto", "statements"]  #: that a classifier of a dataset is trained for


class ExtractorGraph(DataGraph):
    """Artifacts of feature extractors and classifiers."""

    @functools.cache  # noqa: B019
    def extractor(self, dataset: str) -> Artifact:
        """The feature extractor of the metrics: a classifier of this dataset, or Inception for all."""
        if self.params.metrics.extractor == "classifier":
            return self.classifier(dataset)
        return Artifact(
            "extractor/inception",
            self.data / "evaluation" / "extractors" / "inception" / "manifest.json",
            {"extractor": "inception"},
            {},
            ("advcodes.extractors.inception",),
        )

    @functools.cache  # noqa: B019
    def classifier(self, dataset: str, task: Task = "auto") -> Artifact:
        """A classifier of a dataset: it stands in for Inception, and says what an image looks like.

        Args:
            dataset: its name.
            task: ``auto``: classes, where there are such; ``statements``: binary attributes and classes together,
                on noisy images, to read what captions say.
        """
        data = self.prepared(dataset)
        m, root = self.params.metrics, self.data / "evaluation" / "extractors"
        view = self.params.datasets[dataset]
        config = {
            "extractor": "classifier",
            **plain(m.classifier),
            "train_split": view.train_split,
            "test_split": view.test_split,
            **({} if task == "auto" else {"task": task}),
        }
        place = f"classifier/{dataset}/{digest(config)[:8]}"  # protocols of several scales lie side by side
        return Artifact(
            f"extractor/{place}",
            root / place / "manifest.json",
            config,
            {"data": data},
            ("advcodes.extractors.classifier",),
        )

    def classifier_at(self, dataset: str, hash_: str) -> Artifact:
        """The classifier of a dataset that lies in the directory of this name.

        Raises:
            AdvcodesError: params.yaml asks for none there.
        """
        found = {a.directory.name: a for task in get_args(Task) for a in [self.classifier(dataset, task)]}
        if hash_ not in found:
            raise AdvcodesError(
                f"classifier {dataset}/{hash_}: params.yaml asks for {' and '.join(found)} of this dataset; its "
                "metrics.classifier has other settings"
            )
        return found[hash_]

    def is_mnist(self, dataset: str) -> bool:
        """Whether a dataset is MNIST, in grey, as it is or padded to 32x32 (and not enlarged): the MNIST score's."""
        view = self.params.datasets[dataset]
        side = view.size or (view.crop.size if view.crop else 28)
        return self.params.source(dataset) == "mnist" and view.channels in (None, 1) and side in (28, 32)

    @functools.cache  # noqa: B019
    def mnist_score(self, hash_: str | None = None) -> Artifact:
        """The classifier of the MNIST score: there is one for all datasets that are MNIST, trained on `mnist`.

        Args:
            hash_: name of the directory where it has to lie; None for whatever it is.

        Raises:
            AdvcodesError: params.yaml asks for none, for none there, or has no MNIST.
        """
        settings, ours = self.params.metrics.mnist_score, [d for d in self.params.datasets if self.is_mnist(d)]
        if settings is None or not ours:
            missing = "metrics.mnist_score is null" if settings is None else "no dataset has `source: mnist`"
            raise AdvcodesError(f"MNIST score: params.yaml asks for no classifier ({missing})")
        config = {"extractor": "mnist_score", **plain(settings)}
        place = f"mnist_score/{digest(config)[:8]}"
        manifest = self.data / "evaluation" / "extractors" / place / "manifest.json"
        if hash_ not in (None, manifest.parent.name):
            raise AdvcodesError(
                f"MNIST score: params.yaml asks for the classifier {manifest.parent.name}, not {hash_}; its "
                "metrics.mnist_score has other settings"
            )
        return Artifact(
            f"extractor/{place}",
            manifest,
            config,
            {"data": self.prepared("mnist" if "mnist" in ours else ours[0])},
            ("advcodes.extractors.mnist_classifier",),
        )

    @functools.cache  # noqa: B019
    def feature_network(self, dataset: str, hash_: str | None = None) -> Artifact:
        """The network whose features GALI's feature-MSE compares, and GALI-PT learns from: one for each dataset.

        Args:
            dataset: its name.
            hash_: name of the directory where it has to lie; None for whatever it is.

        Raises:
            AdvcodesError: params.yaml asks for none there.
        """
        view = self.params.datasets[dataset]
        config = {
            "extractor": "features",
            **plain(self.params.metrics.feature_network),
            "train_split": view.train_split,
            "test_split": view.test_split,
        }
        place = f"features/{dataset}/{digest(config)[:8]}"
        manifest = self.data / "evaluation" / "extractors" / place / "manifest.json"
        if hash_ not in (None, manifest.parent.name):
            raise AdvcodesError(
                f"feature network {dataset}/{hash_}: params.yaml asks for {manifest.parent.name}; its "
                "metrics.feature_network has other settings"
            )
        module = "advcodes.extractors.feature_network"
        return Artifact(f"extractor/{place}", manifest, config, {"data": self.prepared(dataset)}, (module,))
