"""Adversarial code learning: the readings of the paper as parameters, what each updates, and what is logged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from advcodes import AdversarialCodeLearning
from advcodes.core.errors import AdvcodesError
from advcodes.methods import registry
from advcodes.nets.spec import DatasetSpec
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import run_config
from methods_kit import OneStep, batches, make


def updates(method: str = "acl_gan", **config: Any) -> dict[str, tuple[str, ...]]:
    cls = registry.method(method)
    return {p.name: p.updates for p in cls.phases(cls.Config(**config))}


def test_the_reconstruction_loss_has_a_step_of_its_own_or_shares_the_generators():
    own, joint = updates(reconstruction_step="own"), updates(reconstruction_step="joint")
    assert next(iter(own)) == "match", "Algorithm 1 has L_R first (line 11)"
    assert own["match"] == ("encoder", "generator") and own["generate"] == ("generator",)
    assert "match" not in joint and joint["generate"] == ("generator", "encoder")


def test_the_reconstruction_loss_updates_both_or_the_encoder_alone():
    for step in ("own", "joint"):
        literal = updates(reconstruction_updates_generator=False, reconstruction_step=step)
        assert literal["match"] == ("encoder",) and literal["generate"] == ("generator",)


READINGS = [
    {"reconstruction_step": "own"},
    {"reconstruction_step": "joint"},
    {"reconstruction_updates_generator": False},
    {"reconstruction_updates_discriminator": True},
    {"adversarial_updates_code_generator": True},
    {"reconstruction_updates_generator": False, "adversarial_updates_code_generator": True},
    {"reconstruction": "sum", "reconstruction_weight": 0.1},
    {"reconstruction": "sum", "reconstruction_step": "joint"},
    *({"fakes": fakes, "reconstruction_step": step} for fakes in ("encoded", "both") for step in ("own", "joint")),
    *({"code_game": game} for game in ("hinge", "wgan_gp")),
    *({"code_normalisation": how} for how in ("batch", "layer")),
    {"prior": "uniform"},
    {"prior": "four_modes", "latent_dim": 2},
]


@pytest.mark.parametrize("method", ["acl_gan", "acl_gan_gp", "acl_sgan", "arae"])
@pytest.mark.parametrize("reading", READINGS, ids=str)
def test_every_reading_trains_every_network(method: str, reading: dict[str, Any], prepared: Path):
    made = make(method, **{f"method__{k}": v for k, v in reading.items()})
    loop = Loop(made, made.phases(made.config))
    due = {role for phase in loop.phases for role in phase.updates}
    before = {role: [p.detach().clone() for p in made.networks[role].parameters()] for role in due}
    data = batches(prepared)
    for step in range(5):
        loop.train_step(data.batch(step), logged=True)
    assert all(v == v for v in loop.flush().values())
    for role in due:
        after = made.networks[role].parameters()
        assert any(not torch.equal(a, b) for a, b in zip(before[role], after, strict=True)), role


def test_reconstructions_as_fakes_leave_the_encoder_to_the_reconstruction_loss(prepared: Path):
    """L_D is the generator's and the discriminator's alone (Algorithm 1, line 12)."""
    method = make("acl_gan", method__fakes="encoded", method__reconstruction_weight=0.0)
    before = [p.detach().clone() for p in method.encoder.parameters()]
    loop = Loop(method, [p for p in method.phases(method.config) if "codes" not in p.name])
    loop.train_step(batches(prepared).batch(0))
    assert all(torch.equal(a, b) for a, b in zip(before, method.encoder.parameters(), strict=True))


def test_fakes_are_what_the_reading_says(prepared: Path):
    images = batches(prepared).batch(0).images
    made = {fakes: make("acl_gan", method__fakes=fakes) for fakes in ("generated", "encoded", "both")}
    for method in made.values():
        method.encoder.eval()
    codes = made["encoded"].encoder(images)
    torch.testing.assert_close(made["encoded"].fake_codes(OneStep(images)), codes)
    both = made["both"].fake_codes(OneStep(images))
    half = len(codes) // 2
    torch.testing.assert_close(both[half:], codes[half:])
    assert both.shape == codes.shape and not torch.allclose(both[:half], codes[:half], atol=0.1)
    assert not torch.allclose(made["generated"].fake_codes(OneStep(images)), codes, atol=0.1)


def test_the_image_game_reaches_the_code_generator_only_when_asked(prepared: Path):
    data = batches(prepared)
    for through in (False, True):
        method = make("acl_gan", method__adversarial_updates_code_generator=through)
        phases = [p for p in method.phases(method.config) if p.name == "generate"]
        before = [p.detach().clone() for p in method.code_generator.parameters()]
        Loop(method, phases).train_step(data.batch(0))
        moved = any(not torch.equal(a, b) for a, b in zip(before, method.code_generator.parameters(), strict=True))
        assert moved == through


def test_the_code_game_keeps_step_with_the_generator():
    cls = registry.method("acl_gan_gp")
    every = {p.name: p.every for p in cls.phases(cls.Config(n_critic=4))}
    assert every == {"match": 4, "discriminate": 1, "generate": 4, "discriminate_codes": 4, "generate_codes": 4}
    assert {p.every for p in cls.phases(cls.Config(n_critic=4, code_every=2)) if "codes" in p.name} == {2}


def test_features_come_from_the_layer_that_is_asked_for(prepared: Path):
    method = make("acl_gan", method__phi="convolution")
    x = torch.rand(3, 1, 8, 8)
    width = method.discriminator.trunk.convolutions(x).shape[1]
    assert method.discriminator.features(x, "convolution").shape == (3, width)
    assert method.discriminator.features(x).shape == (3, 32) and width != 32
    Loop(method, method.phases(method.config)).train_step(batches(prepared).batch(0))
    points = make("acl_gan", (2,), method__phi="convolution")
    with pytest.raises(AdvcodesError, match="no convolutions to take features from; set `phi: last`"):
        points.discriminator.features(torch.rand(3, 2), "convolution")


def test_normalised_codes_are_standardised():
    x = torch.rand(64, 1, 8, 8)
    codes = {}
    for how in ("batch", "layer"):
        encoder = make("acl_ae", method__code_normalisation=how).encoder
        with torch.no_grad():
            encoder.head.weight.mul_(100)  # away from the epsilon of the normalisation
        codes[how] = encoder(x)
    for how, dim in (("batch", 0), ("layer", 1)):
        assert codes[how].mean(dim).abs().max() < 1e-4
        assert (codes[how].var(dim, correction=0) - 1).abs().max() < 0.01


def test_the_decoder_of_acl_ae_sees_no_generated_code(prepared: Path):
    """ACL-AE's autoencoder trains bitwise as it would alone (section 4.1: its loss is a plain sum)."""
    alone, with_acl = make("ae"), make("acl_ae")
    for role in ("encoder", "decoder"):
        with_acl.networks[role].load_state_dict(alone.networks[role].state_dict())
    data = batches(prepared)
    for method in (alone, with_acl):
        loop = Loop(method, method.phases(method.config))
        for step in range(3):
            loop.train_step(data.batch(step))
    for role in ("encoder", "decoder"):
        pairs = zip(alone.networks[role].parameters(), with_acl.networks[role].parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


# ACL-SGAN


def test_labels_alone_train_the_classifier(prepared: Path):
    for step in ("own", "joint"):
        roles = updates("acl_sgan", reconstruction_step=step)
        assert [name for name in roles if "encoder" in roles[name]] == ["classify"]
    method = make("acl_sgan", method__optimiser={"lr": 1e-3})
    data, loop = batches(prepared), Loop(method, method.phases(method.config))
    for step in range(100):
        loop.train_step(data.batch(step), logged=step == 99)
    assert loop.flush()["classify/accuracy"] > 0.8


def test_attributes_serve_where_there_are_no_classes():
    spec = DatasetSpec((1, 8, 8), classes=0, attributes=3)
    method = build_method(run_config("acl_sgan"), spec, torch.device("cpu"))
    assert method.targets == "attributes" and method.classifier(torch.randn(5, 16)).shape == (5, 3)
    assert DatasetSpec(classes=4, attributes=3).targets() == "classes"
    assert DatasetSpec(classes=4, attributes=3).targets("attributes") == "attributes"


@pytest.mark.parametrize(
    ("spec", "config", "message"),
    [
        (DatasetSpec((1, 8, 8)), {}, "supervision: auto needs labels, and this dataset has none; use another dataset"),
        (
            DatasetSpec((1, 8, 8), classes=10),
            {"supervision": "attributes"},
            "supervision: attributes needs labels, and this dataset has classes only",
        ),
        (
            DatasetSpec((1, 8, 8), classes=10),
            {"code_layer": "logits"},
            "`code_layer: logits` needs one code number for each of the 10 classes: set `latent_dim: 10`, not 16",
        ),
    ],
)
def test_a_classifier_needs_labels(spec: DatasetSpec, config: dict[str, Any], message: str):
    config = run_config("acl_sgan", **{f"method__{k}": v for k, v in config.items()})
    with pytest.raises(AdvcodesError, match=re.escape(message)):
        build_method(config, spec, torch.device("cpu"))


def test_logits_can_be_the_codes(prepared: Path):
    method = make("acl_sgan", method__code_layer="logits", method__latent_dim=10)
    assert "classifier" not in method.networks and updates("acl_sgan", code_layer="logits")["classify"] == ("encoder",)
    Loop(method, method.phases(method.config)).train_step(batches(prepared).batch(0))


# ARAE


def test_arae_alone_lets_the_code_game_move_the_encoder():
    assert updates("arae").pop("align") == ("encoder",)
    rest = {k: v for k, v in updates("arae").items() if k != "align"}
    assert rest == updates("acl_gan")


def test_the_weight_of_alignment_is_a_factor_of_the_rate(prepared: Path):
    """Adam takes steps of the same length whatever a loss is multiplied by: a weight on it would do nothing."""
    moved = {}
    for weight in (0.1, 0.2, 0.4):
        torch.manual_seed(0)
        method = make("arae", method__alignment_weight=weight)
        before = method.encoder.head.weight.detach().clone()
        (align,) = (p for p in method.phases(method.config) if p.name == "align")
        Loop(method, [align]).train_step(batches(prepared).batch(0))
        moved[weight] = float((method.encoder.head.weight.detach() - before).abs().mean())
    assert moved[0.2] == pytest.approx(2 * moved[0.1], rel=1e-2)
    assert moved[0.4] == pytest.approx(2 * moved[0.2], rel=1e-2)


# What is logged


@pytest.mark.parametrize("name", sorted(registry.methods()))
def test_every_method_with_codes_logs_what_they_are_like(name: str, prepared: Path):
    method = make(name)
    if not method.can("encode"):
        return
    data, loop = batches(prepared), Loop(method, method.phases(method.config))
    for step in range(5):
        loop.train_step(data.batch(step), logged=True)
    logged = {key.partition("/")[2] for key in loop.flush()}
    assert "rank_real" in logged
    if method.can("sample"):
        assert {"rank_generated", "mismatch"} <= logged
    for phase in loop.phases:
        assert not phase.name.startswith("discriminate") or "accuracy" in logged


# The public module


def test_one_module_serves_every_method_and_the_user():
    for name in ("acl_ae", "acl_gan", "acl_gan_gp", "acl_sgan", "arae"):
        method = make(name)
        assert type(method.acl) is AdversarialCodeLearning
        assert method.acl.code_generator is method.networks["code_generator"]


@pytest.mark.parametrize("game", ["gan", "hinge", "wgan_gp"])
def test_the_module_trains_its_own_networks_and_leaves_the_encoder_alone(game: str):
    torch.manual_seed(0)
    encoder, acl = torch.nn.Linear(4, 3), AdversarialCodeLearning(3, width=16, game=game)
    nets = (acl.code_generator, acl.code_discriminator)
    before = [[p.detach().clone() for p in net.parameters()] for net in nets]
    losses = acl.step(encoder(torch.randn(32, 4)))
    assert set(losses) == {"discriminator", "generator"} and all(torch.isfinite(v) for v in losses.values())
    for net, old in zip(nets, before, strict=True):
        assert any(not torch.equal(a, b) for a, b in zip(old, net.parameters(), strict=True))
    assert all(p.grad is None for p in encoder.parameters())
    draws = [acl.sample(5, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*draws) and draws[0].shape == (5, 3) and not draws[0].requires_grad


def test_the_modules_step_is_the_loops(prepared: Path):
    """The same codes and noise give the same networks, in the training loop and in a loop of one's own."""
    method = make("acl_ae")
    own = AdversarialCodeLearning(16, width=32)
    for name in ("code_generator", "code_discriminator"):
        getattr(own, name).load_state_dict(method.networks[name].state_dict())
    data = batches(prepared)
    loop = Loop(method, [p for p in method.phases(method.config) if "codes" in p.name])
    for step in range(3):
        batch = data.batch(step)
        with torch.no_grad():
            codes = method.encoder(batch.images)
            method.encoder.load_state_dict(method.encoder.state_dict())
        torch.manual_seed(step)
        own.step(codes)
        torch.manual_seed(step)
        loop.train_step(batch)
    for name in ("code_generator", "code_discriminator"):
        pairs = zip(getattr(own, name).parameters(), method.networks[name].parameters(), strict=True)
        for a, b in pairs:
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)


def test_the_module_says_what_it_cannot_take():
    with pytest.raises(AdvcodesError, match=r"unknown game of codes 'hing'; did you mean 'hinge'"):
        AdversarialCodeLearning(3, game="hing")
    with pytest.raises(AdvcodesError, match=r"codes: expected shape \[N, 3\], got \[8, 4\]"):
        AdversarialCodeLearning(3).step(torch.randn(8, 4))
    with pytest.raises(AdvcodesError, match=r"latent_dim: expected at least 1, the size .* got 0"):
        AdversarialCodeLearning(0)
    with pytest.raises(AdvcodesError, match=r"codes: expected floats, got torch.int64"):
        AdversarialCodeLearning(3).step(torch.zeros(8, 3, dtype=torch.long))


def test_codes_that_are_no_numbers_make_no_step():
    acl = AdversarialCodeLearning(4, width=16)
    acl.step(torch.randn(64, 4))
    before = [p.clone() for p in acl.parameters()]
    bad = torch.randn(64, 4)
    bad[3, 1] = float("nan")
    for codes, message in ((bad, r"1 of 64 are not finite \(NaN or infinite\)"), (torch.empty(0, 4), "batch is empty")):
        with pytest.raises(AdvcodesError, match=f"codes: .*{message}"):
            acl.step(codes)
    assert all(torch.equal(a, b) for a, b in zip(before, acl.parameters(), strict=True))


def test_codes_of_inference_mode_are_learned_from():
    with torch.inference_mode():
        codes = torch.randn(64, 4)
    assert all(torch.isfinite(loss) for loss in AdversarialCodeLearning(4, width=16).step(codes).values())


def test_the_modules_state_is_the_whole_game(tmp_path: Path):
    torch.manual_seed(0)
    batches = [torch.randn(64, 4) for _ in range(6)]
    whole = torch.nn.ModuleDict({"acl": AdversarialCodeLearning(4, width=16)})  # as a part of a model
    for codes in batches[:3]:
        whole["acl"].step(codes)
    torch.save(whole.state_dict(), tmp_path / "state.pt")
    noise = torch.get_rng_state()
    for codes in batches[3:]:
        whole["acl"].step(codes)
    resumed = torch.nn.ModuleDict({"acl": AdversarialCodeLearning(4, width=16)})
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    torch.set_rng_state(noise)
    for codes in batches[3:]:
        resumed["acl"].step(codes)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))

    weights = {k: v for k, v in whole.state_dict().items() if "extra" not in k}  # as older versions wrote them
    resumed.load_state_dict(weights)
    assert resumed["acl"].state_dict()["_extra_state"] == []


def test_the_moments_move_with_the_module():
    acl = AdversarialCodeLearning(4, width=16)
    acl.step(torch.randn(64, 4))
    acl.double()
    (first, *_), *_ = [list(state["state"].values()) for state in acl.state_dict()["_extra_state"]]
    assert first["exp_avg"].dtype == torch.float64


def test_sampling_leaves_batch_norm_as_it_is():
    generator = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 4))
    judge = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Flatten(0))
    acl = AdversarialCodeLearning(4, networks=(generator, judge))
    acl.step(torch.randn(64, 4))
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    assert acl.sample(1).shape == (1, 4)
    assert all(torch.equal(before[k], v) for k, v in generator.state_dict().items())
    assert all(m.training for m in generator.modules())
