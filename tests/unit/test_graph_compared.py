"""In what the two rows of a claim differ, and how often their networks are updated."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from advcodes.config import updates
from advcodes.config.params import read, resolve
from advcodes.core.errors import AdvcodesError
from advcodes.graph.compared import compared, differences, settings
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.methods import registry
from advcodes.papers.items import Claim
from advcodes.papers.read import read_claims

CLAIM = {"id": "c", "paper": "acl", "item": "acl/table1", "says": "", "where": "", "column": "cifar10"}


def differing(tree: dict[str, Any], winner: str, loser: str, *differs: str) -> dict[str, Any]:
    """Keys that a claim on the two does not name, with their values."""
    claim = Claim.model_validate({**CLAIM, "winner": winner, "loser": loser, "differs": list(differs or ("method",))})
    found = compared(Graph(resolve(tree)), [claim])["c"]
    return {d["key"]: (d["winner"], d["loser"]) for d in found}


@pytest.mark.parametrize("name", registry.methods())
def test_updates_are_those_of_the_loop(name: str):
    """Counted one step after the other by `Phase.due`, as training does."""
    cls = registry.method(name)
    config = cls.Config()
    hyperparameters = {"method": name, **config.model_dump(mode="json")}
    for steps in (1, 37, 250):
        by_role: dict[str, int] = {}
        for step, phase in itertools.product(range(1, steps + 1), cls.phases(config)):
            for role in phase.updates if phase.due(step) else ():
                by_role[role] = by_role.get(role, 0) + phase.times
        found = updates.updates(hyperparameters, steps)
        assert sum(found.values()) == sum(by_role.values())
        for role, count in by_role.items():
            assert found[updates.kind_of(cls.nets(config)[role])] == count


def test_of_two_methods_that_share_counts_what_they_do_not_share_in(tree):
    """ACL-GAN's generator is updated twice a step, and its prior is another one; its own networks are the method."""
    assert differing(tree, "acl_gan", "gan") == {"prior": ("normal", "uniform"), "updates.generator": (4000, 2000)}
    assert differing(tree, "acl_gan", "gan", "method", "prior", "updates") == {}


def test_a_row_that_differs_in_what_the_claim_names_is_not_confounded(tree):
    assert differing(tree, "aaae", "aaae_1e-1", "adversarial_weight") == {}
    tree["scales"]["demo"]["variants"]["aaae_1e-1"] = {"optimiser": {"decay": "linear"}}
    assert differing(tree, "aaae", "aaae_1e-1", "adversarial_weight") == {"optimiser.decay": ("none", "linear")}


def test_another_family_of_networks_is_one_difference(tree):
    found = differing(tree, "aaae", "ali")
    assert found["architecture"] == ("aaae", "ali") and not [k for k in found if k.startswith("architecture.")]
    assert "adversarial" not in differing(tree, "aaae", "alice"), "the same word for two things"


def test_networks_that_one_of_them_lacks_are_the_setting_that_is_named(tree):
    assert differing(tree, "lpaae_a", "aae_gaussian", "learned_prior") == {}


def test_rates_are_each_networks_own(tree):
    tree["variants"]["slow"] = {"like": "aaae", "learning_rates": {"code_generator": 1e-5}}
    assert differing(tree, "aaae", "slow") == {"lr.code_generator": ([1e-3], [1e-5])}


def test_epochs_are_counted_in_the_dataset_that_serves(tree):
    tree["scale"] = "paper"
    graph = Graph(resolve(tree))
    found = settings(graph, Run("paper", "cifar10", "wgan_gp", 0))
    assert found["images"] == 100 * (50_000 // 64) * 64
    assert (found["updates.discriminator"], found["updates.generator"]) == (78_100, 15_620)


def test_a_key_that_neither_row_has(tree):
    with pytest.raises(
        AdvcodesError, match=r"unknown key under claims\.c\.differs: 'latent_dims'; did you mean 'latent"
    ):
        differing(tree, "acl_gan", "gan", "latent_dims")


@pytest.mark.parametrize("scale", ["demo", "laptop", "paper"])
def test_what_claims_name_is_there_at_every_scale(tree, scale):
    tree["scale"] = scale
    found = compared(Graph(resolve(tree)), read_claims())
    assert len(found) > 10


def test_a_variant_may_have_a_length_of_its_own(tree):
    tree["variants"]["gan"]["budget"] = {"shapes": {"images": 640}, "default": {"updates": 1000}}
    graph = Graph(resolve(tree))
    train = lambda dataset, variant="gan": graph.train(Run("demo", dataset, variant, 0)).config["budget"]  # noqa: E731
    assert train("shapes") == {"images": 640, "epochs": None}
    assert train("digits") == {"images": 64_000, "epochs": None}
    assert train("digits", "wgan_gp") == {"images": 128_000, "epochs": None}, "the others' is as before"
    assert "budget" not in graph.train(Run("demo", "digits", "gan", 0)).config["method"]


def test_a_length_in_updates_gives_rows_as_many(tree):
    """A critic's generator, one that is updated twice a step, and one after a pretraining."""
    tree["scales"]["demo"]["budget"]["digits"] = {"updates": 300}
    graph = Graph(resolve(tree))
    steps = {}
    for variant in ("gan", "acl_gan", "wgan_gp", "wae_gan"):
        run = Run("demo", "digits", variant, 0)
        assert settings(graph, run)["updates.generator"] == 300
        config = graph.train(run).config
        steps[variant] = config["budget"]["images"] // config["training"]["batch_size"]
    assert steps == {"gan": 300, "acl_gan": 150, "wgan_gp": 1500, "wae_gan": 350}


def test_a_budget_of_a_dataset_that_is_not_there(tree):
    tree["variants"]["gan"]["budget"] = {"digit": {"images": 1}}
    with pytest.raises(
        AdvcodesError, match=r"variants\.gan\.budget\.digit: unknown dataset 'digit'; did you mean 'digits'"
    ):
        resolve(tree)


def test_a_name_in_tables_is_the_variants_own(tree):
    tree["variants"] |= {"gan": {**tree["variants"]["gan"], "items": ["acl/fig8"], "label": "mine"}}
    tree["variants"]["gan_8"] |= {"items": ["acl/table1"], "label": "GAN, 8 numbers"}
    graph = Graph(resolve(tree))
    assert graph.item("acl/table1").config["labels"] == {"gan_8": "GAN, 8 numbers"}
    assert "labels" not in graph.item("acl/fig8").config, "a row of the paper has the paper's"
    assert "label" not in graph.train(Run("demo", "digits", "gan_8", 0)).config["method"]
    del tree["variants"]["gan_8"]["label"]
    assert resolve(tree).variants["gan_8"].label is None, "not inherited"


def test_whole_batches_of_two_sizes_are_no_other_length():
    """100 epochs of 50,000 images: 4,998,400 of them in batches of 64, and 5,000,000 in batches of 100."""
    assert differences({"images": 4_998_400}, {"images": 5_000_000}) == []
    assert [d["key"] for d in differences({"images": 4_990_000}, {"images": 5_000_000})] == ["images"]
    assert [d["key"] for d in differences({"updates.encoder": 1000}, {"updates.encoder": 1001})] == ["updates.encoder"]


@pytest.mark.parametrize("scale", ["demo", "paper"])
@pytest.mark.parametrize("paper", ["lpaae", "aaae"])
def test_claims_name_all_that_their_rows_differ_in(paper: str, scale: str):
    found = compared(Graph(read(scale=scale)), [c for c in read_claims() if c.paper == paper])
    assert {claim: several for claim, several in found.items() if several} == {}
