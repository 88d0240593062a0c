"""`advcodes list`: what there is, in a sentence each, and what of it is built or stale."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from advcodes.build.provenance import Artifact
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.methods import registry
from advcodes.methods.base import MethodConfig
from advcodes.metrics import registry as metrics
from advcodes.metrics.base import Metric
from advcodes.pages import text
from advcodes.papers.kinds import KINDS

AFFECTS_RESULTS = False
_OF_ALL = frozenset(MethodConfig.model_fields)  #: keys that say how any method is trained, not what it is
_LONG = 40  #: characters of a value that is printed


def listed(graph: Graph, what: str) -> Iterator[str]:
    """Lines on everything of a sort.

    Args:
        graph: of params.yaml.
        what: ``datasets``, ``methods``, ``metrics``, ``variants``, ``items``, ``runs``, or ``all``.
    """
    for name, lines in _SORTS.items():
        if what in (name, "all"):
            yield f"{name} (scale {graph.params.scale}):" if name == "datasets" else f"{name}:"
            yield from (f"  {line}".rstrip() for line in lines(graph))


def _datasets(graph: Graph) -> Iterator[str]:
    p = graph.params
    wide = _widest(*p.datasets)
    for name in p.datasets:
        served = p.served(name)
        state = "not run at this scale" if served is None else f"served by {served}" if served != name else ""
        built = "prepared" if status(partial(graph.prepared, name)) == "built" else ""
        yield f"{name:<{wide}}{p.source(name):<{wide}}{'; '.join(filter(None, [state, built]))}"


def _methods(graph: Graph) -> Iterator[str]:
    wide = _widest(*graph.params.variants, *registry.methods())
    for name, cls in registry.methods().items():
        yield f"{name:<{wide}}{_about(cls)}"


def _metrics(graph: Graph) -> Iterator[str]:
    every = metrics.metrics()
    wide, wide_names = _widest(*every), _widest(*map(_numbers, every.values()))
    for key, metric in every.items():
        yield f"{key:<{wide}}{_numbers(metric):<{wide_names}}{_about(metric)}"


def _variants(graph: Graph) -> Iterator[str]:
    wide = _widest(*graph.params.variants, *registry.methods())
    for name, v in graph.params.variants.items():
        yield f"{name:<{wide}}{v.method:<{wide}}{', '.join(v.items)}"
        yield f"    {described(graph, name)}"


def _items(graph: Graph) -> Iterator[str]:
    wide = _widest(*graph.items)
    for name, item in graph.items.items():
        yield f"{name:<{wide}}{status(partial(graph.item, name)):<9}{item.title} ({item.source})"
        rows = len([r for r in item.rows.values() if r.trained])
        on = text.listing([text.dataset(c) for c in item.columns])
        yield f"    {KINDS[item.kind].shows}; {text.count(rows, 'row')} trained, on {on}"


def _runs(graph: Graph) -> Iterator[str]:
    runs = graph.all_runs()
    wide = _widest(*(run.id for run in runs))
    for run in runs:
        stages = {s: status(partial(f, run)) for s, f in
                  (("train", graph.train), ("sample", graph.samples), ("evaluate", graph.metrics))}  # fmt: skip
        yield f"{run.id:<{wide}}" + "  ".join(f"{s}: {state}" for s, state in stages.items())


_SORTS: dict[str, Callable[[Graph], Iterator[str]]] = {
    "datasets": _datasets, "methods": _methods, "metrics": _metrics, "variants": _variants, "items": _items,
    "runs": _runs,
}  # fmt: skip


def described(graph: Graph, variant: str) -> str:
    """A variant in a line: what tables call it, its method, and where it differs from that method's defaults."""
    own = graph.params.variants[variant]
    # The first label is that of a paper; the leaderboard, which is ours, has others.
    items = sorted(graph.items.values(), key=lambda item: not item.in_paper)
    rows = (item.rows[variant] for item in items if variant in item.rows)
    label = next((row.label for row in rows), "")
    base = registry.method(own.method).Config()
    differs = [
        f"{key}: {_short(value)}"
        for key, value in own.model_dump(mode="json", exclude={"method"}).items()
        if key not in _OF_ALL and value != {} and value != base.model_dump(mode="json").get(key)
    ]
    if own.latent_dim != base.latent_dim:
        differs.insert(0, f"codes of {own.latent_dim}")
    if own.architecture != base.architecture:
        differs.insert(0, f"networks {own.architecture}")
    about = _about(registry.method(own.method)).rstrip(".")
    called = f"{label}: " if label else ""
    options = f" ({', '.join(differs)})" if differs else ""
    return called + about + options


def _short(value: Any) -> str:
    words = str(value).replace("'", "")
    return words if len(words) <= _LONG else f"{words[: _LONG - 1]}…"


def _widest(*names: str) -> int:
    return 2 + max(map(len, names), default=0)


def _about(cls: type) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


def _numbers(metric: type[Metric]) -> str:
    return ", ".join(q.name for q in metric.quantities)


def status(find: Callable[[], Artifact]) -> str:
    """``built``, ``stale`` or ``missing``, which is also what cannot be planned."""
    try:
        artifact = find()
        return "built" if artifact.fresh() else "stale" if artifact.record() else "missing"
    except AdvcodesError:
        return "missing"
