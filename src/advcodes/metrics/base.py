"""What a metric is: its numbers by name, what it needs, to which runs it applies, and how it is taken and described.

A metric is one file of this folder: a class that declares all of this, and beside it the code that measures. Importing
that file must import neither torch nor numpy, as planning imports all of them. A metric never names a dataset, a file
or a device: what it measures comes from a :class:`Subject`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from advcodes.core.schema import Model

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor

    from advcodes.methods.base import Method, MethodConfig

AFFECTS_RESULTS = False
Better = Literal["lower", "higher"]
#: What a metric may be taken from.
Need = Literal["samples", "features", "reconstructions", "codes", "log", "captions", "labels"]
#: What else the stage that measures is given: the dataset, and networks that metrics look through.
Input = Literal["data", "classifier", "statements", "features", "mnist_score", "efficientnet_lite0"]
EXTRACTORS = ("classifier", "inception", "dinov2", "clip")
COMPUTE = "add it to metrics.compute in params.yaml"  #: remedy where such a metric is missing


@dataclass(frozen=True)
class Quantity:
    """One number that a metric gives, under a name that states its protocol.

    Attributes:
        name: in papers' declarations, and in metrics.json where nothing more has to be said.
        better: which values are better.
        title: in print; None: its name's words.
        over_training: whether it is measured on snapshots, too.
        over: what it is a mean of, if papers print the sd over that.
        own: whether an item may be about it; others are printed beside an item's own alone.
        needed: entries of its protocol without which it cannot be described.
        floor_beside: whether tables of other metrics print what real training images score.
        repeats: another one that it is a fixed multiple of, and that is not printed beside it.
        of_mean_image: entry of its protocol: what the mean training image in place of each image would give.
    """

    name: str
    better: Better
    title: str | None = None
    over_training: bool = False
    over: Literal["batches", "draws"] | None = None
    own: bool = True
    needed: tuple[str, ...] = ()
    floor_beside: bool = True
    repeats: str | None = None
    of_mean_image: str | None = None


@dataclass(frozen=True)
class Instead:
    """What takes a metric's place on datasets that cannot have it.

    Attributes:
        quantity: name of the other.
        because: why they cannot: "... have none, as <because>".
        what: what the other is.
    """

    quantity: str
    because: str
    what: str


@dataclass(frozen=True)
class Facts:
    """What metrics have to know of a dataset before there is any.

    Attributes:
        points: whether it has points, no images.
        statements: whether a classifier can be trained that reads from an image what captions say of it.
        digits: whether it is that of the MNIST score.
        train_split: that is trained on.
        test_split: that metrics compare with.
    """

    points: bool
    statements: bool
    digits: bool
    train_split: str
    test_split: str


@dataclass(frozen=True)
class Candidate:
    """A run that is planned, as metrics see it.

    Attributes:
        method: its method.
        config: that method's hyperparameters.
        dataset: what is known of the dataset.
        shown: names of quantities that a declared item shows of it.
        settings: `metrics` of params.yaml.
    """

    method: type[Method]
    config: MethodConfig
    dataset: Facts
    shown: Collection[str]
    settings: Any

    @property
    def reconstructed(self) -> int:
        """How many images are reconstructed, at most."""
        return self.settings.n_reconstructed or self.settings.n_reference


class Trained(Protocol):
    """A trained run: its method with networks loaded, and what it was trained as."""

    @property
    def method(self) -> Method: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def value_range(self) -> tuple[float, ...]: ...
    @property
    def step(self) -> int: ...
    @property
    def config(self) -> dict[str, Any]: ...


class Subject(Protocol):
    """What is measured: a run with its samples and whatever else metrics ask for; all of it is read when asked for.

    Attributes:
        what: names it in progress lines and errors.
        config: of the stage: ``sampling``, and a metric's own entry under its ``entry``.
        restored: the trained run.
        where: device.
        samples: uint8 [N, C, H, W], or points float32 [N, D].
        logits: of the samples by the classifier of the dataset, [N, K], where they are known.
        reference: real images that samples are compared with (:class:`advcodes.metrics.extracted.Reference`).
        data: the prepared dataset, which has ``images``, ``labels`` and ``rows(split)`` as
            :class:`advcodes.data.prepared.Prepared` says.
        sampled: directory of the samples.
        run: directory of the run, which has its log of losses.
    """

    @property
    def what(self) -> str: ...
    @property
    def config(self) -> Mapping[str, Any]: ...
    @property
    def restored(self) -> Trained: ...
    @property
    def where(self) -> torch.device | str: ...
    @property
    def samples(self) -> np.ndarray: ...
    @property
    def logits(self) -> Tensor | None: ...
    @property
    def reference(self) -> Any: ...
    @property
    def data(self) -> Any: ...
    @property
    def sampled(self) -> Path: ...
    @property
    def run(self) -> Path: ...

    def chosen(self, split: str, n: int) -> np.ndarray:
        """Rows of ``n`` images of a split, ascending int64; all where there are not more. The same for every run."""

    def network(self, role: Input) -> Any:
        """A network that the metric has asked for under ``inputs``, as its module loads it."""


class Metric:
    """Base class of metrics; none is ever instantiated. ``@register(key)`` makes one known.

    A new one declares ``quantities`` and defines :meth:`measure` and :meth:`sentence`; everything else has a default.
    """

    key: ClassVar[str] = ""
    quantities: ClassVar[tuple[Quantity, ...]] = ()
    needs: ClassVar[tuple[Need, ...]] = ()
    inputs: ClassVar[tuple[Input, ...]] = ()  #: what :class:`Subject` reads of the dataset, and networks
    source: ClassVar[str] = "images"  #: what it is taken from, in one word; of those on features the extractor
    on_images: ClassVar[bool] = False  #: whether points cannot have it
    along_training: ClassVar[bool] = False  #: whether :meth:`along` takes it on every snapshot, too
    on_demand: ClassVar[bool] = False  #: whether it is taken of those runs only of which a declared item shows it
    order: ClassVar[int] = 1000  #: place in metrics.json and wherever metrics are listed; then by key
    entry: ClassVar[str] = ""  #: of the configuration of the stage that measures; its key unless given
    Config: ClassVar[type[Model] | None] = None  #: settings in params.yaml, `metrics.<key>`
    flat: ClassVar[bool] = False  #: whether these stand directly under `metrics`
    remedy: ClassVar[str] = "only runs have it to which it applies; take the others out"  #: of a run that has none
    instead: ClassVar[Instead | None] = None

    @classmethod
    def applies(cls, candidate: Candidate) -> bool:
        """Whether a run is measured by it.

        Unless overridden: one that is taken on demand where an item shows it; else wherever there is what it needs.
        """
        if cls.on_demand:
            return any(q.name in candidate.shown for q in cls.quantities)
        able = {"reconstructions": "reconstruct", "codes": "encode"}
        return not (cls.on_images and candidate.dataset.points) and all(
            candidate.method.can(able[need], candidate.config) for need in cls.needs if need in able
        )

    @classmethod
    def settings(cls, candidate: Candidate) -> Any:
        """Everything that its numbers of that run depend on, as JSON: its entry in the stage's configuration.

        Unless overridden: ``metrics.<key>``. None: it has no entry, and is not taken for itself.
        """
        return {} if cls.Config is None else getattr(candidate.settings, cls.key).model_dump(mode="json")

    @classmethod
    def inputs_of(cls, candidate: Candidate) -> Sequence[Input]:
        """What of that run's dataset it reads, and networks."""
        return cls.inputs

    @classmethod
    def measure(cls, subject: Subject) -> dict[str, Any]:
        """Take it.

        Returns:
            ``metrics``: value by name. And where there are such: ``spread``: sd by name of what each is a mean of;
            ``floor`` and ``floor_spread``: the same of real images; ``chance``: by name what the samples would score
            by chance; ``agreement``: shares by statement; ``protocol``: all that a reader has to know, as JSON, under
            keys that begin with the metric's.
        """
        raise NotImplementedError(f"metric {cls.key}: define measure(subject)")

    @classmethod
    def along(cls, subject: Subject, restored: Trained) -> dict[str, float]:
        """Take it on a snapshot, ``restored``, of the subject's run: value by name."""
        raise NotImplementedError(f"metric {cls.key}: define along(subject, restored)")

    @classmethod
    def parsed(cls, name: str) -> tuple[str, str] | None:
        """Quantity and source of a full name, or None if it is none of this metric's."""
        return (name, cls.source) if any(q.name == name for q in cls.quantities) else None

    @classmethod
    def sentence(cls, name: str, protocol: Mapping[str, Any]) -> str:
        """What a number is, for a footnote: one sentence without the name before it and the full stop.

        Args:
            name: its full name.
            protocol: of metrics.json; has what the quantity needs.
        """
        raise NotImplementedError(f"metric {cls.key}: define sentence(name, protocol)")

    @classmethod
    def over_runs(cls, protocols: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What a footnote on a mean over runs has to say and no single protocol does."""
        return {}

    @classmethod
    def floor_of(cls, protocol: Mapping[str, Any], floor: Mapping[str, Any]) -> tuple[str, int]:
        """Which real images its floor is of, and how many.

        Args:
            protocol: of the run's metrics.
            floor: protocol of the reference's floor.
        """
        return "training images", floor["n_generated"]


def percent(share: float) -> str:
    """``12.3 %``."""
    return f"{100 * share:.1f} %"
