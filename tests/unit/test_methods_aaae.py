"""AAAE: what each phase updates and computes, in both readings of each switch, and what samples come from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.functional import logsigmoid

from advcodes.core.errors import AdvcodesError
from advcodes.methods.aaae import AAAE
from advcodes.methods.base import Method
from advcodes.nets.spec import DatasetSpec
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import run_config
from methods_kit import CPU, batches, in_float64

SMALL = {"family": "aaae", "width": 4, "init_std": 0.1, "code": {"width": 16}}
NOISE, CODE = 5, 6


def make(**changes: Any) -> Method:
    torch.manual_seed(0)
    config = run_config(
        "aaae", architecture=SMALL, method__noise_dim=NOISE, method__latent_dim=CODE, view__range=[-1.0, 1.0], **changes
    )
    return build_method(config, DatasetSpec((1, 8, 8), (-1.0, 1.0)), CPU)


@pytest.fixture
def fixed_noise(monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """The same float64 noise for every draw."""
    noise = torch.randn(7, NOISE, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(AAAE, "noise", lambda self, n, generator=None: noise[:n])
    return noise


def test_defaults_are_the_papers():
    c = AAAE.Config()
    assert (c.architecture, c.latent_dim, c.noise_dim, c.approximator_steps) == ("aaae", 128, 64, 2)
    assert (c.adversarial_weight, c.penalty, c.optimiser.lr, c.optimiser.betas) == (1e-3, 10.0, 1e-4, (0.5, 0.9))
    assert (c.adversarial, c.penalty_at, c.distance) == ("nonsaturating", "interpolates", "squared")


@pytest.mark.parametrize("k", [1, 3])
def test_the_image_game_is_played_once_and_the_code_game_k_times(k: int):
    phases = AAAE.phases(AAAE.Config(approximator_steps=k))
    images = [("autoencode", ("encoder", "decoder"), True), ("discriminate", ("discriminator",), False)]
    codes = [("discriminate_codes", ("code_discriminator",), True), ("approximate", ("code_generator",), False)]
    assert [(p.name, p.updates, p.joint) for p in phases] == images + codes * k


def test_both_pairs_of_players_are_updated_simultaneously(prepared: Path):
    """Algorithm 1, lines 7 and 13: no player is stepped before the other one's gradient is taken."""
    method = make()
    loop, order = Loop(method, method.phases(method.config)), []
    for name in {phase.name for phase in loop.phases}:
        loss, step_of = getattr(method, name), loop.optimisers[name].step

        def watched(step: Any, name: str = name, loss: Any = loss) -> dict[str, torch.Tensor]:
            order.append(f"gradient of {name}")
            return loss(step)

        def stepped(name: str = name, step_of: Any = step_of) -> None:
            order.append(f"step of {name}")
            step_of()

        setattr(method, name, watched)
        loop.optimisers[name].step = stepped
    loop.train_step(batches(prepared).batch(0))
    pairs = [("autoencode", "discriminate"), *[("discriminate_codes", "approximate")] * 2]
    assert order == [f"{what} of {name}" for pair in pairs for what in ("gradient", "step") for name in pair]


def test_images_are_encoded_once_for_each_game(prepared: Path):
    """One pass serves both players of the image game, and one of the updated encoder all steps of the code game."""
    method = make()
    loop, calls = Loop(method, method.phases(method.config)), dict.fromkeys(method.networks, 0)
    for role, net in method.networks.items():
        # `forward`, since the penalty calls that.
        def counted(*args: Any, role: str = role, forward: Any = net.forward) -> torch.Tensor:
            calls[role] += 1
            return forward(*args)

        net.forward = counted
    loop.train_step(batches(prepared).batch(0))
    # The critic judges real and generated codes and points of the penalty, then the approximator's codes: 4 x k.
    expected = {"encoder": 2, "decoder": 1, "discriminator": 3, "code_generator": 4, "code_discriminator": 8}
    assert calls == expected


def test_the_code_game_has_codes_of_the_updated_encoder(prepared: Path):
    """Algorithm 1, lines 7 and 10."""
    method = make()
    loop, discriminate, seen = Loop(method, method.phases(method.config)), method.discriminate_codes, []

    def watched(step: Any) -> dict[str, torch.Tensor]:
        seen.append((method.updated_codes(step), step.once("real codes", (), lambda: None), step.images))
        return discriminate(step)

    method.discriminate_codes = watched
    loop.train_step(batches(prepared).batch(0))
    (codes, before, images), (again, _, _) = seen
    assert torch.equal(codes, method.encoder(images)), "the encoder is not updated later in the step"
    assert codes is again and not codes.requires_grad
    assert not torch.equal(codes, before)


@pytest.mark.parametrize("adversarial", ["nonsaturating", "critic"])
@pytest.mark.parametrize("distance", ["squared", "absolute"])
def test_lambda_1_weighs_the_adversarial_loss_and_not_the_distance(adversarial: str, distance: str):
    method = make(method__adversarial=adversarial, method__distance=distance, method__adversarial_weight=0.25)
    step = in_float64(method)
    terms = method.autoencode(step)
    x, made = step.images, step.shared["reconstructions"]
    difference = (made - x).detach()
    error = sum(float(d) ** 2 if distance == "squared" else abs(float(d)) for d in difference.flatten()) / made.numel()
    logits = method.discriminator(made)
    assert logits.shape == (7, 1)
    judged = -logits if adversarial == "critic" else -logsigmoid(logits)
    assert terms["error"].item() == pytest.approx(error, rel=1e-6)
    assert terms["adversarial"].item() == pytest.approx(0.25 * judged.mean().item(), rel=1e-9)
    assert set(terms) == {"error", "adversarial"}
    terms["adversarial"].backward()
    for net in (method.encoder, method.decoder):  # reconstructions, not images: a gradient arrives
        assert max(p.grad.abs().max() for p in net.parameters()) > 0


def test_reconstructions_are_the_patch_discriminators_fakes():
    method = make()
    step = in_float64(method)
    terms = method.discriminate(step)
    real, fake = method.discriminator(step.images), method.discriminator(step.shared["reconstructions"])
    assert terms["real"].item() == pytest.approx(-logsigmoid(real).mean().item(), rel=1e-9)
    assert terms["fake"].item() == pytest.approx(-logsigmoid(-fake).mean().item(), rel=1e-9)
    right = ((real > 0).double().mean() + (fake <= 0).double().mean()) / 2
    assert step.logged["accuracy"] == pytest.approx(right.item())
    sum(terms.values()).backward()
    assert all(p.grad is None for role in ("encoder", "decoder") for p in method.networks[role].parameters())


def test_patches_count_alike():
    """Cross entropy is averaged over images and their patches."""
    method = make()
    step = in_float64(method)
    logits = torch.linspace(-2, 3, 7 * 4, dtype=torch.float64).reshape(7, 4)
    method.discriminator = lambda images: logits
    terms = method.discriminate(step)
    assert terms["real"].item() == pytest.approx((1 + (-logits).exp()).log().mean().item(), rel=1e-9)
    assert method.autoencode(step)["adversarial"].item() == pytest.approx(1e-3 * terms["real"].item(), rel=1e-9)


@pytest.mark.parametrize("where", ["interpolates", "generated"])
def test_the_critic_and_its_penalty(where: str, fixed_noise: torch.Tensor):
    """A critic w.c + (v.c)^2 / 2 has the gradient w + (v.c) v, so that the penalty can be worked out."""
    method = make(method__penalty_at=where, method__penalty=3.0)
    step = in_float64(method)
    w, v = torch.randn(2, CODE, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    critic = torch.nn.Module()
    critic.forward = lambda c: c.double() @ w + (c.double() @ v).square() / 2
    method.code_discriminator = critic
    torch.manual_seed(11)
    terms = method.discriminate_codes(step)
    real, fake = step.shared["updated codes"], method.code_generator(fixed_noise)
    torch.manual_seed(11)
    share = torch.rand(7, 1) if where == "interpolates" else torch.ones(7, 1)
    points = real + share * (fake - real)
    gradient = w + (points @ v)[:, None] * v
    norm = (gradient.square().sum(1) + 1e-4).sqrt()
    assert terms["real"].item() == pytest.approx(-critic(real).mean().item(), rel=1e-9)
    assert terms["fake"].item() == pytest.approx(critic(fake).mean().item(), rel=1e-9)
    # The penalty is worked out in float32.
    assert terms["penalty"].item() == pytest.approx(3 * (norm - 1).square().mean().item(), rel=1e-5)
    assert set(step.logged) == {"accuracy", "rank_real", "rank_generated", "mismatch"}


def test_the_readings_of_the_penalty_differ(fixed_noise: torch.Tensor):
    found = []
    for where in ("interpolates", "generated"):
        method = make(method__penalty_at=where)
        step = in_float64(method)
        method.code_discriminator.float()
        forward = method.code_discriminator.forward
        method.code_discriminator.forward = lambda c, forward=forward: forward(c.float())
        found.append(method.discriminate_codes(step)["penalty"].item())
    assert found[0] != pytest.approx(found[1], rel=1e-9)


def test_the_critic_leaves_encoder_and_approximator_alone(prepared: Path):
    method = make()
    loop = Loop(method, method.phases(method.config))
    context = SimpleNamespace(images=batches(prepared).batch(0).images, log=lambda *_: None)
    context.once = lambda key, roles, make: make()
    loop.thaw(("encoder", "code_generator", "code_discriminator"))
    sum(method.discriminate_codes(context).values()).backward()
    assert all(p.grad is None for role in ("encoder", "code_generator") for p in method.networks[role].parameters())
    assert all(p.grad is not None for p in method.code_discriminator.parameters())


def test_the_approximator_raises_the_critics_score(fixed_noise: torch.Tensor):
    method = make()
    terms = method.approximate(in_float64(method))
    expected = -method.code_discriminator(method.code_generator(fixed_noise)).mean()
    assert set(terms) == {"adversarial"} and terms["adversarial"].item() == pytest.approx(expected.item(), rel=1e-9)


def test_samples_go_through_the_approximator():
    method = make()
    for net in method.networks.values():
        net.eval()
    with torch.no_grad():
        noise = method.noise(4, torch.Generator().manual_seed(1))
        codes = method.codes(4, torch.Generator().manual_seed(1))
        assert noise.shape == (4, NOISE) and torch.equal(codes, method.code_generator(noise))
        assert torch.equal(method.sample(4, torch.Generator().manual_seed(1)), method.decoder(codes))
        x = torch.rand(4, 1, 8, 8)
        assert torch.equal(method.encode(x), method.encoder(x)) and torch.equal(
            method.decode(codes), method.decoder(codes)
        )
        assert torch.equal(method.reconstruct(x), method.decoder(method.encoder(x)))
    assert method.sampling_roles == ("decoder", "code_generator")
    uniform = make(method__prior="uniform").noise(1000)
    assert uniform.shape == (1000, NOISE) and 0.9 < uniform.abs().max() <= 1


def test_each_step_of_the_approximator_has_new_noise(prepared: Path, monkeypatch: pytest.MonkeyPatch):
    method, drawn = make(), []
    noise = method.noise
    monkeypatch.setattr(method, "noise", lambda *args: drawn.append(noise(*args)) or drawn[-1])
    Loop(method, method.phases(method.config)).train_step(batches(prepared).batch(0))
    assert len({z[0, 0].item() for z in drawn}) == len(drawn) == 4


def test_points_are_refused_by_its_networks():
    with pytest.raises(AdvcodesError, match="architecture family 'aaae' needs square images"):
        build_method(run_config("aaae", architecture=SMALL), DatasetSpec((2,)), CPU)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("reading", [{}, {"adversarial": "critic", "penalty_at": "generated", "distance": "absolute"}])
def test_a_step_in_its_own_networks(reading: dict[str, str], precision: str, prepared: Path):
    method = make(**{f"method__{key}": value for key, value in reading.items()})
    loop = Loop(method, method.phases(method.config), precision)
    before = {role: [p.detach().clone() for p in net.parameters()] for role, net in method.networks.items()}
    loop.train_step(batches(prepared).batch(0), logged=True)
    assert all(value == value for value in loop.flush().values())
    for role, net in method.networks.items():
        assert any(not torch.equal(a, b) for a, b in zip(before[role], net.parameters(), strict=True)), role
