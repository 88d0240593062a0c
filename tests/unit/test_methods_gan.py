"""What the image GANs do beyond what every method is tested for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from advcodes.methods.base import Method
from advcodes.training.loop import Loop
from methods_kit import OneStep, batches, make


def seen_by_discriminator(method: Method, phase: str, step: OneStep) -> list[torch.Tensor]:
    """What the discriminator is shown in one phase (the interpolates of a penalty aside)."""
    shown: list[torch.Tensor] = []
    handle = method.discriminator.register_forward_hook(lambda _, given, __: shown.append(given[0].detach()))
    getattr(method, phase)(step)
    handle.remove()
    return shown


def test_lsgan_takes_the_raw_output():
    """Without a sigmoid: outputs far beyond the targets cost the square of their distance."""
    method = make("lsgan")
    with torch.no_grad():
        method.discriminator.head.weight.zero_()
        method.discriminator.head.bias.fill_(5.0)
    step = OneStep(torch.rand(4, 1, 8, 8))
    terms = {k: v.item() for k, v in (method.discriminate(step) | method.generate(step)).items()}
    assert terms == {"real": 8.0, "fake": 12.5, "adversarial": 8.0}


@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0)])
def test_noise_fills_one_8_bit_step_of_real_images_only(value_range: tuple[float, float]):
    width = (value_range[1] - value_range[0]) / 256
    images = torch.full((64, 1, 8, 8), value_range[0])
    method = make("wgan_gp", view__range=list(value_range), method__dequantise=True)
    step = OneStep(images)
    real, fake = seen_by_discriminator(method, "discriminate", step)
    noise = real - images
    assert noise.min() >= 0 and noise.max() <= width and abs(noise.mean() - width / 2) < 0.05 * width
    assert noise.std() == pytest.approx(width / 12**0.5, rel=0.05)
    assert torch.equal(fake, step.shared["critic fakes"])
    real, _ = seen_by_discriminator(make("wgan_gp"), "discriminate", OneStep(images))
    assert torch.equal(real, images)


@pytest.mark.parametrize("name", ["wgan_gp", "acl_gan_gp"])
def test_the_generator_may_make_several_images_for_each_real_one(name: str):
    method = make(name, method__generator_batch=3)
    images = torch.rand(6, 1, 8, 8)
    (fakes,) = seen_by_discriminator(method, "generate", OneStep(images))
    assert len(fakes) == 18 and len({tuple(f.flatten().tolist()) for f in fakes}) == 18
    real, fake = seen_by_discriminator(method, "discriminate", OneStep(images))
    assert len(real) == len(fake) == 6, "the critic has as many fakes as real images"


def test_options_of_wgan_gp_train(prepared: Path):
    method, data = make("wgan_gp", method__generator_batch=2, method__dequantise=True), batches(prepared)
    loop = Loop(method, method.phases(method.config))
    for step in range(5):
        loop.train_step(data.batch(step))
    assert set(loop.flush()) == {
        "discriminate/real",
        "discriminate/fake",
        "discriminate/penalty",
        "generate/adversarial",
    }
