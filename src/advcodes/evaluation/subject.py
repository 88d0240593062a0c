"""What metrics measure: a run and whatever else they ask for, from the inputs of the stage that measures it."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advcodes.build.provenance import Artifact
from advcodes.data.chosen import choose
from advcodes.data.prepared import Prepared
from advcodes.data.prepared import load as load_prepared
from advcodes.extractors.features import load_extractor
from advcodes.metrics.base import Input
from advcodes.metrics.extracted import Reference
from advcodes.training.restore import Restored

#: Modules of networks that metrics look through, and what loads them, by role.
_LOADERS = {
    "features": ("feature_network", "load"),
    "mnist_score": ("mnist_classifier", "scorer"),
    "efficientnet_lite0": ("efficientnet_lite0", "load"),
}


class EvaluatedRun:
    """A :class:`advcodes.metrics.base.Subject`: the run of an `evaluate/...` artifact.

    Args:
        artifact: with inputs ``run``, and ``samples``, ``data`` and networks as far as metrics ask for them.
        restored: the run.
        where: device.
        samples: of the run; None where no metric is of them.
        reference: that they are compared with.
        logits: of the samples by the dataset's classifier, where they are known.
    """

    def __init__(
        self,
        artifact: Artifact,
        restored: Restored | None,
        where: torch.device | str = "cpu",
        samples: np.ndarray | None = None,
        reference: Reference | None = None,
        logits: Tensor | None = None,
    ):
        self._inputs = artifact.inputs
        self.what: str = artifact.id
        self.config: Mapping[str, Any] = artifact.config
        self.restored: Any = restored
        self.where = where
        self.samples: Any = samples
        self.reference = reference
        self.logits = logits

    @functools.cached_property
    def data(self) -> Prepared:
        """The prepared dataset."""
        return load_prepared(self._inputs["data"].directory)

    @property
    def sampled(self) -> Path:
        """Directory of the samples."""
        return self._inputs["samples"].directory

    @property
    def run(self) -> Path:
        """Directory of the run."""
        return self._inputs["run"].directory

    def chosen(self, split: str, n: int) -> np.ndarray:
        """Rows of ``n`` images of a split at most: see :func:`advcodes.data.chosen.choose`."""
        return choose(self.data, split, n)

    def network(self, role: Input) -> Any:
        """A network that a metric looks through, as its module loads it.

        Raises:
            AdvcodesError: it is missing or damaged.
        """
        directory = self._inputs[role].directory
        if role not in _LOADERS:
            return load_extractor(directory, "classifier", self.where)
        module, load = _LOADERS[role]
        # By name: the code of one network is no part of the results of runs that are measured without it.
        return getattr(importlib.import_module(f"advcodes.extractors.{module}"), load)(directory, self.where)
