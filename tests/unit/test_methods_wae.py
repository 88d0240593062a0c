"""WAE: what each phase updates, when, and what its losses are, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from advcodes.losses import mmd
from advcodes.methods.base import Method
from advcodes.training.loop import Loop, StepContext
from methods_kit import batches, make

SMALL = {"method__latent_dim": 4, "view__range": [-1.0, 1.0]}


def phases(name: str, **config: Any) -> list[tuple[str, tuple[str, ...], int, int | None]]:
    cls = type(make(name, **SMALL))
    return [(p.name, p.updates, p.after, p.until) for p in cls.phases(cls.Config(**config))]


def test_phases_update_what_they_should_and_begin_after_the_pretraining():
    assert phases("wae_gan") == [
        ("match_moments", ("encoder",), 0, 200),
        ("autoencode", ("encoder", "decoder"), 200, None),
        ("discriminate_codes", ("code_discriminator",), 200, None),
    ]
    assert phases("wae_mmd", pretrain_steps=5) == [
        ("match_moments", ("encoder",), 0, 5),
        ("autoencode", ("encoder", "decoder"), 5, None),
    ]
    assert phases("wae_mmd", pretrain_steps=0) == [("autoencode", ("encoder", "decoder"), 0, None)]


def terms(method: Method, prepared: Path, phase: str) -> tuple[dict[str, torch.Tensor], StepContext]:
    """Losses of a phase on a batch of digits, by networks in evaluation mode."""
    loop, batch = Loop(method, method.phases(method.config), total=10), batches(prepared).batch(0)
    batch.images = batch.images * 2 - 1
    for net in method.networks.values():
        net.eval()
    step = StepContext(loop, batch, loop.phases, logged=False)
    step.phase = next(p for p in loop.phases if p.name == phase)
    torch.manual_seed(1)
    return getattr(method, phase)(step), step


@pytest.mark.parametrize("log_prior", [True, False])
def test_losses_of_wae_gan_by_hand(prepared: Path, log_prior: bool):
    method = make("wae_gan", **SMALL, method__input_noise=0.0, method__penalty=3.0, method__log_prior=log_prior)
    found, step = terms(method, prepared, "autoencode")
    codes = method.encoder(step.images)
    error = (method.decoder(codes) - step.images).square().mean()
    assert found["error"].item() == pytest.approx(614.4 * error.item(), rel=1e-4)

    def logit(c: torch.Tensor) -> torch.Tensor:
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(c).sum(1) if log_prior else 0
        return method.code_discriminator(c) + prior

    expected = -logit(codes).sigmoid().log().mean()
    assert found["penalty"].item() == pytest.approx(3 * expected.item(), rel=1e-4)
    game, step = terms(method, prepared, "discriminate_codes")
    torch.manual_seed(1)
    noise = method.noise(len(codes))
    assert game["real"].item() == pytest.approx(-logit(noise).sigmoid().log().mean().item(), rel=1e-4)
    assert game["fake"].item() == pytest.approx(-(1 - logit(codes).sigmoid()).log().mean().item(), rel=1e-4)


def test_the_prior_of_one_code_by_hand():
    method = make("wae_gan", **SMALL)
    with torch.no_grad():
        for p in method.code_discriminator.parameters():
            p.zero_()
    codes = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, -2.0, 0.0, 3.0]])
    assert method.logits(codes).tolist() == pytest.approx([-2 * math.log(2 * math.pi), -2 * math.log(2 * math.pi) - 7])


def test_losses_of_wae_mmd_by_hand(prepared: Path):
    method = make("wae_mmd", **SMALL, method__input_noise=0.0)
    found, step = terms(method, prepared, "autoencode")
    torch.manual_seed(1)
    noise = method.noise(len(step.images))
    expected = mmd.inverse_multiquadratics(method.encoder(step.images), noise)
    assert found["penalty"].item() == pytest.approx(100 * expected.item(), rel=1e-4)


def test_noise_on_images_is_as_large_as_said_in_the_unit_of_the_range(prepared: Path):
    for span in ([-1.0, 1.0], [0.0, 1.0]):
        method = make("wae_mmd", method__latent_dim=64, view__range=span, method__input_noise=0.1)
        method.encoder = torch.nn.Flatten()
        batch = batches(prepared).batch(0)
        loop = Loop(method, method.phases(method.config), total=1)
        step = StepContext(loop, batch, loop.phases, logged=False)
        added = method.real_codes(step) - batch.images.flatten(1)
        assert added.std().item() == pytest.approx(0.1 * (span[1] - span[0]) / 2, rel=0.1)


def test_noise_is_for_the_encoder_in_training_alone(prepared: Path):
    """Reconstructions of noised images shall be like the images without it, and codes that are asked for have none."""
    method = make("wae_mmd", **SMALL, method__input_noise=0.5)
    found, step = terms(method, prepared, "autoencode")
    codes = step.once("real codes", (), lambda: pytest.fail("codes are shared between phases"))
    assert not torch.allclose(codes, method.encoder(step.images), rtol=1e-3)
    error = (method.decoder(codes) - step.images).square().mean()
    assert found["error"].item() == pytest.approx(614.4 * error.item(), rel=1e-4)
    assert torch.equal(method.encode(step.images), method.encoder(step.images))


def test_the_encoder_alone_moves_while_it_is_pretrained(prepared: Path):
    method = make("wae_gan", **SMALL, method__pretrain_steps=2)
    data, loop = batches(prepared), Loop(method, method.phases(method.config), total=4)

    def state() -> dict[str, torch.Tensor]:
        return {
            r: torch.cat([p.detach().flatten().clone() for p in n.parameters()]) for r, n in method.networks.items()
        }

    for step in range(3):
        before = state()
        loop.train_step(data.batch(step))
        moved = {role for role, weights in state().items() if not torch.equal(weights, before[role])}
        assert moved == ({"encoder"} if step < 2 else {"encoder", "decoder", "code_discriminator"})


def test_settings_are_those_of_the_authors():
    gan, mmd_ = (type(make(n, **SMALL)).Config() for n in ("wae_gan", "wae_mmd"))
    assert (gan.penalty, mmd_.penalty) == (
        1,
        100,
    ) and gan.reconstruction_weight == mmd_.reconstruction_weight == pytest.approx(0.05 * 3 * 64 * 64)
    assert (gan.optimiser.lr, gan.learning_rates, mmd_.optimiser.lr) == (3e-4, {"code_discriminator": 1e-3}, 1e-3)
