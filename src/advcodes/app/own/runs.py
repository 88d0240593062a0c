"""Runs on own images as they lie on disk, and the graph of what is measured of them."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advcodes.app.own.settings import settings_for
from advcodes.build.provenance import Artifact
from advcodes.config.params import Params, resolve
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.metrics.base import Metric
from advcodes.metrics.extracted import Compared
from advcodes.metrics.images.reconstruction import SquaredError

AFFECTS_RESULTS = False
ABOUT = "own.json"  #: in a run's directory: what it is trained with, for the next call
DATASET = "images"  #: what own images are called in every graph of them
AGAIN = "call its `advcodes train --data` again"


@dataclass(frozen=True)
class OwnRun:
    """A run of `advcodes train --data`.

    Attributes:
        directory: of the run: <out>/runs/<scale>/images/<method>/seed<k>.
        about: what it was trained with.
    """

    directory: Path
    about: Mapping[str, Any]

    @property
    def out(self) -> Path:
        """The folder that its training was given as ``--out``."""
        return self.directory.parents[4]

    @property
    def run(self) -> Run:
        return Run.parse(str(self.directory))

    @property
    def name(self) -> str:
        """Method and seed, as its folder of grids is called."""
        return f"{self.run.variant}_seed{self.run.seed}"

    def params(self, settings: Sequence[str] = ()) -> Params:
        """Its parameters, and others over them (``key.path=value``)."""
        asked = dict(self.about["asked"])
        asked["settings"] = [*asked["settings"], *settings]
        return resolve(settings_for(self.out / "no images are read again", **asked), "command line")


def is_own(what: str) -> bool:
    """Whether this names a folder with runs on own images, finished or not."""
    place = Path(what).expanduser()
    return (place / ABOUT).exists() or any(place.glob(f"runs/*/{DATASET}/*/seed*/{ABOUT}"))


def own_run(directory: Path) -> OwnRun:
    """The finished run of a directory that :func:`advcodes.api.find` gives.

    Raises:
        AdvcodesError: it is none on own images, or one of another version.
    """
    directory = directory.absolute()
    try:
        about = json.loads((directory / ABOUT).read_text())
    except (OSError, ValueError):
        raise AdvcodesError(f"{directory}: no run of `advcodes train --data` (no {ABOUT})") from None
    if "asked" not in about:
        raise AdvcodesError(f"{directory / ABOUT}: was written by another version; {AGAIN} with --replace")
    return OwnRun(directory, about)


class Finished(Artifact):
    """A result as it lies on disk, whatever has become of the images and the code that it was made from."""

    @functools.cached_property
    def key(self) -> str:
        record = self.record()
        if record is None:
            raise AdvcodesError(f"{self.directory}: is not finished; {AGAIN}")
        return record["key"]


class OwnGraph(Graph):
    """What is measured of a run on own images; the images themselves are not looked for again.

    Its extractor is trained to tell rotations, since folders' names may say nothing of what images show.
    """

    def __init__(self, own: OwnRun, settings: Sequence[str] = ()):
        super().__init__(own.params(settings), data=own.out, reports=own.out / "reports")
        self.own = own
        record = self.prepared(DATASET).record()
        if record is None:
            raise AdvcodesError(f"{self.prepared(DATASET).directory}: the prepared images are gone; {AGAIN}")
        now = {k: v for k, v in record["spec"]["config"].items() if k != "path"}
        if differs := [k for k, v in own.about["images"].items() if now.get(k) != v]:
            raise AdvcodesError(
                f"{own.directory}: the images prepared in {own.out} are now others than it was trained on "
                f"({', '.join(differs)}); {AGAIN}"
            )

    @functools.cache  # noqa: B019
    def prepared(self, dataset: str) -> Artifact:
        manifest = self.data / "prepared" / dataset / "manifest.json"
        return Finished(f"prepared/{dataset}", manifest, {})

    @functools.cache  # noqa: B019
    def train(self, run: Run) -> Artifact:
        return Finished(f"train/{run.id}", self.data / "runs" / run.id / "manifest.json", {})

    def extractor(self, dataset: str) -> Artifact:
        if self.params.metrics.extractor == "classifier":
            return self.classifier(dataset, "rotations")
        return super().extractor(dataset)

    def measured_by(self, run: Run) -> list[type[Metric]]:
        return [m for m in super().measured_by(run) if issubclass(m, Compared | SquaredError)]
