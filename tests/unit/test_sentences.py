"""docs/claims.md: every declared claim is listed, and every sentence has its claims or a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from advcodes.app import docs, sentences
from advcodes.core.errors import AdvcodesError
from advcodes.papers.read import read_claims, read_sentences


def test_the_page_in_the_repository_is_what_papers_declare():
    assert docs.CLAIMS.read_text() == sentences.page(), "run `advcodes docs` and commit docs/claims.md"


def test_every_claim_is_listed_and_every_id_is_a_claim():
    page, ids = sentences.page(), {claim.id for claim in read_claims()}
    assert set(re.findall(r"`([a-z0-9-]+)`(?=[,;]| \|)", page)) == ids
    assert f"**{len(ids)} claims** are declared" in page


def test_every_paper_has_sentences_and_each_its_claims_or_a_reason():
    found = read_sentences()
    assert [paper for paper, said in found.items() if not said] == ["advcodes"], "our own items compare no paper"
    assert all(sentence.claims or sentence.because for said in found.values() for sentence in said)


@pytest.fixture
def declared(tmp_path: Path):
    """Writes ACL's file with sentences of its own; returns the folder."""

    def write(*said: dict[str, Any]) -> Path:
        paper = yaml.safe_load(Path("pipeline/papers/acl.yaml").read_text())
        paper["sentences"] = list(said)
        (tmp_path / "acl.yaml").write_text(yaml.safe_dump(paper, sort_keys=False))
        return tmp_path

    return write


def test_a_claim_that_no_sentence_names_is_listed_by_its_own_words(declared, monkeypatch: pytest.MonkeyPatch):
    folder = declared(
        {"said": "better than | all", "where": "Table 1", "claims": ["acl-helps-gan-cifar10"], "because": "in part"},
        {"said": "finer", "where": "Figure 6", "because": "no metric"},
    )
    monkeypatch.setattr("advcodes.papers.read.PAPERS", folder)
    page = sentences.page()
    assert "| “better than \\| all” | Table 1 | `acl-helps-gan-cifar10`; in part |" in page
    assert "| “finer” | Figure 6 | no metric |" in page
    assert (
        "| supervision does not degrade ACL-GAN on CelebA | Section 5.4, Figure 9 | `sgan-not-worse-celeba` |" in page
    )
    assert "Of 2 sentences, 1 have none." not in page and "Of 2 sentences, 1 has none." in page


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ({"claims": ["acl-helps-gan"]},
         r"acl\.yaml: sentences\.0\.claims: unknown claim 'acl-helps-gan'; did you mean 'acl-helps-gan-c"),
        ({"claims": ["gali-4-samples-better-than-ali"]}, r"sentences\.0\.claims: unknown claim"),
        ({}, r"acl\.yaml: sentences\.0: claims: none; name those that test it, or say why none can \(`because`\)"),
        ({"claims": ["acl-helps-gan-cifar10"] * 2}, "'acl-helps-gan-cifar10' stands there twice"),
        ({"claim": []}, r"sentences\.0\.claim: unknown key"),
    ],
)  # fmt: skip
def test_malformed_sentences(declared, sentence: dict[str, Any], message: str):
    with pytest.raises(AdvcodesError, match=message):
        read_sentences(declared({"said": "s", "where": "w", **sentence}))
