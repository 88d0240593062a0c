"""How large a gradient encoder and generator get from a discriminator's logits over training (GALI figure 5).

Our own number for what the paper says of its objectives: that of one that vanishes falls to nothing where the
discriminator is sure.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError
from advcodes.metrics.base import Metric, Quantity, Subject
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np

OBJECTIVE_GRADIENT = "objective_gradient"
LOG, COLUMN = "losses.csv", "infer/gradient"


@register("gradient")
class ObjectiveGradient(Metric):
    """The median over training of the norm of an objective's gradient in the discriminator's logits."""

    order = 120
    quantities = (Quantity(OBJECTIVE_GRADIENT, "higher", needed=("gradient_points",)),)
    needs = ("log",)
    source = "losses"
    on_demand = True
    remedy = "only runs of methods that log it have it (gali); take the others out"

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        import numpy as np

        _, norms = read(subject.run)
        return {
            "metrics": {OBJECTIVE_GRADIENT: float(np.median(norms))},
            "protocol": {"gradient_points": len(norms)},
        }

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        return (
            "norm of the gradient of encoder and generator's objective in the discriminator's logits, a mean over the "
            f"tuples of a minibatch, its median over {protocol['gradient_points']:,} logged points of the training "
            "(our own: no paper reports it; the more terms an objective has the larger it is, so what counts is "
            "whether it goes to 0)"
        )


def read(directory: Path) -> tuple[np.ndarray, np.ndarray]:
    """The gradient's course from a run's log: images seen, int64 [P], and norms, float64 [P].

    Raises:
        AdvcodesError: there is no readable log, or it has no such column.
    """
    import numpy as np

    path = directory / LOG
    try:
        with open(path, newline="") as f:
            rows = [row for row in csv.DictReader(f) if row[COLUMN]]
        images, norms = (np.array([kind(row[key]) for row in rows]) for key, kind in (("images", int), (COLUMN, float)))
    except (OSError, TypeError, ValueError):
        raise AdvcodesError(f"{path}: no readable log of losses; delete it and train this run again") from None
    except KeyError:
        raise AdvcodesError(
            f"{path}: lacks {COLUMN}: only methods with such an objective (gali) log it; take this variant out"
        ) from None
    if not len(norms):
        raise AdvcodesError(f"{path}: has no point with {COLUMN}; train longer, or lower training.log_every")
    return images, norms
