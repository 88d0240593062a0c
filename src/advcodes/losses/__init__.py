"""Loss functions, one module a family: ``losses.gan.discriminator(...)``.

Modules load on first use (PEP 562), so that importing a method does not import torch. Provenance follows the
attribute: a method that says ``losses.gan`` depends on the source of :mod:`advcodes.losses.gan` and on no other
loss.
"""

from __future__ import annotations

import importlib
from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"advcodes.losses has no module {name!r}") from None
