"""Seeds are paired where two rows share their random numbers, and there alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from advcodes.config.params import resolve
from advcodes.graph.graph import Graph
from advcodes.graph.streams import paired
from advcodes.papers.items import Claim
from advcodes.papers.read import read_claims
from advcodes.training.loop import Loop
from methods_kit import batches, make

CLAIM = {"id": "c", "paper": "acl", "item": "acl/table1", "says": "", "where": "", "column": "cifar10"}


def pairs(tree: dict[str, Any], winner: str, loser: str) -> bool:
    claim = Claim.model_validate({**CLAIM, "winner": winner, "loser": loser})
    return paired(Graph(resolve(tree)), [claim]) == ["c"]


@pytest.mark.parametrize(
    ("winner", "loser", "expected"),
    [
        ("aaae_1e-4", "aaae_1e-1", True),  # the weight of a loss
        ("vae_began_lsm", "vae_began_lsm_i", True),  # gains of a controller
        ("gali_4_svhn", "gali_4_minimax", True),  # what is made of the discriminator's answers; and rates
        ("acl_gan", "gan", False),  # other networks, which draw first
        ("lpaae_ab", "lpaae_a", False),  # the same, and other losses
        ("lpaae_8", "lpaae", False),  # codes of another size
        ("gali_8_svhn", "gali_4_svhn", False),  # another number of updates
    ],
)
def test_which_rows_share_their_random_numbers(tree, winner: str, loser: str, expected: bool):
    assert pairs(tree, winner, loser) is expected


def test_a_claim_on_training_s_course_is_no_matter_of_two_rows(tree):
    falls = [c for c in read_claims() if c.kind == "falls"]
    assert falls and not paired(Graph(resolve(tree)), falls)


def drawn(prepared, method: str, **changes: Any) -> tuple[dict[str, Any], torch.Tensor, torch.Tensor]:
    """First weights, images of the second batch, and the state of the stream after it."""
    made, data = make(method, **changes), batches(prepared)
    first = {f"{role}.{k}": v.clone() for role, net in made.networks.items() for k, v in net.state_dict().items()}
    loop = Loop(made, made.phases(made.config), total=2)
    for step in range(2):
        loop.train_step(batch := data.batch(step))
    return first, batch.images, torch.get_rng_state()


@pytest.mark.parametrize(
    ("method", "one", "two"),
    [
        ("aaae", {"method__adversarial_weight": 1e-4}, {"method__adversarial_weight": 0.1}),
        ("gali", {"method__objective": "product"}, {"method__objective": "minimax"}),
        ("gali", {}, {"method__optimiser": {"lr": 1e-2, "betas": [0.9, 0.99]}}),
        ("vae_began_lsm", {"method__proportional_gain": 0.01}, {"method__proportional_gain": 0.0}),
    ],
)
def test_such_settings_leave_what_is_drawn_as_it_is(prepared, method: str, one: dict[str, Any], two: dict[str, Any]):
    """Networks begin the same, see the same images, and the stream of noise stands where it would."""
    (first, images, stream), (other, seen, after) = (drawn(prepared, method, **changes) for changes in (one, two))
    assert all(torch.equal(first[k], other[k]) for k in first)
    assert torch.equal(images, seen) and torch.equal(stream, after)


def test_another_method_draws_other_noise_at_the_same_seed(prepared):
    assert not torch.equal(drawn(prepared, "gan")[2], drawn(prepared, "acl_gan")[2])
