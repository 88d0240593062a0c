"""BEGAN's controller over training: when it has settled, and how it keeps the balance (facts 6.9; our own metrics).

It is the settling time of control theory: the time after which a controlled quantity stays within a band.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Count, Fraction, Model
from advcodes.metrics.base import Metric, Quantity, Subject
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np

SETTLING_IMAGES, BALANCE_SHARE = "settling_images", "balance_share"
IMBALANCE, ENERGY_RATIO = "imbalance", "energy_ratio"
LOG = "losses.csv"
#: Of the log: the controller's weight k, its error e (Khan Eq. 11), and the convergence measure L_d + |e|.
COLUMNS = {name: f"discriminate/{name}" for name in ("k", "balance", "convergence")}
_NEEDED = ("settling_band", "settling_window")


@register("settling")
class SettlingTime(Metric):
    """How the controller of a method that has one keeps two errors in balance."""

    class Config(Model):
        """When BEGAN's controller counts as settled: our own metric of it (facts 6.9)."""

        band: Annotated[Fraction, Field(gt=0)] = Field(
            0.1, description="largest error of the balance that is settled, as a share of eta L_d"
        )
        window: Count = Field(
            32_000,
            description="training images over which it is a mean: enough logged points that what minibatches differ in "
            "does not reach the band",
        )

    order = 110
    quantities = (
        Quantity(SETTLING_IMAGES, "lower", needed=_NEEDED),
        Quantity(BALANCE_SHARE, "higher", needed=_NEEDED),
        Quantity(IMBALANCE, "lower", needed=_NEEDED),
        Quantity(ENERGY_RATIO, "lower", needed=_NEEDED),
    )
    needs = ("log",)
    source = "losses"
    on_demand = True
    remedy = "only runs of methods with a controller have it (began and its kin); take the others out"

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        return measure(subject)

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        points = protocol.get("settling_points")  # rows of other batch sizes have other ones
        over = f"the last {protocol['settling_window']:,} images" + (f" ({points:,} logged points)" if points else "")
        error = "e = eta L_d - L_g (with reconstructions, - alpha L_v, too)"
        band = f"±{100 * protocol['settling_band']:g} % of eta L_d"
        if name == BALANCE_SHARE:
            return (
                f"share of the training in which the error of BEGAN's controller, {error}, was within {band}, both as "
                f"means over {over} (our own choice: no paper reports it)"
            )
        if name == IMBALANCE:
            return (
                f"size of the error of BEGAN's controller, {error}, at the end of training, as a share of eta L_d, "
                f"both as means over {over} (our own choice: no paper reports it)"
            )
        if name == ENERGY_RATIO:
            return (
                "energy of generated images (with reconstructions, weighted mean of both: (L_g + alpha L_v) / (1 + "
                f"alpha)) over that of real ones, L_d, both as means over {over} of training; in balance it is "
                "eta / (1 + alpha) (our own choice: no paper reports it)"
            )
        never, runs = protocol.get("settling_never", (0, 0))
        whole = f"; {never} of {runs} runs never settled; they count as the whole training" if never else ""
        return (
            f"training images seen until the error of BEGAN's controller, {error}, stays within {band} to the end of "
            f"training, both as means over {over}, so never fewer than these (the settling time of control theory; our "
            f"own choice: no paper reports it){whole}"
        )

    @classmethod
    def over_runs(cls, protocols: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """In whether they settled runs may differ, and a mean over them does not show it."""
        return {"settling_never": (sum(not p["settled"] for p in protocols), len(protocols))}


@dataclass(frozen=True)
class Course:
    """A controller over training, at the points that were logged: each is one minibatch.

    Attributes:
        images: training images seen, int64 [P], ascending.
        k: weight of generated images in the discriminator's loss, float64 [P].
        balance: e = eta L_d - L_g (with reconstructions, - alpha L_v, too), float64 [P].
        convergence: L_d + |e|, float64 [P].
        total: training images seen in the whole training.
    """

    images: np.ndarray
    k: np.ndarray
    balance: np.ndarray
    convergence: np.ndarray
    total: int

    def relative(self, diversity: float, window: int) -> np.ndarray:
        """The error relative to what it is to balance: mean of e over mean of eta L_d, float64 [P].

        Args:
            diversity: eta.
            window: points that both means are over, the last ones; the first points have fewer.

        Raises:
            AdvcodesError: the denominator is not positive somewhere.
        """
        import numpy as np

        real = diversity * moving_mean(self.convergence - np.abs(self.balance), window)
        if not (real > 0).all():
            raise AdvcodesError(
                f"eta L_d is {real.min():.3g} at {self.images[real.argmin()]:,} images, expected above 0: there is "
                "nothing that the error is relative to (`diversity` 0, or a discriminator that errs nowhere)"
            )
        return moving_mean(self.balance, window) / real


def moving_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of each value and those before it, ``window`` in all or as many as there are: [P] of [P]."""
    import numpy as np

    sums = np.concatenate([[0.0], np.cumsum(values)])
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - window, 0)
    return (sums[last] - sums[first]) / (last - first)


def read(directory: Path) -> Course:
    """The controller's course from a run's log.

    Raises:
        AdvcodesError: there is no readable log, it lacks the columns of a controller, or a value is not finite.
    """
    import numpy as np

    path = directory / LOG
    try:
        with open(path, newline="") as f:
            lines = list(csv.DictReader(f))
        there = lines[0].keys()
        total = int(lines[-1]["images"])
        # A step that stops training early may lie between two points of the log, and has no values.
        rows = [line for line in lines if all(line.get(column) != "" for column in COLUMNS.values())]
        if lacking := [column for column in COLUMNS.values() if column not in there]:
            raise AdvcodesError(
                f"{path}: lacks {', '.join(lacking)}: only methods with a controller (began and those that extend it) "
                "log them; take this variant out of what shows its course"
            )
        images = np.array([int(row["images"]) for row in rows])
        values = {name: np.array([float(row[column]) for row in rows]) for name, column in COLUMNS.items()}
    except (OSError, IndexError, KeyError, TypeError, ValueError):
        raise AdvcodesError(f"{path}: no readable log of losses; delete it and train this run again") from None
    for name, series in values.items():
        if not np.isfinite(series).all():
            first = int(np.flatnonzero(~np.isfinite(series))[0])
            raise AdvcodesError(
                f"{path}: {COLUMNS[name]} is {series[first]} at {images[first]:,} images, expected a finite number; "
                "has the run diverged?"
            )
    return Course(images, **values, total=total)


def settled_at(images: np.ndarray, relative: np.ndarray, band: float) -> int | None:
    """Images seen at the first point from which on all lie within the band; None where the last does not.

    Args:
        images: seen at each point, [P].
        relative: the relative error there, [P].
        band: its largest size.
    """
    import numpy as np

    outside = np.flatnonzero(np.abs(relative) > band)
    first = outside[-1] + 1 if len(outside) else 0
    return int(images[first]) if first < len(images) else None


def points_of(images: np.ndarray, window: int) -> int:
    """Logged points that a window of so many images has, at least 1.

    Args:
        images: seen at each point, [P].
        window: images.
    """
    import numpy as np

    return max(1, round(window / float(np.median(np.diff(images, prepend=0)))))


def measure(subject: Subject) -> dict[str, dict[str, Any]]:
    """How a run of a method with a controller keeps the balance; its entry is the settings.

    Returns:
        ``metrics``: ``settling_images`` (images seen at the end of the first window from which on the relative error
        of every window is within the band; those of the whole training where that of the last is not),
        ``balance_share`` (share of windows within the band), and of the last window ``imbalance`` (size of the relative
        error) and ``energy_ratio`` (of generated over real images). And ``protocol``: ``settled``, ``settling_band``,
        ``settling_window`` (images),
        ``settling_points`` (logged points of a window), ``settling_every`` (images from one to the next) and
        ``settling_diversity`` (eta).

    Raises:
        AdvcodesError: the method has no controller, its log is unreadable or shorter than a window, or the error has
            nothing to be relative to.
    """
    import numpy as np

    config, directory = subject.config["settling"], subject.run
    hyperparameters: Any = subject.restored.method.config
    band, window = config["band"], config["window"]
    course, diversity = read(directory), hyperparameters.diversity
    points = points_of(course.images, window)
    if len(course.images) < points:
        raise AdvcodesError(
            f"{directory / LOG}: {len(course.images)} logged points, and the {window:,} images of "
            f"metrics.settling.window have {points}; lower it, or train for longer"
        )
    try:
        relative = course.relative(diversity, points)
    except AdvcodesError as error:
        raise AdvcodesError(f"{directory / LOG}: {error}") from None
    whole = slice(points - 1, None)
    settled = settled_at(course.images[whole], relative[whole], band)
    alpha = getattr(hyperparameters, "vae_weight", 0.0)
    metrics = {
        SETTLING_IMAGES: course.total if settled is None else settled,
        BALANCE_SHARE: float((np.abs(relative[whole]) <= band).mean()),
        IMBALANCE: float(abs(relative[-1])),
        ENERGY_RATIO: float(diversity * (1 - relative[-1]) / (1 + alpha)),
    }
    protocol = {
        "settled": settled is not None,
        "settling_band": band,
        "settling_window": window,
        "settling_points": points,
        "settling_every": int(np.median(np.diff(course.images, prepend=0))),
        "settling_diversity": diversity,
    }
    return {"metrics": metrics, "protocol": protocol}
