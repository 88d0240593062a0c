"""docs/methods.md is what the registry gives, and the registry's words arrive there whole."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from advcodes import docs, registry
from advcodes.cli import main
from advcodes.methods.base import Method, MethodConfig, Net, Optimiser, Phase
from advcodes.schema import Count


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
    assert docs.PATH.read_text() == docs.methods_page(), "run `advcodes docs` and commit docs/methods.md"


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


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.chdir(tmp_path)
    assert main(["docs"]) == 0
    assert capsys.readouterr().out == "docs/methods.md\n"
    assert (tmp_path / "docs/methods.md").read_text() == docs.methods_page()
