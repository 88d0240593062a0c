"""The sentence encoder: a bi-GRU trained on a dataset's captions alone, then frozen.

LPAAE takes "200-D" embeddings "from a pre-trained recurrent network" and does not name it (facts 5.11). Ours learns
that two captions of one image belong together, and others do not (InfoNCE).
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.optim.lr_scheduler import OneCycleLR

from advcodes.build.provenance import Artifact, write_atomically
from advcodes.build.writing import save_array
from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load as load_prepared
from advcodes.jobs import checkpoint, device
from advcodes.jobs.fit import Plan, Resume, fit
from advcodes.text.captions import COLOURS, GREYS, captions_of

PADDING, UNKNOWN = 0, 1  #: numbers of tokens that are no words
LONGEST = 64  #: words and punctuation of a sentence that are read
BATCH = 500  #: sentences a pass when not training
AMONG = 100  #: images whose captions retrieval chooses from
PROBED = 10_000  #: sentences that a probe is fitted to, at most


def make(artifact: Artifact, machine: Machine) -> tuple[list[str], dict[str, Any]]:
    """Make a `text/...` artifact: the encoder, and embeddings of the captions of all rows of a prepared dataset.

    Files: ``encoder.pt``; ``sentences.json``, S sentences; ``embeddings.npy``, float32 [S, E]; ``starts.npy``, int64
    [N + 1]: the sentences of row i are ``starts[i]:starts[i + 1]``; ``text.json``, facts about them.
    """
    config = artifact.config
    data = load_prepared(artifact.inputs["data"].directory)
    captions, source = captions_of(data)
    seen, held_out = data.rows(config["train_split"]), data.rows(config["test_split"])
    sentences = [sentence for row in captions for sentence in row]
    starts = np.cumsum([0, *map(len, captions)], dtype=np.int64)
    with device.claimed(machine) as where:
        began = time.monotonic()
        encoder, facts = train(captions[seen], config, where, artifact.id, Resume.of(artifact))
        number = {sentence: i for i, sentence in enumerate(dict.fromkeys(sentences))}
        rows = [number[sentence] for sentence in sentences]
        embeddings = encoder._embed(list(number)).cpu()[rows]
    retrieved = retrieval(embeddings, captions, held_out, config["seed"])
    about = {
        "source": source,
        "sentences": len(sentences),
        "distinct_sentences": len(number),
        "vocabulary": len(encoder.words),
        "size": encoder.size,
        "parameters": sum(p.numel() for p in encoder.parameters()),
        **facts,
        "retrieval": retrieved,
        "probe": probe(embeddings, captions, data.labels, seen, held_out),
    }
    asked = f"; {retrieved['accuracy']:.1%} find their image among {retrieved['among']}" if retrieved else ""
    print(f"{artifact.id}: {len(number):,} {source} captions, {len(encoder.words):,} words{asked}", flush=True)
    save(encoder.cpu(), artifact.directory / "encoder.pt")
    for name, array in (("embeddings.npy", embeddings.numpy()), ("starts.npy", starts)):
        save_array(artifact.directory / name, array)
    write_atomically(artifact.directory / "sentences.json", json.dumps(sentences) + "\n")
    write_atomically(artifact.directory / "text.json", json.dumps(about, indent=1) + "\n")
    files = ["encoder.pt", "sentences.json", "embeddings.npy", "starts.npy", "text.json"]
    return files, {"seconds": round(time.monotonic() - began, 1), "source": source, "retrieval": retrieved}


# ------------------------------------------------------------------------------------------------------------
# The network


def tokens(sentence: str) -> list[str]:
    """Words and punctuation marks of a sentence, in lower case."""
    return re.findall(r"\w+|[^\w\s]", sentence.lower())


class SentenceEncoder(nn.Module):
    """Bidirectional GRU over word embeddings.

    Args:
        words: the vocabulary, most frequent first.
        word: numbers in a word's embedding.
        hidden: units of each direction; a sentence's embedding has twice as many.
        pool: ``mean`` of the states over all words, or the ``last`` state of each direction.
    """

    def __init__(self, words: Sequence[str], word: int, hidden: int, pool: str):
        super().__init__()
        self.words, self.pool, self.size = list(words), pool, 2 * hidden
        self.settings = {"word": word, "hidden": hidden, "pool": pool}
        self._number = {w: i for i, w in enumerate(self.words, UNKNOWN + 1)}
        self.embedding = nn.Embedding(UNKNOWN + 1 + len(self.words), word, padding_idx=PADDING)
        self.gru = nn.GRU(word, hidden, batch_first=True, bidirectional=True)

    def numbers(self, sentences: Sequence[str]) -> Tensor:
        """Numbers of the tokens of sentences, int64 [n, L], padded with 0; 1 stands for unknown words."""
        rows = [[self._number.get(t, UNKNOWN) for t in tokens(s)[:LONGEST]] for s in sentences]
        padded = np.full((len(rows), max(map(len, rows))), PADDING)
        for i, row in enumerate(rows):
            padded[i, : len(row)] = row
        return torch.from_numpy(padded)

    def forward(self, numbers: Tensor) -> Tensor:
        """Embeddings of length 1, [n, E], of :meth:`numbers`."""
        lengths = (numbers != PADDING).sum(1).cpu()
        x = self.embedding(numbers[:, : int(lengths.max())])
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        states, last = self.gru(packed)
        if self.pool == "last":
            pooled = last.transpose(0, 1).flatten(1)
        else:
            pooled = pad_packed_sequence(states, batch_first=True)[0].sum(1)  # padding is 0; length does not matter
        return F.normalize(pooled, dim=1)

    @torch.no_grad()
    def _embed(self, sentences: Sequence[str]) -> Tensor:
        where = self.embedding.weight.device
        parts = [sentences[i : i + BATCH] for i in range(0, len(sentences), BATCH)]
        return torch.cat([self(self.numbers(part).to(where)) for part in parts]) * math.sqrt(self.size)

    def embed(self, sentences: Sequence[str]) -> Tensor:
        """Embeddings float32 [n, E] of length sqrt(E): as long as noise from N(0, I), beside which they are used.

        Raises:
            AdvcodesError: a sentence of which no word is known, or no sentence at all.
        """
        if isinstance(sentences, str):
            sentences = [sentences]
        if not sentences:
            raise AdvcodesError(f"no sentence to embed; give one, with words such as {self._examples()}")
        for sentence in sentences:
            if not any(t in self._number and t[0].isalnum() for t in tokens(sentence)):
                raise AdvcodesError(
                    f"{sentence!r}: no word of it is in the captions that the sentence encoder has learnt; use words "
                    f"such as {self._examples()}"
                )
        return self._embed(sentences)

    def _examples(self) -> str:
        words = [w for w in self.words if w.isalpha()]
        return ", ".join(([w for w in words if len(w) > 3] or words)[:8])


def save(encoder: SentenceEncoder, path: Path) -> None:
    """Write an encoder so that :func:`load` reads it."""
    checkpoint.save(path, {"words": encoder.words, **encoder.settings, "state": encoder.state_dict()})


def load(path: Path, where: torch.device | str = "cpu") -> SentenceEncoder:
    """The frozen encoder of a file, or of a directory with an ``encoder.pt``.

    Raises:
        AdvcodesError: it is missing, damaged, or no sentence encoder.
    """
    path = path / "encoder.pt" if path.is_dir() else path
    if not path.exists():
        raise AdvcodesError(f"{path}: no such sentence encoder; run `snakemake` to train it")
    content = checkpoint.load(path)
    try:
        encoder = SentenceEncoder(content["words"], content["word"], content["hidden"], content["pool"])
        encoder.load_state_dict(content["state"])
    except (KeyError, TypeError, RuntimeError):
        raise AdvcodesError(
            f"{path}: not a sentence encoder of this version; delete it and run `snakemake` again"
        ) from None
    return encoder.to(where).eval().requires_grad_(False)


# ------------------------------------------------------------------------------------------------------------
# Training


def train(
    captions: Sequence[Sequence[str]],
    config: Mapping[str, Any],
    where: torch.device | str = "cpu",
    what: str = "sentence encoder",
    resume: Resume | None = None,
) -> tuple[SentenceEncoder, dict[str, Any]]:
    """Train on captions; on a CPU with the same number of threads the result is always the same.

    Each example is one set of captions, however many images have exactly this one: no two examples of a batch are
    equal, and so each pair of examples tells captions apart that differ. An image with a single caption is compared
    with itself under another word dropout.

    Args:
        captions: sentences of each image, one at least.
        config: fields of :class:`advcodes.config.sections.Text`.
        where: device.
        what: first words of progress lines.
        resume: where a killed training goes on.

    Returns:
        The encoder, frozen, and facts: ``caption_sets``, ``epochs``, ``loss``.

    Raises:
        AdvcodesError: all images have the same captions, or training diverged.
    """
    examples = list(dict.fromkeys(tuple(sorted(set(row))) for row in captions))
    if len(examples) < 2:
        raise AdvcodesError(
            f"{what}: all {len(captions):,} training images have the same captions, which tell nothing apart; train on "
            "text with a dataset of several classes or colours"
        )
    counts = Counter(t for row in captions for sentence in row for t in tokens(sentence))
    words = sorted((w for w, n in counts.items() if n >= config["min_count"]), key=lambda w: (-counts[w], w))
    if not words:
        raise AdvcodesError(f"{what}: no word is in the captions {config['min_count']} times; lower text.min_count")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config["seed"])
        encoder = SentenceEncoder(words, config["word"], config["hidden"], config["pool"])
    numbers = encoder.numbers([sentence for row in examples for sentence in row]).to(where)
    encoder = encoder.to(where)
    count = torch.tensor([len(row) for row in examples])
    first = count.cumsum(0) - count

    plan = Plan(len(examples), config["batch_size"], least_steps=config["steps"], seed=config["seed"])

    def batch(index: Tensor, random: Generator) -> tuple[Tensor, None]:
        pair = torch.cat([first[index] + offset for offset in _two_of(count[index], random)])
        return _dropped(numbers[pair.to(where)], config["word_dropout"], random), None

    def loss_of(output: Tensor, _: None) -> Tensor:
        a, b = output.chunk(2)
        return info_nce(a, b, config["temperature"])

    optimiser = torch.optim.Adam(encoder.parameters(), lr=config["lr"])
    fitted = fit(
        encoder, plan, batch, loss_of,
        optimiser, OneCycleLR(optimiser, config["lr"], total_steps=plan.steps), what=what,
        advice=f"lower text.lr ({config['lr']}) or raise text.temperature", resume=resume,
    )  # fmt: skip
    epochs = round(plan.steps / plan.steps_per_epoch, 1)
    facts = {"caption_sets": len(examples), "epochs": epochs, "loss": round(fitted.loss, 4)}
    return encoder.requires_grad_(False), facts


def info_nce(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """The contrastive loss: cross entropy of finding each row's partner in the other batch, both ways.

    Args:
        a: embeddings of length 1, [n, E]; row i belongs to row i of ``b``, and to no other.
        b: [n, E].
        temperature: by which cosines are divided.
    """
    similarity, target = a @ b.T / temperature, torch.arange(len(a), device=a.device)
    return (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.T, target)) / 2


def _dropped(numbers: Tensor, share: float, generator: Generator) -> Tensor:
    """The same tokens, a share of them unknown; padding stays."""
    drawn = (torch.rand(numbers.shape, generator=generator) < share).to(numbers.device)
    return numbers.masked_fill(drawn & (numbers != PADDING), UNKNOWN)


def _two_of(count: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Numbers of two captions of each image, int64 [n] each; different ones where it has two or more."""
    u = torch.rand(2, len(count), generator=generator, dtype=torch.float64)
    one = (u[0] * count).long()
    return one, (one + 1 + (u[1] * (count - 1)).long()) % count


# ------------------------------------------------------------------------------------------------------------
# What embeddings say


def retrieval(embeddings: Tensor, captions: Sequence[Sequence[str]], rows: slice, seed: int) -> dict[str, Any] | None:
    """How often another caption of the same image is the nearest to a caption.

    Args:
        embeddings: of all captions in order, [S, E].
        captions: of all rows.
        rows: that are asked about: those that training has not seen.
        seed: of the choice of captions and of the images beside.

    Returns:
        ``accuracy`` over ``queries`` among ``among`` images at a time, where an image with exactly the same captions
        is right, too, and ``chance``: the share of right ones. None where no two rows have two captions.
    """
    count = torch.tensor([len(row) for row in captions])
    first = count.cumsum(0) - count
    seen: dict[tuple[str, ...], int] = {}
    same = torch.tensor([seen.setdefault(tuple(sorted(row)), len(seen)) for row in captions])
    asked = torch.arange(len(captions))[rows]
    asked = asked[count[asked] > 1]
    if len(asked) < 2:
        return None
    random = torch.Generator().manual_seed(seed)
    asked = asked[torch.randperm(len(asked), generator=random)]
    among = min(AMONG, len(asked))
    right, chance, queries = 0, 0, len(asked) // among * among
    for pool in asked[:queries].split(among):
        one, other = (embeddings[first[pool] + offset] for offset in _two_of(count[pool], random))
        equal = same[pool][:, None] == same[pool]
        right += int(equal[torch.arange(among), (one @ other.T).argmax(1)].sum())
        chance += int(equal.sum())
    return {
        "accuracy": round(right / queries, 4),
        "chance": round(chance / queries / among, 4),
        "among": among,
        "queries": queries,
    }


def probe(
    embeddings: Tensor, captions: Sequence[Sequence[str]], labels: np.ndarray, seen: slice, held_out: slice
) -> dict[str, dict[str, float]]:
    """What a linear map reads off embeddings: the colour that a sentence names, and the class of its image.

    Args:
        embeddings: of all captions in order, [S, E].
        captions: of all rows.
        labels: class of each row; -1 where there is none.
        seen: rows that the map is fitted to (ridge regression on one-hot targets).
        held_out: rows that it is judged on.

    Returns:
        ``accuracy`` and ``chance`` (always the most frequent) for ``colour`` and ``class``, as far as captions name
        one of the colours of :mod:`advcodes.text.captions`, and rows have classes.
    """
    of_row = torch.repeat_interleave(torch.arange(len(captions)), torch.tensor([len(row) for row in captions]))
    colours = list(dict.fromkeys([*COLOURS, *GREYS]))
    named = [[i for i, c in enumerate(colours) if c in words] for row in captions for words in map(tokens, row)]
    targets = {
        "colour": torch.tensor([c[0] if len(c) == 1 else -1 for c in named]),
        "class": torch.from_numpy(np.array(labels))[of_row],
    }
    results = {}
    for name, target in targets.items():
        train_on, judged = ((target >= 0) & (of_row >= s.start) & (of_row < s.stop) for s in (seen, held_out))
        if not (train_on.any() and judged.any()):
            continue
        some = train_on.nonzero()[:, 0]
        some = some[:: max(1, len(some) // PROBED)]
        x, y = (F.pad(embeddings[rows].double(), (0, 1), value=1.0) for rows in (some, judged))
        wanted = F.one_hot(target[some], int(target.max()) + 1).double()
        solved = torch.linalg.solve(x.T @ x + torch.eye(x.shape[1], dtype=x.dtype), x.T @ wanted)
        frequent = wanted.sum(0).argmax()
        results[name] = {
            "accuracy": round(((y @ solved).argmax(1) == target[judged]).double().mean().item(), 4),
            "chance": round((target[judged] == frequent).double().mean().item(), 4),
        }
    return results
