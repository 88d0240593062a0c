"""Results in the site: galleries, and pages of items and claims as a reader wants them."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from advcodes.pages.layout import PROTOCOL
from advcodes.pages.text import count

AFFECTS_RESULTS = False
_FIRST = re.compile(r"(?:- \*\*.+\n)+")
_FOLDED = re.compile(rf"<details><summary>{re.escape(PROTOCOL)}</summary>\n\n(.*?)\n\n</details>\n", re.DOTALL)
_VERDICTS = {"holds": "holds", "does not hold": "fails", "equal": "equal", "undecided": "undecided",
             "confounded": "confounded"}  # fmt: skip
_THUMBNAIL = (720, 540)  #: pixels: twice those of a card
_FEW = 4  #: claims that are shown unfolded


def scales(root: Path) -> list[str]:
    """Scales that have reports, by name."""
    return sorted(p.name for p in (root / "reports").iterdir() if p.is_dir())


def items(root: Path, scale: str, paper: str = "*") -> list[Path]:
    """JSON files of a scale's items, by paper and name: figures in the order of their numbers."""
    return sorted((root / "reports" / scale).glob(f"{paper}/*.json"), key=_order)


def _order(path: Path) -> tuple[str, list[tuple[str, int]]]:
    pieces = re.findall(r"(\D*)(\d*)", path.stem)
    return path.parent.name, [(words, int(number or 0)) for words, number in pieces]


def gallery(root: Path, scale: str, titles: Mapping[str, str]) -> str:
    """The gallery of a scale: a card for every item, by paper.

    Args:
        root: of the repository.
        scale: whose reports are shown.
        titles: of papers, by key.
    """
    parts = [
        f"# Results at scale {scale}",
        f"Every table and figure that was made at scale `{scale}`. A click opens its page. "
        f"What holds of the papers' claims: [claims](reports/{scale}/claims.md).",
    ]
    for paper in dict.fromkeys(path.parent.name for path in items(root, scale)):
        parts += [f"## {titles.get(paper, paper)}", cards(root, scale, paper, "")]
    return "\n\n".join(parts) + "\n"


def cards(root: Path, scale: str, paper: str, up: str) -> str:
    """Cards of a paper's items in HTML; ``up`` leads from the page to the site's root, as ``../``."""
    return "\n".join(['<div class="gallery">', *(_card(path, up) for path in items(root, scale, paper)), "</div>"])


def _card(path: Path, up: str) -> str:
    content = json.loads(path.read_text())
    place = "/".join((*path.parts[-4:-1], path.stem))
    title, source = html.escape(content["title"]), html.escape(content["source"])
    return (
        f'<a href="{up}{place}.html"><img src="{up}thumbnails/{place}.png" alt="" loading="lazy">'
        f"<b>{title}</b><small>{source}</small></a>"
    )


def thumbnail(picture: Path) -> bytes:
    """A picture as a PNG that is no larger than a card: of a very high one the upper part."""
    from PIL import Image

    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    if image.height > 2.5 * image.width:
        image = image.crop((0, 0, image.width, image.width))
    image.thumbnail(_THUMBNAIL)
    file = io.BytesIO()
    image.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()


def item_page(markdown: str, claims: list[dict[str, Any]], up: str, scale: str) -> str:
    """An item's page: what it must not be mistaken for in a frame, claims on it, and its protocol folded in a frame.

    Args:
        markdown: of the page in reports/.
        claims: of the item, from claims.json.
        up: leads from the page to the site's root.
        scale: at which it was made.
    """
    folded = _FOLDED.search(markdown)
    if folded is None:
        return markdown
    protocol = _indented(f'??? info "{PROTOCOL}"', folded[1].split("\n"))
    page = markdown[: folded.start()] + protocol + "\n" + markdown[folded.end() :]
    title, where, said, rest = page.split("\n\n", 3)
    parts = [f"[All results at scale {scale}]({up}gallery-{scale}.md)", title, where, said]
    if first := _FIRST.match(rest):
        parts.append(_indented('!!! warning "Read this first"', first[0].rstrip("\n").split("\n")))
        rest = rest[first.end() :].lstrip("\n")
    if claims:
        parts.append(_said(claims, up, scale))
    return "\n\n".join([*parts, rest])


def _said(claims: list[dict[str, Any]], up: str, scale: str) -> str:
    """What the runs say about the claims on an item: how many hold, and a line each, folded where they are many."""
    head = f'{"??? " if len(claims) > _FEW else "!!! "}abstract "{_counts(claims)} on it"'
    lines = [f"- {verdict(c['verdict'])} {c['says']}" for c in claims]
    return _indented(head, [*lines, "", f"[How verdicts are reached]({up}reports/{scale}/claims.md)"])


def _counts(claims: list[dict[str, Any]]) -> str:
    """``10 claims of the paper (does not hold: 3, undecided: 7)``."""
    verdicts = [c["verdict"] for c in claims]
    counts = ", ".join(f"{v}: {verdicts.count(v)}" for v in _VERDICTS if v in verdicts)
    return f"{count(len(claims), 'claim')} of the paper ({counts})"


def verdict(words: str) -> str:
    """A verdict in its colour."""
    return f'<span class="verdict {_VERDICTS.get(words, "undecided")}">{words}</span>'


def coloured(markdown: str) -> str:
    """A page of claims with its verdicts in colour."""
    words = "|".join(sorted(_VERDICTS, key=len, reverse=True))
    return re.sub(rf"\| \*\*({words})\*\*", lambda match: f"| {verdict(match[1])}", markdown)


def paper_page(root: Path, paper: str) -> str:
    """What came out of a paper at every scale: its claims as a forest plot, and cards of its items."""
    parts = []
    for scale in scales(root):
        if not items(root, scale, paper):
            continue
        parts.append(f"## Results at scale {scale}")
        claims = [c for c in claims_of(root, scale) if c["paper"] == paper]
        if claims:
            parts.append(f"{_counts(claims)}: [each with its numbers](../reports/{scale}/claims.md).")
        plot = f"reports/{scale}/claims-{paper}.svg"
        if (root / plot).exists():
            parts.append(f"![The claims of the paper at scale {scale}, each with its effect and interval](../{plot})")
        parts.append(cards(root, scale, paper, "../"))
    return "\n\n".join(parts) + "\n"


def claims_of(root: Path, scale: str) -> Iterator[dict[str, Any]]:
    """The claims of a scale with their verdicts; none where there is no page of claims."""
    path = root / "reports" / scale / "claims.json"
    if path.exists():
        yield from json.loads(path.read_text())["claims"]


def _indented(head: str, lines: list[str]) -> str:
    return "\n".join([head, "", *(f"    {line}" if line else "" for line in lines)])
