"""What pydantic finds wrong with a configuration, as one line for the person who wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from advcodes.core.errors import did_you_mean
from advcodes.core.schema import Model

AFFECTS_RESULTS = False


class PathError(ValueError):
    """A problem that involves several keys, with the path of the one to look at."""

    def __init__(self, path: str, message: str):
        super().__init__(message)
        self.path = path


def explain(
    error: ValidationError,
    tree: dict[str, Any],
    model: type[Model],
    tags: Mapping[str, type[Model]],
    place: str,
    overrides: dict[str, Any],
) -> str:
    """One line for the first problem: path of the key, what is allowed, nearest known name.

    Args:
        error: what validation found.
        tree: what was validated.
        model: the model it was validated with.
        tags: models of discriminated unions by tag.
        place: where a key stands that comes from ``overrides``.
        overrides: the part of ``tree`` that was merged over the rest.
    """
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    # Pydantic puts the tag of a union (a method's name) into the path; the file has no such key.
    path: list[str] = []
    node: Any = tree
    for i, part in enumerate(first["loc"]):
        last = i == len(first["loc"]) - 1
        if (
            isinstance(node, dict)
            and part not in node
            and not (last and first["type"] in ("missing", "extra_forbidden"))
        ):
            continue
        path.append(str(part))
        try:
            node = node[part]
        except (KeyError, IndexError, TypeError):
            node = None
    keys = ".".join(path)
    if isinstance(cause, PathError):
        keys, text = cause.path, str(cause)
    elif first["type"] == "extra_forbidden":
        allowed = _allowed(first["loc"], model, tags)
        text = (
            reason(first) + did_you_mean(path[-1], allowed) + (f" (allowed: {', '.join(allowed)})" if allowed else "")
        )
    elif first["type"] == "union_tag_invalid":
        tag, what = str(first["ctx"]["tag"]), first["ctx"]["discriminator"].strip("'")
        known = sorted(t.strip("' ") for t in first["ctx"]["expected_tags"].split(","))
        keys += f".{what}"
        text = f"unknown {what} {tag!r}{did_you_mean(tag, known)} (known: {', '.join(known)})"
    elif first["type"] == "union_tag_not_found":
        keys += "." + first["ctx"]["discriminator"].strip("'")
        text = reason(first)
    else:
        text = reason(first)
    if has(overrides, keys.split(".")):
        keys = f"{place}.{keys}"
    more = len(error.errors()) - 1
    return f"{keys}: {text}" + (f" [and {more} more]" if more else "")


def reason(problem: Mapping[str, Any]) -> str:
    """What is wrong, without the key, of one of pydantic's problems."""
    if problem["type"] in ("missing", "union_tag_not_found"):
        return "missing"
    if problem["type"] == "extra_forbidden":
        return "unknown key"
    text = problem["msg"].removeprefix("Value error, ")
    text = text[0].lower() + text[1:]
    return text if isinstance(problem["input"], dict | list) else f"{text}, got {problem['input']!r}"


def has(tree: Any, path: list[str]) -> bool:
    """Whether nested mappings have the key at the end of this path."""
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def _allowed(loc: tuple, model: Any, tags: Mapping[str, type[Model]]) -> list[str]:
    """Field names of the model in which an unknown key was found."""
    for part in loc[:-1]:
        if isinstance(model, type) and issubclass(model, Model) and part in model.model_fields:
            model = model.model_fields[part].annotation
        elif part in tags:
            model = tags[part]
        model = next((a for a in _flatten(model) if isinstance(a, type) and issubclass(a, Model)), model)
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, Model) else []


def _flatten(annotation: Any) -> list[Any]:
    args = getattr(annotation, "__args__", ())
    return [annotation, *(x for a in args for x in _flatten(a))]
