"""Images that are asked for in words: of several sentences, or of one with a word replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from advcodes.core.errors import AdvcodesError
from advcodes.evaluation.sample import shown as sampled
from advcodes.papers.items import ANY
from advcodes.papers.swap import Swap
from advcodes.studies import networks
from advcodes.studies.base import Cell, Study
from advcodes.studies.request import Request
from advcodes.studies.shared import SENTENCES_SIDE as SIDE
from advcodes.text import encoder as sentence_encoder
from advcodes.text.encoder import SentenceEncoder, tokens
from advcodes.training.restore import SENTENCES, Restored


def study(request: Request) -> Study:
    """Of the first seed of each row and column ``images``, uint8 [sentences, rows, columns, C, H, W], and numbers.

    Numbers are ``sentences``, ``titles`` (they again, with the word in brackets that is replaced), ``words`` that took
    its place (None without), words of all these that are ``unknown`` to the sentence encoder, ``source`` of its
    captions (``original`` or ``template``), and ``seed``.

    Raises:
        AdvcodesError: a run is not conditioned on sentences, or no sentence is declared for its dataset.
    """
    cells = {}
    for place in request.places():
        sentences, swap = spoken(request, place.dataset)
        restored = networks.restored(request, place.first)
        networks.check_condition(restored, ("text",), request.where(place))
        speaks = sentence_encoder.load(request.run(place.first) / SENTENCES)
        said = [s for sentence in sentences for s in (swap.of(sentence) if swap else [sentence])]
        numbers = {
            "sentences": sentences,
            "titles": [swap.marked(sentence) if swap else sentence for sentence in sentences],
            "words": swap.by if swap else None,
            "unknown": unknown(speaks, said),
            "source": "template" if request.prepared(place).captions is None else "original",
            "seed": place.seed,
        }
        images = [drawn(restored, speaks, s, swap, request.sampling, place.seed) for s in sentences]
        cells[place.key] = Cell(numbers, {"images": np.stack(images)})
    return cells


def spoken(request: Request, dataset: str) -> tuple[list[str], Swap | None]:
    """An item's sentences for a dataset, and the word to replace in them.

    Raises:
        AdvcodesError: it has none for this dataset.
    """
    every, swaps = request.options["sentences"], request.options["swap"]
    sentences, swap = every.get(dataset, every.get(ANY)), swaps.get(dataset, swaps.get(ANY))
    if sentences is None:
        raise AdvcodesError(
            f"{request.item}: no sentences for {dataset!r} (there are some for {', '.join(every)}); say them in "
            f"its paper's file under `sentences.{dataset}`, or serve its column by another dataset (`stand_ins`)"
        )
    return sentences, swap and Swap.model_validate(swap)


def drawn(
    restored: Restored,
    speaks: SentenceEncoder,
    sentence: str,
    swap: Swap | None,
    sampling: Mapping[str, Any],
    seed: int,
) -> np.ndarray:
    """Images of a sentence: of as much noise as there is room for, or of each word in turn and the same noise."""
    if swap is not None:
        return sampled(restored, speaks.embed(swap.of(sentence)), SIDE, sampling, seed)
    made = sampled(restored, speaks.embed([sentence]), SIDE * SIDE, sampling, seed)
    return made.reshape(SIDE, SIDE, *made.shape[2:])


def unknown(speaks: SentenceEncoder, sentences: Sequence[str]) -> list[str]:
    """Words of sentences that the encoder has not learnt, in order."""
    return list(dict.fromkeys(t for s in sentences for t in tokens(s) if t[0].isalnum() and t not in speaks.words))
