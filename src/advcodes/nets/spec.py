"""What a network has to know of a dataset, and what a method asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from advcodes.core.errors import AdvcodesError


@dataclass(frozen=True)
class DatasetSpec:
    """What networks have to know of a dataset.

    Attributes:
        shape: of one example: (C, H, W), or (D,) for points.
        value_range: of images, which fixes the generator's output activation.
        classes: number of classes; 0 where there are none.
        attributes: number of binary attributes; 0 where there are none.
        text: numbers in the embedding of a caption; 0 where captions are not used.
        features: numbers that a pretrained network gives of an image; 0 where none is used.
    """

    shape: tuple[int, ...] = ()
    value_range: tuple[float, float] = (0.0, 1.0)
    classes: int = 0
    attributes: int = 0
    text: int = 0
    features: int = 0

    def targets(self, wanted: str = "auto") -> str:
        """What supervision can use: ``classes`` or ``attributes``; ``auto`` prefers classes.

        Raises:
            AdvcodesError: the dataset does not have what is wanted.
        """
        there = [what for what in ("classes", "attributes") if getattr(self, what)]
        if not there or wanted not in ("auto", *there):
            raise AdvcodesError(
                f"supervision: {wanted} needs labels, and this dataset has {there[0] + ' only' if there else 'none'}; "
                "use another dataset, or a method without supervision"
            )
        return there[0] if wanted == "auto" else wanted

    def condition_size(self, condition: str | int | None) -> int:
        """Numbers of a network's condition: ``classes`` one-hot, ``text``, a number of clusters, or none.

        Raises:
            AdvcodesError: the dataset has no classes, or captions are not used.
        """
        if condition is None or isinstance(condition, int):
            return condition or 0
        size = {"classes": self.classes, "text": self.text}[condition]
        if not size:
            needed = {"classes": "classes", "text": "captions"}[condition]
            raise AdvcodesError(
                f"this method is conditioned on the {needed} of images, and this dataset has none; use another "
                "dataset, or a method without a condition"
            )
        return size


@dataclass(frozen=True)
class Net:
    """A network that a method asks for: ``kind`` is looked up in the architecture family.

    ``options`` go to its constructor: what the *method* fixes (no batch norm in a critic), while widths and such
    come from the architecture in params.yaml.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
