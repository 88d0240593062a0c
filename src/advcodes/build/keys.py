"""What enters keys: hashes of JSON values, and of the source code that makes a result."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from advcodes.core.errors import AdvcodesError
from advcodes.core.remembered import recall, remember

AFFECTS_RESULTS = False
PACKAGE = "advcodes"
STATE = Path(".snakemake/advcodes")  #: of a project's directory: locks, and what is remembered between calls
SOURCES = STATE / "sources.json"


def digest(value: Any) -> str:
    """Short hash of a JSON value; independent of key order, platform and Python version."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def _shape(node: Any) -> Any:
    """An AST as JSON, without positions, docstrings and empty fields: blind to comments and formatting.

    ``ast.dump`` and ``ast.unparse`` differ between Python versions; this does not, so that results made with one
    version stay valid under another.
    """
    if isinstance(node, list):
        return [_shape(x) for x in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {}
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = value[0] if value else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                value = value[1:]
        if name not in ("ctx", "kind", "type_comment") and value is not None and value != []:
            fields[name] = _shape(value)
    return [type(node).__name__, fields]


@dataclass(frozen=True)
class _Source:
    shape: str
    imports: tuple[str, ...]
    counts: bool


@functools.cache
def _file_of(module: str) -> Path | None:
    """The source file of a module of this package, found without importing it."""
    base = Path(__file__).parents[1].joinpath(*module.split(".")[1:])
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    if not module.startswith(PACKAGE + "."):  # a method of the user's own
        spec = importlib.util.find_spec(module)
        return Path(spec.origin) if spec and spec.origin else None
    return None


@functools.cache
def _source(module: str) -> _Source:
    path = _file_of(module)
    if path is None:
        raise AdvcodesError(f"no source file for module {module!r}: it cannot be part of a result's key")
    said = _parsed()(path.read_bytes())
    imports: set[str] = set(said["modules"])
    packages: dict[str, str] = {}  # local name -> subpackage, for `losses.gan.discriminator`
    for package, name, local in said["names"]:
        whole = f"{package}.{name}"
        file = _file_of(whole)
        imports.add(whole if file else package)
        if file and file.name == "__init__.py":
            packages[local] = whole
    for local, attribute in said["attributes"]:
        if local in packages and _file_of(whole := f"{packages[local]}.{attribute}"):
            imports.add(whole)
    return _Source(said["shape"], tuple(sorted(imports - {PACKAGE})), said["counts"])


def _parse(content: bytes) -> dict[str, Any]:
    """What a source file says that matters here, as JSON; a function of its bytes alone."""
    tree = ast.parse(content)
    modules, names, attributes = set(), [], set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == PACKAGE:
                names += [[module, a.name, a.asname or a.name] for a in node.names]
            case ast.Import():
                modules |= {a.name for a in node.names if a.name.split(".")[0] == PACKAGE}
            case ast.Attribute(value=ast.Name(id=local)):
                attributes.add((local, node.attr))
    known = {name for *_, name in names}
    counts = not any(
        isinstance(n, ast.Assign)
        and getattr(n.targets[0], "id", "") == "AFFECTS_RESULTS"
        and isinstance(n.value, ast.Constant)
        and n.value.value is False
        for n in tree.body
    )
    return {
        "shape": digest(_shape(tree)),
        "modules": sorted(modules),
        "names": names,
        "attributes": [list(a) for a in sorted(attributes) if a[0] in known],
        "counts": counts,
    }


class _Parsed:
    """:func:`_parse`, remembered by the content's hash: parsing every source takes longer than all else in planning.

    Remembered is only what this very parser found, and only in a project's directory.
    """

    def __init__(self):
        self._parser = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        before = recall(SOURCES)
        self._said = before.get("said", {}) if before.get("parser") == self._parser else {}
        self._written = len(self._said)

    def __call__(self, content: bytes) -> dict[str, Any]:
        name = hashlib.sha256(content).hexdigest()
        if name not in self._said:
            self._said[name] = _parse(content)
        return self._said[name]

    def write(self) -> None:
        if len(self._said) > self._written and SOURCES.parent.is_dir():
            remember(SOURCES, {"parser": self._parser, "said": self._said})
            self._written = len(self._said)


_parsed = functools.cache(_Parsed)


@functools.cache
def code(*modules: str) -> dict[str, str]:
    """Hash of every module of this package that ``modules`` reach through imports, by module name.

    Comments, formatting and docstrings do not count, nor do modules that declare ``AFFECTS_RESULTS = False``
    (messages, progress, configuration models: their values enter keys as values).
    """
    seen: dict[str, str] = {}
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        source = _source(module)
        if source.counts:
            seen[module] = source.shape
            todo.extend(source.imports)
    _parsed().write()
    return dict(sorted(seen.items()))
