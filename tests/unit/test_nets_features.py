"""GALI's auxiliary classifiers: their layers, their gradient, and how they are while another network is trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from advcodes.nets.features import Attributes, Digits, FeatureNetwork, build

SMALL = {"digits_width": 6, "digits_units": 16, "digits_side": 8, "attributes_width": 2}


def layers(network: FeatureNetwork, kind: type[nn.Module]) -> list[nn.Module]:
    return [layer for layer in network.trunk if isinstance(layer, kind)]


def network(kind: str, channels: int = 1) -> FeatureNetwork:
    torch.manual_seed(0)
    return build(kind, channels, 5, SMALL)


def test_the_digits_network_has_the_papers_sizes():
    with torch.device("meta"):
        found = Digits(3, 10)
        features, logits = found.eval()(torch.rand(2, 3, 32, 32))
        flat = found.trunk[: [*map(type, found.trunk)].index(nn.Flatten) + 1](torch.rand(2, 3, 54, 54))
    assert found.size == 3072 and features.shape == (2, 3072) and logits.shape == (2, 10)
    assert flat.shape == (2, 192 * 7 * 7)
    convolutions = layers(found, nn.Conv2d)
    assert [c.out_channels for c in convolutions] == [48, 64, 128, 160, 192, 192, 192, 192]
    assert {(c.kernel_size, c.padding, c.stride) for c in convolutions} == {((5, 5), (2, 2), (1, 1))}
    assert [p.stride for p in layers(found, nn.MaxPool2d)] == [2, 1] * 4
    block = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Dropout]
    dense = [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear, nn.ReLU]
    assert [*map(type, found.trunk)] == 8 * block + dense
    assert {d.p for d in layers(found, nn.Dropout)} == {0.2}


def test_the_attributes_network_has_the_papers_sizes():
    with torch.device("meta"):
        found = Attributes(3, 40)
        features, logits = found.eval()(torch.rand(2, 3, 64, 64))
        flat = found.trunk[: [*map(type, found.trunk)].index(nn.Flatten) + 1](torch.rand(2, 3, 64, 64))
    assert found.size == 256 and features.shape == (2, 256) and logits.shape == (2, 40) and flat.shape == (2, 2048)
    assert [tuple(c.weight.shape) for c in layers(found, nn.Conv2d)] == [
        (64, 3, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3), (512, 256, 3, 3)
    ]  # fmt: skip
    assert [tuple(d.weight.shape) for d in layers(found, nn.Linear)] == [(1024, 2048), (256, 1024)]
    block, end = [nn.Conv2d, nn.MaxPool2d, nn.ReLU], [nn.Dropout, nn.Flatten, nn.Linear, nn.Linear]
    assert [*map(type, found.trunk)] == 4 * block + end
    assert found.trunk[12].p == 0.2


def test_widths_are_in_proportion():
    small = network("classes")
    assert [c.out_channels for c in layers(small, nn.Conv2d)] == [6, 8, 16, 20, 24, 24, 24, 24]
    assert [d.out_features for d in layers(small, nn.Linear)] == [16, 16] and small.head.out_features == 5
    small = network("attributes", 3)
    assert [c.out_channels for c in layers(small, nn.Conv2d)] == [2, 4, 8, 16]
    assert [d.out_features for d in layers(small, nn.Linear)] == [32, 8] and small.size == 8


@pytest.mark.parametrize(("kind", "side"), [("classes", 8), ("attributes", 64)])
def test_images_reach_it_resized_by_the_nearest_and_between_minus_one_and_one(kind: str, side: int):
    found, seen = network(kind), []
    found.trunk.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.rand(2, 1, side // 2, side // 2, generator=torch.Generator().manual_seed(0))
    enlarged = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(found.eval().features(x), found.features(enlarged))
    for given in seen:
        torch.testing.assert_close(given, 2 * enlarged - 1)


@pytest.mark.parametrize("kind", ["classes", "attributes"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_reaches_every_image_and_no_parameter(kind: str, channels: int):
    found = network(kind, channels).for_training()
    x = torch.rand(3, channels, 8, 8, requires_grad=True)
    found.features(x).square().sum().backward()
    assert torch.isfinite(x.grad).all() and (x.grad.abs().flatten(1).sum(1) > 0).all()
    assert all(p.grad is None for p in found.parameters())


def test_in_training_the_digits_network_has_dropout_and_no_batch_statistics():
    found = network("classes").for_training()
    x = torch.rand(4, 1, 8, 8)
    before = {k: v.clone() for k, v in found.state_dict().items()}
    assert not torch.equal(found.features(x), found.features(x))
    assert all(torch.equal(before[k], v) for k, v in found.state_dict().items())
    for layer in found.trunk:
        if isinstance(layer, nn.Dropout):
            layer.eval()
    # Without dropout an image's features are its own, whatever stands beside it.
    torch.testing.assert_close(found.features(x)[:1], found.features(x[:1]))
    assert torch.equal(found.eval().features(x), found.features(x))


def test_in_training_the_attributes_network_is_as_in_evaluation():
    found = network("attributes")
    x = torch.rand(2, 1, 64, 64)
    assert not torch.equal(found.train().features(x), found.features(x))
    assert torch.equal(found.for_training().features(x), found.features(x))
    assert not any(p.requires_grad for p in found.parameters())
