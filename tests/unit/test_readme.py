"""README is one page whose numbers, links and commands are right; the docs' links lead somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from advcodes.app.cli import parser
from advcodes.pages import judging

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]


def test_it_is_one_page():
    assert len(README.splitlines()) <= 150
    assert len(README.split()) <= 1200


def test_its_numbers_are_those_of_the_table():
    table = (ROOT / "reports/table1.md").read_text()
    rows = re.findall(r"^\| ([\w-]+) \| (\S+ ± .*?) \|$", README, re.MULTILINE)
    assert len(rows) == 4
    for label, number in rows:
        assert f"| {label} | {number} |" in table


def test_its_counts_of_claims_are_those_of_the_page():
    claims = json.loads((ROOT / "reports/demo/claims.json").read_text())["claims"]
    found = judging.counts(claims)
    stands = [judging.survives(claim) for claim in claims if "same_as" not in claim]
    words = " ".join(README.split())
    assert f"never decided: {found[judging.CONFOUNDED]} of {sum(found.values())} at this scale." in words
    decided = sum(found[verdict] for verdict in judging.DECIDED)
    assert f"{decided} are decided, {stands.count(True)} of them also after correction for their number." in words


def test_its_counts_on_real_data_are_those_of_the_page():
    claims = json.loads((ROOT / "reports/laptop/claims.json").read_text())["claims"]
    run = [claim for claim in claims if claim["metric"] and "same_as" not in claim]
    decided = [claim for claim in run if claim["verdict"] in judging.DECIDED]
    assert {claim["verdict"] for claim in decided} == {judging.FAILS}, "all against their paper"
    stand = [judging.survives(claim) for claim in decided].count(True)
    words = " ".join(README.split())
    assert (
        f"{len(decided)} of the {len(run)} claims that were run are decided, all against their paper, {stand} also"
        in words
    )


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str):
    place = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        if not target.startswith("http"):
            assert (place / target).exists(), target


def test_its_commands_are_commands():
    lines = re.findall(r"^    advcodes (.*)$", README, re.MULTILINE)
    assert lines
    for line in lines:
        parser().parse_args(re.sub(r"\s+#.*", "", line).split())


def test_its_first_two_commands_are_targets_of_the_makefile():
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^    make (\S+)", README, re.MULTILINE)) <= targets
