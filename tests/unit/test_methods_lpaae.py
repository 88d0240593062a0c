"""LPAAE: its switches, its conditions, and what each phase computes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from advcodes import losses
from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.methods import registry
from advcodes.methods.base import Method
from advcodes.nets.spec import DatasetSpec
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import CAPTION, run_config
from methods_kit import CPU, OneStep, batches, make

CONDITIONAL = sorted(name for name, cls in registry.methods().items() if cls.conditioned_on)


@pytest.fixture
def step(prepared: Path) -> OneStep:
    batch = batches(prepared).batch(0)
    return OneStep(batch.images, labels=batch.labels, attributes=batch.attributes, text=batch.text)


def phases(method: Method) -> dict[str, set[str]]:
    return {phase.name: set(phase.updates) for phase in method.phases(method.config)}


# -- the switches of table 3 -------------------------------------------------------------------------------------

BASE = {"discriminate_codes": {"code_discriminator"}, "autoencode": {"encoder", "decoder"}}
JUDGED = BASE | {"discriminate": {"discriminator"}}


def test_rows_of_table_3_differ_in_the_switches_that_they_name(tree: dict[str, Any]):
    rows = ("aae_gaussian", "lpaae_a", "lpaae_ab", "lpaae")
    configs = [resolve(tree).variants[row].model_dump(exclude={"like"}) for row in rows]
    differences = [{k for k in a if a[k] != b[k]} for a, b in itertools.pairwise(configs)]
    assert differences == [{"learned_prior"}, {"perceptual"}, {"decoder_in_both"}]
    switches = ("learned_prior", "perceptual", "decoder_in_both")
    assert [[c[s] for s in switches] for c in configs] == [[i > j for j in range(3)] for i in range(4)]

    methods = [make("lpaae", **{f"method__{s}": c[s] for s in switches}) for c in configs]
    generate = [phases(m).get("generate", set()) for m in methods]
    assert [phases(m) for m in methods] == [
        BASE,
        JUDGED | {"generate": {"code_generator"}},
        JUDGED | {"generate": {"code_generator"}},
        JUDGED | {"generate": {"code_generator", "decoder"}},
    ]
    assert generate[3] - generate[2] == {"decoder"}
    assert set(methods[1].networks) - set(methods[0].networks) == {"code_generator", "discriminator"}
    assert all(m.networks.keys() == methods[1].networks.keys() for m in methods[2:])


def test_without_the_prior_phase_an_image_discriminator_gives_features_only():
    method = make("lpaae", method__learned_prior=False, method__decoder_in_both=False)
    assert phases(method) == JUDGED
    assert method.sampling_roles == ("decoder",)


def test_the_decoder_alone_can_play_the_image_game():
    method = make("lpaae", method__learned_prior=False)
    assert phases(method)["generate"] == {"decoder"}


def test_reconstruction_is_of_features_or_of_pixels(step: OneStep):
    for perceptual in (True, False):
        method = make("lpaae", method__perceptual=perceptual)
        step.shared.clear()
        found = method.autoencode(step)["error"]
        made = method.decoder(step.shared["real codes"])
        if perceptual:
            features = method.discriminator.trunk.convolutions
            assert torch.allclose(found, (features(made) - features(step.images)).square().mean())
        else:
            assert torch.allclose(found, (made - step.images).square().mean())


def test_statistics_in_common_show_lost_contrast_to_the_reconstruction_loss():
    """L-13: normalised apart, a batch and the same at half the contrast are alike."""
    small, spec = {"family": "residual", "width": 4, "features": 16}, DatasetSpec((3, 32, 32), (-1.0, 1.0))
    x, errors = 2 * torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 1, {}
    for shared in (False, True):
        torch.manual_seed(0)
        changes = {"method__shared_statistics": shared, "view__range": [-1.0, 1.0]}
        method = build_method(run_config("lpaae", architecture=small, **changes), spec, CPU)
        made, real = method.perceived(x / 2, x)
        errors[shared] = losses.reconstruction.squared_error(made, real).item()
        if shared:
            whole = method.discriminator.features(torch.cat([x / 2, x]), "convolution")
            torch.testing.assert_close(torch.cat([made, real]), whole)
    assert errors[True] > 10 * errors[False]


def test_lambda_is_the_decoders_rate_in_the_aae_phase_alone():
    method = make("lpaae", method__reconstruction_weight=0.25, method__optimiser={"lr": 1e-3})
    loop = Loop(method, method.phases(method.config))
    rates = {name: [g["lr"] for g in o.param_groups] for name, o in loop.optimisers.items()}
    assert rates["autoencode"] == [1e-3, 0.25e-3] and rates["generate"] == [1e-3, 1e-3]


def test_the_code_game_takes_the_prior_for_real(step: OneStep):
    method = make("lpaae")
    seen = []
    method.code_discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    terms = method.discriminate_codes(step)
    prior, codes = seen
    assert torch.equal(codes, step.shared["real codes"]) and prior.shape == codes.shape
    assert not prior.requires_grad and not codes.requires_grad
    assert torch.allclose(terms["real"], softplus(-method.code_discriminator(prior)).mean())
    assert torch.allclose(terms["fake"], softplus(method.code_discriminator(codes)).mean())
    confused = method.autoencode(step)["adversarial"]  # non-saturating, where Algorithm 1 saturates
    assert torch.allclose(confused, softplus(-method.code_discriminator(codes)).mean())


def test_reconstructions_are_fakes_only_if_asked_for(step: OneStep):
    assert set(make("lpaae").discriminate(step)) == {"real", "fake"}
    asked = make("lpaae", method__reconstructions_are_fakes=True)
    step.shared.clear()
    assert set(asked.discriminate(step)) == {"real", "fake", "reconstruction"}


def test_a_stochastic_encoder_draws_in_training_and_not_after():
    method = make("lpaae", method__stochastic_encoder=True)
    x = torch.rand(4, 1, 8, 8)
    for net in method.networks.values():
        net.eval()
    assert method.encode(x).shape == (4, 16) and torch.equal(method.encode(x), method.encode(x))
    drawn = torch.stack([method.drawn_code(x) for _ in range(2000)])
    spread = torch.nn.functional.softplus(method.encoder(x)[:, 16:])
    assert torch.allclose(drawn.mean(0), method.encode(x), atol=0.1)
    assert torch.allclose(drawn.std(0), spread, rtol=0.1)


# -- conditions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_sample_is_what_its_condition_and_its_noise_give(name: str):
    method = make(name)
    for net in method.networks.values():
        net.eval()
    conditions = method.conditions(6, torch.Generator().manual_seed(0))
    noise = method.noise(6, torch.Generator().manual_seed(1))
    one = method.sample_given(conditions, noise)
    assert one.shape == (6, 1, 8, 8) and torch.equal(one, method.sample_given(conditions, noise))
    assert not torch.equal(one, method.sample_given(conditions, -noise))
    assert not torch.equal(one, method.sample_given(conditions.roll(1, 0), noise))
    first = method.conditions(6, generator := torch.Generator().manual_seed(2)), method.noise(6, generator)
    assert torch.equal(method.sample(6, torch.Generator().manual_seed(2)), method.sample_given(*first))


@pytest.mark.parametrize("learned", [True, False])
def test_without_a_learned_prior_the_code_is_the_label_beside_the_noise(learned: bool):
    method = make("lpaae_supervised", method__learned_prior=learned)
    assert method.noise_size == 6  # sixteen less ten classes
    labels, noise = torch.tensor([3, 0]), method.noise(2)
    code = method.codes_given(labels, noise)
    assert code.shape == (2, 16)
    if not learned:
        assert torch.equal(code[:, :10].argmax(1), labels) and torch.equal(code[:, 10:], noise)


def test_labels_reach_the_code_discriminator_and_clusters_do_not(step: OneStep):
    for name, told in (("lpaae_supervised", 16 + 10), ("lpaae_unsupervised", 16)):
        method = make(name)
        assert next(method.code_discriminator.parameters()).shape[1] == told
        step.shared.clear()
        method.discriminate_codes(step)
    assert method.labels_of(step).shape == step.labels.shape
    assert torch.equal(method.labels_of(step), step.shared["clusters"])  # the same in all phases of a step


def test_what_the_recogniser_reads(step: OneStep):
    method = make("lpaae_supervised")
    terms = method.discriminate(step)
    assert set(terms) == {"real", "fake", "information", "information_real"}
    expected = cross_entropy(method.read(step.images), step.labels)
    assert torch.allclose(terms["information_real"], expected)
    literal = make("lpaae_supervised", method__recogniser_sees_real=False)  # Eq. 7 as printed
    step.shared.clear()
    assert set(literal.discriminate(step)) == {"real", "fake", "information"}
    assert set(literal.generate(step)) == {"adversarial", "information"}


def test_clusters_are_drawn_alike_and_as_many_as_asked_for():
    method = make("lpaae_unsupervised", method__clusters=4)
    drawn = method.conditions(4000, torch.Generator().manual_seed(0)).bincount(minlength=4)
    assert len(drawn) == 4 and (drawn / 4000 - 0.25).abs().max() < 0.03


def test_a_condition_needs_room_and_a_dataset_that_has_it():
    with pytest.raises(AdvcodesError, match=r"lpaae_supervised: latent_dim 8 leaves no noise beside .* 10 numbers"):
        make("lpaae_supervised", method__latent_dim=8)
    with pytest.raises(AdvcodesError, match=r"lpaae: without a learned prior the code is the noise: set `latent_dim: "):
        make("lpaae", method__learned_prior=False, method__noise_dim=5)
    for name, missing in (("lpaae_supervised", "classes"), ("lpaae_text", "captions")):
        with pytest.raises(AdvcodesError, match=f"conditioned on the {missing} of images, and this dataset has none"):
            build_method(run_config(name), DatasetSpec((1, 8, 8)), CPU)


# -- text --------------------------------------------------------------------------------------------------------


def test_captions_seen_in_training_stand_for_sentences(step: OneStep):
    method = make("lpaae_text")
    for _ in range(method.SEEN // len(step.text) + 3):
        method.discriminate_codes(step)
    assert method.newest == 3 * len(step.text) % method.SEEN
    assert {tuple(row.tolist()) for row in method.seen} == {tuple(row.tolist()) for row in step.text}
    again = make("lpaae_text")
    again.load_state(method.state())
    assert torch.equal(
        method.conditions(9, torch.Generator().manual_seed(0)), again.conditions(9, torch.Generator().manual_seed(0))
    )


def test_text_without_captions_says_so(step: OneStep):
    step.text = None
    with pytest.raises(AdvcodesError, match="lpaae_text: needs a caption of each image, and none are given"):
        make("lpaae_text").discriminate_codes(step)


def test_another_images_caption_makes_a_real_image_a_fake(step: OneStep):
    method = make("lpaae_text", method__mismatched_weight=0.25)
    terms = method.discriminate(step)
    assert set(terms) == {"real", "fake", "mismatched", "information", "information_real"}
    wrong = method.discriminator(step.images, step.text.roll(1, 0))
    assert torch.allclose(terms["mismatched"], 0.25 * softplus(wrong).mean())
    fake = method.discriminator(step.shared["fakes"].detach(), step.text)
    assert torch.allclose(terms["fake"], 0.75 * softplus(fake).mean())
    blind = make("lpaae_text", method__discriminator_sees_text=False)
    step.shared.clear()
    assert set(blind.discriminate(step)) == {"real", "fake", "information", "information_real"}


def test_the_recogniser_is_not_told_the_caption_that_it_shall_read(step: OneStep):
    method = make("lpaae_text")
    for net in method.networks.values():
        net.eval()
    before = method.read(step.images)
    step.text = -step.text
    assert before.shape == (32, CAPTION) and torch.equal(before, method.read(step.images))


def test_cosine_distance_is_that_of_directions():
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    b = torch.tensor([[3.0, 0.0], [0.0, -1.0], [1.0, -1.0]])
    assert torch.allclose(losses.codes.cosine_distance(a, b), torch.tensor((0 + 2 + 1) / 3))
