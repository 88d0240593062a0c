"""Hooks of MkDocs: README, reports and sources become pages of the site beside docs/ (see mkdocs.yml)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from advcodes.app.site import links, results, sources
from advcodes.papers.read import paper_titles

AFFECTS_RESULTS = False
_ROLE = re.compile(r":\w+:<code>~?(?:[\w.]+\.)?(\w+)</code>")  #: a reference of Sphinx, in HTML
_STATIC = (".png", ".svg", ".json", ".tex")
_READINGS = "## Readings"  #: of a paper's page: results stand before it
_OTHERS = "Tutorials"  #: where pages of docs/ stand that mkdocs.yml does not name


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add what is only known from the files: results of each scale, the reference, and pages that nobody named."""
    root, nav = _root(config), config.nav
    if not isinstance(nav, list):
        return config
    for scale in results.scales(root):
        _section(nav, "Results").append({f"Gallery, {scale}": f"gallery-{scale}.md"})
        _section(nav, "Results").append({f"Claims, {scale}": f"reports/{scale}/claims.md"})
    _section(nav, "Reference").extend({title: f"reference/{key}.md"} for key, (title, _) in sources.REFERENCE.items())
    named = set(_named(nav))
    docs = Path(config.docs_dir)
    pages = (p.relative_to(docs).as_posix() for p in sorted(docs.rglob("*.md")))
    _section(nav, _OTHERS).extend(page for page in pages if page not in named)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add README, reports, galleries, the reference, and every file that a page links."""
    root = _root(config)
    pages = {f"docs/{f.src_uri}": (root / "docs" / f.src_uri).read_text() for f in files.documentation_pages()}

    def add(address: str, **what: Any) -> None:
        files.append(File.generated(config, address, **what))

    for name, address in links.RENAMED.items():
        pages[name] = (root / name).read_text()
        add(address, abs_src_path=str(root / name))
    for path in sorted((root / "reports").rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".md":
            pages[name] = path.read_text()
        if path.suffix in (".md", *_STATIC):
            add(name, abs_src_path=str(path))
    for scale in results.scales(root):
        add(f"gallery-{scale}.md", content=results.gallery(root, scale, paper_titles(root / "pipeline/papers")))
        for path in results.items(root, scale):
            picture = path.with_suffix(".png")
            add(f"thumbnails/{picture.relative_to(root).as_posix()}", content=results.thumbnail(picture))
    for key in sources.REFERENCE:
        add(f"reference/{key}.md", content=sources.reference(key))
    linked = {target for source, text in pages.items() for target in links.targets(text, source)}
    for target in sorted(linked):
        address = links.place(target, root)
        if address.startswith("source/") and (root / target).exists():
            add(address, content=sources.page(root / target, target))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links lead to where files stand in the site, and show results as a reader wants them."""
    root, address = _root(config), page.file.src_uri
    top, _, rest = address.partition("/")
    source = _source(address)
    if source is not None:
        markdown = links.relinked(markdown, source, address, root)
    if top == "papers":
        return markdown.replace(_READINGS, f"{results.paper_page(root, Path(rest).stem)}\n{_READINGS}", 1)
    parts = rest.removesuffix(".md").split("/")
    if top == "reports" and len(parts) == 3:
        scale, item = parts[0], "/".join(parts[1:])
        claims = [c for c in results.claims_of(root, scale) if c["item"] == item]
        return results.item_page(markdown, claims, "../../../", scale)
    return results.coloured(markdown) if top == "reports" else markdown


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let docstrings' references to code be code, as they are in other pages."""
    return _ROLE.sub(r"<code>\1</code>", html)


def _source(address: str) -> str | None:
    """The file of the repository that a page is; None for a page that was made."""
    renamed = {new: old for old, new in links.RENAMED.items()}
    if address in renamed:
        return renamed[address]
    top = address.partition("/")[0]
    if top in ("source", "reference") or top.startswith("gallery-"):
        return None
    return address if top == "reports" else f"docs/{address}"


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _section(nav: list[Any], title: str) -> list[Any]:
    """The entries of a section of the navigation."""
    return next(entry[title] for entry in nav if isinstance(entry, dict) and title in entry)


def _named(nav: Any) -> list[str]:
    """Every page that the navigation names."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [page for entry in entries for page in _named(entry)]
