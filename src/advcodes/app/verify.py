"""Whether finished results still hold what was written."""

from __future__ import annotations

from collections.abc import Iterator

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph

AFFECTS_RESULTS = False


def verify(graph: Graph, everything: bool = False) -> Iterator[str]:
    """Read every file of finished results; what is damaged counts as missing from then on.

    Args:
        graph: whose results are read: those made for params.yaml and the sources as they are.
        everything: read every result in data/, of other scales and parameters, too.

    Yields:
        One line for each damaged file, with its remedy; then how many were read.

    Raises:
        AdvcodesError: in the end, if anything was damaged.
    """
    asked = {a.manifest: a for a in graph.everything() if (a.record() or {}).get("key") == a.key}
    others = {a.manifest: a for a in _on_disk(graph) if a.manifest not in asked} if everything else {}
    results, files, bad = asked | others, 0, 0
    for artifact in results.values():
        files += len((artifact.record() or {"files": {}})["files"])
        damaged = artifact.damaged(everything=True)
        for path in damaged:
            remedy = _remedy(artifact, artifact.manifest in asked)
            yield f"{path}: does not hold what was written; {artifact.id} counts as missing now: {remedy}"
        if damaged:
            artifact.forget()
        bad += len(damaged)
    if bad:
        raise AdvcodesError(f"{bad} of {files:,} files are damaged; the lines above say what to do")
    yield f"{files:,} files of {len(results):,} results hold what was written"


def _remedy(artifact: Artifact, asked: bool) -> str:
    back = f"`dvc checkout --force {artifact.manifest.parent}` brings back what DVC has recorded"
    if asked:
        return f"`snakemake --cores all {artifact.manifest}` makes it again; {back}"
    return f"{back}; params.yaml does not ask for it now"


def _on_disk(graph: Graph) -> Iterator[Artifact]:
    """Every result in data/, as its manifest calls it."""
    for manifest in sorted(graph.data.rglob("*manifest.json")):
        artifact = Artifact("", manifest, {})
        if record := artifact.record():
            reports = manifest.is_relative_to(graph.data / "reports")
            home = graph.reports / manifest.parent.relative_to(graph.data / "reports") if reports else None
            yield Artifact(record["spec"]["id"], manifest, {}, home=home)
