"""Words of drawn scenes: what captions say of them, and which attribute tells it."""

from __future__ import annotations

#: Colours of shapes, and what they look like (sRGB).
COLOURS = {
    "red": (215, 40, 45),
    "green": (40, 165, 70),
    "blue": (45, 85, 215),
    "yellow": (235, 205, 45),
    "purple": (150, 60, 185),
    "orange": (240, 135, 35),
}
#: What a caption says beside shape and colour, and the attribute that tells it.
STATED = {"size": "large", "outline": "outlined", "ground": "dark background", "row": "top", "column": "left"}
