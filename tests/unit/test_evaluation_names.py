"""A metric's name states its protocol: no number may pass for another."""

from __future__ import annotations

import itertools

import pytest

from advcodes.errors import AdvcodesError
from advcodes.evaluation.names import ON_CLASSIFIER, PROTOCOLS, describe, metric_name, parse
from advcodes.reporting import text


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
        ("energy_distance", "points", (2_000, 500, "test"), "energy_distance"),
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


def test_unknown_words():
    with pytest.raises(AdvcodesError, match="unknown metric 'fd'; did you mean 'fid'"):
        metric_name("fd", "inception", 1, 1, "test")
    for metric, extractor in (("energy_distance", "classifier"), ("fid", "points")):
        with pytest.raises(AdvcodesError, match=r"unknown (metric 'energy_distance'|extractor 'points')"):
            metric_name(metric, extractor, 1, 1, "test")
    with pytest.raises(AdvcodesError, match="unknown extractor 'clasifier'; did you mean 'classifier'"):
        metric_name("fid", "clasifier", 1, 1, "test")
    for name in ("fid_classifier", "fid_2000", "is_", "fd"):
        with pytest.raises(AdvcodesError, match=f"unknown metric '{name}'"):
            parse(name)
