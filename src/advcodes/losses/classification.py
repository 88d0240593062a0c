"""Losses of a classifier, the supervised encoder of ACL-SGAN (ACL section 4.3)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def classes(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits [N, K] with classes, int64 [N]; those of -1 (no class) are left out."""
    total = functional.cross_entropy(logits.float(), labels, ignore_index=-1, reduction="sum")
    return total / (labels >= 0).sum().clamp_min(1)


def attributes(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy of logits [N, A] with 0/1 attributes, float [N, A], averaged over both."""
    return functional.binary_cross_entropy_with_logits(logits.float(), targets)


def accuracy(logits: Tensor, truth: Tensor) -> Tensor:
    """Share of right answers in [0, 1]: of classes int64 [N], or of attributes float [N, A]."""
    if truth.ndim == 2:
        return ((logits > 0) == (truth > 0.5)).float().mean()
    return (logits.argmax(1) == truth).float().mean()
