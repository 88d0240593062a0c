"""Variants that are like another one: what stands in params.yaml is only where they differ."""

from __future__ import annotations

from typing import Any

from advcodes.config.explain import PathError
from advcodes.core.errors import did_you_mean

AFFECTS_RESULTS = False  # what is inherited enters keys as values
KEY = "like"
OWN = ("items", "label", KEY)  #: keys that say where a variant stands, not what it is: nobody inherits them


def merge(base: Any, over: Any) -> Any:
    """Deep-merge mappings: ``over`` wins, lists and scalars are replaced whole."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{k: merge(base[k], v) if k in base else v for k, v in over.items()}}
    return over


def ancestry(name: str, variants: dict[str, Any]) -> list[str]:
    """A variant, what it is like, what that is like, and so on.

    Raises:
        PathError: one is like a variant that is not there, or like itself in the end.
    """
    chain = [name]
    while isinstance(node := variants[chain[-1]], dict) and node.get(KEY) is not None:
        here, parent = f"variants.{chain[-1]}.{KEY}", node[KEY]
        if not isinstance(parent, str):
            raise PathError(here, f"expected the name of one variant, got {parent!r}")
        if parent not in variants:
            known = ", ".join(sorted(variants))
            raise PathError(here, f"unknown variant {parent!r}{did_you_mean(parent, variants)} (known: {known})")
        if parent in chain:
            raise PathError(here, f"a circle: {' -> '.join([*chain[chain.index(parent) :], parent])}")
        chain.append(parent)
    return chain


def inherit(variants: dict[str, Any]) -> dict[str, Any]:
    """The same variants, each with all keys that it takes from others; its own win.

    Args:
        variants: by name, as params.yaml has them at one scale.

    Raises:
        PathError: as :func:`ancestry` says.
    """
    whole: dict[str, Any] = {}
    for name in variants:
        for one in reversed(ancestry(name, variants)):
            if one not in whole:
                parent = variants[one].get(KEY) if isinstance(variants[one], dict) else None
                taken = {} if parent is None else {k: v for k, v in whole[parent].items() if k not in OWN}
                whole[one] = merge(taken, variants[one])
    return {name: whole[name] for name in variants}  # in the order in which they stand there
