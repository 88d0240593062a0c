"""The sentence encoder learns what captions say: it knows new combinations, and colours tell them apart."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from advcodes.config.sections import Text
from advcodes.data.generated import ATTRIBUTES, COLOURS, SHAPES, _captions
from advcodes.text.encoder import probe, retrieval, train


def _scenes() -> tuple[list[list[str]], np.ndarray]:
    """Captions of every scene that can be drawn, in random order, and their shapes."""
    scenes = []
    for shape, colour, *rest in itertools.product(range(len(SHAPES)), range(len(COLOURS)), *[(False, True)] * 5):
        attributes = np.zeros(len(ATTRIBUTES), bool)
        attributes[colour], attributes[len(COLOURS) :] = True, rest
        scenes.append((_captions(SHAPES[shape], attributes), shape))
    order = np.random.default_rng(0).permutation(len(scenes))
    return [scenes[i][0] for i in order], np.array([scenes[i][1] for i in order])


def test_it_learns_what_scenes_have_in_common():
    captions, shapes = _scenes()
    assert len({tuple(row) for row in captions}) == 1152
    seen, new = slice(0, 900), slice(900, 1152)
    config = Text(word=64, hidden=50, steps=120, lr=5e-3).model_dump()
    encoder, facts = train(captions[seen], config)
    assert facts["caption_sets"] == 900

    embeddings = encoder.embed([sentence for row in captions for sentence in row])
    found = retrieval(embeddings, captions, new, 0)
    assert found["accuracy"] > 0.9 and found["chance"] == 0.01, found
    untrained = train(captions[seen], config | {"lr": 1e-9})[0]
    of_untrained = retrieval(untrained.embed([s for row in captions for s in row]), captions, new, 0)
    assert of_untrained["accuracy"] < 0.5 * found["accuracy"], "words in common are enough"
    read = probe(embeddings, captions, shapes, seen, new)
    assert read["colour"]["accuracy"] > 0.99 and read["class"]["accuracy"] > 0.99, read
    assert embeddings.std(0, correction=0).mean() > 0.8 and embeddings.mean(0).abs().mean() < 0.4

    sentences = [s for row in captions for s in row]
    asked = encoder.embed([f"a large {c} star on a dark background, upper left" for c in COLOURS])
    for colour, near in zip(COLOURS, (asked @ embeddings.T).topk(5).indices, strict=True):
        assert all({colour, "star"} <= set(sentences[i].replace(",", "").split()) for i in near)
    assert (asked @ asked.T / encoder.size - torch.eye(len(COLOURS))).max() < 0.8
