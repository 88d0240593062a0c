"""GALI's tuples, masks and knowledge, and ALI's encoder with masked inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.methods import registry
from advcodes.methods.base import Method
from advcodes.methods.gali import FOUR, kind
from advcodes.nets.spec import DatasetSpec
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method
from conftest import run_config
from methods_kit import CPU, OneStep, batches

REAL = [["x", "Ex", "GEx", "EGEx"], ["x", "EGEx", "GEx", "Ex"], ["GEx", "Ex", "x", "EGEx"], ["GEx", "EGEx", "x", "Ex"]]
FAKE = [["Gz", "z", "GEGz", "EGz"], ["Gz", "EGz", "GEGz", "z"], ["GEGz", "z", "Gz", "EGz"], ["GEGz", "EGz", "Gz", "z"]]
EIGHT = REAL + FAKE
STATED = [["x", "Ex", "Mx"], ["x", "EGEx", "MGEx"], ["Gz", "z", "MGz"], ["GEGz", "z", "MGz"]]
MIX = [*FOUR, ["mix", "Ex"], ["mix", "EGEx"], ["x", "Emix"], ["GEx", "Emix"]]
INSTANCES = {
    "4": {"tuples": FOUR},
    "8": {"tuples": EIGHT, "discriminator_steps": 2},
    "pt": {"tuples": STATED},
    "mix": {"tuples": MIX, "masked": True},
    "three terms from one chain": {"tuples": [["x", "Ex"], ["GEGEx", "EGEGEx"], ["GEx", "Ex"]]},
}
FEATURES = 6


def made(shape: tuple[int, ...] = (1, 8, 8), method: str = "gali", **settings: Any) -> Method:
    torch.manual_seed(0)
    config = run_config(method, view__range=[-1.0, 1.0])
    config["method"] |= settings
    found = build_method(config, DatasetSpec(shape, (-1.0, 1.0), features=FEATURES), CPU)
    found.known_features = lambda x: x.flatten(1)[:, :FEATURES] ** 2
    return found


# -- words


def test_what_words_are():
    kinds = {
        "image": ["x", "mix", "GEx", "GEGEx", "Gz", "GEGz", "GEmix"],
        "code": ["z", "Ex", "EGEx", "EGz", "Emix", "EGEmix"],
        "features": ["Mx", "MGEx", "MGz", "Mmix"],
    }
    assert {word: kind(word) for words in kinds.values() for word in words} == {
        word: name for name, words in kinds.items() for word in words
    }


@pytest.mark.parametrize("word", ["", "y", "Gx", "Ez", "GGz", "EEx", "Mz", "MEx", "xE", "MMx", "G", "GEz"])
def test_no_such_words(word: str):
    with pytest.raises(ValueError, match=f"'{word}' is no word of the chains"):
        kind(word)


@pytest.mark.parametrize(
    ("tuples", "message"),
    [
        ([["x", "Ez"], ["Gz", "z"]], "'Ez' is no word of the chains; expected x, z or mix"),
        ([["x", "Ex"], ["Gz", "z", "EGz"]], r"\[Gz, z, EGz\] has other kinds of words than \[x, Ex\]"),
        ([["x", "GEx"], ["Gz", "GEGz"]], r"\[x, GEx\] lacks a code; each tuple has both"),
        ([["Ex", "EGEx"], ["EGz", "z"]], r"\[Ex, EGEx\] lacks an image"),
        ([["x", "Ex"], ["x", "Ex"]], "the same tuple stands there twice"),
        ([["mix", "Ex"], ["Gz", "z"]], "set `masked: true`"),
        ([["x", "Ex"]], "at least 2"),
    ],
)
def test_wrong_tuples_in_params(tree: dict[str, Any], tuples: list[list[str]], message: str):
    tree["variants"]["gali_4_svhn"]["tuples"] = tuples
    with pytest.raises(AdvcodesError, match=message) as error:
        resolve(tree)
    assert "variants.gali_4_svhn" in str(error.value)


def test_words_are_what_their_letters_say():
    method, step = made(stochastic_encoder=False), OneStep(torch.rand(5, 1, 8, 8))
    for net in method.networks.values():
        net.eval()
    g, e, z = method.generator, method.encoder, method.word(step, "z")
    with torch.no_grad():
        expected = {"Gz": g(z), "EGz": e(g(z)), "GEGz": g(e(g(z))), "GEx": g(e(step.images)), "x": step.images}
        for word, value in expected.items():
            torch.testing.assert_close(method.word(step, word), value)
        torch.testing.assert_close(method.word(step, "MGz"), g(z).flatten(1)[:, :FEATURES] ** 2)


def test_codes_are_drawn_once_a_step_and_anew_in_the_next():
    method, images = made(), torch.rand(5, 1, 8, 8)
    for net in method.networks.values():
        net.eval()
    step = OneStep(images)
    first = method.word(step, "Ex")
    assert method.word(step, "Ex") is first and not torch.equal(method.word(OneStep(images), "Ex"), first)


def test_mixed_images_take_the_missing_piece_from_the_reconstruction():
    method, step = made(tuples=MIX, masked=True), OneStep(torch.rand(20, 1, 8, 8))
    mixed, filling = method.word(step, "mix"), method.word(step, "GEx")
    mask = method.mask(step, "x")
    assert mask.any((1, 2, 3)).all()
    assert torch.equal(mixed[mask], filling[mask]) and torch.equal(mixed[~mask], step.images[~mask])
    assert not torch.equal(method.mask(step, "x"), method.mask(step, "mix"))  # a new one for each input of the encoder


# -- the game


@pytest.mark.parametrize("name", INSTANCES)
def test_instances_train(name: str, prepared: Path):
    method, data = made(**INSTANCES[name]), batches(prepared)
    every = method.config.discriminator_steps
    loop = Loop(method, method.phases(method.config), "float32")
    before = {r: [p.detach().clone() for p in n.parameters()] for r, n in method.networks.items()}
    for step in range(2 * every):
        loop.train_step(data.batch(step), logged=True)
    found = loop.flush()
    names = {"_".join(words) for words in method.config.tuples}
    assert {k.partition("/")[2] for k in found} >= names and all(map(torch.isfinite, map(torch.tensor, found.values())))
    for role, weights in before.items():
        changed = [not torch.equal(a, b) for a, b in zip(weights, method.networks[role].parameters(), strict=True)]
        assert sum(changed) > 0.9 * len(changed), role


@pytest.mark.parametrize("name", INSTANCES)
def test_losses_of_each_class(name: str):
    settings = INSTANCES[name]
    method, n = made(**settings, instance_noise=0), len(settings["tuples"])
    step = OneStep(torch.rand(6, 1, 8, 8))
    method.discriminator.eval()
    logits = method.logits(step, detach=True)
    assert len(logits) == n and all(found.shape == (6, n) and not found.isnan().any() for found in logits)
    told, hidden = method.discriminate(step), method.infer(step)
    assert list(told) == list(hidden) == ["_".join(words) for words in settings["tuples"]]
    for own, (d, g) in enumerate(zip(told.values(), hidden.values(), strict=True)):
        log = -logits[own].log_softmax(1).mean(0)
        torch.testing.assert_close(d, log[own])
        torch.testing.assert_close(g, log.sum() - log[own])
    assert step.logged["gradient"] > 0


def test_tuples_one_after_the_other_are_judged_alike():
    step = OneStep(torch.rand(6, 1, 8, 8))
    method, apart = made(instance_noise=0), made(instance_noise=0, joined=False)
    for m in (method, apart):
        m.discriminator.eval()
    for a, b in zip(method.logits(step, True), apart.logits(step, True), strict=True):
        torch.testing.assert_close(a, b)


def test_published_weights():
    step = OneStep(torch.rand(6, 1, 8, 8))
    equal, published = made(instance_noise=0), made(instance_noise=0, published_weights=True)
    for m in (equal, published):
        m.discriminator.eval()
    log = -equal.logits(step, True)[0].log_softmax(1).mean(0)
    for weighed, plain, first in (
        (published.discriminate(step), equal.discriminate(step), 0.5 * log[0]),
        (published.infer(step), equal.infer(step), log[1] / 6 + log[2] + log[3]),
    ):
        torch.testing.assert_close(weighed["x_Ex"], first)
        for name in ("x_EGEx", "Gz_z", "GEGz_z"):
            torch.testing.assert_close(weighed[name], plain[name])


@pytest.mark.parametrize(("objective", "sign"), [("minimax", -1), ("misclassification", 1)])
def test_other_objectives(objective: str, sign: int):
    step, method = OneStep(torch.rand(6, 1, 8, 8)), made(instance_noise=0, objective=objective)
    method.discriminator.eval()
    probability = [found.softmax(1)[:, own] for own, found in enumerate(method.logits(step, True))]
    for found, p in zip(method.infer(step).values(), probability, strict=True):
        torch.testing.assert_close(found, p.log().mean() if sign < 0 else -(1 - p).log().mean())


def test_knowledge_reaches_the_generator_through_the_pretrained_network():
    method, step = made(tuples=STATED), OneStep(torch.rand(6, 1, 8, 8))
    method.word(step, "MGz").sum().backward()
    assert all(p.grad is not None for p in method.generator.parameters())


def test_who_asks_for_knowledge():
    cls = registry.method("gali")
    assert cls.pretrained(cls.Config()) is None
    assert cls.pretrained(cls.Config(tuples=STATED)) == "features"
    assert cls.pretrained(cls.Config(tuples=STATED, pretrained="extractor")) == "extractor"
    with pytest.raises(AdvcodesError, match="conditioned on the features of a pretrained network, and there is none"):
        build_method({**run_config("gali"), "method": {"method": "gali", "latent_dim": 8, "tuples": STATED}},
                     DatasetSpec((1, 8, 8)), CPU)  # fmt: skip


def test_sizes_of_the_published_discriminators():
    """facts 5.17: 2048 -> 1024 -> 1024 -> 8 for GALI-8, 1536 -> ... -> 4 for GALI-PT, and 2048 with Inception's."""

    def linear(shape: tuple[int, ...], features: int, **settings: Any) -> list[tuple[int, int]]:
        config = run_config("gali", architecture={"family": "ali", "discriminator_norm": "spectral"})
        config["method"] |= {"latent_dim": 256, **settings}
        net = build_method(config, DatasetSpec(shape, features=features), CPU).discriminator
        return [(m.in_features, m.out_features) for m in net.of_both.modules() if isinstance(m, torch.nn.Linear)]

    assert linear((3, 32, 32), 0) == [(1024, 1024), (1024, 1024), (1024, 4)]
    assert linear((3, 32, 32), 0, tuples=EIGHT) == [(2048, 1024), (1024, 1024), (1024, 8)]
    assert linear((3, 32, 32), 3072, tuples=STATED) == [(1536, 1024), (1024, 1024), (1024, 4)]
    assert linear((3, 64, 64), 2048, tuples=STATED) == [(2048, 2048), (2048, 2048), (2048, 4)]


# -- ALI with masked inputs, and representations


@pytest.mark.parametrize("name", ["ali", "alice", "gali"])
def test_inpainting_needs_masked_training(name: str):
    x, mask = torch.rand(3, 1, 8, 8) * 2 - 1, torch.zeros(3, 1, 8, 8)
    mask[:, :, 2:5, 3:8] = 1
    cls = registry.method(name)
    assert not cls.can("inpaint", cls.Config()) and cls.can("inpaint", cls.Config(masked=True))
    with pytest.raises(AdvcodesError, match=f"{name} cannot inpaint"):
        made(method=name).inpaint(x, mask)
    method = made(method=name, masked=True)
    for net in method.networks.values():
        net.eval()
    with torch.no_grad():
        filled, expected = method.inpaint(x, mask), method.decode(method.encode(x.masked_fill(mask.bool(), -2.0)))
        other = method.inpaint(x.masked_fill(mask.bool(), 0.7), mask)
    inside = mask.bool()
    assert torch.equal(filled[~inside], x[~inside]) and torch.equal(filled[inside], expected[inside])
    assert torch.equal(filled[inside], other[inside])  # what is missing is not seen


def test_the_mask_is_filled_outside_the_range_of_images_on_0_to_1_too():
    torch.manual_seed(0)
    method = build_method(run_config("ali", method__masked=True), DatasetSpec((1, 8, 8), (0.0, 1.0)), CPU)
    seen = method.occluded(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 8, 8))
    assert seen.unique().tolist() == [-0.5]


@pytest.mark.parametrize("name", ["ali", "alice", "gali"])
def test_masked_encoders_are_trained_on_images_with_a_piece_missing(name: str):
    method, seen = made(method=name, masked=True), []
    method.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    step = OneStep(torch.rand(30, 1, 8, 8))
    method.infer(step)
    assert seen and all((images == -2).any((1, 2, 3)).all() for images in seen)


def test_representation_of_the_published_encoder():
    """facts 6.7: 256 + 512 + 512 + 4096 numbers, of which ALI's paper prints another count (G-7)."""
    config = run_config("ali", architecture={"family": "ali"})
    config["method"]["latent_dim"] = 256
    method = build_method(config, DatasetSpec((3, 32, 32)), CPU)
    for net in method.networks.values():
        net.eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        found = method.represent(x)
        assert found.shape == (2, 5376)
        torch.testing.assert_close(found[:, -256:], method.encode(x))
        layers, *_ = method.encoder.net.children(), None
        hidden, out = [], x
        for layer in layers:
            out = layer(out)
            if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                hidden.append(out.flatten(1))
    torch.testing.assert_close(found[:, :-256], torch.cat(hidden[-3:], 1))
    assert not method.encoder.net[2]._forward_hooks


# -- what the appendix compares with


def test_an_l2_error_of_features_pulls_on_encoder_and_generator():
    method, plain = made(feature_weight=2.0), made()
    method.discriminator.eval(), plain.discriminator.eval()
    torch.manual_seed(1)
    terms = method.infer(step := OneStep(torch.rand(6, 1, 8, 8)))
    known, again = (method.known_features(method.word(step, word)) for word in ("x", "GEx"))
    torch.testing.assert_close(terms["features"], 2 * (known - again).square().mean())
    terms["features"].backward()
    for role, reached in (("encoder", True), ("generator", True), ("discriminator", False)):
        assert any(p.grad is not None and p.grad.any() for p in method.networks[role].parameters()) is reached
    assert "features" not in plain.infer(OneStep(torch.rand(6, 1, 8, 8)))
    config = type(method.config)
    assert method.pretrained(config(feature_weight=1, pretrained="extractor")) == "extractor"
    assert method.pretrained(config(pretrained="extractor")) is None


def test_an_encoder_of_whole_images_inpaints_where_it_is_asked_to():
    method, x = made(inpaints=True, mask_fill=0), torch.rand(4, 1, 8, 8) * 2 - 1
    mask = torch.zeros(4, 1, 8, 8, dtype=torch.bool)
    mask[:, :, 2:5, 3:7] = True
    assert method.can("inpaint", method.config) and not made().can("inpaint", made().config)
    filled = method.inpaint(x, mask)
    assert torch.equal(filled[~mask], x[~mask])
    seen = x.masked_fill(mask, 0)
    torch.testing.assert_close(filled[mask], method.decode(method.encode(seen))[mask])
    plain = made()
    torch.manual_seed(1)
    drawn = method.drawn_code(x)
    torch.manual_seed(1)
    torch.testing.assert_close(drawn, plain.drawn_code(x))  # training sees whole images
