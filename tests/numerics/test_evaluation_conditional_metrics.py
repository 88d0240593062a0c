"""How far samples show what they were asked: against scikit-learn, brute force, and what chance must give."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import f_oneway
from sklearn.metrics import accuracy_score, confusion_matrix, mutual_info_score

from advcodes.metrics.samples.conditional import (
    by_chance,
    cluster_accuracy,
    cluster_nmi,
    of_captions,
    of_clusters,
    of_labels,
    statements,
)
from advcodes.metrics.samples.noise_diversity import spread_within

RANDOM = np.random.default_rng(0)
N, K = 6000, 10


def entropy(x: np.ndarray) -> float:
    p = np.bincount(x)[np.bincount(x) > 0] / len(x)
    return float(-(p * np.log(p)).sum())


@pytest.mark.parametrize(("clusters", "classes"), [(4, 4), (6, 3), (3, 5), (1, 4), (5, 1)])
def test_cluster_accuracy_is_the_best_of_all_assignments(clusters: int, classes: int):
    asked, seen = RANDOM.integers(0, clusters, 60), RANDOM.integers(0, classes, 60)
    seen[:25] = (asked[:25] * 2 + 1) % classes
    size = max(clusters, classes)
    counts = confusion_matrix(asked, seen, labels=range(size))
    best = max(sum(counts[c, to[c]] for c in range(size)) for to in itertools.permutations(range(size)))
    assert cluster_accuracy(asked, seen) == pytest.approx(best / 60)


@pytest.mark.parametrize(("clusters", "classes"), [(4, 4), (20, 10), (3, 10)])
def test_mutual_information_is_over_the_mean_of_the_entropies(clusters: int, classes: int):
    asked, seen = RANDOM.integers(0, clusters, 500), RANDOM.integers(0, classes, 500)
    seen[:200] = asked[:200] % classes
    expected = mutual_info_score(asked, seen) / ((entropy(asked) + entropy(seen)) / 2)
    assert cluster_nmi(asked, seen) == pytest.approx(expected)


def test_which_cluster_is_which_class_does_not_matter():
    asked = RANDOM.integers(0, K, N)
    permuted = RANDOM.permutation(K)[asked]
    scores = of_clusters(asked, permuted)
    assert scores.metrics == {"cluster_accuracy": 1.0, "cluster_nmi": pytest.approx(1.0)}
    assert scores.protocol == {"clusters": K} and not scores.floor, "nobody asks clusters of real images"


def test_two_clusters_a_class_are_half_right_but_say_everything_they_can():
    asked = RANDOM.integers(0, 2 * K, N)
    scores = of_clusters(asked, asked % K).metrics
    assert scores["cluster_accuracy"] == pytest.approx(0.5, abs=0.05)
    assert scores["cluster_nmi"] == pytest.approx(2 * math.log(K) / (math.log(K) + math.log(2 * K)), abs=1e-3)


def test_a_generator_that_does_not_listen_scores_what_chance_gives():
    asked, seen = RANDOM.integers(0, K, N), RANDOM.integers(0, K, N)
    clusters, labels = of_clusters(asked, seen), of_labels(asked, seen, seen, seen)
    assert labels.metrics["label_accuracy"] == pytest.approx(1 / K, abs=0.015)
    assert labels.chance["label_accuracy"] == pytest.approx(1 / K, abs=0.001)
    for name in ("cluster_accuracy", "cluster_nmi"):
        assert clusters.metrics[name] == pytest.approx(clusters.chance[name], abs=0.01)
    assert clusters.chance["cluster_accuracy"] == pytest.approx(1 / K, abs=0.03)
    assert clusters.chance["cluster_nmi"] < 0.01


def test_a_collapsed_generator_scores_what_chance_gives():
    asked, seen = RANDOM.integers(0, K, N), np.full(N, 3)
    assert of_clusters(asked, seen).metrics["cluster_accuracy"] == np.bincount(asked).max() / N
    assert cluster_nmi(asked, seen) == cluster_nmi(seen, seen) == 0
    labels = of_labels(asked, seen, asked, seen)
    assert labels.metrics == labels.chance == labels.floor == {"label_accuracy": pytest.approx((asked == 3).mean())}


def test_chance_is_the_mean_over_all_orders():
    asked, seen = np.array([0, 0, 1, 2, 2]), np.array([0, 3, 2, 2, 1])
    orders = [np.mean([asked[i] == s for i, s in zip(order, seen, strict=True)])
              for order in itertools.permutations(range(5))]  # fmt: skip
    assert by_chance(asked, seen) == pytest.approx(np.mean(orders))
    assert by_chance(RANDOM.permutation(N) % K, np.arange(N) % K) == pytest.approx(1 / K)


def test_labels_against_scikit_learn():
    asked = RANDOM.integers(0, K, N)
    seen = np.where(RANDOM.random(N) < 0.7, asked, RANDOM.integers(0, K, N))
    labels = np.where(RANDOM.random(N) < 0.2, -1, asked)  # some real images have no class
    scores = of_labels(asked, seen, labels, seen)
    assert scores.metrics["label_accuracy"] == pytest.approx(accuracy_score(asked, seen))
    known = labels >= 0
    assert scores.floor["label_accuracy"] == pytest.approx(accuracy_score(labels[known], seen[known]))
    assert of_labels(asked, seen, np.full(N, -1), seen).floor == {}


def test_captions_are_scored_statement_by_statement():
    one = {"shape": np.array([0, 1, 2, 3]), "row": np.array([0, 1, 0, 1])}
    other = {"shape": np.array([0, 1, 2, 0]), "row": np.array([1, 1, 0, 0])}
    scores = of_captions(one, other, one, one)
    assert scores.agreement["shape"] == {"samples": 0.75, "real": 1.0, "chance": 1 / 4}
    assert scores.agreement["row"] == {"samples": 0.5, "real": 1.0, "chance": 0.5}
    assert scores.metrics == {"caption_agreement": 0.625} and scores.floor == {"caption_agreement": 1.0}
    assert scores.chance == {"caption_agreement": 0.375}
    assert scores.protocol == {"statements": ["shape", "row"], "caption_chance": 0.375}


def test_colours_exclude_each_other_and_other_attributes_do_not():
    from advcodes.data.generated import ATTRIBUTES

    logits = np.full((2, len(ATTRIBUTES)), -5.0)
    logits[0, ATTRIBUTES.index("yellow")] = -1  # likeliest, though below even odds
    logits[1, [ATTRIBUTES.index(a) for a in ("red", "blue", "large", "top", "dark background")]] = 1, 2, 1, 1, 1
    told = statements(np.array([4, 2]), logits, ATTRIBUTES)
    assert {name: said.tolist() for name, said in told.items()} == {
        "shape": [4, 2], "colour": [3, 2], "size": [0, 1], "outline": [0, 0], "ground": [0, 1], "row": [0, 1],
        "column": [0, 0],
    }  # fmt: skip


def test_spread_within_conditions_is_the_residual_of_an_analysis_of_variance():
    """Against scipy's F = between / within, with pooled, unbiased variances, pixel by pixel."""
    groups = RANDOM.integers(0, 5, 700)
    images = (RANDOM.integers(0, 100, (700, 1, 2, 3)) + 20 * groups[:, None, None, None]).astype(np.uint8)
    spread, freedom = spread_within(images, groups)
    assert freedom == 700 - 5
    values = images.reshape(700, -1) / 255
    f, _ = f_oneway(*(values[groups == g] for g in range(5)))
    between = sum((groups == g).sum() * (values[groups == g].mean(0) - values.mean(0)) ** 2 for g in range(5)) / 4
    assert spread == pytest.approx(float((between / f).mean()) ** 0.5)


def test_spread_within_is_nothing_where_noise_changes_nothing():
    conditions = RANDOM.integers(0, 9, 300)
    images = np.repeat(conditions, 12).reshape(300, 3, 2, 2).astype(np.uint8)
    assert spread_within(images, conditions) == (0.0, 300 - len(np.unique(conditions)))
    assert spread_within(images[:9], np.arange(9)) == (0.0, 0), "no two of one condition"
    whole, freedom = spread_within(images, conditions * 0)
    assert freedom == 299 and whole == pytest.approx(float(images.std(0, ddof=1).mean()) / 255)
