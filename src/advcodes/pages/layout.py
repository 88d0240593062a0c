"""The order of an item's page: what one sees and what it says, table or picture, and its protocol, folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from advcodes.pages import text
from advcodes.pages.content import head, ran
from advcodes.papers.kinds import KINDS

WARNINGS = ("**Not comparable", "**Stand-ins", "**Not run")  #: beginnings of notes that come first, unfolded
PROTOCOL = "Protocol: how it was trained and measured, and where the numbers come from"
_MOST = 4  #: best rows that are named


def page(content: Mapping[str, Any], parts: Sequence[str], notes: Sequence[str]) -> str:
    """The page of an item, in Markdown.

    Args:
        content: everything that it says, as JSON.
        parts: table, picture and what stands under it: paragraphs.
        notes: what a reader has to know about the numbers, a paragraph each.
    """
    first = [note for note in notes if note.startswith(WARNINGS)]
    rest = [note for note in notes if note not in first]
    folded = f"<details><summary>{PROTOCOL}</summary>\n\n{_bullets(rest)}\n\n</details>"
    return "\n\n".join([head(content), said(content), *([_bullets(first)] if first else []), *parts, folded]) + "\n"


def _bullets(notes: Sequence[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)


def said(content: Mapping[str, Any]) -> str:
    """What one sees, and which row has the best mean: two sentences."""
    best = list(dict.fromkeys(_best(content)))  # two columns by one dataset are the same runs
    more = f"; and {len(best) - _MOST} more" if len(best) > _MOST else ""
    several = any(b["rows"] > 1 for column in ran(content).values() for b in column.get("best", ()))
    what = "Best mean of ours" if several else "Ours"
    says = f"{what}: {'; '.join(best[:_MOST])}{more}." if best else "Nothing was run at this scale."
    return f"Shown: {KINDS[content['kind']].shows}. {says}"


def _best(content: Mapping[str, Any]) -> Iterator[str]:
    """``ACL-GAN on digits, `fd_classifier` 8.42 ± 1.30 (3 seeds; the paper's best is ACL-GAN-GP)``, by column."""
    for column in ran(content).values():
        for best in column.get("best", ()):
            number = text.plus_minus(best["mean"], best["sd"], text.decimals([best["mean"]]))
            about = text.count(best["seeds"], "seed")
            if (paper := best["paper"]) is not None:
                same = "in the paper, too" if paper == best["row"] else f"the paper's is {_name(content, paper)}"
                about += f"; {same}"
            where = text.dataset(column["served_by"])
            yield f"{_name(content, best['row'])} on {where}, `{best['metric']}` {number} ({about})"


def _name(content: Mapping[str, Any], variant: str) -> str:
    label: str = content["rows"][variant]["label"]
    return label
