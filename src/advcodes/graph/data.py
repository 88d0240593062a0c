"""Prepared datasets, and the sentence encoders of their captions."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from advcodes.build.keys import digest
from advcodes.build.provenance import Artifact
from advcodes.config.params import Params
from advcodes.core.errors import AdvcodesError, unknown
from advcodes.data.expected import ORIGINAL
from advcodes.graph.run import DATA, REPORTS, plain

AFFECTS_RESULTS = False


@dataclass(eq=False)
class DataGraph:
    """Artifacts that are made from original data alone.

    Attributes:
        params: what the graph is of.
        data: directory of results.
        reports: directory of reports.
    """

    params: Params
    data: Path = DATA
    reports: Path = REPORTS

    def check_scale(self, scale: str, what: str) -> None:
        """See that something is asked for at the scale that params.yaml is at.

        Raises:
            AdvcodesError: it is not.
        """
        if scale != self.params.scale:
            raise AdvcodesError(
                f"{what}: params.yaml is at scale {self.params.scale!r}; set `scale: {scale}` there first"
            )

    @functools.cache  # noqa: B019 - a graph lives as long as the process
    def prepared(self, dataset: str) -> Artifact:
        """The dataset as one array: data/prepared/<dataset>."""
        if dataset not in self.params.datasets:
            raise unknown("dataset", dataset, self.params.datasets)
        view = self.params.datasets[dataset]
        source, manifest = self.params.source(dataset), self.data / "prepared" / dataset / "manifest.json"
        config = {"dataset": dataset, **plain(view), "source": source}
        # Value range and architecture are how networks see the array, not what is in it.
        seen = {k: config[k] for k in config if k not in ("range", "architecture", "train_split", "test_split")}
        if source == "folder":
            from advcodes.data.folder import fingerprint

            seen["content"] = fingerprint(Path(view.path or ""))
        elif source in ORIGINAL:
            from advcodes.data.identity import identity

            before = Artifact("", manifest, {}).record() or {"spec": {}}
            recorded = before["spec"].get("config", {}).get("content")
            if content := identity(source, self.params.machine, recorded):
                seen["content"] = content
        if view.folder is None:
            del seen["folder"]  # as it was before there was such a thing
        modules = ("advcodes.data.prepare", f"advcodes.data.{_module_of(source)}")
        return Artifact(f"prepared/{dataset}", manifest, seen, {}, modules)

    @functools.cache  # noqa: B019
    def text(self, dataset: str) -> Artifact:
        """The sentence encoder of a dataset's captions, and their embeddings: data/prepared/text/<dataset>/<hash>."""
        data = self.prepared(dataset)
        view = self.params.datasets[dataset]
        config = {**plain(self.params.text), "train_split": view.train_split, "test_split": view.test_split}
        place = f"text/{dataset}/{digest(config)[:8]}"  # those of several scales lie side by side
        manifest = self.data / "prepared" / place / "manifest.json"
        return Artifact(place, manifest, config, {"data": data}, ("advcodes.text.encoder",))


def _module_of(source: str) -> str:
    """Module under advcodes.data that reads a source."""
    return {"folder": "folder", "digits": "generated", "shapes": "generated", "gaussians": "generated"}.get(
        source, "official"
    )
