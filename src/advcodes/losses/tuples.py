"""The game of GALI: a discriminator tells n classes of tuples apart, and generator and encoder hide them from it.

All take the discriminator's logits [N, n] of tuples of one class, ``own``, counted from 0.
"""

from __future__ import annotations

from torch import Tensor


def right(logits: Tensor, own: int) -> Tensor:
    """E[-log D_own(.)]: the discriminator's (GALI Eq. 3, negated to minimise)."""
    return -_log(logits)[:, own].mean()


def every_wrong(logits: Tensor, own: int, first: float = 1.0) -> Tensor:
    """Sum over j other than ``own`` of E[-log D_j(.)]: the product of terms (GALI Eq. 4, negated to minimise).

    Args:
        logits: [N, n].
        own: the tuples' class.
        first: weight of the first wrong class, which is not 1 in the published GALI-4 alone (facts 7.5, G-3).
    """
    each = -_log(logits).mean(0)
    wrong = [each[j] for j in range(len(each)) if j != own]
    return first * wrong[0] + sum(wrong[1:], each.new_zeros(()))


def minimax(logits: Tensor, own: int) -> Tensor:
    """E[log D_own(.)], as generator and encoder minimise it in GALI Eq. 2: it saturates where D is sure."""
    return _log(logits)[:, own].mean()


def misclassified(logits: Tensor, own: int) -> Tensor:
    """E[-log(1 - D_own(.))]: that some class is wrongly seen ("Misclassification Likelihood" in GALI)."""
    others = [j for j in range(logits.shape[1]) if j != own]
    return -_log(logits)[:, others].logsumexp(1).mean()


def accuracy(logits: list[Tensor]) -> Tensor:
    """Share of tuples told right, a scalar in [0, 1], of one batch of logits [N, n] for each class in order."""
    shares = [(of_class.argmax(1) == own).float().mean() for own, of_class in enumerate(logits)]
    return sum(shares[1:], shares[0]) / len(shares)


def _log(logits: Tensor) -> Tensor:
    return logits.float().log_softmax(1)
