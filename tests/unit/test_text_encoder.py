"""The sentence encoder: its network, its files, what it says of unknown words and of mistakes."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from advcodes.config.params import resolve
from advcodes.config.sections import Machine, Text
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.graph.graph import Graph
from advcodes.jobs import checkpoint
from advcodes.text import encoder as text
from advcodes.text.embeddings import Embeddings
from evaluation_fakes import artifact

SMALL = Text(word=12, hidden=8, steps=40, batch_size=8, lr=0.02, min_count=1).model_dump()
CPU = Machine(device="cpu")
CAPTIONS = [
    [f"a {colour} {thing}", f"the {thing} is {colour}!", f"{thing}, all {colour}"]
    for colour in ("red", "blue", "white")
    for thing in ("daisy", "rose", "iris", "lily")
]


def trained(**config: Any) -> text.SentenceEncoder:
    return text.train(CAPTIONS, SMALL | config)[0]


def test_tokens():
    assert text.tokens("The  Flower's petals (6), caf\xe9-BROWN...") == [
        "the", "flower", "'", "s", "petals", "(", "6", ")", ",", "caf\xe9", "-", "brown", ".", ".", ".",
    ]  # fmt: skip


@pytest.mark.parametrize("pool", ["mean", "last"])
def test_an_embedding_is_as_long_as_noise_and_a_matter_of_its_sentence_alone(pool: str):
    encoder = trained(pool=pool)
    long = "a red rose and a blue lily and a white iris, all of them by the daisy"
    alone = encoder.embed(["a red rose"])
    assert encoder.size == 16 and alone.shape == (1, 16) and alone.dtype == torch.float32
    assert alone.norm().item() == pytest.approx(4) and not alone.requires_grad
    torch.testing.assert_close(encoder.embed([long, "a red rose", "lily"])[1:2], alone)
    torch.testing.assert_close(encoder.embed("A red  ROSE"), alone)
    assert (encoder.embed(["rose a red"]) - alone).norm() > 0.1, "the order of words says nothing"
    many = [row[i % 3] for i, row in enumerate(CAPTIONS * 60)]
    torch.testing.assert_close(encoder.embed(many)[600], encoder.embed([many[600]])[0])


def test_the_network_is_torchs_gru_on_each_sentence():
    for pool in ("mean", "last"):
        encoder = trained(pool=pool)
        states, last = encoder.gru(encoder.embedding(encoder.numbers(["the rose is red!"])))
        pooled = states.mean(1) if pool == "mean" else last.transpose(0, 1).flatten(1)
        torch.testing.assert_close(encoder.embed(["the rose is red!"]), 4 * pooled / pooled.norm())


def test_training_is_a_function_of_the_seed_and_draws_nothing_from_outside():
    torch.manual_seed(1)
    before, one = torch.get_rng_state(), trained()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    two, other = trained(), trained(seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.embed(["a red rose"]), other.embed(["a red rose"]))
    assert not any(p.requires_grad for p in one.parameters()) and not one.training


def test_unknown_words_are_one_word_and_it_is_trained():
    encoder = trained(word_dropout=0.2)
    strange = encoder.embed(["a red rose", "a red dahlia", "a red tulip", "a blue dahlia"])
    assert torch.equal(strange[1], strange[2])
    red, blue = ((encoder.embed([s for row in CAPTIONS for s in row if c in s])).mean(0) for c in ("red", "blue"))
    assert strange[1] @ red > strange[1] @ blue and strange[3] @ blue > strange[3] @ red
    # It starts as seldom-used words end: where nothing ever moves it.
    torch.manual_seed(SMALL["seed"])
    start = text.SentenceEncoder(encoder.words, 12, 8, "mean").embedding.weight[text.UNKNOWN]
    assert (encoder.embedding.weight[text.UNKNOWN] - start).abs().max() > 0.02
    assert torch.equal(trained(word_dropout=0.0).embedding.weight[text.UNKNOWN], start)


def test_a_sentence_without_a_known_word():
    encoder = trained()
    with pytest.raises(AdvcodesError) as error:
        encoder.embed(["a red rose", "Zwei Tulpen!"])
    assert str(error.value) == (
        "'Zwei Tulpen!': no word of it is in the captions that the sentence encoder has learnt; use words such as "
        "blue, white, daisy, iris, lily, rose"
    )
    with pytest.raises(AdvcodesError, match=r"'!': no word of it"):
        encoder.embed(["!"])
    with pytest.raises(AdvcodesError, match=r"'': no word of it"):
        encoder.embed("")
    with pytest.raises(AdvcodesError, match=r"no sentence to embed; give one, with words such as blue"):
        encoder.embed([])


def test_seldom_words_are_unknown():
    captions = [*CAPTIONS, ["one gladiolus", "the gladiolus"], ["an odd aster", "it is odd"]]
    words = text.train(captions, SMALL | {"steps": 1, "min_count": 2})[0].words
    assert words[:2] == ["is", "the"] and {"gladiolus", "odd"} <= set(words)
    assert not {"one", "aster", "an"} & set(words)
    with pytest.raises(AdvcodesError, match=r"no word is in the captions 100 times; lower text\.min_count"):
        text.train(captions, SMALL | {"min_count": 100})


def test_captions_that_tell_nothing_apart():
    with pytest.raises(AdvcodesError, match=r"all 5 training images have the same captions, which tell nothing apart"):
        text.train([["a rose", "one rose"], ["one rose", "a rose"]] + [["one rose", "a rose"]] * 3, SMALL)


def test_training_that_diverges():
    with pytest.raises(
        AdvcodesError, match=r"training diverged at step 40 \(loss nan\); lower text\.lr \(0\.02\) or raise text\.t"
    ):
        trained(temperature=1e-45)


def test_images_with_the_same_captions_are_one_example():
    """Copies of an image must not be told apart, nor count more: they change nothing at all."""
    one, facts = text.train(CAPTIONS, SMALL)
    many, facts_of_many = text.train([row[::-1] for row in CAPTIONS for _ in range(3)], SMALL)
    assert facts["caption_sets"] == facts_of_many["caption_sets"] == 12 and facts == facts_of_many
    assert torch.equal(one.embed(["a red rose"]), many.embed(["a red rose"]))


def test_one_caption_an_image_is_enough():
    encoder, _ = text.train([row[:1] for row in CAPTIONS], SMALL)
    similar = encoder.embed([row[0] for row in CAPTIONS])
    assert (similar @ similar.T / 16 - torch.eye(12)).max() < 0.95


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_training(steps: int):
    assert torch.isfinite(trained(steps=steps).embed(["a red rose"])).all()


def test_info_nce_is_its_definition():
    random = torch.Generator().manual_seed(0)
    a, b = torch.nn.functional.normalize(torch.randn(2, 5, 3, generator=random, dtype=torch.float64), dim=2).numpy()
    likeness = np.exp(a @ b.T / 0.3)
    expected = -np.mean([np.log(np.diag(likeness) / likeness.sum(axis)) for axis in (0, 1)])
    assert text.info_nce(torch.from_numpy(a), torch.from_numpy(b), 0.3).item() == pytest.approx(expected)


def test_dropped_words_are_unknown_and_padding_stays():
    numbers = torch.tensor([[5, 6, 7, 0], [8, 0, 0, 0]]).repeat(1000, 1)
    dropped = text._dropped(numbers, 0.25, torch.Generator().manual_seed(0))
    assert ((dropped == 0) == (numbers == 0)).all() and ((dropped == numbers) | (dropped == text.UNKNOWN)).all()
    assert (dropped == text.UNKNOWN).sum().item() == pytest.approx(0.25 * 4000, abs=120)


def test_two_of():
    count = torch.tensor([1, 2, 10] * 400)
    one, other = text._two_of(count, torch.Generator().manual_seed(0))
    for n in (1, 2, 10):
        a, b = one[count == n], other[count == n]
        assert set(a.tolist()) == set(b.tolist()) == set(range(n)) and (n == 1 or (a != b).all())


# ------------------------------------------------------------------------------------------------------------
# Files


def test_a_saved_encoder_says_the_same(tmp_path: Path):
    encoder = trained(pool="last")
    text.save(encoder, tmp_path / "encoder.pt")
    text.save(encoder, tmp_path / "sentences.pt")
    expected = encoder.embed(["a red rose"])
    for path in (tmp_path, tmp_path / "encoder.pt", tmp_path / "sentences.pt"):
        again = text.load(path)
        assert torch.equal(again.embed(["a red rose"]), expected) and again.size == 16 and again.words == encoder.words
        assert not again.training and not any(p.requires_grad for p in again.parameters())


def test_files_that_are_no_encoder(tmp_path: Path):
    with pytest.raises(AdvcodesError, match=r"encoder\.pt: no such sentence encoder; run `snakemake` to train it"):
        text.load(tmp_path)
    checkpoint.save(tmp_path / "encoder.pt", {"words": ["a"], "state": {}})
    with pytest.raises(AdvcodesError, match=r"encoder\.pt: not a sentence encoder of this version; delete it"):
        text.load(tmp_path)
    (tmp_path / "encoder.pt").write_bytes(b"nothing")
    with pytest.raises(AdvcodesError, match=r"encoder\.pt: not a readable checkpoint"):
        text.load(tmp_path)


def write_captioned(directory: Path) -> Path:
    """24 rows of captions, the first twelve to train on."""
    directory.mkdir()
    rows = CAPTIONS + [row[1:] for row in CAPTIONS]
    meta = {
        "dataset": "tiny", "shape": [1, 2, 2], "dtype": "uint8", "classes": ["daisy", "rose", "iris", "lily"],
        "splits": {"train": [0, 12], "test": [12, 24]},
    }  # fmt: skip
    np.save(directory / "images.npy", np.zeros((24, 1, 2, 2), np.uint8))
    np.save(directory / "labels.npy", np.arange(24) % 4)
    (directory / "captions.json").write_text(json.dumps(rows))
    (directory / "meta.json").write_text(json.dumps(meta))
    return directory


def test_the_stage_embeds_every_row(tmp_path: Path):
    data = write_captioned(tmp_path / "data")
    config = SMALL | {"steps": 150, "train_split": "train", "test_split": "test"}
    made = artifact(tmp_path / "text", "text/tiny/0", config, "text-key", data=data)
    files, facts = text.make(made, CPU)
    assert sorted(files) == sorted(p.name for p in (tmp_path / "text").iterdir())
    about = json.loads((tmp_path / "text" / "text.json").read_text())
    sentences = json.loads((tmp_path / "text" / "sentences.json").read_text())
    starts, embeddings = (np.load(tmp_path / "text" / f"{name}.npy") for name in ("starts", "embeddings"))
    assert starts.dtype == np.int64 and starts.tolist() == [*range(0, 37, 3), *range(38, 61, 2)]
    assert embeddings.dtype == np.float32 and embeddings.shape == (60, 16) and len(sentences) == 60
    captions = load_prepared(data).captions
    assert [sentences[a:b] for a, b in itertools.pairwise(starts)] == captions
    encoder = text.load(tmp_path / "text")
    torch.testing.assert_close(encoder.embed(sentences), torch.from_numpy(embeddings))
    assert np.linalg.norm(embeddings, axis=1) == pytest.approx(np.full(60, math.sqrt(16)), rel=1e-5)

    assert about["source"] == facts["source"] == "original"
    assert (about["sentences"], about["distinct_sentences"], about["vocabulary"]) == (60, 36, 13)
    assert about["retrieval"]["accuracy"] > 0.9 and about["retrieval"]["among"] == 12
    assert about["retrieval"]["chance"] == pytest.approx(1 / 12, abs=1e-4)
    assert about["probe"]["colour"]["accuracy"] == about["probe"]["class"]["accuracy"] == 1
    assert about["probe"]["class"]["chance"] == 0.25

    test = Embeddings(tmp_path / "text", load_prepared(data).rows("test"))
    assert torch.equal(test.first(torch.tensor([1])), torch.from_numpy(embeddings[38:39]))


def test_sentences_of_other_rows_may_be_all_unknown(tmp_path: Path):
    data = write_captioned(tmp_path / "data")
    rows = json.loads((data / "captions.json").read_text())
    rows[20] = ["quite another thing"]
    (data / "captions.json").write_text(json.dumps(rows))
    config = SMALL | {"steps": 2, "train_split": "train", "test_split": "test"}
    text.make(artifact(tmp_path / "text", "text/tiny/0", config, "text-key", data=data), CPU)
    assert np.isfinite(np.load(tmp_path / "text" / "embeddings.npy")).all()
    assert "quite" not in text.load(tmp_path / "text").words


def test_the_stage_says_which_split_there_is(tmp_path: Path):
    config = SMALL | {"train_split": "trian", "test_split": "test"}
    made = artifact(tmp_path / "text", "text/tiny/0", config, "k", data=write_captioned(tmp_path / "data"))
    with pytest.raises(AdvcodesError, match=r"unknown split of dataset 'tiny': 'trian'; did you mean 'train'"):
        text.make(made, CPU)


# ------------------------------------------------------------------------------------------------------------
# What is measured


def test_retrieval_counts():
    captions = [[f"{i} a", f"{i} b"] for i in range(150)] + [["alone"]]
    same = torch.eye(150).repeat_interleave(2, 0)
    perfect, none = torch.cat([same, same[:1]]), torch.cat([same.roll(2, 0), same[:1]])
    assert text.retrieval(perfect, captions, slice(0, 151), 0) == {
        "accuracy": 1.0, "chance": 0.01, "among": 100, "queries": 100,
    }  # fmt: skip
    wrong = torch.cat([torch.eye(300), torch.zeros(1, 300)])
    assert text.retrieval(wrong, captions, slice(0, 151), 0)["accuracy"] < 0.05
    assert text.retrieval(none, captions, slice(0, 151), 0)["accuracy"] == 1, "equal captions of an image are nearest"
    assert text.retrieval(perfect, captions, slice(149, 151), 0) is None, "one row with two captions"
    twins = [captions[i // 2] for i in range(20)]
    result = text.retrieval(torch.eye(10).repeat_interleave(4, 0), twins, slice(0, 20), 0)
    assert result["accuracy"] == 1 and result["chance"] == 0.1 and result["among"] == 20


def test_probe_reads_what_is_there_and_no_more():
    random = torch.Generator().manual_seed(0)
    colours = torch.randint(3, (400,), generator=random)
    captions = [[f"a {('red', 'blue', 'grey')[c]} rose", "red and blue"] for c in colours]
    noise = torch.randn(800, 5, generator=random)
    told = torch.nn.functional.one_hot(colours, 3).repeat_interleave(2, 0).float()
    labels = torch.randint(2, (400,), generator=random).numpy()
    found = text.probe(torch.cat([told, noise], 1), captions, labels, slice(0, 300), slice(300, 400))
    assert found["colour"]["accuracy"] == 1 and 0.2 < found["colour"]["chance"] < 0.5
    assert found["class"]["accuracy"] == pytest.approx(0.5, abs=0.12)
    assert text.probe(noise, [["a rose", "it"]] * 400, np.full(400, -1), slice(0, 300), slice(300, 400)) == {}


# ------------------------------------------------------------------------------------------------------------
# Its place in the pipeline


def test_the_artifact_follows_params(tree: dict[str, Any]):
    one = Graph(resolve(tree)).text("shapes")
    assert one.id == f"text/shapes/{one.manifest.parent.name}" and one.manifest.parts[:4] == (
        "data",
        "prepared",
        "text",
        "shapes",
    )
    assert set(one.inputs) == {"data"} and one.modules == ("advcodes.text.encoder",)
    assert one.config["train_split"] == "train" and one.config["word"] == 300 and one.config["hidden"] == 100
    for change in ({"text": {"steps": 7}}, {"datasets": {"shapes": {"test_split": "train"}}}):
        changed = {**tree, "scales": {**tree["scales"], "demo": {**tree["scales"]["demo"], **change}}}
        assert Graph(resolve(changed)).text("shapes").id != one.id
    with pytest.raises(AdvcodesError, match="unknown dataset 'shaped'; did you mean 'shapes'"):
        Graph(resolve(tree)).text("shaped")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"pool": "max"}, r"text\.pool: .*'mean' or 'last'|text\.pool: .*mean, last"),
        ({"word_dropout": 1}, r"text\.word_dropout: "),
        ({"batch_size": 1}, r"text\.batch_size: "),
        ({"wrd": 3}, r"text\.wrd: .*word"),
    ],
)
def test_mistakes_in_params(tree: dict[str, Any], text: dict[str, Any], message: str):
    with pytest.raises(AdvcodesError, match=message):
        resolve({**tree, "text": text})
