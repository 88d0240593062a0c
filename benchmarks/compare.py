"""Images per CPU-second of this build beside another clone's, in alternating rounds.

    python benchmarks/compare.py OTHER_CLONE --rounds 5

Each build runs in a process of its own, on one thread, with the same configurations and the same images of noise. A
round gives both the same number of steps; seconds are those of the process on the CPU, so that a busy machine does not
count; the median round counts. The ratio is this build's over the other's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parents[1]
#: Lines: method, architecture family, width, precision.
LINES = [
    *((m, "infogan", 32, p) for p in ("bfloat16", "float32") for m in ("gan", "acl_gan", "wgan_gp", "acl_gan_gp")),
    ("aaae", "aaae", 32, "float32"),
    ("lpaae", "residual", 32, "float32"),
    ("gan", "infogan", 16, "float32"),
    ("acl_gan", "infogan", 16, "float32"),
]


def configuration(method: str, family: str, width: int, precision: str) -> dict[str, Any]:
    """A run's configuration as the pipeline resolves it, of 32x32 images (8x8 at width 16, as at scale demo)."""
    features = {"infogan": 1024 * width // 64, "residual": 1000 * width // 64}
    architecture = {"family": family, "width": width}
    if family in features:
        architecture["features"] = features[family]
    return {
        "method": {"method": method},
        "architecture": architecture,
        "training": {
            "batch_size": 64, "precision": precision, "channels_last": True, "compile": False, "flip": False,
            "snapshots": 1,
        },
        "budget": {"images": 6_400_000, "epochs": None},
        "view": {"range": [-1.0, 1.0], "train_split": "train"},
        "seed": 0,
    }  # fmt: skip


def work() -> None:
    """The process of one build: a configuration and a number of steps a line, CPU-seconds back."""
    import time

    import torch

    from advcodes.training.speed import write_random_data
    from advcodes.training.train import begin

    torch.set_num_threads(1)
    loops: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            order = json.loads(line)
            name = json.dumps(order["config"])
            if name not in loops:
                side = 8 if order["config"]["architecture"]["width"] == 16 else 32
                place = Path(folder) / str(side)
                if not place.exists():
                    place.mkdir()
                    write_random_data(place, (3, side, side), 10, 0, 64, "train")
                data, loop, *_ = begin(order["config"], place, torch.device("cpu"))
                with torch.no_grad():
                    loop.method.initialise(data.batch(0).images)
                loops[name] = data, loop
            data, loop = loops[name]
            started = time.process_time()
            for _ in range(order["steps"]):
                loop.train_step(data.batch(loop.step))
            loop.flush()
            print(json.dumps(time.process_time() - started), file=sys.__stdout__, flush=True)


class Build:
    """A clone's process, which is asked for steps."""

    def __init__(self, clone: Path):
        environment = {**os.environ, "PYTHONPATH": str(clone / "src"), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE), "--work"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=clone,
        )  # fmt: skip

    def seconds(self, config: dict[str, Any], steps: int) -> float:
        """CPU-seconds of these steps."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"config": config, "steps": steps}) + "\n")
        self.process.stdin.flush()
        for answer in self.process.stdout:  # what a build says beside it is passed over
            try:
                return float(json.loads(answer))
            except ValueError:
                continue
        raise SystemExit(f"{self.process.args}: ended without an answer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", nargs="?", type=Path, help="another clone of this repository")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="training steps a round")
    parser.add_argument("--only", nargs="+", metavar="METHOD", help="lines of these methods alone")
    parser.add_argument("--width", type=int, help="lines of this width alone; 16 are those of scale demo")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work()
    if args.other is None or not (args.other / "src/advcodes").is_dir():
        raise SystemExit("compare.py: name another clone, with src/advcodes in it")
    builds = {"this": Build(ROOT), "other": Build(args.other.resolve())}
    print(f"{'method':<12}{'width':>6}  {'precision':<10}{'this':>9}{'other':>9}  images per CPU-second, ratio")
    for method, family, width, precision in LINES:
        if (args.only and method not in args.only) or (args.width and width != args.width):
            continue
        config = configuration(method, family, width, precision)
        for build in builds.values():
            build.seconds(config, 2)
        rounds = [{n: b.seconds(config, args.steps) for n, b in builds.items()} for _ in range(args.rounds)]
        ratio = statistics.median(r["other"] / r["this"] for r in rounds)
        speeds = {name: 64 * args.steps / statistics.median(r[name] for r in rounds) for name in builds}
        print(
            f"{method:<12}{width:>6}  {precision:<10}{speeds['this']:>9,.0f}{speeds['other']:>9,.0f}  {ratio:.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
