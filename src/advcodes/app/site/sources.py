"""Pages of the site that show the repository itself: files that pages link, directories, and the API."""

from __future__ import annotations

import ast
from pathlib import Path

from advcodes.pages.text import markdown_table

AFFECTS_RESULTS = False
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".smk": "python", ".json": "json",
              ".sh": "bash", "Snakefile": "python", "Makefile": "make"}  # fmt: skip

#: pages of the reference: title and modules of each
REFERENCE: dict[str, tuple[str, tuple[str, ...]]] = {
    "python": ("Python interface", ("advcodes.api", "advcodes.acl")),
    "method": ("A method", ("advcodes.methods.base", "advcodes.methods.registry", "advcodes.nets.spec")),
    "metric": ("A metric", ("advcodes.metrics.base", "advcodes.metrics.registry", "advcodes.extractors.registry")),
    "losses": ("Losses", ("advcodes.losses.gan", "advcodes.losses.hinge", "advcodes.losses.least_squares",
                          "advcodes.losses.wasserstein", "advcodes.losses.mmd", "advcodes.losses.tuples",
                          "advcodes.losses.variational", "advcodes.losses.codes")),
    "networks": ("Networks", ("advcodes.nets.build", "advcodes.nets.config", "advcodes.nets.layers")),
    "papers": ("Items and claims", ("advcodes.papers.items", "advcodes.papers.read")),
    "graph": ("Graph and keys", ("advcodes.graph.graph", "advcodes.build.provenance", "advcodes.build.keys")),
}  # fmt: skip


def page(path: Path, name: str) -> str:
    """A file or a directory of the repository as a page.

    Args:
        path: where it lies.
        name: its path from the repository's root.
    """
    if path.is_dir():
        return _directory(path, name)
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return content
    language = _LANGUAGES.get(path.suffix or path.name, "text")
    return f"# {name}\n\n````{language}\n{content.rstrip()}\n````\n"


def reference(key: str) -> str:
    """A page of the reference, which mkdocstrings fills from docstrings."""
    title, modules = REFERENCE[key]
    return "\n\n".join([f"# {title}", *(f"::: {module}" for module in modules)]) + "\n"


def _directory(path: Path, name: str) -> str:
    entries = filter(_shown, sorted(path.iterdir()))
    rows = [[f"`{entry.name}{'/' * entry.is_dir()}`", _about(entry)] for entry in entries]
    return f"# {name}/\n\n{markdown_table(['file', 'what it is'], rows, left=(0, 1))}\n"


def _shown(entry: Path) -> bool:
    return not entry.name.startswith(("__", ".")) and not entry.name.endswith(".pyc")


def _about(entry: Path) -> str:
    """The first line of a module's docstring, or of a page."""
    if entry.suffix == ".py":
        return (ast.get_docstring(ast.parse(entry.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    if entry.suffix in (".md", ".yaml"):
        return entry.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
    return ""
