"""docs/methods.md and docs/networks.md are what the code gives, and its words arrive there whole."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from advcodes.app import docs
from advcodes.app.cli import main
from advcodes.config import params
from advcodes.core.schema import Count
from advcodes.methods import registry
from advcodes.methods.base import Method, MethodConfig, Optimiser, Phase
from advcodes.nets.spec import Net


class _Parent(Method):
    """A toy of :meth:`nothing` and ``x``."""

    class Config(MethodConfig):
        flavour: Literal["sweet", "sour"] = Field("sour", description="a|b")

    sampling_roles = ("generator",)

    @classmethod
    def nets(cls, config: MethodConfig) -> dict[str, Net]:
        return {"generator": Net("generator"), "critic": Net("discriminator", {"batch_norm": False})}

    @classmethod
    def phases(cls, config: MethodConfig) -> list[Phase]:
        return [Phase("judge", ("critic",), times=3), Phase("make", ("generator", "critic"), every=5)]

    def judge(self, step: object) -> None:
        """Eq. 1
        for D.

        More than that.
        """

    def make(self, step: object) -> None:
        pass

    def sample(self, n: int, generator: object = None) -> None:
        pass


class _Child(_Parent):
    class Config(_Parent.Config):
        rounds: Count = Field(2, description="of the game")
        optimiser: Optimiser = Optimiser(lr=1e-3)

    def judge(self, step: object) -> None:
        pass


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of a registry of two."""
    for cls, name in ((_Parent, "toy"), (_Child, "toy_child")):
        monkeypatch.setattr(cls, "__module__", "advcodes.methods.gan")
        monkeypatch.setattr(cls, "name", name)
    monkeypatch.setattr(registry, "methods", lambda: {"toy": _Parent, "toy_child": _Child})
    return docs.methods_page()


def test_the_page_in_the_repository_is_what_the_registry_gives():
    assert docs.METHODS.read_text() == docs.methods_page(), "run `advcodes docs` and commit docs/methods.md"


def test_the_page_of_metrics_in_the_repository_is_what_the_registry_gives():
    assert docs.METRICS.read_text() == docs.metrics_page(), "run `advcodes docs` and commit docs/metrics.md"


def test_every_method_has_its_section():
    page = docs.methods_page()
    own = [n for n, c in registry.methods().items() if c.__module__.startswith("advcodes.methods.")]
    assert own and all(f"\n### {name}\n" in page and f"(#{name})" in page for name in own)
    families = [line.removeprefix("## Family ") for line in page.splitlines() if line.startswith("## Family ")]
    assert families == sorted(families)
    assert not [mark for mark in ("``", ":meth:", ":class:", "&id0") if mark in page]


def test_a_section_has_the_methods_own_words(page: str):
    _, parent, child = page.split("\n### ")
    for expected in (
        "A toy of `nothing` and `x`.",
        "It can sample.",
        "| `generator` | `generator` |  | yes |",
        "| `critic` | `discriminator` | `batch_norm: false` |  |",
        "1. **`judge`** updates `critic`, 3 times in a row. Eq. 1 for D.\n",
        "2. **`make`** updates `generator` and `critic`, once in 5 steps.\n",
        "Hyperparameters are those of every method, and these",
        "| `flavour` | `sour` | a\\|b (`sweet`, `sour`) |",
    ):
        assert expected in parent, expected
    assert parent.count("| `flavour` ") == 1 and "latent_dim" not in parent
    assert "1. **`judge`** updates `critic`, 3 times in a row.\n" in child, "another function's words"
    assert "those of [toy](#toy), and these" in child and "flavour" not in child
    assert "| `optimiser.lr` | `0.001` | learning rate |" in child and "| `rounds` | `2` | of the game |" in child


def test_what_all_methods_share_is_said_once(page: str):
    shared = page.partition("## Hyperparameters of every method")[2].partition("## Family")[0]
    assert "| `optimiser.betas` | `[0.5, 0.999]` | Adam's beta1 and beta2 |" in shared
    assert all(f"| `{name}" in shared for name in MethodConfig.model_fields)


def test_the_page_of_networks_in_the_repository_is_what_they_are():
    page = docs.networks_page(params.read(scale="paper").architectures)
    assert docs.NETWORKS.read_text() == page, "run `advcodes docs` and commit docs/networks.md"
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [e.title for e in docs.EXAMPLES]


def test_a_network_of_the_page_is_that_of_the_table():
    """LPAAE's image discriminator (table A.3), counted by hand; lost rows restored as facts 5.11 has them."""
    page = docs.networks_page(params.read(scale="paper").architectures)
    table = page.partition("### LPAAE: discriminator\n")[2].partition("\n#")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| ")]
    assert rows[2:] == [
        ["input", "3x32x32", ""],
        ["conv 4x4, stride 2, pad 1, LReLU 0.2", "64x16x16", f"{16 * 3 * 64 + 64:,}"],
        ["conv 4x4, stride 2, pad 1, BN, LReLU 0.2", "128x8x8", f"{16 * 64 * 128 + 128 + 2 * 128:,}"],
        ["conv 4x4, stride 2, pad 1, BN, LReLU 0.2", "256x4x4", f"{16 * 128 * 256 + 256 + 2 * 256:,}"],
        ["linear, LReLU 0.2", "1000", f"{4096 * 1000 + 1000:,}"],
        ["linear", "1", "1,001"],
        ["**total**", "", "**4,757,649**"],
    ]


def test_lines_of_a_table_add_up_to_its_total():
    page = docs.networks_page(params.read(scale="paper").architectures)
    tables = page.split("\n### ")[1:]
    for table in tables:
        cells = [line.split("|")[-2].strip().replace(",", "") for line in table.splitlines() if line.startswith("| ")]
        *lines, total = [int(cell.strip("*")) for cell in cells[2:] if cell]
        assert sum(lines) == total, table
    assert len(tables) > len(docs.EXAMPLES)


def test_networks_of_an_architecture_that_is_not_there_are_left_out():
    some = {"dcgan": params.read(scale="paper").architectures["dcgan"]}
    assert re.findall("^## (.*)", docs.networks_page(some), re.MULTILINE) == ["DCGAN and LSGAN", "WGAN-GP"]


def test_the_command_writes_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    shutil.copy("params.yaml", tmp_path)
    shutil.copytree("pipeline/papers", tmp_path / "pipeline/papers")
    monkeypatch.chdir(tmp_path)
    assert main(["docs"]) == 0
    assert (
        capsys.readouterr().out
        == "docs/methods.md\ndocs/metrics.md\ndocs/networks.md\ndocs/protocol.md\ndocs/claims.md\n"
    )
    written = docs.pages()
    assert {path.read_text() for path in written} == set(written.values()) and len(written) == 5
