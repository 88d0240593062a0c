"""YAML files that people write: safe, and a key that stands twice is an error.

PyYAML's C parser with a check of our own: ruamel.yaml refuses such keys by itself, but takes six times as long (1.4 s
against 0.2 s for params.yaml and the papers' declarations, which every call reads).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from advcodes.core.errors import AdvcodesError

AFFECTS_RESULTS = False


if TYPE_CHECKING:
    _Safe = yaml.SafeLoader
else:
    _Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):
    """Safe YAML in which a key that stands twice is an error; plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"{name!r} stands there twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Parse a file.

    Raises:
        AdvcodesError: it is not YAML, or a key stands twice; the message names file and line.
        FileNotFoundError: there is none.
    """
    try:
        return yaml.load(path.read_text(), Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}:" if mark else ""
        raise AdvcodesError(f"{path}:{where} not valid YAML: {getattr(error, 'problem', None) or error}") from None
