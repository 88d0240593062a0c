"""What `advcodes train --data` trains with, for every method: no params.yaml is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml

from advcodes.config.params import merge
from advcodes.config.sections import Reading
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import SEEDS
from advcodes.methods import registry

AFFECTS_RESULTS = False
SIGNED = [-1, 1]
LOOSE = get_args(Reading.model_fields["loose"].annotation)  #: what may become of images beside the folders of classes
_BEGAN = {"architecture": "began", "value_range": SIGNED, "training": {"batch_size": 16},
          "optimiser": {"lr": 1e-4, "betas": [0.9, 0.999]}}  # fmt: skip
#: Where a method differs from its defaults: networks of a family of its own, and the settings that params.yaml has
#: for them.
VARIANTS: dict[str, dict[str, Any]] = {
    "ali": {"architecture": "ali", "value_range": SIGNED},
    "alice": {"architecture": "alice", "value_range": SIGNED, "prior": "uniform", "cycle": "l1",
              "stochastic_encoder": False, "adversarial": "linear", "joined": False, "simultaneous": False},
    "gali": {"architecture": "gali", "value_range": SIGNED},
    "began": _BEGAN,
    "began_lsm": _BEGAN,
    "vae_began_lsm": _BEGAN,
}  # fmt: skip


def architectures(size: int) -> dict[str, Any]:
    """Networks by name for images of this side; InfoGAN's, whose dense layer grows with it, become narrower."""
    width = max(16, 64 * 32 // max(size, 32))
    return {
        "infogan": {"family": "infogan", "width": width, "bn_momentum": 0.1},
        "mlp": {"family": "mlp"},
        "residual": {"family": "residual"},
        "dcgan": {"family": "dcgan"},
        "resnet": {"family": "resnet"},
        "aaae": {"family": "aaae"},
        "wae": {"family": "wae"},
        "ali": {"family": "ali"},
        "alice": {"family": "alice"},
        "gali": {"family": "ali", "discriminator_norm": "spectral"},
        "began": {"family": "began", "width": 64},
    }


def settings_for(
    data: Path,
    method: str,
    size: int,
    images: int,
    seed: int,
    settings: Sequence[str],
    fit: str = "crop",
    skip_broken: bool = False,
    loose: str = "refuse",
    levels: Sequence[float] | None = None,
) -> dict[str, Any]:
    """A whole params tree for one run on a folder of images.

    Args:
        data: folder or zip of images.
        method: registered method.
        size: side of the square images.
        images: training length.
        seed: of the run.
        settings: ``key.path=value`` overrides, values in YAML.
        fit: one of :data:`advcodes.config.sections.FITS`.
        skip_broken: leave out files that do not decode.
        loose: one of :data:`LOOSE`: what becomes of images beside the folders of classes.
        levels: values that are black and white in images of more than 8 bits a channel.

    Raises:
        AdvcodesError: unknown method, a method conditioned on captions, a seed that is no 32-bit number, or a setting
            that is not ``key=value``.
    """
    cls = registry.method(method)
    if cls.conditioned_on == "text":
        raise AdvcodesError(
            f"{method} is conditioned on captions, and a folder of images has none; take another method"
        )
    if not 0 <= seed < SEEDS:
        raise AdvcodesError(f"--seed {seed}: expected 0 to {SEEDS - 1}")
    reading = {"pad": fit == "pad", "skip_broken": skip_broken, "loose": loose, "levels": levels and list(levels)}
    tree: dict[str, Any] = {
        "scale": "laptop",
        "items": [],
        "seeds": [seed],
        "budget": {"default": {"images": images}},
        "datasets": {
            "images": {
                "source": "folder",
                "path": str(data),
                "size": size,
                "keep_aspect": fit == "crop",
                "folder": reading,
            },
        },
        "architectures": architectures(size),
        "variants": {cls.name: {"method": method, **VARIANTS.get(method, {})}},
    }
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals:
            raise AdvcodesError(f"--set {setting}: expected KEY=VALUE, as in training.batch_size=32")
        try:
            node: Any = yaml.safe_load(value)
        except yaml.YAMLError:
            raise AdvcodesError(f"--set {setting}: {value!r} is no value (a number, word, list or mapping)") from None
        for part in reversed(path.split(".")):
            node = {part: node}
        tree = merge(tree, node)
    own = tree["variants"][cls.name].get("training")
    given = [s.partition("=")[0].removeprefix("training.") for s in settings if s.startswith("training.")]
    if own:  # what is said for training as a whole wins over a method's default
        tree["variants"][cls.name]["training"] = {k: v for k, v in own.items() if k not in given}
    return tree
