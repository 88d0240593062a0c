"""A metric's name states its protocol: no number may pass for another."""

from __future__ import annotations

import itertools

import pytest

from advcodes.core.errors import AdvcodesError
from advcodes.metrics.extracted import OfFeatures, metric_name
from advcodes.metrics.registry import describe, parse, quantities
from advcodes.pages import text

ON_CLASSIFIER = {name: q.on_classifier for name, (_, q) in quantities().items() if isinstance(q, OfFeatures)}
PROTOCOLS = list(ON_CLASSIFIER)


@pytest.mark.parametrize(
    ("metric", "extractor", "counts", "name"),
    [
        ("fid", "inception", (10_000, 10_000, "test"), "fid"),
        ("fid", "inception", (10_000, 10_000, "train"), "fid_10000_vs_10000_train"),
        ("fid", "inception", (10_000, 6_149, "test"), "fid_10000_vs_6149_test"),
        ("fid", "inception", (50_000, 10_000, "test"), "fid_50000_vs_10000_test"),
        ("is", "inception", (50_000, 10_000, "test"), "is"),
        ("is", "inception", (50_000, 77, "train"), "is"),
        ("is", "inception", (10_000, 10_000, "test"), "is_10000"),
        ("kid", "inception", (10_000, 10_000, "test"), "kid"),
        ("precision", "inception", (10_000, 500, "test"), "precision_10000_vs_500_test"),
        ("fid", "classifier", (10_000, 10_000, "test"), "fd_classifier"),
        ("is", "classifier", (50_000, 10_000, "test"), "score_classifier"),
        ("kid", "classifier", (2_000, 500, "test"), "kd_classifier"),
        ("recall", "classifier", (2_000, 500, "test"), "recall_classifier"),
        ("fid", "dinov2", (10_000, 10_000, "test"), "fd_dinov2"),
        ("kid", "clip", (10_000, 10_000, "test"), "kd_clip"),
        ("precision", "dinov2", (2_000, 500, "test"), "precision_dinov2"),
        ("energy_distance", "points", (2_000, 500, "test"), "energy_distance"),
        ("mse", "images", (2_000, 500, "test"), "mse"),
        ("mnist_score", "digits", (10_000, 500, "test"), "mnist_score"),
        ("settling_images", "losses", (2_000, 500, "test"), "settling_images"),
    ],
)
def test_names(metric: str, extractor: str, counts: tuple[int, int, str], name: str):
    assert metric_name(metric, extractor, *counts) == name
    assert parse(name) == (metric, extractor)


def test_splits_are_part_of_an_inception_score():
    assert metric_name("is", "inception", 50_000, 1, "test", is_splits=5) == "is_50000_in_5_splits"
    assert parse("is_50000_in_5_splits") == ("is", "inception")


def test_short_names_belong_to_one_protocol_only():
    counts = [*itertools.product((100, 10_000, 50_000), (100, 10_000), ("test", "train", "extra"))]
    for metric, extractor in itertools.product(PROTOCOLS, ("classifier", "inception")):
        short = [c for c in counts if metric_name(metric, extractor, *c) == metric]
        if extractor == "classifier":
            assert short == []
        elif metric == "is":
            assert {n for n, _, _ in short} == {50_000}
        else:
            assert short == [(10_000, 10_000, "test")]


@pytest.mark.parametrize("metric", PROTOCOLS)
def test_the_footnote_of_a_classifier_metric_denies_being_the_other(metric: str):
    protocol = {"n_generated": 2000, "n_reference": 500, "split": "test", "extractor_accuracy": 0.9876}
    sentence = describe(ON_CLASSIFIER[metric], protocol)
    other = {"fid": "Inception-based FID", "is": "Inception Score", "kid": "Inception-based KID"}
    assert f"(not the {other.get(metric, f'Inception-based {metric}')}, and not comparable with it)" in sentence
    assert sentence.startswith(f"{ON_CLASSIFIER[metric]}: ") and sentence.endswith(".") and "\n" not in sentence
    assert "98.8 % right" in sentence and "2,000 generated" in sentence


def test_the_footnote_of_another_network_denies_being_the_other():
    protocol = {"n_generated": 2000, "n_reference": 500, "split": "test", "extractor": "dinov2", "torch_fidelity": "1"}
    assert describe("fd_dinov2", protocol) == (
        "fd_dinov2: Fréchet distance on features of DINOv2 ViT-B/14, torch-fidelity 1 (not the Inception-based FID, "
        "and not comparable with it); 2,000 generated and 500 real images (split test)."
    )


def test_the_footnote_of_the_fid():
    protocol = {"n_generated": 10_000, "n_reference": 10_000, "split": "test", "torch_fidelity": "0.4.0"}
    assert describe("fid", protocol) == (
        "fid: FID: Fréchet distance on features of the 2015 Inception network, torch-fidelity 0.4.0; "
        "10,000 generated and 10,000 real images (split test)."
    )
    more = describe("is", protocol | {"n_generated_is": 50_000})
    assert more.startswith("is: Inception Score: ") and more.endswith("50,000 generated images in 10 splits.")
    assert describe("fid_2000_vs_10000_test", protocol | {"n_generated": 2000}).startswith(
        "fid_2000_vs_10000_test: FID at other counts than the usual 10,000 against 10,000 test images: "
    )
    assert describe("is_10000", protocol).startswith(
        "is_10000: Inception Score at other counts than the usual 50,000 in 10 splits: "
    )


def test_the_footnote_of_the_energy_distance():
    protocol = {"n_generated": 10_000, "n_reference": 5_000, "split": "test", "extractor": "classifier"}
    assert describe("energy_distance", protocol) == (
        "energy_distance: 2 E|X-Y| - E|X-X'| - E|Y-Y'| of the points themselves (Székely and Rizzo 2013), in the "
        "data's unit; unbiased, so 0 on average for equal distributions, and by chance a little below (our own choice: "
        "no paper reports it); 10,000 generated and 5,000 real points (split test)."
    )
    assert text.arrow("energy_distance") == "↓"


def test_the_footnote_of_the_squared_error():
    protocol = {"mse_images": 10_000, "mse_split": "test", "mse_trained_on": False, "mse_of_mean_image": 0.26871}
    assert describe("mse", protocol) == (
        "mse: mean squared error of reconstructions over pixels and channels, images on [-1, 1] (on [0, 1] it would be "
        "a quarter); 10,000 images of split test, by a deterministic encoder, not rounded to 8 bits (range, split and "
        "encoder assumed: papers that print it do not say); the mean training image in place of each would give 0.269."
    )
    assert "split test, which were trained on, too, by" in describe("mse", protocol | {"mse_trained_on": True})
    assert describe("mse", {"mse_images": 7, "mse_split": "extra"}).endswith("do not say).")
    assert text.arrow("mse") == "↓"


def test_the_footnote_of_the_mnist_score():
    about = {"images": 275_000, "epochs": 10, "batch_size": 50, "accuracy": {"test": 0.9942, "validation": 0.995}}
    counts = {"mnist_score_images": 10_000, "mnist_score_splits": 10}
    real = {"mnist_score_of_real": [9.8793, 0.0614]}
    assert describe("mnist_score", counts | real | {"mnist_classifier": about}) == (
        "mnist_score: MNIST score: exp(mean KL(p(y|x) || p(y))) on predictions of its own classifier of MNIST "
        "(github.com/ChunyuanLI/MNIST_Inception_Score, trained here for 10 epochs on 275,000 images with turned "
        "copies, 99.42 % right on test images; not the Inception Score, and not comparable with it); 10,000 "
        "generated images in 10 splits; real test images score 9.88 ± 0.06."
    )
    fewer = describe("mnist_score", counts | {"mnist_score_images": 500, "mnist_score_cropped": True})
    assert fewer.endswith(
        "500 generated images in 10 splits (usual: 10,000 in 10), of each the centre 28x28 (assumed)."
    )
    once = describe("mnist_score", counts | {"mnist_classifier": about | {"epochs": 1}})
    assert "trained here for 1 epoch on" in once
    assert text.arrow("mnist_score") == "↑"


@pytest.mark.parametrize(
    ("name", "protocol"),
    [
        ("fid", {"n_generated": 2000}),
        ("fid", {"split": "train"}),
        ("fid", {"extractor": "classifier"}),
        ("fd_classifier", {"extractor": "inception"}),
        ("is", {"n_generated": 50_000, "is_splits": 5}),
    ],
)
def test_a_name_with_another_protocol_is_refused(name: str, protocol: dict):
    full = {"n_generated": 10_000, "n_reference": 10_000, "split": "test"} | protocol
    with pytest.raises(AdvcodesError, match=f"metric '{name}': its protocol .* is that of"):
        describe(name, full)


def test_a_protocol_without_counts_is_refused():
    with pytest.raises(AdvcodesError, match="metric 'fid': its protocol lacks n_reference, split"):
        describe("fid", {"n_generated": 10_000})
    full = {"n_generated": 10_000, "n_reference": 10_000, "split": "test"}
    for name, lacks in (("mse", "mse_images, mse_split"), ("mnist_score", "mnist_score_images, mnist_score_splits")):
        with pytest.raises(AdvcodesError, match=f"metric '{name}': its protocol lacks {lacks}; evaluate every run"):
            describe(name, full)


def test_unknown_words():
    with pytest.raises(AdvcodesError, match="unknown metric 'fd'; did you mean 'fid'"):
        metric_name("fd", "inception", 1, 1, "test")
    for metric, extractor in (("energy_distance", "classifier"), ("fid", "points"), ("mse", "inception")):
        with pytest.raises(AdvcodesError, match=r"unknown (metric '(energy_distance|mse)'|extractor 'points')"):
            metric_name(metric, extractor, 1, 1, "test")
    with pytest.raises(AdvcodesError, match="unknown extractor 'clasifier'; did you mean 'classifier'"):
        metric_name("fid", "clasifier", 1, 1, "test")
    for name in ("fid_classifier", "fid_2000", "is_", "fd"):
        with pytest.raises(AdvcodesError, match=f"unknown metric '{name}'"):
            parse(name)
