"""Losses against closed forms in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from advcodes.losses import classification, codes, gan, hinge, reconstruction, variational, wasserstein

LOGITS = np.random.default_rng(0).normal(0, 3, 200)


def tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(x, np.float64))


def test_discriminator_is_the_binary_cross_entropy_of_eq_1_and_5():
    half = LOGITS[:100], LOGITS[100:]
    ours = (gan.discriminator_real(tensor(half[0])) + gan.discriminator_fake(tensor(half[1]))).item()
    p = expit(LOGITS)
    assert ours == pytest.approx(2 * log_loss([1] * 100 + [0] * 100, p), rel=1e-12)
    assert ours == pytest.approx(-np.log(p[:100]).mean() - np.log1p(-p[100:]).mean(), rel=1e-12)


def test_generator_is_non_saturating():
    """Its gradient on a fake that the discriminator is sure about stays 1; the minimax form's would vanish."""
    assert gan.generator(tensor(LOGITS)).item() == pytest.approx(-np.log(expit(LOGITS)).mean(), rel=1e-12)
    sure = torch.tensor([-40.0], dtype=torch.float64, requires_grad=True)
    gan.generator(sure).backward()
    assert sure.grad.item() == pytest.approx(-1)


def test_losses_stay_finite_for_extreme_logits():
    extreme = torch.tensor([-1e4, 1e4])
    for loss in (gan.discriminator_real, gan.discriminator_fake, gan.generator):
        assert torch.isfinite(loss(extreme))


def test_accuracy_counts_both_batches():
    assert gan.accuracy(torch.tensor([1.0, -1.0]), torch.tensor([-1.0, -2.0])).item() == 0.75


@pytest.mark.parametrize("shape", [(3, 8, 8), (2,)])
def test_gradient_penalty_of_a_linear_critic(shape: tuple[int, ...]):
    """The gradient is the weight wherever it is taken, so the penalty is (sqrt(1e-4 + |w|^2) - 1)^2."""
    rng = np.random.default_rng(1)
    w = rng.normal(size=shape)
    weight = tensor(w).float()
    real, fake = (tensor(rng.normal(size=(6, *shape))).float() for _ in range(2))
    penalty = wasserstein.gradient_penalty(lambda x: (x * weight).flatten(1).sum(1), real, fake)
    assert penalty.item() == pytest.approx((np.sqrt(1e-4 + (w**2).sum()) - 1) ** 2, rel=1e-5)


def test_gradient_penalty_is_taken_between_real_and_fake_and_reaches_the_critic():
    """Critic a x^2 / 2 has gradient a x; with real 0 and fake 1 the interpolates are uniform: E(ax - 1)^2 known."""
    torch.manual_seed(0)
    a = torch.tensor(2.0, requires_grad=True)
    n = 200_000
    penalty = wasserstein.gradient_penalty(lambda x: a * x.square().sum(1) / 2, torch.zeros(n, 1), torch.ones(n, 1))
    assert penalty.item() == pytest.approx(4 / 3 - 2 + 1, abs=5e-3)
    penalty.backward()
    assert a.grad.item() == pytest.approx(2 * 2 / 3 - 1, abs=5e-3)


def test_gradient_penalty_under_autocast_is_that_of_float32_with_a_critic_in_bfloat16():
    torch.manual_seed(0)
    critic = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 4, 2, 1), torch.nn.LeakyReLU(0.2), torch.nn.Conv2d(16, 32, 4, 2, 1),
        torch.nn.LeakyReLU(0.2), torch.nn.Flatten(), torch.nn.Linear(32 * 16, 1),
    )  # fmt: skip
    real, fake, kinds = torch.rand(64, 3, 16, 16), torch.rand(64, 3, 16, 16), set()
    critic[0].register_forward_hook(lambda module, given, out: kinds.add(out.dtype))

    def penalty(precise: bool) -> tuple[float, torch.Tensor]:
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
            loss = wasserstein.gradient_penalty(critic, real, fake)
        assert loss.dtype == torch.float32
        return loss.item(), torch.cat(
            [
                g.flatten()
                for g in torch.autograd.grad(loss, critic[::2].parameters(), allow_unused=True)
                if g is not None
            ]
        )

    exact, gradient = penalty(True)
    assert kinds == {torch.float32}
    rounded, other = penalty(False)
    assert kinds == {torch.float32, torch.bfloat16}
    assert rounded == pytest.approx(exact, rel=5e-3)
    assert torch.nn.functional.cosine_similarity(gradient, other, dim=0) > 0.999


def test_wasserstein_terms_are_means_of_scores():
    s = tensor(LOGITS)
    assert (
        wasserstein.discriminator_real(s).item()
        == wasserstein.generator(s).item()
        == pytest.approx(-LOGITS.mean(), rel=1e-12)
    )
    assert wasserstein.discriminator_fake(s).item() == pytest.approx(LOGITS.mean(), rel=1e-12)


def test_reconstruction_as_mean_and_as_the_printed_norm():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 5, 3, 4, 4))
    assert reconstruction.squared_error(tensor(a), tensor(b)).item() == pytest.approx(((a - b) ** 2).mean(), rel=1e-6)
    printed = (np.linalg.norm((a - b).reshape(5, -1), axis=1) ** 2).mean()
    assert reconstruction.summed_squared_error(tensor(a), tensor(b)).item() == pytest.approx(printed, rel=1e-6)


def test_effective_rank_is_the_participation_ratio_of_the_eigenvalues():
    rng = np.random.default_rng(3)
    c = rng.normal(size=(500, 6)) * np.array([3, 2, 1, 0.5, 0.1, 0.01])
    eigenvalues = np.linalg.eigvalsh(np.cov(c.T))
    assert codes.effective_rank(tensor(c)).item() == pytest.approx(
        eigenvalues.sum() ** 2 / (eigenvalues**2).sum(), rel=1e-4
    )
    line = np.outer(rng.normal(size=100), rng.normal(size=6))
    assert codes.effective_rank(tensor(line)).item() == pytest.approx(1, rel=1e-4)


def test_the_mismatch_of_codes_is_the_energy_coefficient():
    """Against sums over pairs in float64; unbiased: 0 on average for equal distributions, at any batch size."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(30, 3)), 2 + random.normal(size=(20, 3))
    between = cdist(x, y).mean()
    within = cdist(x, x).sum() / (30 * 29) + cdist(y, y).sum() / (20 * 19)
    assert codes.mismatch(tensor(x), tensor(y)).item() == pytest.approx(
        (2 * between - within) / (2 * between), rel=1e-5
    )
    same = [codes.mismatch(*torch.randn(2, 8, 5).unbind()).item() for _ in range(2000)]
    assert abs(np.mean(same)) < 3 * np.std(same) / len(same) ** 0.5
    assert codes.mismatch(torch.randn(50, 3), 1e4 + torch.randn(50, 3)).item() == pytest.approx(1, abs=1e-3)


def test_the_terms_of_the_evidence_lower_bound():
    random = np.random.default_rng(1)
    x, p = random.uniform(size=(6, 2, 3)), random.uniform(0.05, 0.95, size=(6, 2, 3))
    expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).reshape(6, -1).sum(1).mean()
    assert variational.bernoulli(tensor(p), tensor(x)).item() == pytest.approx(expected, rel=1e-5)
    expected = 0.5 * ((x - p) ** 2).reshape(6, -1).sum(1).mean()
    assert variational.gaussian(tensor(p), tensor(x)).item() == pytest.approx(expected, rel=1e-5)
    mean, sd = tensor(random.normal(size=(6, 4))), tensor(random.uniform(0.1, 3, size=(6, 4)))
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mean, sd), normal(0.0, 1.0)).sum(1).mean()
    assert variational.kl_to_standard_normal(mean, sd).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_hinge_is_flat_beyond_its_margin():
    assert hinge.discriminator_real(torch.tensor([2.0, 0.5])).item() == pytest.approx(0.25)
    assert hinge.discriminator_fake(torch.tensor([-2.0, 0.5])).item() == pytest.approx(0.75)
    assert hinge.generator(torch.tensor([-2.0, 1.0])).item() == pytest.approx(0.5)


def test_classification_losses_are_scikit_learns():
    logits = np.random.default_rng(2).normal(size=(9, 4))
    labels = np.arange(9) % 4
    ours = classification.classes(tensor(logits), torch.from_numpy(labels)).item()
    assert ours == pytest.approx(log_loss(labels, softmax(logits, 1)), rel=1e-5)
    some = torch.from_numpy(np.where(labels == 0, -1, labels))
    rest = labels > 0
    expected = log_loss(labels[rest], softmax(logits, 1)[rest], labels=range(4))
    assert classification.classes(tensor(logits), some).item() == pytest.approx(expected, rel=1e-5)
    assert classification.classes(tensor(logits), torch.full((9,), -1)).item() == 0
    truth = np.random.default_rng(3).integers(2, size=(9, 4))
    expected = np.mean([log_loss(truth[:, i], expit(logits[:, i])) for i in range(4)])
    assert classification.attributes(tensor(logits), tensor(truth)).item() == pytest.approx(expected, rel=1e-5)
    assert classification.accuracy(tensor(logits), tensor(truth)).item() == pytest.approx(
        ((logits > 0) == truth).mean()
    )
    right = (logits.argmax(1) == labels).mean()
    assert classification.accuracy(tensor(logits), torch.from_numpy(labels)).item() == pytest.approx(right)


def test_a_critics_accuracy_needs_no_threshold():
    real, fake = torch.tensor([101.0, 103.0, 99.0]), torch.tensor([97.0, 98.0, 102.0])
    assert wasserstein.accuracy(real, fake).item() == pytest.approx(4 / 6)
