"""Names of methods and of the classes behind them. Importing a method's module registers it."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from advcodes.core.errors import AdvcodesError, unknown

if TYPE_CHECKING:
    from advcodes.methods.base import Method

AFFECTS_RESULTS = False
_METHODS: dict[str, type[Method]] = {}


def register(name: str) -> Callable[[type[Method]], type[Method]]:
    """Class decorator: make a :class:`~advcodes.methods.base.Method` available as ``name``.

    Raises:
        AdvcodesError: another class already has that name.
    """

    def add(cls: type[Method]) -> type[Method]:
        taken = _METHODS.get(name)
        if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
            raise AdvcodesError(f"method {name!r} is registered twice: {taken.__module__} and {cls.__module__}")
        cls.name = name
        _METHODS[name] = cls
        return cls

    return add


@functools.cache
def _import_all() -> None:
    package = importlib.import_module("advcodes.methods")
    for module in pkgutil.iter_modules(package.__path__, "advcodes.methods."):
        importlib.import_module(module.name)


def methods() -> dict[str, type[Method]]:
    """All registered methods by name: every module of ``advcodes/methods`` is imported."""
    _import_all()
    return dict(sorted(_METHODS.items()))


def method(name: str) -> type[Method]:
    """The method registered as ``name``.

    Raises:
        AdvcodesError: no such method; the message names the nearest one.
    """
    known = methods()
    if name not in known:
        raise unknown("method", name, known)
    return known[name]
