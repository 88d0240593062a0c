"""What is to be run on a GPU runs whole on a CPU, so that it works on the day; timings come from finished runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_benchmark_of_gpus_can_be_rehearsed():
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [ROOT / "benchmarks/gpu.sh", "--rehearse"], capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stderr
    failed = [line for line in done.stdout.splitlines() if " failed: " in line and "No module named" not in line]
    assert not failed, failed
    for method in ("gan", "wgan_gp", "acl_gan", "aaae", "lpaae"):
        assert f"\n{method}, float32" in done.stdout
    assert "a killed run ends bitwise as an uninterrupted one" in done.stdout
    assert "reports/table1.md, one seed, short trainings: planned" in done.stdout


def test_timings_are_medians_of_finished_runs_beside_what_was_known(tmp_path: Path):
    def run(place: str, speed: float, **more: object) -> None:
        manifest = tmp_path / "data/runs" / place / "manifest.json"
        manifest.parent.mkdir(parents=True)
        manifest.write_text(json.dumps({"facts": {"images_per_second": speed, "device": "CPU, 1 threads"} | more}))

    for seed, speed in enumerate((100, 200, 400)):
        run(f"laptop/mnist_16/gan/seed{seed}", speed)
    run("laptop/mnist_16/gan/seed3", 1, device="CPU, 2 threads")
    run("laptop/mnist_16/lsgan/seed0", 1, same_as="train/laptop/mnist_16/gan/seed0")
    (tmp_path / "pipeline").mkdir()
    path = tmp_path / "pipeline/timings.yaml"
    path.write_text("cpu: {demo: {digits: {gan: 1.0e-4}}, laptop: {mnist_16: {gan: 1.0, aaae: 0.25}}}")
    subprocess.run([sys.executable, ROOT / "benchmarks/timings.py"], cwd=tmp_path, check=True)
    assert yaml.safe_load(path.read_text())["cpu"] == {
        "demo": {"digits": {"gan": 1e-4}},
        "laptop": {"mnist_16": {"gan": 5e-3, "aaae": 0.25}},
    }
