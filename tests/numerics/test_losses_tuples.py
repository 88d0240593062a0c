"""GALI's losses against gradients worked out by hand, against the two-class game, and in a discrete game."""

from __future__ import annotations

import math

import pytest
import torch

from advcodes.losses import gan, tuples


def _gradient(loss, logits: list[float], own: int) -> torch.Tensor:
    given = torch.tensor([logits], requires_grad=True)
    loss(given, own).backward()
    return given.grad[0]


LOGITS = [0.5, -1.0, 2.0, 0.0]
P = torch.tensor(LOGITS, dtype=torch.float64).softmax(0)


@pytest.mark.parametrize("own", range(4))
def test_product_of_terms(own: int):
    """d/dl_k of the sum over j != own of -log p_j is 3 p_k, less 1 for every wrong class k."""
    by_hand = 3 * P - 1
    by_hand[own] += 1
    torch.testing.assert_close(_gradient(tuples.every_wrong, LOGITS, own).double(), by_hand, atol=1e-6, rtol=1e-5)
    value = -sum(P[j].log() for j in range(4) if j != own)
    assert tuples.every_wrong(torch.tensor([LOGITS]), own).item() == pytest.approx(value.item(), rel=1e-6)


@pytest.mark.parametrize("own", range(4))
def test_minimax_and_misclassification(own: int):
    own_only = torch.eye(4, dtype=torch.float64)[own]
    torch.testing.assert_close(_gradient(tuples.minimax, LOGITS, own).double(), own_only - P, atol=1e-6, rtol=1e-5)
    others = P * (1 - own_only) / (1 - P[own])  # what is left of the classes once the own one is out
    torch.testing.assert_close(_gradient(tuples.misclassified, LOGITS, own).double(), P - others, atol=1e-6, rtol=1e-5)


def test_the_discriminator_minimises_cross_entropy():
    logits = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.cross_entropy(logits, torch.full((7,), 2))
    torch.testing.assert_close(tuples.right(logits, 2), expected)


def test_only_the_product_of_terms_pulls_where_the_discriminator_is_sure():
    sure = [20.0, 0.0, 0.0, 0.0]
    assert _gradient(tuples.minimax, sure, 0).norm() < 1e-6
    assert _gradient(tuples.every_wrong, sure, 0).norm() > 3
    # And the likelihood of any wrong class forgets those that are told apart from the likeliest.
    two_alike = [0.0, 0.0, -20.0, -20.0]
    assert _gradient(tuples.misclassified, two_alike, 0)[2:].abs().max() < 1e-6
    assert _gradient(tuples.every_wrong, two_alike, 0)[2:].max() < -0.99


def test_two_classes_are_the_standard_game():
    logits = torch.randn(9, 2, generator=torch.Generator().manual_seed(1))
    difference = logits[:, 0] - logits[:, 1]
    torch.testing.assert_close(tuples.right(logits, 0), gan.discriminator_real(difference))
    torch.testing.assert_close(tuples.right(logits, 1), gan.discriminator_fake(difference))
    torch.testing.assert_close(tuples.every_wrong(logits, 1), gan.generator(difference))


def test_the_published_weight_is_on_the_first_wrong_class_alone():
    logits = torch.tensor([LOGITS])
    log = -P.log()
    assert tuples.every_wrong(logits, 1, 1 / 6).item() == pytest.approx((log[0] / 6 + log[2] + log[3]).item(), rel=1e-6)


def test_accuracy():
    told = [torch.eye(3)[[0, 0]], torch.eye(3)[[1, 2]], torch.eye(3)[[0, 1]]]
    assert tuples.accuracy(told).item() == pytest.approx((1 + 0.5 + 0) / 3)


def _objective(p: torch.Tensor, judged: torch.Tensor) -> torch.Tensor:
    """What generator and encoder minimise, exactly: p [n, K] over K outcomes, the best discriminator of ``judged``."""
    logits = judged.log().T.float()  # of each outcome: D_i = p_i / sum_j p_j is the softmax of log p_i
    terms = torch.stack([
        torch.stack([tuples.every_wrong(logits[[k]], own) for k in range(p.shape[1])]) for own in range(len(p))
    ])  # fmt: skip
    return (p * terms).sum()


def test_in_a_discrete_game_all_distributions_come_to_match():
    """Three distributions follow the product of terms against the best discriminator; the fourth is the data's."""
    start = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    data, others = start[0].softmax(0), start[1:].clone().requires_grad_(True)
    optimiser = torch.optim.Adam([others], lr=0.05)
    for _ in range(600):
        p = torch.cat([data[None], others.softmax(1)])
        optimiser.zero_grad()
        _objective(p, p.detach()).backward()
        optimiser.step()
    with torch.no_grad():
        p = torch.cat([data[None], others.softmax(1)])
    assert (start[1:].softmax(1) - data).abs().max() > 0.1
    assert (p - data).abs().max() < 1e-3
    assert _objective(p, p).item() == pytest.approx(12 * math.log(4), rel=1e-5)  # every D_j is 1/4, in 4 x 3 terms


def test_the_objective_is_bounded_by_the_divergence():
    """With M the mean: 12 log 4 + 4 sum_j KL(M || p_j) + 4 JSD, by which all match at the optimum and only there."""
    for seed in range(5):
        p = torch.randn(4, 6, generator=torch.Generator().manual_seed(seed)).softmax(1)
        m = p.mean(0)
        divergence = (p * (p / m).log()).sum(1).mean()
        reverse = (m * (m / p).log()).sum()
        expected = 12 * math.log(4) + 4 * reverse + 4 * divergence
        assert _objective(p, p).item() == pytest.approx(expected.item(), rel=1e-5)
