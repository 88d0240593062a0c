"""The classifier learns, whatever a dataset offers, and its features tell better images from worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from advcodes.config.sections import Machine
from advcodes.data import generated
from advcodes.data.prepared import Prepared, load
from advcodes.extractors.classifier import BATCH, accuracy_of, train
from advcodes.extractors.features import Extractor
from advcodes.metrics.samples.conditional import statements
from advcodes.metrics.samples.frechet import frechet_distance, statistics
from evaluation_fakes import digit_labels, digits

CONFIG = {"width": 16, "epochs": 8, "batch_size": 128, "lr": 2e-3, "precision": "float32"}


def test_it_learns_digits_and_its_distance_orders_images_by_quality(tmp_path: Path):
    data = load(digits(tmp_path))
    network, task, facts = train(data.split("train"), CONFIG, torch.device("cpu"))
    assert task.name == "classes" and facts["images"] == 1297 and not network.training
    assert accuracy_of(network, data.split("test"), task) > 0.97

    extractor = Extractor(network.requires_grad_(False), "", BATCH, "none", True)
    test, real = data.split("test").images, data.split("train").images
    random = np.random.default_rng(0)
    worse = [np.clip(real + random.normal(0, sd, real.shape), 0, 255).astype(np.uint8) for sd in (25, 75)]
    noise = random.integers(0, 256, real.shape, dtype=np.uint8)
    against = statistics(extractor.features(test)[0])
    distances = [frechet_distance(statistics(extractor.features(x)[0]), against) for x in (real, *worse, noise)]
    assert distances == sorted(distances) and distances[0] < 0.1 * distances[-1], distances
    threes = real[data.split("train").labels == 3]
    collapsed = frechet_distance(statistics(extractor.features(threes)[0]), against)
    assert collapsed > 5 * distances[0], "one class only passed for all ten"


@pytest.mark.parametrize("task", ["attributes", "rotations"])
def test_it_learns_without_classes(task: str, tmp_path: Path):
    bits = (digit_labels()[:, None] >> np.arange(3)) & 1
    data = load(digits(tmp_path, **({"attributes": bits} if task == "attributes" else {"labels": np.zeros(1797)})))
    network, found, _ = train(data.split("train"), CONFIG, torch.device("cpu"))
    assert found.name == task
    assert accuracy_of(network, data.split("test"), found) > {"attributes": 0.95, "rotations": 0.85}[task]


def test_it_reads_what_captions_say_of_scenes_and_of_noisy_ones():
    """Position, too, although features are averaged over the image: zero padding tells where the border is."""
    count = 2400
    source = generated.read({"source": "shapes", "seed": 0, "count": count}, Machine(device="cpu"), Path())
    images = np.stack([np.asarray(source.image(i)) for i in range(count)]).transpose(0, 3, 1, 2)
    splits = {"train": (0, 2000), "test": (2000, count)}
    data = Prepared("shapes", images, source.labels, source.attributes, None, splits, generated.SHAPES,
                    generated.ATTRIBUTES, {})  # fmt: skip
    config = CONFIG | {"width": 12, "epochs": 13, "batch_size": 64, "lr": 8e-3, "task": "statements"}
    network, task, _ = train(data.split("train"), config, torch.device("cpu"))
    assert (task.name, task.outputs) == ("statements", 11 + 6)
    test = data.split("test")
    true = statements(test.labels, test.attributes.astype(int) * 2 - 1, test.attribute_names)
    noisy = np.clip(test.images + np.random.default_rng(0).normal(0, 15, test.images.shape), 0, 255).astype(np.uint8)
    for images, enough in ((test.images, 0.9), (noisy, 0.85)):
        logits = Extractor(network, "", BATCH, "none", False).features(images)[1].numpy()
        seen = statements(logits[:, 11:].argmax(1), logits[:, :11], test.attribute_names)
        right = {name: float((seen[name] == true[name]).mean()) for name in true}
        assert min(right.values()) > enough, right
