"""The hinge game on logits (Lim & Ye 2017): an alternative to ACL Eq. 1 for codes."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu

from advcodes.losses.gan import accuracy as accuracy
from advcodes.losses.precision import wide


def discriminator_real(logits: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] over logits [N] of real examples."""
    return relu(1 - wide(logits)).mean()


def discriminator_fake(logits: Tensor) -> Tensor:
    """E[max(0, 1 + D(G(.)))] over logits [N] of fakes."""
    return relu(1 + wide(logits)).mean()


def generator(logits: Tensor) -> Tensor:
    """E[-D(G(.))] over logits [N] of fakes."""
    return -wide(logits).mean()
