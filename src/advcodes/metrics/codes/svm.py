"""What an encoder's features tell of classes: the test error of linear SVMs that are given few labels (facts 6.7).

The protocol is ALI's (Dumoulin et al. 2017, section 4.2), which GALI's table 2 follows.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from advcodes.core.errors import AdvcodesError
from advcodes.core.progress import Progress
from advcodes.core.schema import Count, Model, Natural
from advcodes.metrics.base import Candidate, Metric, Quantity, Subject
from advcodes.metrics.images.feature_error import CAPABLE
from advcodes.metrics.images.reconstruction import represent
from advcodes.metrics.registry import register

if TYPE_CHECKING:
    import numpy as np
    from sklearn.svm import LinearSVC

SVM_ERROR = "svm_error"
LOG_C = 20.0  #: values of C lie from exp(-LOG_C) to exp(LOG_C), evenly in their logarithm
PIXEL_DRAWS = 10  #: labelled sets, at most, that the baseline on pixels is averaged over
CHUNK = 2048  #: examples that are predicted at a time, as they are put in double precision for it


@register("svm")
class SvmError(Metric):
    """The test error of linear SVMs on an encoder's features of few labelled images."""

    class Config(Model):
        """Linear SVMs on an encoder's features of few labelled images: GALI's table 2, ALI's protocol (facts 6.7)."""

        labelled: Count = Field(1000, description="labelled images of a set, as many of each class")
        validation: Count = Field(10_000, description="last images of the training split, which C is chosen by")
        draws: Count = Field(100, description="fresh labelled sets, over which the test error is averaged")
        values_of_c: Annotated[Count, Field(ge=2)] = Field(
            50, description="values of C tried, from exp(-20) to exp(20)"
        )
        seed: Natural = Field(0, description="of the labelled sets, which are the same for every run")

    order = 100
    quantities = (
        Quantity(
            SVM_ERROR, "lower", "misclassification rate (%)", over="draws",
            needed=("svm_test_images", "svm_test_split", "svm_draws", "svm_labelled", "svm_pool", "svm_split",
                    "svm_validation"),
        ),
    )  # fmt: skip
    needs = ("codes", "labels")
    inputs = ("data",)
    on_demand = True
    remedy = CAPABLE

    @classmethod
    def settings(cls, candidate: Candidate) -> dict[str, Any]:
        splits = {"train_split": "train", "test_split": candidate.dataset.test_split}
        return {**super().settings(candidate), **splits}

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        return measure(subject)

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        size, draws, pixels = protocol.get("svm_features"), protocol["svm_draws"], protocol.get("svm_error_of_pixels")
        over = f"mean and standard deviation over {draws:,} sets" if draws > 1 else "one set"
        few = protocol.get("svm_draws_of_pixels", draws)
        fewer = f", over {few:,} of the sets" if few < draws else ""
        baseline = f"; on pixels in place of features it is {pixels:.2f}{fewer}" if pixels is not None else ""
        return (
            f"percent of the {protocol['svm_test_images']:,} images of split {protocol['svm_test_split']} that linear "
            "SVMs misclassify (one class against the others, squared hinge, L2 penalty) on "
            f"{f'{size:,} ' if size else ''}features of a deterministic encoder, its code and three hidden "
            f"layers, not standardised; "
            f"{over} of {protocol['svm_labelled']:,} labelled images, as many of each class, drawn from the first "
            f"{protocol['svm_pool']:,} of split {protocol['svm_split']}; C chosen once, by its last "
            f"{protocol['svm_validation']:,}{baseline}"
        )


@dataclass(frozen=True)
class LabelledFeatures:
    """Features float32 [N, F] and classes int64 [N] of images."""

    features: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Errors:
    """What :func:`errors` found.

    Attributes:
        c: the C that was chosen.
        validation: error on the validation images with it, in percent.
        test: error on the test images of each labelled set, in percent.
        fits: SVMs fitted, those to choose C too.
        unconverged: of them, those that stopped at scikit-learn's ``max_iter``.
    """

    c: float
    validation: float
    test: list[float]
    fits: int
    unconverged: int


def measure(subject: Subject) -> dict[str, dict[str, Any]]:
    """The misclassification rate of a run, in percent of the test images.

    The last ``validation`` images of the training split are there to choose C by; the rest is the pool, which labelled
    sets are drawn from: the same sets for every run, so that runs differ by their features alone. Features are what
    ``Method.represent`` gives, not standardised. The baseline is pixels on [-1, 1] in their place, with those C alone
    up to the first that does not converge, and with the first ten of the sets: they take longer than features.

    Its entry says ``train_split``, ``test_split``, ``labelled``, ``validation``, ``draws``, ``values_of_c`` and
    ``seed``.

    Returns:
        ``metrics`` (``svm_error``: mean over draws), ``spread`` (its population sd, as ALI's script has it; none of a
        single draw) and ``protocol``: ``svm_labelled``, ``svm_draws``, ``svm_validation``, ``svm_pool`` and
        ``svm_test_images`` (numbers of images), ``svm_c``, ``svm_values_of_c``, ``svm_validation_error``,
        ``svm_features`` (F), ``svm_split`` and ``svm_test_split``, ``svm_fits`` and ``svm_unconverged`` (numbers of
        SVMs), ``svm_error_of_pixels`` and ``svm_draws_of_pixels``.

    Raises:
        AdvcodesError: the dataset lacks a split or classes, the split is too small, a class has too few images in the
            pool, ``labelled`` is no multiple of the number of classes, or a feature is not finite.
    """
    import numpy as np

    config, restored, data = subject.config["svm"], subject.restored, subject.data
    training, test = (data.rows(config[split]) for split in ("train_split", "test_split"))
    classes = _classes(data, config)
    pool = training.stop - training.start - config["validation"]
    if pool < 1:
        raise AdvcodesError(
            f"metrics.svm.validation: {config['validation']:,} of the {training.stop - training.start:,} images of "
            f"split {config['train_split']!r} of {data.dataset} leave none to draw labelled examples from; lower it"
        )
    rows = np.arange(training.start, training.start + pool)
    draws = labelled_sets(data.labels[rows], classes, config, data.dataset)
    # Images of the pool that no draw has are not needed.
    drawn, positions = np.unique(np.concatenate(draws), return_inverse=True)
    draws = np.split(positions, len(draws))
    validation, tested = np.arange(rows[-1] + 1, training.stop), np.arange(test.start, test.stop)
    sets = [rows[drawn], validation, tested]

    def mistakes(features: np.ndarray, draws: Sequence[np.ndarray], what: str, give_up: bool = False) -> Errors:
        parts = np.split(features, np.cumsum([len(s) for s in sets])[:-1])
        pool, held, last = (LabelledFeatures(part, data.labels[s]) for part, s in zip(parts, sets, strict=True))
        return errors(pool, held, last, draws, config["values_of_c"], what, give_up)

    every, trained_on = np.concatenate(sets), data.rows(restored.config["view"]["train_split"])
    seen = np.arange(trained_on.start, trained_on.stop)
    features = represent(restored, data.images, every, seen, subject.config["sampling"], subject.where, subject.what)
    result, size = mistakes(features, draws, f"{subject.what}: SVMs"), features.shape[1]
    del features
    pixels = data.images[every].reshape(len(every), -1).astype(np.float32)
    pixels /= 127.5
    pixels -= 1
    # Neighbouring pixels are alike: on photographs large C do not converge, and each would take its 1,000 iterations.
    baseline = mistakes(pixels, draws[: 1 + PIXEL_DRAWS], f"{subject.what}: SVMs on pixels", give_up=True)
    protocol = {
        "svm_labelled": config["labelled"],
        "svm_draws": config["draws"],
        "svm_validation": config["validation"],
        "svm_pool": pool,
        "svm_split": config["train_split"],
        "svm_test_images": len(tested),
        "svm_test_split": config["test_split"],
        "svm_features": size,
        "svm_c": result.c,
        "svm_values_of_c": config["values_of_c"],
        "svm_validation_error": result.validation,
        "svm_fits": result.fits,
        "svm_unconverged": result.unconverged,
        "svm_error_of_pixels": float(np.mean(baseline.test)),
        "svm_draws_of_pixels": len(baseline.test),
    }
    spread = {SVM_ERROR: float(np.std(result.test))} if config["draws"] > 1 else {}
    return {"metrics": {SVM_ERROR: float(np.mean(result.test))}, "spread": spread, "protocol": protocol}


def _classes(data: Any, config: Mapping[str, Any]) -> Sequence[str]:
    """Names of the dataset's classes, each image of both splits having one."""
    for split in (config["train_split"], config["test_split"]):
        without = int((data.labels[data.rows(split)] < 0).sum())
        if without:
            raise AdvcodesError(
                f"{SVM_ERROR}: linear SVMs tell classes, and {without:,} images of split {split!r} of {data.dataset} "
                "have none; ask for this metric on datasets with classes only"
            )
    return data.classes or [str(k) for k in range(int(data.labels.max()) + 1)]


def labelled_sets(
    labels: np.ndarray, classes: Sequence[str], config: Mapping[str, Any], dataset: str = "this dataset"
) -> list[np.ndarray]:
    """Draw the labelled sets: first that which C is chosen with, then ``draws`` fresh ones.

    Args:
        labels: class of each image of the pool, int64 [P].
        classes: their names.
        config: ``labelled``, ``draws`` and ``seed``.
        dataset: named in errors.

    Returns:
        1 + ``draws`` times positions in the pool, int64 [labelled]: as many of each class, class by class, drawn
        without replacement and of each set independently of the others.

    Raises:
        AdvcodesError: ``labelled`` is no multiple of the number of classes, or a class has too few images.
    """
    import numpy as np

    n, k = config["labelled"], len(classes)
    if k < 2 or n % k:
        raise AdvcodesError(
            f"metrics.svm.labelled: {n:,} labelled examples cannot be as many of each of the {k} classes of {dataset}; "
            f"expected a multiple of {k} (of two classes at least)"
        )
    of_class = [np.flatnonzero(labels == c) for c in range(k)]
    for name, there in zip(classes, of_class, strict=True):
        if len(there) < n // k:
            raise AdvcodesError(
                f"metrics.svm.labelled: {n:,} labelled examples of {dataset} are {n // k:,} of each class, and of "
                f"class {name!r} the pool has {len(there):,}; lower it, or metrics.svm.validation"
            )
    random = np.random.default_rng(config["seed"])
    return [
        np.concatenate([random.choice(there, n // k, replace=False) for there in of_class])
        for _ in range(1 + config["draws"])
    ]


def errors(
    pool: LabelledFeatures,
    validation: LabelledFeatures,
    test: LabelledFeatures,
    draws: Sequence[np.ndarray],
    values_of_c: int,
    what: str = "SVMs",
    give_up: bool = False,
) -> Errors:
    """Choose C on the validation images with the first labelled set, and test with that C those of the others.

    C is the smallest of those with the least error, of exp(linspace(-20, 20, values_of_c)).

    Args:
        pool: that labelled sets are drawn from.
        validation: that C is chosen by.
        test: that errors are about.
        draws: labelled sets, positions in the pool: see :func:`labelled_sets`.
        values_of_c: how many values of C are tried.
        what: first words of progress lines.
        give_up: try no C above the first with which the SVM does not converge.
    """
    import numpy as np

    first, *fresh = draws
    values = np.exp(np.linspace(-LOG_C, LOG_C, values_of_c))
    progress = Progress(what, len(values) + len(fresh), "fits")

    def fitted(given: Problem, c: float, i: int) -> LinearSVC:
        svm = given.fit(c)
        progress.at(i)
        return svm

    given, tried = Problem(pool, first), []
    for i, c in enumerate(values, 1):
        tried.append(fitted(given, c, i))
        if give_up and not converged(tried[-1]):
            break
    on_validation = errors_of(tried, validation)
    best = int(np.argmin(on_validation))
    svms = [fitted(Problem(pool, rows), values[best], i) for i, rows in enumerate(fresh, 1 + len(values))]
    every = [*tried, *svms]
    return Errors(
        c=float(values[best]),
        validation=float(on_validation[best]),
        test=errors_of(svms, test).tolist(),
        fits=len(every),
        unconverged=sum(not converged(svm) for svm in every),
    )


def converged(svm: LinearSVC) -> bool:
    """Whether a fit ended before scikit-learn's ``max_iter``."""
    return bool(svm.n_iter_ < svm.max_iter)


class Problem:
    """Linear SVMs of one labelled set, for any C: one class against the others, squared hinge, L2 penalty.

    scikit-learn's LinearSVC with its defaults, as ALI's authors have it (tolerance 1e-4, at most 1,000 iterations, the
    penalty on the bias, too), but that it solves the primal problem where there are no more features than examples.
    Else it solves the dual, which knows examples by their inner products alone: it is given n coordinates of each
    that have the same ones (Cholesky's factor of X X^T), and not their many features.

    Features are not standardised, so the largest C may not converge; what is there then counts.

    Args:
        pool: that the set was drawn from.
        rows: positions in it, int64 [n].
    """

    def __init__(self, pool: LabelledFeatures, rows: np.ndarray):
        import numpy as np

        self.features, self.labels = pool.features[rows].astype(np.float64), pool.labels[rows]
        self.factor: np.ndarray | None = None
        self.dual = len(rows) < self.features.shape[1]
        if self.dual:
            with contextlib.suppress(np.linalg.LinAlgError):  # two examples alike: as they are
                self.factor = np.linalg.cholesky(self.features @ self.features.T)

    def fit(self, c: float) -> LinearSVC:
        """The SVM with weight ``c`` on the hinge, which predicts from float64 [N, F]."""
        from scipy.linalg import solve_triangular
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.svm import LinearSVC

        svm = LinearSVC(C=c, dual=self.dual, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # they are counted
            if self.factor is None:
                return svm.fit(self.features, self.labels)
            svm.fit(self.factor, self.labels)
        # X = factor Q^T, and the weights of X are Q times those of the factor.
        back = solve_triangular(self.factor, svm.coef_.T, trans=1, lower=True)
        svm.coef_, svm.n_features_in_ = back.T @ self.features, self.features.shape[1]
        return svm


def errors_of(svms: Sequence[LinearSVC], examples: LabelledFeatures) -> np.ndarray:
    """Percent of examples that each SVM misclassifies, float64 [number of SVMs]; all know the same classes."""
    import numpy as np

    weights, biases = np.concatenate([s.coef_ for s in svms]), np.concatenate([s.intercept_ for s in svms])
    classes, wrong = svms[0].classes_, np.zeros(len(svms))
    for start in range(0, len(examples.labels), CHUNK):
        rows = slice(start, start + CHUNK)
        # One product for all of them: many with few columns take several times as long.
        scores = examples.features[rows].astype(np.float64) @ weights.T + biases
        scores = scores.reshape(len(scores), len(svms), -1)
        predicted = classes[scores.argmax(2) if scores.shape[2] > 1 else (scores[..., 0] > 0).astype(int)]
        wrong += (predicted != examples.labels[rows, None]).sum(0)
    return 100 * wrong / len(examples.labels)
