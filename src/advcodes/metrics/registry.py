"""Names of metrics and of the classes behind them. Importing a metric's module registers it.

A metric's name states its protocol, so that no number can pass for another.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from advcodes.core.errors import AdvcodesError, unknown

if TYPE_CHECKING:
    from advcodes.metrics.base import Metric, Quantity

AFFECTS_RESULTS = False
_METRICS: dict[str, type[Metric]] = {}


def register(key: str) -> Callable[[type[Metric]], type[Metric]]:
    """Class decorator: make a :class:`~advcodes.metrics.base.Metric` known as ``key``.

    Raises:
        AdvcodesError: another class already has that key, or gives a number of that name.
    """

    def add(cls: type[Metric]) -> type[Metric]:
        for other in _METRICS.values():
            if (other.__module__, other.__qualname__) == (cls.__module__, cls.__qualname__):
                continue
            if other.key == key:
                raise AdvcodesError(f"metric {key!r} is registered twice: {other.__module__} and {cls.__module__}")
            both = {q.name for q in other.quantities} & {q.name for q in cls.quantities}
            if both:
                raise AdvcodesError(f"metric {key!r} gives {', '.join(sorted(both))}, and so does {other.key!r}")
        cls.key = key
        cls.entry = cls.entry or key
        _METRICS[key] = cls
        return cls

    return add


@functools.cache
def _import_all() -> None:
    package = importlib.import_module("advcodes.metrics")
    for module in pkgutil.walk_packages(package.__path__, "advcodes.metrics."):
        importlib.import_module(module.name)


def metrics() -> dict[str, type[Metric]]:
    """All registered metrics by key, in their order: every module below ``advcodes/metrics`` is imported."""
    _import_all()
    return dict(sorted(_METRICS.items(), key=lambda known: (known[1].order, known[0])))


def metric(key: str) -> type[Metric]:
    """The metric registered as ``key``.

    Raises:
        AdvcodesError: no such metric; the message names the nearest one.
    """
    known = metrics()
    if key not in known:
        raise unknown("metric", key, known)
    return known[key]


def quantities() -> dict[str, tuple[type[Metric], Quantity]]:
    """Every number that a metric gives, by its name in papers' declarations, with that metric."""
    return {q.name: (cls, q) for cls in metrics().values() for q in cls.quantities}


def quantity(name: str) -> Quantity:
    """The number of that name in papers' declarations.

    Raises:
        AdvcodesError: no metric gives it.
    """
    return _known(name)[1]


def metric_of(name: str) -> type[Metric]:
    """The metric that gives the number of that name in papers' declarations.

    Raises:
        AdvcodesError: there is none.
    """
    return _known(name)[0]


def _known(name: str) -> tuple[type[Metric], Quantity]:
    known = quantities()
    if name not in known:
        raise unknown("metric", name, known)
    return known[name]


def parse(name: str) -> tuple[str, str]:
    """Quantity and source of a full name: ``fid_2000_vs_10000_test`` is ``("fid", "inception")``.

    ``energy_distance`` is ``("energy_distance", "points")``, and likewise every other that has one name.

    Raises:
        AdvcodesError: no metric gives a number of that name.
    """
    for cls in metrics().values():
        if parsed := cls.parsed(name):
            return parsed
    raise unknown("metric", name, quantities())


def describe(name: str, protocol: Mapping[str, Any]) -> str:
    """One sentence for a table's footnote: what the number is, over how many images, and what it is not.

    Args:
        name: in full, as in metrics.json.
        protocol: of metrics.json. What it does not say, and is not needed, is left out.

    Raises:
        AdvcodesError: the name does not belong to that protocol.
    """
    cls, kind = _known(parse(name)[0])
    if missing := [k for k in kind.needed if k not in protocol]:
        raise AdvcodesError(
            f"metric {name!r}: its protocol lacks {', '.join(missing)}; evaluate every run at the same one"
        )
    return f"{name}: {cls.sentence(name, protocol)}."
