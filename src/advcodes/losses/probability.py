"""Losses linear in the discriminator's probability, for the players that it judges: ALICE's code (facts 5.16).

They saturate: where the discriminator is sure, the sigmoid is flat. Their sum is that code's -D(x, z_hat) + D(x_gen, z)
with its labels exchanged: there generated pairs are the real ones.
"""

from __future__ import annotations

from torch import Tensor


def lower(logits: Tensor) -> Tensor:
    """E[D(.)] over logits [N] of what passes for real and shall not."""
    return logits.float().sigmoid().mean()


def generator(logits: Tensor) -> Tensor:
    """E[-D(.)] over logits [N] of fakes, which shall pass for real."""
    return -logits.float().sigmoid().mean()
