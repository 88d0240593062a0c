"""One colour for each method, in every picture: rows of one method have shades of it, and lines that differ."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from advcodes.pages.pictures.drawing import PALETTE

_DARKER = 0.55  #: by this a shade's red, green and blue are those of the one before
LINES = ("solid", "dashed", "dotted", "dashdot")
#: Methods that stand beside each other have colours that are far apart; what a paper adds is solid.
_METHODS = {
    "gan": ("blue", "dashed"),
    "acl_gan": ("blue", "solid"),
    "lsgan": ("blue", "dotted"),
    "wgan_gp": ("red", "dashed"),
    "acl_gan_gp": ("red", "solid"),
    "acl_sgan": ("cyan", "dotted"),
    "arae": ("orange", "dashed"),
    "ae": ("green", "dotted"),
    "aae": ("green", "dashed"),
    "acl_ae": ("green", "solid"),
    "vae": ("purple", "dashed"),
    "vampprior": ("purple", "solid"),
    "wae_gan": ("pink", "dashed"),
    "wae_mmd": ("pink", "dotted"),
    "aaae": ("pink", "solid"),
    "lpaae": ("brown", "solid"),
    "lpaae_supervised": ("brown", "dashed"),
    "lpaae_unsupervised": ("brown", "dotted"),
    "lpaae_text": ("brown", "dashdot"),
    "ali": ("olive", "dashed"),
    "alice": ("olive", "dotted"),
    "gali": ("olive", "solid"),
    "began": ("gray", "solid"),
    "began_lsm": ("orange", "solid"),
    "vae_began_lsm": ("cyan", "solid"),
}


def of_method(method: str) -> tuple[str, str]:
    """Name of the colour and line of a method; one that is not known here has a colour by its name."""
    if method in _METHODS:
        return _METHODS[method]
    return list(PALETTE)[zlib.crc32(method.encode()) % len(PALETTE)], LINES[0]


def color(style: Mapping[str, Any]) -> str:
    """The colour of a style, as ``#rrggbb``."""
    parts = [int(PALETTE[style["color"]][i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(part * _DARKER ** style['shade']):02x}" for part in parts)


def styles(methods: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """``color``, ``line`` and ``shade`` of every row of a figure, no two alike while there are lines for it.

    The first row of a method has its colour, ``shade`` 0; others are darker, so that they show where they lie upon it.

    Args:
        methods: of the rows, by variant, in order.
        declared: lines of those rows whose item names one.
    """
    chosen: dict[str, dict[str, Any]] = {}
    taken = {(of_method(methods[v])[0], line) for v, line in declared.items() if v in methods}
    for variant, method in methods.items():
        name, line = of_method(method)
        if variant in declared:
            line = declared[variant]
        elif (name, line) in taken:
            line = next((other for other in LINES if (name, other) not in taken), line)
        taken.add((name, line))
        shade = sum(methods[other] == method for other in chosen)
        chosen[variant] = {"color": name, "line": line, "shade": shade}
    return chosen
