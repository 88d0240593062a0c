"""What is to be run on a GPU runs whole on a CPU, so that it works on the day."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
