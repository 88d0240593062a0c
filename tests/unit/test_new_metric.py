"""A new metric takes one file: in a copy of the package it is listed, planned, measured, printed and described."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from advcodes.core.errors import AdvcodesError
from advcodes.metrics import registry
from advcodes.metrics.base import Metric, Quantity

ROOT = Path(__file__).parents[2]
#: The docs' own example, as a reader would copy it.
FILE = (ROOT / "docs/add_a_metric.md").read_text().split("```python\n")[1].split("```")[0]
#: What someone who has added that file does and sees; printed as JSON.
TRY = """
import contextlib, io, json, sys
from pathlib import Path

from advcodes.app import docs
from advcodes.app.cli import main
from advcodes.config.params import json_schema, resolve
from advcodes.core.yaml import read_yaml
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run

root, seen = Path(sys.argv[1]), {}
with contextlib.redirect_stdout(io.StringIO()) as printed:
    main(["list", "metrics"])
seen["listed"] = printed.getvalue()
seen["page"] = docs.metrics_page()
tree = read_yaml(Path("params.yaml"))
before = Graph(resolve(tree)).metrics(Run("demo", "digits", "gan", 0))
tree["metrics"]["brightness"] = {"white": 100}
graph = Graph(resolve(tree))
planned = graph.metrics(Run("demo", "digits", "gan", 0))
seen["config"], seen["code"] = planned.config["brightness"], [m for m in planned.spec["code"] if "bright" in m]
seen["remade"] = before.key != planned.key
seen["points"] = "brightness" in graph.metrics(Run("demo", "gaussians", "acl_ae_1mode", 0)).config
seen["schema"] = "BrightnessSettings" in json_schema()["$defs"]
seen["computes"] = sorted({"torch", "numpy"} & set(sys.modules))

import numpy as np
import torch
from evaluation_fakes import MEASURED, SAMPLING, artifact, run, write_prepared

from advcodes.config.sections import Machine
from advcodes.evaluation import evaluate, reference
from advcodes.extractors.features import Extractor


class Pixels(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return x.flatten(1).float() * self.weight, x.flatten(1)[:, :3].float()


images = np.random.default_rng(0).integers(0, 256, (60, 1, 2, 2), dtype=np.uint8)
data = write_prepared(root / "data", images, {"train": 30, "test": 30})
extractor = Extractor(Pixels(), "sha", 50, "none", False)
for module in (reference, evaluate):
    module.load_extractor = lambda *_: extractor
evaluate.restore = lambda *_: run(torch.nn.Identity(), (1, 2, 2))
evaluate.snapshots = lambda directory: [(10, 40)]
protocol = {"extractor": "classifier", "n_generated": 20, **MEASURED}
config = {"split": "test", "n_reference": 30, "floor_split": "train", **protocol}
real = artifact(root / "reference", "reference/x", config, data=data, extractor=root)
reference.make(real, Machine(device="cpu"))
(root / "samples").mkdir()
np.save(root / "samples" / "samples.npy", images[:20])
config = {"sampling": SAMPLING, "curve_n_generated": 20, "brightness": planned.config["brightness"], **protocol}
inputs = {"run": root, "samples": root / "samples", "reference": root / "reference", "extractor": root}
evaluate.make(artifact(root / "metrics", "evaluate/x", config, **inputs), Machine(device="cpu"))
measured = json.loads((root / "metrics" / "metrics.json").read_text())
seen["value"], seen["expected"] = measured["metrics"]["brightness"], 100 * images[:20].mean() / 255

from pages_fakes import item, requested
from pages_fakes import run as reported

from advcodes.pages.kinds.tables import table

made = reported(root / "runs", "demo/digits/gan/seed0", 3.0)
path = made["demo/digits/gan/seed0"].directory / "metrics.json"
content = json.loads(path.read_text())
content["metrics"]["brightness"] = seen["value"]
content["protocol"] |= measured["protocol"] | {k: content["protocol"][k] for k in content["protocol"]}
path.write_text(json.dumps(content))
declared = item(metric="brightness", better="higher", columns=["cifar10"], rows={"gan": {"label": "GAN"}})
asked = requested(root / "report", declared, made, columns={"cifar10": "digits"})
seen["table"] = table.markdown(table.content(asked))
print(json.dumps(seen))
"""


def test_one_file_adds_a_metric(tmp_path: Path):
    source, project = tmp_path / "src", tmp_path / "project"
    shutil.copytree(ROOT / "src", source)
    shutil.copytree(ROOT / "pipeline" / "papers", project / "pipeline" / "papers")
    shutil.copy(ROOT / "params.yaml", project)
    (source / "advcodes" / "metrics" / "brightness.py").write_text(FILE.lstrip())
    path = os.pathsep.join(map(str, (source, ROOT / "tests", ROOT / "tests" / "unit")))
    command = [sys.executable, "-c", TRY, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])

    (line,) = (line for line in seen["listed"].splitlines() if "brightness" in line)
    assert line.split(maxsplit=2) == ["brightness", "brightness", "The mean of samples' pixels."]
    assert "| `brightness` | [brightness](#brightness) | higher values |  |\n" in seen["page"]
    assert "\n## brightness\n\nHow bright samples are.\n\nThe mean of samples' pixels.\n" in seen["page"]
    assert "| `metrics.brightness.white` | `1.0` | what a white image has |" in seen["page"]
    assert seen["config"] == {"white": 100.0} and seen["code"] == ["advcodes.metrics.brightness"]
    assert seen["remade"] and not seen["points"] and seen["schema"]
    assert seen["computes"] == [], "planning and listing need neither torch nor numpy"
    assert seen["value"] == pytest.approx(seen["expected"])
    assert f"| GAN | {seen['value']:.2f} (1 seed) |" in seen["table"]
    assert "**Metric**: `brightness`: mean of the pixels of 20 samples." in seen["table"]


def test_metrics_are_declared_without_what_computes_them():
    code = "import sys; from advcodes.metrics.registry import metrics, describe; assert metrics(); "
    code += "describe('mse', {'mse_images': 1, 'mse_split': 'test'}); "
    code += "print({'torch', 'numpy', 'scipy', 'sklearn', 'advcodes.config', 'advcodes.build'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_name_is_given_by_one_metric_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_METRICS", dict(registry.metrics()))

    class Other(Metric):
        quantities = (Quantity("fid", "lower"),)

    with pytest.raises(AdvcodesError, match="metric 'other' gives fid, and so does 'fd'"):
        registry.register("other")(Other)
    with pytest.raises(AdvcodesError, match=r"metric 'fd' is registered twice: advcodes\.metrics\.samples\.frechet"):
        registry.register("fd")(Other)
    with pytest.raises(AdvcodesError, match=r"unknown metric 'fdd'; did you mean 'fd'\?"):
        registry.metric("fdd")


@pytest.mark.parametrize("name", registry.quantities())
def test_what_is_declared_belongs_together(name: str):
    metric, quantity = registry.metric_of(name), registry.quantity(name)
    assert registry.parse(name)[0] == name
    assert quantity.better in ("lower", "higher") and metric.needs and metric.remedy and metric.__doc__
    if metric.instead:
        assert metric.instead.quantity in registry.quantities()
    if metric.Config:
        metric.Config()
