"""What numbers alone say of a claim: a verdict with its tests, and how many seeds would decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import stdev
from typing import Any

from advcodes.core.statistics import (
    Test,
    equal_within,
    hedges_g,
    holm,
    mean_sd,
    paired,
    power_to_differ,
    power_to_equal,
    seeds_for,
    welch,
)
from advcodes.pages import text

ALPHA = 0.05
POWER = 0.8
MOST = 100  #: seeds a row: beyond, no number is named
HOLDS, FAILS, EQUAL = "holds", "does not hold", "equal"
UNDECIDED, CONFOUNDED = "undecided", "confounded"
DECIDED = (HOLDS, FAILS, EQUAL)
VERDICTS = (*DECIDED, UNDECIDED, CONFOUNDED)


def verdict(
    winner: Sequence[float],
    loser: Sequence[float],
    better: str,
    kind: str = "better",
    margin: float | None = None,
    pairs: bool = False,
    planned: int = 2,
) -> dict[str, Any]:
    """Whether the claimed winner is better than the claimed loser.

    Args:
        winner: a metric's value for each seed of the row that is claimed to be better.
        loser: the same for the other row; with ``pairs``, seed by seed.
        better: ``lower`` or ``higher`` values are better.
        kind: of the claim, see :class:`~advcodes.papers.items.Claim`.
        margin: as a share of the loser's mean: by how much the winner of ``not_worse`` may be worse; of other kinds,
            within which both count as equal. None: nothing counts as equal.
        pairs: whether values of a seed belong together.
        planned: seeds a row that were fixed beforehand; with fewer nothing is decided.

    Returns:
        ``verdict`` (``holds``, ``does not hold``, ``equal`` or ``undecided``) with ``reason``; ``winner`` and ``loser``
        (mean, sd, seeds); ``planned`` and ``paired``; and, where they are defined, ``difference`` of the means
        (positive where the winner is better) with its 95 % confidence interval ``low`` to ``high``, ``relative`` to the
        loser's mean, ``hedges_g``, ``p`` of the two-sided t-test (of ``not_worse``, that the winner is worse by just
        the margin), ``p_equal`` of two one-sided ones, and what is still needed, ``needs`` (:func:`needs`).
    """
    judged: dict[str, Any] = {"verdict": UNDECIDED, "reason": "", "planned": planned, "paired": pairs}
    for name, values in (("winner", winner), ("loser", loser)):
        mean, sd = mean_sd(values) if values else (None, None)
        judged[name] = {"mean": mean, "sd": sd, "seeds": len(values)}
    if not winner or not loser:
        return judged | {"reason": "not run"}
    sign = -1.0 if better == "lower" else 1.0
    a, b = [sign * v for v in winner], [sign * v for v in loser]
    difference = mean_sd(a)[0] - mean_sd(b)[0]
    base = abs(mean_sd(b)[0])
    judged["difference"] = difference
    judged["relative"] = difference / base if base else None
    judged["hedges_g"] = hedges_g(a, b)
    fewest = min(len(a), len(b))
    if fewest < 2:
        return judged | {"reason": "fewer than 2 seeds"}
    differ: Callable[..., Test | None] = paired if pairs else welch
    test = differ(a, b)
    if test is None:
        return judged | {"reason": "tie" if difference == 0 else "no spread over seeds, so no test"}
    room = (margin or 0) * base
    alike = equal_within(a, b, room, pairs) if room and kind != "not_worse" else None
    deciding = differ([v + room for v in a], b) if kind == "not_worse" else test
    judged |= {"p": (deciding or test).p, "low": test.low, "high": test.high}
    judged |= {} if alike is None else {"p_equal": alike.p}
    if fewest < planned:
        return judged | {"reason": f"{fewest} of {planned} seeds that were fixed beforehand"}
    if kind == "not_worse":
        decided = _not_worse(test, room, margin or 0)
    else:
        decided = _better(test, difference, alike, margin or 0)
    if decided["verdict"] == UNDECIDED and base:
        decided["needs"] = needs(kind, difference / base, spread(a, b, pairs) / base, margin, fewest, pairs)
    return judged | decided


def _better(test: Test, difference: float, alike: Test | None, margin: float) -> dict[str, Any]:
    """The two-sided test first: what it cannot tell apart may be equal."""
    equal = alike is not None and alike.p < ALPHA
    within = f"within ±{100 * margin:g} %"
    if test.p < ALPHA:
        reason = f"p < {ALPHA}" + (f", yet {within}" if equal else "")
        return {"verdict": HOLDS if difference > 0 else FAILS, "reason": reason}
    if equal:
        return {"verdict": EQUAL, "reason": within}
    return {"verdict": UNDECIDED, "reason": f"p ≥ {ALPHA}"}


def _not_worse(test: Test, room: float, margin: float) -> dict[str, Any]:
    """Non-inferiority by the confidence interval: the deficit must be shown to stay within ``room``."""
    words = f"{100 * margin:g} % margin"
    if test.low > -room:
        return {"verdict": HOLDS, "reason": f"within the {words}"}
    if test.high < -room:
        return {"verdict": FAILS, "reason": f"beyond the {words}"}
    return {"verdict": UNDECIDED, "reason": f"the interval reaches beyond the {words}"}


def spread(a: Sequence[float], b: Sequence[float], pairs: bool = False) -> float:
    """Sd over seeds that a test of a - b has to do with: of the differences, or of a row."""
    if pairs:
        return stdev([x - y for x, y in zip(a, b, strict=True)])
    return math.sqrt((stdev(a) ** 2 + stdev(b) ** 2) / 2)


def seeds_needed(
    kind: str, effect: float, sd: float, margin: float | None, most: int, pairs: bool = False
) -> tuple[int | None, str]:
    """The fewest seeds a row that decide with :data:`POWER`, and what they are to show.

    Args:
        kind: of the claim.
        effect: difference of the means, as a share of the other row's.
        sd: over seeds in the same unit, see :func:`spread`; above 0.
        margin: of :func:`verdict`.
        most: seeds a row at most.
        pairs: whether the test is paired.

    Returns:
        None where the most are too few; what would need the fewest then.
    """
    room = (margin or 0) / sd
    if kind == "not_worse":
        inferior = partial(power_to_differ, effect=effect / sd + room, pairs=pairs)
        what = "not worse within" if effect / sd + room > 0 else "worse by more than"
        return seeds_for(inferior, POWER, most), f"{what} {100 * (margin or 0):g} %"
    differ = seeds_for(partial(power_to_differ, effect=effect / sd, pairs=pairs), POWER, most)
    alike = partial(power_to_equal, margin=room, effect=effect / sd, pairs=pairs)
    equal = seeds_for(alike, POWER, most) if room else None
    if differ is None and equal is None:
        return None, f"a difference of {100 * effect:.1f} % at a spread of {100 * sd:.1f} %"
    if equal is None or (differ is not None and differ <= equal):
        return differ, "a difference"
    return equal, f"equal within {100 * (margin or 0):g} %"


def needs(kind: str, effect: float, sd: float, margin: float | None, have: int, pairs: bool) -> dict[str, Any] | None:
    """``more`` seeds a row than there are (None: over :data:`MOST` in all) and what they are ``to_show``.

    Args:
        kind: of the claim.
        effect: as of :func:`seeds_needed`.
        sd: as there; 0 where there is nothing to tell it from.
        margin: as there.
        have: seeds a row that have not decided.
        pairs: as there.

    Returns:
        None without spread.
    """
    if sd == 0:
        return None
    seeds, how = seeds_needed(kind, effect, sd, margin, MOST, pairs)
    return {"more": None if seeds is None else max(1, seeds - have), "to_show": how}


def needed(claim: Mapping[str, Any]) -> str:
    """What an undecided claim needs, in words; nothing where that is not known."""
    if not (needs := claim.get("needs")):
        return ""
    if needs["more"] is None:
        return f"needs more than {MOST} seeds a row"
    return f"needs about {text.count(needs['more'], 'more seed')} a row, to show {needs['to_show']}"


def corrected(claims: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Claims with ``p_holm`` and ``p_equal_holm``: each paper's p-values, adjusted for how many there are of it.

    Claims that are confounded and those on the runs of another decide nothing; they are no part of it and have none.
    """
    judged = [dict(claim) for claim in claims]
    for paper in dict.fromkeys(c["paper"] for c in judged):
        for p in ("p", "p_equal"):
            family = [c for c in judged if c["paper"] == paper and p in c and _counts(c)]
            for claim, adjusted in zip(family, holm([c[p] for c in family]), strict=True):
                claim[f"{p}_holm"] = adjusted
    return judged


def _counts(claim: Mapping[str, Any]) -> bool:
    return claim["verdict"] != CONFOUNDED and "same_as" not in claim


def counts(claims: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many claims have each verdict; those on the same runs count once."""
    verdicts = [c["verdict"] for c in claims if "same_as" not in c]
    return {v: verdicts.count(v) for v in VERDICTS}


def survives(claim: Mapping[str, Any]) -> bool | None:
    """Whether a decision stands after Holm's correction, too; None where nothing was decided."""
    if claim["verdict"] not in DECIDED:
        return None
    adjusted = claim.get("p_equal_holm" if claim["verdict"] == EQUAL else "p_holm")
    return None if adjusted is None else adjusted < ALPHA
