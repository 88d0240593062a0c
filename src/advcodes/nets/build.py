"""From a method's role to a network: the architecture family's module makes it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import nn

from advcodes.core.errors import unknown
from advcodes.nets.spec import DatasetSpec, Net

if TYPE_CHECKING:
    from advcodes.nets.config import Architecture


def build(
    architecture: Architecture,
    nets: Mapping[str, Net],
    spec: DatasetSpec,
    latent_dim: int,
) -> dict[str, nn.Module]:
    """Build a method's networks.

    Args:
        architecture: the family's settings from params.yaml.
        nets: what the method asks for, by role.
        spec: what the data look like.
        latent_dim: size of codes.

    Raises:
        AdvcodesError: the family has no network of that kind, or cannot serve the shape.
    """
    family = importlib.import_module(f"advcodes.nets.families.{architecture.family}")
    family.check(spec.shape)
    networks = {}
    for role, net in nets.items():
        if net.kind not in family.KINDS:
            raise unknown(
                f"network kind for role {role!r} in architecture family {architecture.family!r}:",
                net.kind,
                family.KINDS,
            )
        networks[role] = family.KINDS[net.kind](architecture, spec, latent_dim, **net.options)
    return networks
