"""Where a file of the repository stands in the site, and links between its pages."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

AFFECTS_RESULTS = False
RENAMED = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ *(```|~~~)")


def place(path: str, root: Path) -> str:
    """Where a file or directory of the repository stands in the site.

    Args:
        path: from the repository's root, as ``docs/facts.md``.
        root: of the repository.

    Returns:
        Its address in the site, as MkDocs calls sources: ``facts.md``. A scale's reports are its gallery; what is not
        documentation is shown on a page of its own, see :func:`advcodes.app.site.sources.page`.
    """
    if path in RENAMED:
        return RENAMED[path]
    top, _, rest = path.partition("/")
    if top == "reports" and rest and "/" not in rest and (root / path).is_dir():
        return f"gallery-{rest}.md"
    if (root / path).is_dir():
        return f"source/{path}/index.md"
    if top == "docs":
        return rest
    return path if top == "reports" else f"source/{path}.md"


def targets(markdown: str, source: str) -> Iterator[str]:
    """Files and directories of the repository that a page links, from the repository's root.

    Args:
        markdown: of the page.
        source: its path from the root.
    """
    paths: list[str] = []
    _each(markdown, lambda link: paths.append(_target(link, source) or ""))
    yield from filter(None, dict.fromkeys(paths))


def relinked(markdown: str, source: str, address: str, root: Path) -> str:
    """A page whose links into the repository lead to where the files stand in the site.

    Args:
        markdown: of the page.
        source: its path from the repository's root, which its links are relative to.
        address: where it stands in the site.
        root: of the repository.
    """

    def moved(link: str) -> str:
        target = _target(link, source)
        if target is None or not (root / target).exists():
            return link  # MkDocs says that it leads nowhere
        hash_ = link.partition("#")[2]
        return from_page(place(target, root), address) + (f"#{hash_}" if hash_ else "")

    return _each(markdown, moved)


def from_page(address: str, page: str) -> str:
    """A link from a page to an address, both in the site."""
    return PurePosixPath(os.path.relpath(address, PurePosixPath(page).parent)).as_posix()


def _target(link: str, source: str) -> str | None:
    path = link.partition("#")[0]
    if not path or re.match(r"[a-z]+:", link):
        return None
    return os.path.normpath(PurePosixPath(source).parent / path)


def _each(markdown: str, change: Callable[[str], str | None]) -> str:
    """The page with every link that is not in a block of code replaced, where ``change`` gives another."""
    lines, code = [], False
    for line in markdown.split("\n"):
        if _FENCE.match(line):
            code = not code
        lines.append(line if code else _LINK.sub(lambda match: f"]({change(match[1]) or match[1]})", line))
    return "\n".join(lines)
