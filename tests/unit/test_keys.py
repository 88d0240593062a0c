"""Keys: what changes them and what does not."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from advcodes.build import keys


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package whose files a test may change; `code` reads that copy."""
    copy = tmp_path / "advcodes"
    shutil.copytree(Path(keys.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(keys, "__file__", str(copy / "build/keys.py"))
    forget()
    yield copy
    monkeypatch.undo()
    forget()


def forget() -> None:
    for function in (keys._file_of, keys._source, keys._parsed, keys.code):
        function.cache_clear()


def code_of(method: str) -> dict[str, str]:
    forget()
    return keys.code("advcodes.training.train", f"advcodes.methods.{method}", "advcodes.nets.families.infogan")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_comments_docstrings_and_formatting_do_not_count(package: Path):
    before = code_of("gan")
    path = package / "losses/gan.py"
    edit(
        path,
        "    return softplus(-wide(logits)).mean()",
        "    # a comment\n    return (\n        softplus(-wide(logits))\n        .mean()\n    )",
    )
    edit(path, '"""The standard GAN game', '"""Another docstring, same code; the standard GAN game')
    assert code_of("gan") == before


def test_a_changed_loss_counts_for_what_uses_it_and_nothing_else(package: Path):
    gan, acl = code_of("gan"), code_of("acl")
    edit(package / "losses/reconstruction.py", ".square().mean()", ".abs().mean()")
    assert code_of("gan") == gan
    changed = code_of("acl")
    assert {m for m in changed if changed[m] != acl[m]} == {"advcodes.losses.reconstruction"}


def test_methods_depend_on_the_losses_they_name(package: Path):
    assert "advcodes.losses.gan" in code_of("gan")
    assert "advcodes.losses.codes" not in code_of("gan")
    assert {"advcodes.losses.codes", "advcodes.methods.gan"} <= set(code_of("acl"))


def test_messages_and_configuration_models_do_not_count(package: Path):
    modules = set(code_of("gan"))
    assert not modules & {
        "advcodes.core.errors",
        "advcodes.config.params",
        "advcodes.core.progress",
        "advcodes.jobs.device",
    }
    assert {
        "advcodes.training.loop",
        "advcodes.nets.families.infogan",
        "advcodes.nets.code",
        "advcodes.core.values",
    } <= modules


def test_shape_of_source_is_the_same_for_every_python(package: Path):
    """`ast.dump` differs between versions; a fixed literal would notice if ours did."""
    tree = ast.parse('def f(a: int = 1) -> str:\n    "doc"\n    return f"{a!r:>{a}}" if a else [x for x in "ab"]\n')
    assert keys.digest(keys._shape(tree)) == "3a09cd4319ba871a9823"


def test_what_was_parsed_is_remembered_for_that_content_and_parser_alone(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    first = code_of("gan")
    assert not keys.SOURCES.exists(), "this is no project's directory"
    keys.SOURCES.parent.mkdir(parents=True)
    assert code_of("gan") == first and keys.SOURCES.is_file()
    parsed, parse = [], keys._parse
    monkeypatch.setattr(keys, "_parse", lambda content: parsed.append(content) or parse(content))
    assert code_of("gan") == first and not parsed

    loss = package / "losses/gan.py"
    edit(loss, "softplus(-wide(logits))", "softplus(1 - logits)")
    assert code_of("gan") != first and parsed == [loss.read_bytes()]
    edit(loss, "softplus(1 - logits)", "softplus(-wide(logits))")
    assert code_of("gan") == first and len(parsed) == 1

    keys.SOURCES.write_text("{half")
    assert code_of("gan") == first and len(parsed) > len(first)
    edit(package / "build/keys.py", "import ast\n", "import ast  # a parser of another version\n")
    assert code_of("gan") == first and len(parsed) > 2 * len(first)
