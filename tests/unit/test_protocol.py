"""docs/protocol.md: scale `paper` beside what the papers state, and no difference without a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from advcodes.app import docs, protocol
from advcodes.config.params import read
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.papers.protocol import Statement
from advcodes.papers.read import read_protocol


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph(read(scale="paper"))


def stated(**changes: Any) -> Statement:
    """That R-CG has batches of 64."""
    return Statement.model_validate(
        {"setting": "batch_size", "value": 64, "source": "R-CG", "rows": ["gan"], **changes}
    )


def marked(graph: Graph, *statements: Statement) -> dict[str, dict[str, tuple[list[str], str]]]:
    """Rows and mark of ACL's lines by section and setting, as far as something is stated of them."""
    found = protocol.lines(graph, "acl", statements)
    return {
        section: {line.setting: (line.rows, line.mark) for line in several if line.statement}
        for section, several in found.items()
        if any(line.statement for line in several)
    }


def test_the_page_in_the_repository_is_what_params_and_papers_say(graph: Graph):
    assert docs.PROTOCOL.read_text() == protocol.page(graph), "run `advcodes docs` and commit docs/protocol.md"


def test_nothing_differs_without_a_reason(graph: Graph):
    assert protocol.unexplained(graph, read_protocol()) == []


def test_a_difference_without_a_reason_and_a_reason_without_a_difference_are_found(graph: Graph):
    differs, same = stated(value=32, columns=["cifar10"]), stated(because="of that", columns=["celeba"])
    assert protocol.unexplained(graph, {"acl": [differs, same]}) == [
        "acl, Training on CIFAR-10 (`cifar10`): batch_size of `gan` is 64, and 32 is stated (R-CG): set it so, or say "
        "why (`because`)",
        "acl: batch_size (R-CG) does not differ: remove `because`",
    ]
    explained = stated(value=32, columns=["cifar10"], because="of that")
    assert protocol.unexplained(graph, {"acl": [explained]}) == []


def test_lines_are_marked(graph: Graph):
    said = [
        stated(),
        stated(setting="lr", value=2e-4, columns=["cifar10"]),
        stated(setting="n_generated.fid", value=10_000, items=["table1"], rows=None, columns=["cifar10"]),
    ]
    assert marked(graph, *said) == {
        "What is measured": {"n_generated.fid": (["`table1` on CIFAR-10"], "as stated")},
        "Training on CIFAR-10 (`cifar10`)": {
            "batch_size": (["`gan`"], "as stated"),
            "lr.discriminator, generator": (["`gan`"], "as stated"),
        },
        "Training on CelebA (`celeba`)": {"batch_size": (["`gan`"], "as stated")},
    }
    page = protocol.page(graph)
    assert "| batch_size | `acl_ae_cifar10`, `aae_cifar10`" not in page
    assert page.count("not stated (assumed) |") > 100 and page.count("| as stated |") > 50


def test_updates_and_images_are_those_of_the_whole_training(graph: Graph):
    found = protocol.lines(graph, "acl", [])["Training on CIFAR-10 (`cifar10`)"]
    told = {(line.setting, row): line.here for line in found for row in line.rows}
    assert (told["images", "`wgan_gp`"], told["train_images", "`wgan_gp`"]) == (4_998_400, 50_000)
    assert told["updates.discriminator", "`wgan_gp`"] == 78_100
    assert told["updates.generator", "`wgan_gp`"] == 15_620


@pytest.mark.parametrize(
    ("here", "value", "same"),
    [(4e-5, 0.00004, True), ([2e-4], 2e-4, True), ([0.5, 0.999], (0.5, 0.9990), True), ([1e-4, 2e-4], 1e-4, False),
     ("test", "test", True), (True, 1, False), (100, 100.0, True), (8189, "about 9,000", False)],
)  # fmt: skip
def test_values_are_compared_as_numbers(here: Any, value: Any, same: bool):
    assert protocol.alike(here, value) is same


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": ["gann"]}, r"protocol\.0\.rows: unknown row 'gann'; did you mean 'gan'\?"),
        ({"columns": ["cifar"]}, r"protocol\.0\.columns: unknown column 'cifar'; did you mean 'cifar10'\?"),
        ({"items": ["tabel1"]}, r"protocol\.0\.items: unknown item 'tabel1'; did you mean 'table1'\?"),
        ({"vlaue": 1}, r"protocol\.0\.vlaue: unknown key"),
    ],
)
def test_a_statement_about_what_is_not_there(tmp_path: Path, change: dict[str, Any], message: str):
    paper = yaml.safe_load(Path("pipeline/papers/acl.yaml").read_text())
    paper["protocol"] = [{"setting": "batch_size", "value": 64, "source": "R-CG", **change}]
    (tmp_path / "acl.yaml").write_text(yaml.safe_dump(paper))
    with pytest.raises(AdvcodesError, match=message):
        read_protocol(tmp_path)


def test_statements_that_are_about_nothing_or_against_each_other(graph: Graph):
    with pytest.raises(AdvcodesError, match=r"protocol of acl: bath_size \(R-CG\) is about no run"):
        protocol.lines(graph, "acl", [stated(setting="bath_size")])
    with pytest.raises(AdvcodesError, match="two statements on batch_size of gan on cifar10 in acl/table1"):
        protocol.lines(graph, "acl", [stated(), stated(value=32)])
