"""A new method takes one file and one line of params.yaml: the docs' own example, as a reader would follow it."""

from __future__ import annotations

import json
import re
import sys

from workflow.project import NOTHING, ONE_VARIANT, ROOT, Project, hangs_on, jobs, remade

TESTS = ["tests/unit/test_methods.py", "tests/learning/test_methods_learn.py"]
#: What the repository's own tests compare with the registry; they pass again once both were written anew.
DRIFT = [
    "tests/unit/test_params.py::test_schema_in_the_repository_is_what_the_models_generate",
    "tests/unit/test_docs.py::test_the_page_in_the_repository_is_what_the_registry_gives",
]


def example() -> tuple[str, str, str]:
    """From the page on it: the method's name, its file, and its line of params.yaml."""
    page = (ROOT / "docs/add_a_method.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (file,) = (block for block in blocks if "@register(" in block)
    (name,) = re.findall(r'@register\("(\w+)"\)', file)
    (line,) = re.findall(rf"^```yaml\nvariants:\n(  {name}: .*\n)```$", page, re.MULTILINE)
    return name, file, line


def pytest_in(project: Project, *arguments: str) -> str:
    """What pytest says of the project, whose own package it tests."""
    options = ("-p", "no:cacheprovider", "-vv", f"--basetemp={project.root}-pytest")
    return project.start(sys.executable, "-m", "pytest", *options, *arguments, python_path=project.root / "src").wait()


def test_the_method_of_the_page_takes_one_file_and_one_line(built: Project):
    name, file, line = example()
    before = built.keys()
    assert name not in built.advcodes("list")
    (built.root / f"src/advcodes/methods/{name}.py").write_text(file)
    built.edit("params.yaml", "\nvariants:\n", f"\nvariants:\n{line}")

    about = re.search(r'^class .*?"""(.*?)\n?"""', file, re.MULTILINE | re.DOTALL)[1].splitlines()[0]
    assert re.search(rf"^ +{name} +{re.escape(about)}$", built.advcodes("list", "methods"), re.MULTILINE)
    assert re.search(rf"^ +{name} +{name} +acl/table1$", built.advcodes("list", "variants"), re.MULTILINE)
    built.advcodes("schema")
    schema = json.loads((built.root / "pipeline/params.schema.json").read_text())
    assert name in [known.get("properties", {}).get("method", {}).get("const") for known in schema["$defs"].values()]
    built.advcodes("docs")
    assert f"\n### {name}\n\n{about}\n" in (built.root / "docs/methods.md").read_text()

    output = pytest_in(built, *TESTS, "-k", name)
    passed = re.findall(rf"^(\S+)::(\w+)\[.*\b{name}\b.*\] PASSED", output, re.MULTILINE)
    assert {path for path, _ in passed} == set(TESTS)
    assert {"test_shapes_and_ranges", "test_it_learns_the_digits"} <= {function for _, function in passed}
    assert re.search(rf"^=+ {len(passed)} passed", output, re.MULTILINE), output
    assert "2 passed" in pytest_in(built, *DRIFT)

    assert jobs(built.snakemake()) == ONE_VARIANT
    assert remade(before, built.keys()) == hangs_on(f"{name}/seed0", f"{name}/seed1")
    table = (built.root / "reports/table1.md").read_text()
    ours = re.search(rf"^\| {name} \(addition\) \| (.*?) \|", table, re.MULTILINE)[1]
    assert re.fullmatch(r"(\*\*)?\d[\d.,]* ± [\d.,]+ \(2 seeds\)(\*\*)?", ours), ours
    assert NOTHING in built.snakemake()

    sources = built.git("status", "--porcelain", "--untracked-files=all", "--", ".", ":!reports", ":!dvc.lock")
    # The small project has fewer architectures than docs/networks.md, and fewer variants than docs/protocol.md.
    pages = " M docs/methods.md", " M docs/networks.md", " M docs/protocol.md"
    written = " M params.yaml", " M pipeline/params.schema.json"
    assert sources.splitlines() == [*pages, *written, f"?? src/advcodes/methods/{name}.py"]
