"""The standard GAN game on logits, in pixels (ACL Eq. 5) or in codes (ACL Eq. 1)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from advcodes.losses.precision import wide


def discriminator_real(logits: Tensor) -> Tensor:
    """E[-log D(x)] over logits [N] of real examples; the first term of ACL Eq. 5 (or Eq. 1), negated to minimise."""
    return softplus(-wide(logits)).mean()


def discriminator_fake(logits: Tensor) -> Tensor:
    """E[-log(1 - D(G(.)))] over logits [N] of fakes; the second term of ACL Eq. 5 (or Eq. 1), negated."""
    return softplus(wide(logits)).mean()


def generator(logits: Tensor) -> Tensor:
    """E[-log D(G(.))] over logits [N] of fakes: the non-saturating form.

    ACL Algorithm 1, lines 12 and 13, steps both players down the same loss, which has the wrong sign for one of
    them; the standard minimax game is meant (facts 7.1, ACL-3).
    """
    return softplus(-wide(logits)).mean()


def accuracy(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Share of the two batches that the discriminator tells right, a scalar in [0, 1]."""
    return ((real_logits > 0).float().mean() + (fake_logits <= 0).float().mean()) / 2
