"""Metrics against closed forms and against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from advcodes.core.errors import AdvcodesError
from advcodes.evaluation.compared import measure
from advcodes.metrics.extracted import Reference, Statistics
from advcodes.metrics.samples import energy_distance as energy
from advcodes.metrics.samples.energy_distance import energy_distance
from advcodes.metrics.samples.frechet import frechet_distance, statistics
from advcodes.metrics.samples.inception_score import inception_score
from advcodes.metrics.samples.kernel import kernel_distance
from advcodes.metrics.samples.precision_recall import precision_recall
from evaluation_fakes import MEASURED


def features(n: int, d: int = 6, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    """Correlated, skewed features, as after a ReLU."""
    random = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=torch.Generator().manual_seed(99))
    return (torch.randn(n, d, generator=random) @ mix + shift).relu()


# -- Fréchet distance ---------------------------------------------------------------------------------------------


def test_a_set_is_at_no_distance_from_itself():
    s = statistics(features(500))
    assert abs(frechet_distance(s, s)) < 1e-6


def test_frechet_distance_of_gaussians_in_closed_form():
    """With commuting covariances: |m1 - m2|^2 + sum (s1 - s2)^2 over the axes."""
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))
    sd1, sd2 = np.array([1.0, 2.0, 0.5, 3.0, 1.5]), np.array([1.0, 1.0, 1.0, 0.1, 2.5])
    m1, m2 = np.zeros(5), np.array([1.0, -2.0, 0.0, 0.5, 0.0])
    exact = ((m1 - m2) ** 2).sum() + ((sd1 - sd2) ** 2).sum()
    a, b = (Statistics(m, q @ np.diag(s**2) @ q.T) for m, s in ((m1, sd1), (m2, sd2)))
    assert frechet_distance(a, b) == pytest.approx(exact, abs=1e-9)

    random = np.random.default_rng(1)
    drawn = [statistics(torch.from_numpy((random.standard_normal((40_000, 5)) * s) @ q.T + m).float())
             for m, s in ((m1, sd1), (m2, sd2))]  # fmt: skip
    assert frechet_distance(*drawn) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("n", [300, 5], ids=["full rank", "fewer images than features"])
def test_frechet_distance_against_a_matrix_square_root(n: int):
    a, b = features(n), features(n + 3, seed=1, shift=0.3)
    x, y = a.double().numpy(), b.double().numpy()
    c, d = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(scipy.linalg.sqrtm(c) @ d @ scipy.linalg.sqrtm(c)).real
    independent = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(c + d - 2 * root)
    assert frechet_distance(statistics(a), statistics(b)) == pytest.approx(independent, rel=1e-4)


def test_statistics_are_accumulated_in_float64():
    """Large offsets drown a float32 mean."""
    x = features(20_000) + 1_000
    s = statistics(x)
    assert s.mean.dtype == s.covariance.dtype == np.float64
    np.testing.assert_allclose(s.mean, x.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(s.covariance, np.cov(x.double().numpy().T, ddof=1), rtol=1e-9)


def test_one_image_has_no_covariance():
    with pytest.raises(AdvcodesError, match="got 1 images, expected at least 2"):
        statistics(features(1))


# -- Inception Score ----------------------------------------------------------------------------------------------


def test_inception_score_of_sure_and_balanced_predictions_is_the_number_of_classes():
    logits = 200 * torch.eye(8).repeat(50, 1)
    mean, sd = inception_score(logits, splits=1)
    assert mean == pytest.approx(8) and sd == 0
    assert inception_score(torch.zeros(100, 8), splits=5)[0] == pytest.approx(1)


def test_inception_score_of_two_kinds_of_predictions():
    """Half predict (p, 1-p), half the reverse: the mean is uniform, so the score is exp(log 2 - H(p))."""
    p = 0.9
    logits = torch.tensor([[p, 1 - p], [1 - p, p]]).log().repeat(200, 1)
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert inception_score(logits, splits=1)[0] == pytest.approx(np.exp(np.log(2) - entropy), rel=1e-6)


def test_inception_score_is_a_mean_over_shuffled_splits():
    """Images sorted by class would score 1 in each split; the spread is the population's."""
    logits = 200 * torch.eye(4).repeat_interleave(250, 0)
    mean, sd = inception_score(logits, splits=4)
    assert mean == pytest.approx(4, rel=0.02)
    order = np.random.RandomState(2020).permutation(1000)
    parts = [np.bincount(np.arange(1000)[part] // 250, minlength=4) / 250 for part in order.reshape(4, 250)]
    scores = [np.exp(-(q * np.log(q)).sum()) for q in parts]
    assert (mean, sd) == pytest.approx((np.mean(scores), np.std(scores)), rel=1e-5)


# -- KID ----------------------------------------------------------------------------------------------------------


def test_kernel_distance_against_the_unbiased_mmd():
    x, y = features(40), features(40, seed=1, shift=0.5)
    found, sd = kernel_distance(x, y, subsets=1, subset_size=40)
    kxx, kxy, kyy = (polynomial_kernel(a, b, degree=3, coef0=1) for a, b in ((x, x), (x, y), (y, y)))
    n = len(x)
    direct = ((kxx.sum() - np.trace(kxx)) + (kyy.sum() - np.trace(kyy))) / (n * (n - 1)) - 2 * kxy.mean()
    assert found == pytest.approx(direct, rel=1e-5) and sd == 0


def test_kernel_distance_is_unbiased():
    """Between two draws of one distribution its mean is zero, however few the images: an FD is far from it."""
    draws = [kernel_distance(features(30, seed=2 * i), features(30, seed=2 * i + 1), 1, 30)[0] for i in range(200)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / np.sqrt(len(draws))


# -- precision and recall -----------------------------------------------------------------------------------------


def _coverage(points: torch.Tensor, of: torch.Tensor, k: int) -> float:
    """Share of ``points`` within the k-nearest-neighbour balls of ``of``, by scikit-learn."""
    radii = NearestNeighbors(n_neighbors=k + 1).fit(of.numpy()).kneighbors(of.numpy())[0][:, -1]
    distances, index = NearestNeighbors(n_neighbors=len(of)).fit(of.numpy()).kneighbors(points.numpy())
    return float((distances <= radii[index] + 1e-5).any(1).mean())


def test_precision_and_recall_against_scikit_learn():
    generated, real = features(150, seed=3, shift=0.4), features(200, seed=4)
    precision, recall = precision_recall(generated, real, 3)
    assert precision == pytest.approx(_coverage(generated, real, 3), abs=1e-6)
    assert recall == pytest.approx(_coverage(real, generated, 3), abs=1e-6)
    assert precision != pytest.approx(recall, abs=0.02), "the test would not notice them swapped"


def test_a_collapsed_generator_is_precise_and_recalls_little():
    real = features(300)
    collapsed = real[:1] + 1e-3 * features(300, seed=5)
    precision, recall = precision_recall(collapsed, real, 3)
    assert precision > 0.95 and recall < 0.05
    precision, recall = precision_recall(5 * features(300, seed=6), real, 3)
    assert precision < 0.5 < recall, "a generator that spreads too far is the reverse"


def test_precision_does_not_suffer_from_a_large_common_offset():
    generated, real = features(150, seed=3, shift=0.4), features(200, seed=4)
    assert precision_recall(generated + 5_000, real + 5_000, 3) == pytest.approx(
        precision_recall(generated, real, 3), abs=0.02
    )


# -- energy distance ----------------------------------------------------------------------------------------------


def test_energy_distance_of_gaussians_in_closed_form():
    """On a line, E|X - Y| for X - Y ~ N(m, s^2) is s sqrt(2/pi) exp(-m^2 / 2s^2) + m erf(m / (s sqrt 2))."""

    def mean_distance(m: float, variance: float) -> float:
        s = np.sqrt(variance)
        return s * np.sqrt(2 / np.pi) * np.exp(-(m**2) / (2 * variance)) + m * scipy.special.erf(m / (s * np.sqrt(2)))

    m, s1, s2 = 0.7, 1.0, 1.6
    exact = 2 * mean_distance(m, s1**2 + s2**2) - mean_distance(0, 2 * s1**2) - mean_distance(0, 2 * s2**2)
    # Midpoints of 4,000 slices of equal probability: as near to the distribution as so many points come.
    grid = scipy.stats.norm.ppf((np.arange(4_000) + 0.5) / 4_000)[:, None]
    assert energy_distance(s1 * grid, m + s2 * grid) == pytest.approx(exact, rel=0.01)


def test_energy_distance_against_scipy_on_a_line():
    """scipy's is the square root of the same over all pairs, each point's with itself included."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((300, 1)), 1.5 * random.standard_normal((400, 1)) + 0.5
    own = sum(2 * pdist(s).sum() / len(s) ** 2 / (len(s) - 1) for s in (x, y))  # what these pairs take from the mean
    assert energy_distance(x, y) == pytest.approx(scipy.stats.energy_distance(x[:, 0], y[:, 0]) ** 2 - own, rel=1e-9)


def test_energy_distance_in_blocks_is_that_of_whole_matrices(monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    x, y = random.standard_normal((130, 2)), 3 + random.standard_normal((75, 2))
    whole = 2 * cdist(x, y).mean() - pdist(x).mean() - pdist(y).mean()
    monkeypatch.setattr(energy, "_ROWS", 32)
    assert energy_distance(x, y) == pytest.approx(whole, rel=1e-12)
    assert energy_distance(y, x) == pytest.approx(whole, rel=1e-12)
    assert energy_distance(10 * x, 10 * y) == pytest.approx(10 * whole, rel=1e-12), "it has the data's unit"


def test_energy_distance_keeps_its_digits_far_from_the_origin():
    """In float32, or from |x|^2 + |y|^2 - 2xy, distances of 1 at 1e6 are noise."""
    random = np.random.default_rng(0)
    x, y = random.standard_normal((50, 2)), 1 + random.standard_normal((60, 2))
    assert energy_distance(x + 1e6, y + 1e6) == pytest.approx(energy_distance(x, y), rel=1e-6)


def test_energy_distance_is_unbiased():
    """Between draws of one distribution its mean is zero, however few the points; over all pairs it would not be."""
    random = np.random.default_rng(0)
    pairs = [(random.standard_normal((12, 2)), random.standard_normal((20, 2))) for _ in range(400)]
    found = np.array([energy_distance(x, y) for x, y in pairs])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found)) < 0.05
    assert found.min() < 0 < found.max()
    biased = [2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean() for x, y in pairs]
    assert np.mean(biased) > 0.2


def test_one_point_has_no_distance_to_others():
    with pytest.raises(AdvcodesError, match="got 1 generated and 5 real points, expected at least 2 of each"):
        energy_distance(np.zeros((1, 2)), np.zeros((5, 2)))


# -- all of them --------------------------------------------------------------------------------------------------


def test_measure_names_what_it_measures():
    real, generated = features(60), features(80, seed=1, shift=0.2)
    reference = Reference(real, statistics(real), "test")
    logits = torch.randn(80, 10, generator=torch.Generator().manual_seed(0))
    found = measure(generated, logits, reference, "classifier", True, MEASURED)
    assert list(found["metrics"]) == [
        "fd_classifier", "score_classifier", "kd_classifier", "precision_classifier", "recall_classifier",
    ]  # fmt: skip
    assert set(found["spread"]) == {"score_classifier", "kd_classifier"}
    assert found["metrics"]["fd_classifier"] == frechet_distance(statistics(generated), reference.statistics)
    assert (found["metrics"]["precision_classifier"], found["metrics"]["recall_classifier"]) == precision_recall(
        generated, real, 3
    )
    without = measure(generated, logits, reference, "inception", False, MEASURED | {"compute": ["is", "fd"]})
    assert list(without["metrics"]) == ["fid_80_vs_60_test"], "no score without classes"


def test_measure_compares_points_themselves_too():
    real, generated = features(60), features(80, seed=1, shift=0.2)
    random = np.random.default_rng(0)
    points, real_points = random.standard_normal((80, 2)), random.standard_normal((60, 2))
    arguments = (generated, torch.randn(80, 3), Reference(real, statistics(real), "test", real_points))
    found = measure(*arguments, "classifier", True, MEASURED | {"compute": ["fd"]}, points)
    assert list(found["metrics"]) == ["fd_classifier", "energy_distance"]
    assert found["metrics"]["energy_distance"] == energy_distance(points, real_points)
    assert "unbiased" in found["protocol"]["energy_distance"]


def test_measure_lowers_settings_that_few_images_cannot_bear():
    few = features(4)
    reference = Reference(few, statistics(few), "test")
    found = measure(
        features(4, seed=1), torch.randn(4, 3), reference, "classifier", True, MEASURED | {"prc_neighborhood": 9}
    )
    assert found["protocol"] == {
        "n_generated": 4, "n_generated_is": 4, "n_reference": 4, "split": "test",
        "is_splits": 4, "kid_subsets": 1, "kid_subset_size": 4, "prc_neighborhood": 3,
    }  # fmt: skip
    assert all(np.isfinite(v) for v in found["metrics"].values())


def test_more_images_can_count_for_the_inception_score_alone():
    """50,000 for the IS and 10,000 for the FID, as papers have them, of the same samples."""
    random = torch.Generator().manual_seed(0)
    features, real = torch.randn(90, 4, generator=random), torch.randn(50, 4, generator=random)
    logits = torch.randn(90, 3, generator=random)
    reference = Reference(real, statistics(real), "test")
    settings = {"compute": ["fd", "is", "kid", "prc"], "is_splits": 5, "kid_subsets": 5, "kid_subset_size": 20,
                "prc_neighborhood": 3}  # fmt: skip
    few = measure(features[:40], logits[:40], reference, "classifier", True, settings)
    both = settings | {"n_generated": 40, "n_generated_is": 90}
    more = measure(features, logits, reference, "classifier", True, both)
    assert more["protocol"]["n_generated"] == 40 and more["protocol"]["n_generated_is"] == 90
    same = {k: v for k, v in more["metrics"].items() if k != "score_classifier"}
    assert same == {k: v for k, v in few["metrics"].items() if k != "score_classifier"}
    assert more["metrics"]["score_classifier"] == inception_score(logits, 5)[0] != few["metrics"]["score_classifier"]
    name = next(iter(measure(features, logits, reference, "inception", True, both | {"compute": ["is"]})["metrics"]))
    assert name == "is_90_in_5_splits"
