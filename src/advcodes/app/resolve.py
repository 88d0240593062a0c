"""What variants come to at a scale, and where in params.yaml each value comes from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from advcodes.config.explain import has
from advcodes.config.like import OWN, ancestry
from advcodes.config.params import Params, read
from advcodes.core.errors import unknown
from advcodes.core.yaml import read_yaml

AFFECTS_RESULTS = False


def resolved(file: Path, variants: Sequence[str] = (), scale: str | None = None) -> str:
    """YAML of variants at a scale, with a comment behind each value: the place in the file that it is from.

    Args:
        file: params.yaml.
        variants: names; all unless given.
        scale: the file's own unless given.

    Raises:
        AdvcodesError: the file is not valid, or there is no such variant.
    """
    params, tree = read(file, scale), read_yaml(file)
    for name in variants:
        if name not in params.variants:
            raise unknown("variant", name, params.variants)
    lines = [f"# scale {params.scale}"]
    for name in variants or params.variants:
        lines += [f"{name}:", *_lines(_whole(params, name), _origin(params, tree, name))]
    return "\n".join(lines) + "\n"


def _whole(params: Params, name: str) -> dict[str, Any]:
    """All that a variant says, or that is said for it."""
    variant = params.variants[name]
    whole = variant.model_dump(mode="json")
    value_range = whole["value_range"] or params.architectures[variant.architecture].value_range
    return {
        "method": whole.pop("method"),
        **whole,
        "value_range": value_range and list(value_range),
        "training": params.training_of(name).model_dump(mode="json"),
    }


def _origin(params: Params, tree: dict[str, Any], name: str) -> Callable[[list[str]], str]:
    """What says where a key of a variant is from, given its path."""
    over = (tree.get("scales") or {}).get(params.scale) or {}
    links = {n: {"like": v.like} for n, v in params.variants.items()}
    architecture = params.variants[name].architecture

    def origin(path: list[str]) -> str:
        for one in ancestry(name, links) if path[0] not in OWN else [name]:
            for where, part in ((f"scales.{params.scale}.", over), ("", tree)):
                if has(part, ["variants", one, *path]):
                    return f"{where}variants.{one}"
        if path[0] == "training":
            for where, part in ((f"scales.{params.scale}.", over), ("", tree)):
                if has(part, path):
                    return f"{where}training"
        if path == ["value_range"] and (family := params.architectures[architecture]).value_range:
            return f"architecture {architecture}, family {family.family}"
        return "default: the dataset's" if path == ["value_range"] else "default"

    return origin


def _lines(node: dict[str, Any], origin: Callable[[list[str]], str], path: Sequence[str] = ()) -> Iterator[str]:
    """YAML of a mapping: a line for each value, and a comment that says where it is from."""
    for key, value in node.items():
        here, indent = [*path, key], "  " * (len(path) + 1)
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, origin, here)
        else:
            text = yaml.safe_dump([value], default_flow_style=True, width=math.inf).strip()[1:-1]
            yield f"{indent}{key}: {text}  # {origin(here)}"
