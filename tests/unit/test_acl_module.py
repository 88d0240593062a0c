"""The ACL module as a part for others' models: it bears what surrounds it there."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from torch import nn

from advcodes import AdversarialCodeLearning
from advcodes.core.errors import AdvcodesError

GAMES = ("gan", "hinge", "wgan_gp")


def module(game: str = "gan", **settings: Any) -> AdversarialCodeLearning:
    torch.manual_seed(0)
    return AdversarialCodeLearning(4, width=16, game=game, **settings)


def own_networks() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    return generator, nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))


def weights_after_a_step(acl: AdversarialCodeLearning, around: Any = None) -> list[torch.Tensor]:
    codes = torch.randn(32, 4, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    with around or contextlib.nullcontext():
        acl.step(codes)
    return [p.detach().clone() for p in acl.parameters()]


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize(
    "around",
    [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", dtype=torch.bfloat16)],
    ids=["no_grad", "inference mode", "autocast"],
)
def test_a_step_is_the_same_whatever_surrounds_it(game: str, around: Any):
    plain, surrounded = (weights_after_a_step(module(game), where) for where in (None, around()))
    assert all(torch.equal(a, b) for a, b in zip(plain, surrounded, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_codes_of_any_floating_type_are_learned_from(dtype: torch.dtype):
    losses = module().step(torch.randn(32, 4).to(dtype))
    assert all(loss.dtype == torch.float32 and torch.isfinite(loss) for loss in losses.values())
    acl = module().double()
    assert acl.step(torch.randn(32, 4).to(dtype))["generator"].dtype == torch.float64
    assert acl.sample(3).dtype == torch.float64


def test_codes_drawn_under_autocast_are_those_drawn_without():
    acl, draws = module(), []
    for on in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
            draws.append(acl.sample(5, torch.Generator().manual_seed(0)))
    assert torch.equal(*draws)


def test_no_gradient_stays_behind():
    """Else an optimiser of the whole model would step the code game's networks once more."""
    encoder, acl = nn.Linear(6, 4), module()
    adam = torch.optim.AdamW([*encoder.parameters(), *acl.parameters()], weight_decay=0.1)
    codes = encoder(torch.randn(32, 6))
    acl.step(codes)
    before = [p.detach().clone() for p in acl.parameters()]
    codes.square().mean().backward()
    adam.step()
    assert all(p.grad is None for p in acl.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, acl.parameters(), strict=True))

    acl.code_generator(torch.randn(8, 4)).sum().backward()  # of a loss of one's own
    own = [p.grad.clone() for p in acl.code_generator.parameters()]
    acl.step(torch.randn(32, 4))
    assert all(torch.equal(a, p.grad) for a, p in zip(own, acl.code_generator.parameters(), strict=True))


@pytest.mark.parametrize("game", GAMES)
def test_compiled_networks_play_as_they_would_uncompiled(game: str):
    found = []
    for compiled in (False, True):
        networks = own_networks()
        if compiled:
            networks = tuple(torch.compile(net, backend="aot_eager") for net in networks)
        acl = AdversarialCodeLearning(4, game=game, networks=networks)
        found.append(weights_after_a_step(acl))
        statistics = acl.state_dict()
        assert acl.sample(1).shape == (1, 4)
        assert all(torch.equal(statistics[k], v) for k, v in acl.state_dict().items() if torch.is_tensor(v))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_codes_of_a_compiled_model_are_learned_from():
    encoder = torch.compile(nn.Linear(6, 4), backend="aot_eager")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        codes = encoder(torch.randn(32, 6))
        module().step(codes)
        codes.square().mean().backward()
    assert encoder.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [0, -1, 2.5, "10", None])
def test_a_size_of_codes_is_a_whole_number(size: Any):
    with pytest.raises(AdvcodesError, match="latent_dim: expected at least 1, the size of your model's codes, got"):
        AdversarialCodeLearning(size)


def test_what_cannot_be_played_with_is_said_in_one_line():
    with pytest.raises(AdvcodesError, match=r"codes: on meta, the module on cpu; move it: acl.to\(codes.device\)"):
        module().step(torch.empty(8, 4, device="meta"))
    frozen = module().requires_grad_(False)
    with pytest.raises(AdvcodesError, match=r"are frozen .*; thaw them: acl.requires_grad_\(\)"):
        frozen.step(torch.randn(8, 4))
    generator, judge = own_networks()
    generator.append(nn.Linear(4, 5))
    with pytest.raises(AdvcodesError, match=r"networks: G_z gives \[8, 5\], expected \[8, 4\]"):
        AdversarialCodeLearning(4, networks=(generator, judge)).step(torch.randn(8, 4))
