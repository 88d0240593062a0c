"""What the graph makes of GALI: who learns from a pretrained network, and which runs are measured by what."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.graph.compared import settings
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run


def run(dataset: str, variant: str) -> Run:
    return Run("demo", dataset, variant, 0)


@pytest.fixture
def graph(tree: dict[str, Any]) -> Graph:
    return Graph(resolve(tree))


def changed(tree: dict[str, Any], **metrics: Any) -> Graph:
    other = copy.deepcopy(tree)
    other["scales"]["demo"]["metrics"] |= metrics
    return Graph(resolve(other))


def test_only_gali_pt_learns_from_a_pretrained_network(graph: Graph):
    of_svhn, of_celeba = (graph.train(run(d, v)) for d, v in (("digits", "gali_pt_svhn"), ("digits", "gali_pt_celeba")))
    assert of_svhn.inputs["pretrained"] is graph.feature_network("digits")
    assert of_svhn.config["pretrained"] == "features"
    assert of_celeba.inputs["pretrained"] is graph.classifier("digits")
    assert of_celeba.config["pretrained"] == "classifier"
    for variant in ("ali_svhn", "gali_4_svhn", "gali_8_svhn"):
        other = graph.train(run("digits", variant))
        assert set(other.inputs) == {"data"} and "pretrained" not in other.config


def test_at_scale_paper_it_is_inception(tree: dict[str, Any]):
    graph = Graph(resolve({**tree, "scale": "paper"}))
    found = graph.train(Run("paper", "celeba_64", "gali_pt_celeba", 0))
    assert found.config["pretrained"] == "inception" and found.inputs["pretrained"].id == "extractor/inception"


def test_another_feature_network_retrains_what_has_learnt_from_it(tree: dict[str, Any], graph: Graph):
    other = changed(tree, feature_network={"digits_width": 9})

    def keys(of: str, variant: str) -> set[str]:
        return {getattr(g, of)(run("digits", variant)).key for g in (graph, other)}

    assert len(keys("train", "gali_pt_svhn")) == 2 and len(keys("train", "gali_4_svhn")) == 1
    assert len(keys("metrics", "gali_4_svhn")) == 2 and len(keys("metrics", "gan")) == 1


def test_runs_are_measured_by_what_an_item_shows_of_them(graph: Graph):
    def measured(dataset: str, variant: str) -> set[str]:
        return {"feature_error", "inpainting", "svm"} & graph.metrics(run(dataset, variant)).config.keys()

    assert measured("digits", "gali_4_svhn") == {"feature_error", "svm"}
    assert measured("digits", "gali_4_minimax") == set()  # its samples alone are shown
    assert measured("digits", "gali_4_celeba") == {"feature_error"}
    assert measured("digits", "gali_mix") == {"inpainting"}
    assert measured("digits", "ali") == set() and measured("digits", "acl_gan") == set()


def test_a_row_that_params_adds_is_measured_as_the_others(tree: dict[str, Any]):
    tree["variants"]["mine"] = {"method": "gali", "architecture": "gali", "items": ["gali/table2"]}
    graph = Graph(resolve(tree))
    assert "svm" in graph.metrics(run("digits", "mine")).config


def test_a_feature_network_of_other_settings(tree: dict[str, Any], graph: Graph):
    there = graph.feature_network("digits").directory.name
    assert graph.extractor_at("features", "digits", there).id == graph.feature_network("digits").id
    with pytest.raises(AdvcodesError, match=f"params.yaml asks for {there} there; its metrics.feature_network"):
        graph.extractor_at("features", "digits", "12345678")


UPDATED = ("updates.discriminator", "updates.encoder", "updates.generator")


@pytest.mark.parametrize("scale", ["demo", "laptop"])
def test_all_rows_of_a_table_make_as_many_updates(tree: dict[str, Any], scale: str):
    """And have the same rates, batches and codes, so that claims are about methods alone."""
    graph = Graph(resolve({**tree, "scale": scale}))
    compared = (*UPDATED, "batch_size", "latent_dim", "lr.encoder", "lr.generator", "lr.discriminator", "images")
    for name in ("table1-svhn", "table1-celeba", "table2", "table3-fid", "table3-inpaint", "fig5"):
        item = graph.items[f"gali/{name}"]
        dataset = graph.params.served(item.columns[0], item.id)
        told = [settings(graph, Run(scale, dataset, v, 0)) for v in item.variants]
        for key in compared:
            assert len({str(row[key]) for row in told}) == 1, (name, key)


def test_scale_paper_has_the_published_ratios_of_updates(tree: dict[str, Any]):
    """300 epochs of 5,311 batches, five of six for D; 50 of batches of 20 (facts 5.17)."""
    graph = Graph(resolve({**tree, "scale": "paper"}))

    def updates(dataset: str, variant: str) -> tuple[int, ...]:
        found = settings(graph, Run("paper", dataset, variant, 0))
        return tuple(found[key] for key in UPDATED)

    for variant in ("ali_svhn", "alice_svhn", "gali_8_svhn"):
        assert updates("svhn_extra", variant) == (300 * 5311 * 5 // 6, 300 * 5311 // 6, 300 * 5311 // 6)
    assert updates("svhn_extra", "gali_4_svhn") == updates("svhn_extra", "gali_pt_svhn") == (531_100,) * 3
    assert updates("celeba_64", "gali_4_celeba") == (162_700,) * 3
    assert updates("celeba_64", "gali_pt_celeba") == (406_900,) * 3


def test_errors_are_of_all_test_images_at_scale_paper(tree: dict[str, Any], graph: Graph):
    def images(graph: Graph, dataset: str, variant: str, metric: str) -> int:
        run = Run(graph.params.scale, dataset, variant, 0)
        return graph.metrics(run).config[metric]["n_images"]

    paper = Graph(resolve({**tree, "scale": "paper"}))
    assert images(paper, "svhn_extra", "gali_4_svhn", "feature_error") >= 26_032
    assert images(paper, "celeba_64", "gali_mix", "inpainting") >= 19_962
    assert images(graph, "digits", "gali_4_svhn", "feature_error") == 10_000
