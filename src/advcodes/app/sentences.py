"""docs/claims.md: what papers say that compares, and the claim that tests it."""

from __future__ import annotations

from collections.abc import Sequence

from advcodes.pages import text
from advcodes.papers.items import Claim
from advcodes.papers.read import paper_titles, read_claims, read_sentences
from advcodes.papers.sentences import Sentence

AFFECTS_RESULTS = False
INTRODUCTION = """\
# Comparative sentences and claims

<!-- `advcodes docs` writes this page from `sentences` and `claims` in pipeline/papers. -->

Every sentence of the papers that compares their results with others, and the declared claims that test it; of one that
no claim tests, why. Then the claims that stand in a table alone: its numbers say so, and no sentence does. Verdicts on
all of them, at every scale that was run, are in `reports/<scale>/claims.md` ([demo](../reports/demo/claims.md),
[laptop](../reports/laptop/claims.md)).
"""


def page() -> str:
    """The whole of docs/claims.md."""
    claims, titles, sentences = read_claims(), paper_titles(), read_sentences()
    by_paper = {paper: [c for c in claims if c.paper == paper] for paper in titles}
    every = [s for of_paper in sentences.values() for s in of_paper]
    untested = sum(not s.claims for s in every)
    have = "has" if untested == 1 else "have"
    parts = [
        INTRODUCTION,
        f"**{len(claims)} claims** are declared. Of {len(every)} sentences, {untested} {have} none.",
    ]
    for paper, title in titles.items():
        if by_paper[paper] or sentences[paper]:
            parts += ["", f"## {title}", "", _table(sentences[paper], by_paper[paper])]
    return "\n".join(parts) + "\n"


def _table(sentences: Sequence[Sentence], claims: Sequence[Claim]) -> str:
    """Sentences in the order of the file, then claims that none of them names."""
    named = {claim for sentence in sentences for claim in sentence.claims}
    rows = [[f"“{s.said}”", s.where, _answer(s)] for s in sentences]
    rows += [[claim.says, claim.where, f"`{claim.id}`"] for claim in claims if claim.id not in named]
    return text.markdown_table(["sentence", "where", "claims"], rows, left=range(3))


def _answer(sentence: Sentence) -> str:
    return "; ".join(filter(None, [", ".join(f"`{claim}`" for claim in sentence.claims), sentence.because]))
