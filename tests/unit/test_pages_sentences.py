"""Figures of images from sentences: which sentences are said, how images stand, and what the page admits."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from figure_fakes import SAMPLING, Asked, Told, conditional_run, pretend, render, request, study_request
from PIL import Image

from advcodes.core.errors import AdvcodesError
from advcodes.evaluation.sample import shown
from advcodes.pages.kinds.images import sentences as page_of
from advcodes.pages.pictures.blocks import blocks
from advcodes.papers.items import ANY, Item
from advcodes.papers.swap import Swap
from advcodes.studies import networks
from advcodes.studies.kinds import sentences
from advcodes.text import encoder
from advcodes.text.encoder import SentenceEncoder
from evaluation_fakes import write_prepared

SHAPE = (3, 16, 16)
WORDS = ["a", "red", "blue", "star", "circle", "."]
SAID = ["a red star", "a Blue circle."]


@pytest.fixture(scope="module")
def speaks():
    """A sentence encoder that was never trained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SentenceEncoder(WORDS, 4, 2, "mean").eval().requires_grad_(False)


ITEM = {
    "id": "lpaae/fig14",
    "kind": "sentences",
    "metric": "fid",
    "columns": ["flowers102"],
    "rows": {"text": {"label": "LPAAE"}},
}
AGREEMENT = {
    "colour": {"samples": 0.75, "chance": 0.25, "real": 0.9},
    "shape": {"samples": 0.5, "chance": 0.2, "real": 1},
}


@pytest.fixture
def figure(tmp_path, monkeypatch, speaks):
    """Renders a figure of two fake runs on a dataset `drawn`: page, content, picture."""

    def make(run=None, captions=True, seeds=(0, 1), agreement=AGREEMENT, noise=None, **declared):
        data = write_prepared(tmp_path / "drawn", np.zeros((9, *SHAPE), np.uint8), {"train": 5, "test": 4})
        if captions:
            (data / "captions.json").write_text(json.dumps([["a red star"]] * 9))
        run = run or conditional_run(Told, SHAPE)
        directories = pretend(tmp_path / "runs", [f"text/seed{s}" for s in seeds])
        for directory in directories.values():
            encoder.save(speaks, directory / "sentences.pt")
        monkeypatch.setattr(networks, "restore", lambda *_: run)
        found = request({**ITEM, **declared}, data, directories, np.zeros(0))
        told = {"conditioned_on": "text", "statements": list(agreement), "statement_accuracy": 0.95}
        results = [
            dataclasses.replace(
                r,
                metrics={"fd_classifier": 3.0 + r.seed}
                | ({"caption_agreement": 0.625} if agreement else {})
                | ({} if noise is None else {"noise_diversity": noise}),
                protocol=r.protocol | told | {"noise_diversity_conditions": 64, "noise_diversity_draws": 16},
                agreement=agreement,
                floor={**r.floor, "metrics": {"fd_classifier": 0.25}},
            )
            for r in found.results
        ]
        found = dataclasses.replace(found, results=results)
        assert sorted(render(found, tmp_path, "f")) == ["f.json", "f.md", "f.png"]
        assert (tmp_path / "f.png").stat().st_size < 300_000
        picture = np.asarray(Image.open(tmp_path / "f.png").convert("L")).astype(int)
        return (tmp_path / "f.md").read_text(), json.loads((tmp_path / "f.json").read_text()), picture

    return make


def test_each_sentence_has_a_block_of_draws(figure, speaks):
    page, content, picture = figure(sentences=SAID)
    said = content["rows"]["text"]["said"]["flowers102"]
    assert said["sentences"] == SAID and said["words"] is None and said["unknown"] == [] and said["seed"] == 0
    made = shown(conditional_run(Told, SHAPE), speaks.embed(SAID), 36, SAMPLING, 0)[:, :, 0, 0, 0].astype(int)
    # Two squares of six by six images of 64 pixels each, side by side: the left one of the first sentence.
    side = 6 * 66 - 2
    tops = np.arange(6) * 66 + 32
    upper = picture.shape[0] - 10 - side
    for i in range(2):
        left = 10 + i * (side + 10)
        block = picture[upper : upper + side, left : left + side][np.ix_(tops, tops)]
        np.testing.assert_allclose(block, made[:, i].reshape(6, 6), atol=1)
    assert "36 images of each sentence, which stands above them; all of the same noise, seed 0, not selected." in page
    assert "| LPAAE | Flowers-102 (served by drawn) | 2 | 3.50 ± 0.71 | 0.625 ± 0.000 |" in page


def test_a_word_is_replaced_column_by_column(figure, speaks):
    swap = {"word": "red", "by": ["red", "blue", "green"]}
    page, content, picture = figure(sentences=SAID[:1], swap=swap)
    said = content["rows"]["text"]["said"]["flowers102"]
    assert said["words"] == ["red", "blue", "green"] and said["unknown"] == ["green"]
    asks = speaks.embed(["a red star", "a blue star", "a green star"])
    made = shown(conditional_run(Told, SHAPE), asks, 6, SAMPLING, 0)[:, :, 0, 0, 0].astype(int)
    upper = picture.shape[0] - 10 - (6 * 66 - 2)
    rows, columns = upper + np.arange(6) * 66 + 32, 10 + np.arange(3) * 66 + 32
    np.testing.assert_allclose(picture[np.ix_(rows, columns)], made, atol=1)
    assert "Each column has another word in the place of the one in brackets" in page
    assert "6 draws with seed 0, not selected." in page
    assert (
        "**Unknown words** on drawn: \u201cgreen\u201d hardly ever or never stand in captions of its training" in page
    )


def test_images_of_a_sentence_and_of_words_in_it(speaks):
    run, swap = conditional_run(Told, SHAPE), Swap(word="red", by=["red", "blue"])
    assert sentences.drawn(run, speaks, "a red star", swap, SAMPLING, 0).shape == (6, 2, *SHAPE)
    assert sentences.drawn(run, speaks, "a red star", None, SAMPLING, 0).shape == (6, 6, *SHAPE)


@pytest.mark.parametrize(
    ("swap", "title", "heads"),
    [({"word": "red", "by": ["red", "blue"]}, "a [red] star", ["red", "blue"]), ({}, "a red star", ())],
)
def test_titles_say_the_sentence_with_the_place_of_the_word(figure, monkeypatch, swap, title, heads):
    drawn = []
    monkeypatch.setattr(page_of, "blocks", lambda lines, path: drawn.extend(lines) or blocks(lines, path))
    figure(sentences=SAID[:1], swap=swap)
    [[block]] = drawn
    assert block.title == f"LPAAE, Flowers-102 (served by drawn): \u201c{title}\u201d" and block.heads == heads


def test_the_page_says_whose_captions_they_are(figure):
    page, content, _ = figure(sentences=SAID)
    assert content["rows"]["text"]["said"]["flowers102"]["source"] == "original"
    assert "**Captions** of drawn that the model was trained with: the dataset's own." in page
    assert "Unknown words" not in page


def test_the_page_says_that_captions_are_templates(figure):
    page, content, _ = figure(sentences=SAID, captions=False)
    assert content["rows"]["text"]["said"]["flowers102"]["source"] == "template"
    assert (
        "templates of each image's class and measured colour, where the paper has sentences that people wrote" in page
    )


def test_agreement_by_statement_with_chance(figure):
    page, content, _ = figure(sentences=SAID)
    assert content["rows"]["text"]["said"]["flowers102"]["agreement"]["colour"]["chance"] == [0.25, 0.25]
    assert "|  | colour | shape |" in page
    assert "| samples | 75.0 ± 0.0 | 50.0 ± 0.0 |" in page
    assert "| samples of another caption (chance) | 25.0 ± 0.0 | 20.0 ± 0.0 |" in page
    assert "| real images | 90.0 ± 0.0 | 100.0 ± 0.0 |" in page
    assert "**Beside it**: `caption_agreement`: share of what the given captions say (colour, shape)" in page


@pytest.mark.parametrize(("noise", "verdict"), [(0.1, "hardly uses its noise"), (0.4, "uses its noise")])
def test_whether_noise_is_used_is_said(figure, noise, verdict):
    page, _, _ = figure(sentences=SAID, noise=noise)
    share = f"{100 * noise:.0f} %"
    assert f"samples of one sentence differ by {share} of what real images differ by: the model {verdict} (from" in page
    assert "`noise_diversity`: standard deviation of pixels over generated images of the same condition" in page


def test_noise_that_was_not_measured_is_left_out(figure):
    assert "**Noise**" not in figure(sentences=SAID)[0]


def test_agreement_that_was_not_measured_is_left_out(figure):
    page, _, _ = figure(sentences=SAID, agreement={})
    assert "by statement" not in page and "caption_agreement" not in page


def test_nothing_ran(figure):
    page, content, _ = figure(sentences=SAID, seeds=())
    assert "**Not run** at this scale: Flowers-102." in page and content["rows"]["text"]["said"] == {}


def test_sentences_are_those_of_the_dataset_that_serves(figure):
    _, content, _ = figure(sentences={"flowers102": ["a flower"], "drawn": SAID[1:]})
    assert content["rows"]["text"]["said"]["flowers102"]["sentences"] == SAID[1:]


def declared(**keys):
    usual = {"title": "t", "source": "s", "better": "lower", "protocol": "p"}
    return Item.model_validate({**usual, **ITEM, **keys})


def test_a_dataset_of_its_own_goes_before_any():
    swap = {"word": "red", "by": ["a", "b"]}
    item = declared(sentences={ANY: ["a red star"], "drawn": ["red"]}, swap={"drawn": swap})
    assert sentences.spoken(study_request(item), "drawn") == (["red"], Swap(**swap))
    assert sentences.spoken(study_request(item), "shapes") == (["a red star"], None)


def test_a_dataset_without_sentences_is_refused(figure):
    message = r"lpaae/fig14: no sentences for 'drawn' \(there are some for flowers102\); say them .* `sentences.drawn`"
    with pytest.raises(AdvcodesError, match=message):
        figure(sentences={"flowers102": ["a flower"]})


def test_runs_that_are_not_asked_in_words_are_refused(figure):
    with pytest.raises(
        AdvcodesError, match="lpaae/fig14, text: samples of asked are conditioned on labels, and this figure"
    ):
        figure(run=conditional_run(Asked, SHAPE), sentences=SAID)


def test_unknown_words(speaks):
    assert sentences.unknown(speaks, ["a GREEN star.", "black, red", "green"]) == ["green", "black"]
