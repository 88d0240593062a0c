"""ALI and ALICE: what each phase updates and computes, worked out by hand, and what is shared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from advcodes.core.errors import AdvcodesError
from advcodes.methods.ali import ALI, ALICE
from advcodes.methods.base import Method
from advcodes.nets.spec import DatasetSpec
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import run_config
from methods_kit import CPU, OneStep, batches, in_float64

SMALL = {"family": "ali", "width": 2, "dropout": 0.0}
NOISY = {"family": "alice", "width": 2}
CODE, BATCH = 6, 7
ORIGINAL = {
    "cycle": "l1", "prior": "uniform", "adversarial": "linear", "stochastic_encoder": False, "joined": False,
    "simultaneous": False,
}  # fmt: skip


def make(name: str = "ali", architecture: dict[str, Any] = SMALL, **method: Any) -> Method:
    torch.manual_seed(0)
    config = run_config(name, architecture=architecture, view__range=[-1.0, 1.0])
    config["method"] |= {"latent_dim": CODE, **method}
    return build_method(config, DatasetSpec((1, 8, 8), (-1.0, 1.0)), CPU)


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """The same float64 draw of the prior every time."""
    z = torch.randn(BATCH, CODE, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(ALI, "noise", lambda self, n, generator=None: z[:n])
    return z


def judge_by_mean(method: Method) -> None:
    """Let the discriminator's logit be the mean of the image and of the code: easy to work out."""
    method.discriminator = lambda x, z: x.flatten(1).mean(1) + z.mean(1)


def logit(x: torch.Tensor, z: torch.Tensor) -> list[float]:
    return [(i.mean() + c.mean()).item() for i, c in zip(x, z, strict=True)]


def cross_entropy(logits: list[float], real: bool) -> float:
    shares = [1 / (1 + torch.tensor(-v, dtype=torch.float64).exp()) for v in logits]
    return float(-sum((s if real else 1 - s).log() for s in shares) / len(shares))


# -- which networks, when ---------------------------------------------------------------------------------------


def test_defaults_are_the_papers():
    c, e = ALI.Config(), ALICE.Config()
    assert (c.architecture, c.latent_dim, c.prior, c.stochastic_encoder) == ("ali", 256, "normal", True)
    assert (c.adversarial, c.joined, c.simultaneous, c.discriminator_steps, c.instance_noise) == (
        "nonsaturating", True, True, 1, 0.0,
    )  # fmt: skip
    assert (c.optimiser.lr, c.optimiser.betas) == (1e-4, (0.5, 0.999))
    assert (e.cycle, e.cycle_weight) == ("l2", 1.0)


@pytest.mark.parametrize("cls", [ALI, ALICE])
def test_the_discriminator_plays_against_encoder_and_generator(cls: type[ALI]):
    first, second = cls.phases(cls.Config(discriminator_steps=5))
    assert (first.name, first.updates, first.every, first.joint) == ("discriminate", ("discriminator",), 1, True)
    assert (second.name, second.updates, second.every) == ("infer", ("encoder", "generator"), 5)
    assert not cls.phases(cls.Config(simultaneous=False))[0].joint


@pytest.mark.parametrize("simultaneous", [True, False])
def test_the_discriminators_step_changes_the_others_gradient_only_if_it_comes_first(simultaneous: bool, prepared: Path):
    """Encoder and generator get the same gradient with a fast discriminator as with one that stands still."""

    def gradients(rate: float) -> list[torch.Tensor]:
        method = make(simultaneous=simultaneous, learning_rates={"discriminator": rate})
        loop = Loop(method, method.phases(method.config))
        torch.manual_seed(5)
        loop.train_step(batches(prepared).batch(0))
        return [p.grad.clone() for role in ("encoder", "generator") for p in method.networks[role].parameters()]

    still, fast = gradients(1e-30), gradients(1.0)
    assert all(torch.equal(a, b) for a, b in zip(still, fast, strict=True)) is simultaneous


def test_images_are_encoded_and_noise_decoded_once_for_both_phases(prepared: Path):
    for name, expected in (
        ("ali", {"encoder": 1, "generator": 1, "discriminator": 2}),
        ("alice", {"encoder": 1, "generator": 2, "discriminator": 2}),
    ):
        method = make(name)
        calls = []
        for role, net in method.networks.items():
            net.register_forward_hook(lambda *_, role=role, calls=calls: calls.append(role))
        Loop(method, method.phases(method.config)).train_step(batches(prepared).batch(0))
        assert Counter(calls) == expected


def test_gradients_reach_both_players_and_not_the_discriminator(prepared: Path):
    for name, changes in (("ali", {}), ("alice", {"cycle": "l2"}), ("alice", ORIGINAL)):
        method = make(name, **changes)
        loop = Loop(method, method.phases(method.config)[1:])
        loop.train_step(batches(prepared).batch(0))
        for role in ("encoder", "generator"):
            assert all(p.grad is not None and p.grad.abs().max() > 0 for p in method.networks[role].parameters()), role
        assert all(p.grad is None for p in method.discriminator.parameters())


def test_the_other_players_rest_between_their_steps(prepared: Path):
    method = make(discriminator_steps=3)
    loop, changed = Loop(method, method.phases(method.config)), []
    for step in range(6):
        before = [p.detach().clone() for p in method.encoder.parameters()]
        loop.train_step(batches(prepared).batch(step))
        changed.append(any(not torch.equal(a, b) for a, b in zip(before, method.encoder.parameters(), strict=True)))
    assert changed == [False, False, True] * 2


# -- codes ------------------------------------------------------------------------------------------------------


def test_a_code_is_drawn_in_training_and_the_mean_otherwise():
    method = make()
    out = torch.tensor([[1.0, -2.0, 0.0, 0.5, 3.0, 9.0, *[-1.0, 0.0, 1.0, -0.5, 0.2, -3.0]]]).repeat(20000, 1)
    method.encoder = lambda x: out
    x = torch.zeros(20000, 1, 8, 8)
    assert torch.equal(method.encode(x), out[:, :CODE])
    drawn = method.drawn_code(x)
    assert torch.allclose(drawn.mean(0), out[0, :CODE], atol=0.08)
    assert torch.allclose(drawn.std(0), out[0, CODE:].exp(), rtol=0.03), "exp(log sigma), not its half"
    method = make(stochastic_encoder=False)
    assert torch.equal(method.drawn_code(x[:5]), method.encoder(x[:5]))
    assert method.encode(x[:5]).shape == (5, CODE)


@pytest.mark.parametrize("architecture", [SMALL, NOISY], ids=["ali", "alice"])
def test_samples_and_reconstructions(architecture: dict[str, Any]):
    method = make("alice", architecture)
    for net in method.networks.values():
        net.eval()
    with torch.no_grad():
        z, x = method.noise(4, torch.Generator().manual_seed(1)), torch.rand(4, 1, 8, 8)
        assert torch.equal(method.codes(4, torch.Generator().manual_seed(1)), z)
        assert torch.equal(method.sample(4, torch.Generator().manual_seed(1)), method.decode(z))
        assert torch.equal(method.reconstruct(x), method.generator(method.encoder(x)[:, :CODE]))
    assert method.sampling_roles == ("generator",) and method.snapshot_roles == ("encoder",)


def test_the_first_images_are_the_mean_where_the_network_can():
    images = torch.rand(50, 1, 8, 8) * 2 - 1
    method = make()
    method.initialise(images)
    with torch.no_grad():
        assert torch.allclose(method.sample(3), images.mean(0).expand(3, 1, 8, 8), atol=0.1)
    other = make("ali", NOISY)
    before = [p.clone() for p in other.generator.parameters()]
    other.initialise(images)
    assert all(torch.equal(a, b) for a, b in zip(before, other.generator.parameters(), strict=True))


# -- losses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("joined", [True, False])
def test_cross_entropies(joined: bool, noise: torch.Tensor):
    method = make(joined=joined, stochastic_encoder=False)  # draws are float32
    judge_by_mean(method)
    step = in_float64(method, BATCH, progress=0.25)
    terms, exchanged = method.discriminate(step), method.infer(step)
    made = method.generator(noise)
    assert torch.equal(step.shared["generated"], made)
    real, fake = logit(step.images, step.shared["inferred"]), logit(made, noise)
    near = {"rel": 1e-9}
    assert terms["inferred"].item() == pytest.approx(cross_entropy(real, True), **near)
    assert terms["generated"].item() == pytest.approx(cross_entropy(fake, False), **near)
    assert exchanged["inferred"].item() == pytest.approx(cross_entropy(real, False), **near)
    assert exchanged["generated"].item() == pytest.approx(cross_entropy(fake, True), **near)
    right = (sum(v > 0 for v in real) + sum(v <= 0 for v in fake)) / (2 * BATCH)
    assert step.logged["accuracy"] == pytest.approx(right)
    assert {"rank_real", "rank_generated", "mismatch"} <= set(step.logged)


def test_the_linear_loss_is_the_probability_itself(noise: torch.Tensor):
    method = make(adversarial="linear", joined=False)
    judge_by_mean(method)
    step = in_float64(method, BATCH, progress=0.25)
    terms = method.infer(step)
    real, fake = logit(step.images, step.shared["inferred"]), logit(method.generator(noise), noise)
    mean = lambda logits: sum(1 / (1 + 2.718281828459045**-v) for v in logits) / BATCH  # noqa: E731
    # Logits are taken to float32 before the sigmoid.
    assert terms["inferred"].item() == pytest.approx(mean(real), rel=1e-6)
    assert terms["generated"].item() == pytest.approx(-mean(fake), rel=1e-6)
    saturated = torch.full((4,), 40.0, requires_grad=True)
    from advcodes import losses

    losses.probability.lower(saturated).backward()
    assert saturated.grad.abs().max() < 1e-10


@pytest.mark.parametrize("cycle", ["l2", "l1"])
def test_what_the_cycle_costs(cycle: str, noise: torch.Tensor):
    method = make("alice", cycle=cycle, cycle_weight=0.25, stochastic_encoder=False)
    for net in method.networks.values():
        net.eval()  # one batch norm for all batches
    step = in_float64(method, BATCH, progress=0.25)
    terms, plain = method.infer(step), ALI.infer(method, step)
    assert all(torch.equal(terms[k], plain[k]) for k in plain)
    x, code = step.images, method.encoder(step.images)
    there_and_back = (method.generator(code) - x).flatten().tolist()
    back_and_there = (method.encoder(method.generator(noise)) - noise).flatten().tolist()
    if cycle == "l2":
        expected = {"images": sum(v * v for v in there_and_back) / (BATCH * 64)}
    else:
        expected = {
            "images": sum(abs(v) for v in there_and_back) / (BATCH * 64),
            "codes": sum(abs(v) for v in back_and_there) / (BATCH * CODE),
        }
    assert set(terms) - set(plain) == set(expected)
    for key, value in expected.items():
        assert terms[key].item() == pytest.approx(0.25 * value, rel=1e-5)


def test_batches_are_joined_or_not():
    """Batch norm in the discriminator has statistics of both kinds of pairs, or of each."""
    x, z = torch.rand(BATCH, 1, 8, 8), torch.randn(BATCH, CODE)
    other, code = -torch.rand(BATCH, 1, 8, 8), torch.randn(BATCH, CODE)
    joined, apart = make(), make(joined=False)
    a, b = joined.judged(None, (x, z), (other, code))
    both = joined.discriminator(torch.cat([x, other]), torch.cat([z, code]))
    assert torch.equal(torch.cat([a, b]), both)
    c, d = apart.judged(None, (x, z), (other, code))
    assert torch.equal(c, apart.discriminator(x, z)) and torch.equal(d, apart.discriminator(other, code))
    assert not torch.allclose(a, c)


# -- instance noise ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("progress", "sd"), [(0.0, 0.4), (0.5, 0.2), (0.75, 0.1), (1.0, 0.0)])
def test_instance_noise_falls_to_nothing(progress: float, sd: float):
    method, images = make(instance_noise=0.4), torch.zeros(400, 1, 8, 8)
    step = OneStep(images, progress)
    first, second = method.seen(step, images), method.seen(step, images)
    assert first.std().item() == pytest.approx(sd, rel=0.02) and abs(first.mean()) < 0.01
    assert torch.equal(first, second) is (sd == 0), "new for every use"
    assert make().seen(step, images) is images


def test_instance_noise_is_on_every_image_that_the_discriminator_sees(prepared: Path):
    method, seen = make("alice", instance_noise=0.5, joined=False), []
    method.discriminator.register_forward_pre_hook(lambda net, args: seen.append(args[0].detach()))
    batch = batches(prepared).batch(0)
    Loop(method, method.phases(method.config), total=10).train_step(batch)
    assert len(seen) == 4
    for x in seen[::2]:
        assert (x - batch.images).std().item() == pytest.approx(0.5, rel=0.05)
    differences = [(a - b).abs().max() for a, b in ((seen[0], seen[2]), (seen[1], seen[3]))]
    assert min(differences) > 1, "both phases see the same images under different noise"


# -- ways of the original ---------------------------------------------------------------------------------------


def test_the_original_alice_trains(prepared: Path):
    method = make("alice", NOISY, **ORIGINAL)
    loop = Loop(method, method.phases(method.config))
    for step in range(2):
        loop.train_step(batches(prepared).batch(step), logged=True)
    found = loop.flush()
    assert {"infer/images", "infer/codes", "discriminate/accuracy"} <= set(found)
    assert method.noise(500).abs().max() <= 1
    with torch.no_grad():
        assert method.encode(torch.rand(5, 1, 8, 8)).abs().max() <= 1


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("settings", [{"discriminator_norm": "spectral"}, {"networks": "cifar10"}], ids=str)
def test_other_discriminators_train(settings: dict[str, Any], joined: bool, prepared: Path):
    """Spectral norm changes its own buffers in every pass, two of which may be in one graph."""
    method = make("ali", {"family": "ali", "width": 2, **settings}, joined=joined)
    loop = Loop(method, method.phases(method.config))
    before = [p.detach().clone() for p in method.discriminator.parameters()]
    for step in range(2):
        loop.train_step(batches(prepared).batch(step))
    assert all(value == value for value in loop.flush().values())
    assert all(not torch.equal(a, b) for a, b in zip(before, method.discriminator.parameters(), strict=True))


def test_other_families_have_no_such_discriminator():
    for architecture in ({"family": "mlp"}, {"family": "infogan"}):
        with pytest.raises(AdvcodesError, match=r"unknown network kind for role 'discriminator'.*'joint_disc"):
            make("ali", architecture)
