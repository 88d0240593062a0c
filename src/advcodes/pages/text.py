"""Numbers, names and sentences as reports print them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from advcodes.metrics.registry import parse, quantities, quantity

DASH = "\N{EN DASH}"
ARROW = {"lower": "↓", "higher": "↑"}
_DATASETS = {
    "mnist": "MNIST",
    "mnist_16": "MNIST at 16 pixels",
    "svhn": "SVHN",
    "cifar10": "CIFAR-10",
    "celeba": "CelebA",
    "celeba_178": "CelebA-178",
    "celeba_64": "CelebA-64",
    "svhn_extra": "SVHN, extra",
    "flowers102": "Flowers-102",
    "celeba_began": "CelebA, BEGAN's crop",
    "celeba_128": "CelebA-128",
    "oxford102": "Oxford-102",
    "oxford102_began": "Oxford-102",
    "mnist_survey": "MNIST",
    "cifar10_survey": "CIFAR-10",
}
_FEW, _MANY = 2, 6
_WHOLE = 10_000  #: from here on numbers are printed without decimals


def dataset(name: str) -> str:
    """A dataset's name in print; one that has none is printed as params.yaml calls it."""
    return _DATASETS.get(name, name)


def paper_metric(name: str) -> str:
    """What a paper's metric is called: FID, Inception Score."""
    known = quantities().get(name)
    return (known and known[1].title) or name.replace("_", " ")


def arrow(metric: str) -> str:
    """Which way a metric is better, from its full name: ``↓`` or ``↑``."""
    return ARROW[quantity(parse(metric)[0]).better]


def column(name: str, served_by: str | None) -> str:
    """A paper's column and what served it: ``CIFAR-10 (served by digits)``."""
    if served_by is None:
        return f"{dataset(name)} (not run)"
    return dataset(name) if served_by == name else f"{dataset(name)} (served by {dataset(served_by)})"


def decimals(values: Iterable[float]) -> int:
    """Decimals that show three digits of the largest value: two at least, six at most; none of tens of thousands."""
    largest = max(map(abs, values), default=0)
    if largest >= _WHOLE:
        return 0
    return min(max(_FEW, _FEW - math.floor(math.log10(largest))), _MANY) if largest else _FEW


def paper_decimals(values: Iterable[float]) -> int:
    """Decimals that a paper printed, as far as its numbers still show it."""
    return max((len(repr(v).partition(".")[2]) if not v.is_integer() else 0 for v in values), default=0)


def plus_minus(value: float, spread: float | None, places: int) -> str:
    """``67.07 ± 2.82``, or the value alone."""
    text = number(value, places)
    return text if spread is None else f"{text} ± {number(spread, places)}"


def number(value: float, places: int) -> str:
    """Fixed decimals; never ``-0.00``."""
    text = f"{value:.{places}f}"
    return text if float(text) else text.lstrip("-")


def count(n: int, what: str) -> str:
    """``1 seed``, ``3 seeds``, ``128,000 images``."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def listing(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    """A table in Markdown, columns aligned to the right but for ``left``; ``|`` in a cell is escaped.

    Not tabulate: it writes numbers anew (``1.50`` as ``1.5``) unless that is turned off, and leaves ``|`` in a cell.
    """
    lines = [header, ["---" if i in left else "---:" for i in range(len(header))], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    special = {c: f"\\{c}" for c in "&%$#_{}"} | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        DASH: "--",
        "±": r"$\pm$",
        "↓": r"$\downarrow$",
        "↑": r"$\uparrow$",
        "✓": r"\checkmark{}",
        "†": r"\dag{}",
        "‡": r"\ddag{}",
    }
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", "".join(special.get(c, c) for c in text))
