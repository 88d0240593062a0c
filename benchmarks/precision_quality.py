"""Does bfloat16 cost quality? The same runs in float32 and in bfloat16, measured alike.

    python benchmarks/precision_quality.py --scale demo --dataset digits --seeds 0 1 2 3 4

Everything but `training.precision` is as params.yaml has it at that scale. Results stay in --out, one folder a
precision, so that a stopped benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path

import yaml
from scipy.stats import ttest_ind

from advcodes.build.produce import produce_all
from advcodes.config.params import merge, resolve
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run


def measure(out: Path, precision: str, args: argparse.Namespace) -> list[float]:
    """The Fréchet distance of every seed at one precision."""
    changes: dict = {"training": {"precision": precision, "snapshots": 1}, "metrics": {"compute": ["fd"]}}
    if args.images:
        changes["budget"] = {"default": {"images": args.images}}
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["scales"][args.scale] = merge(tree["scales"][args.scale], changes)
    params = resolve(tree, scale=args.scale)
    graph = Graph(params, data=out / precision, reports=out / precision / "reports")
    distances = []
    for seed in args.seeds:
        artifact = graph.metrics(Run(args.scale, args.dataset, args.variant, seed))
        produce_all(artifact, params)
        metrics = json.loads((artifact.directory / "metrics.json").read_text())["metrics"]
        distances.append(next(v for k, v in metrics.items() if k.startswith(("fd_", "fid"))))
    return distances


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--variant", default="gan")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="training length; the scale's own unless given")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"))
    args = parser.parse_args()
    found = {"float32": measure(args.out, "float32", args)}
    for shared in ("prepared", "evaluation/extractors", "evaluation/reference"):  # the same for both
        shutil.copytree(args.out / "float32" / shared, args.out / "bfloat16" / shared, dirs_exist_ok=True)
    found["bfloat16"] = measure(args.out, "bfloat16", args)
    print(f"\n{args.variant} on {args.dataset} at scale {args.scale}: Fréchet distance, seeds {args.seeds}")
    for precision, values in found.items():
        spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
        print(f"{precision:<9} {statistics.mean(values):.3f}{spread}  ({', '.join(f'{v:.3f}' for v in values)})")
    if len(args.seeds) > 1:
        print(f"Welch's t-test: p = {ttest_ind(*found.values(), equal_var=False).pvalue:.3f}")


if __name__ == "__main__":
    main()
