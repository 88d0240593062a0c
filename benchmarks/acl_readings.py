"""Which reading of ACL trains, and how fast: the same runs with one setting changed, measured alike over training.

    python benchmarks/acl_readings.py --scale demo --dataset digits --seeds 0 1 2
    python benchmarks/acl_readings.py --variant acl_gan_gp --baseline wgan_gp

Every reading is `--variant` as params.yaml has it at that scale, with the changes named in READINGS. Results stay in
--out, so that a stopped benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from advcodes.cli import produce_all
from advcodes.graph import Graph, Run
from advcodes.params import merge, resolve
from advcodes.reporting import text
from advcodes.reporting.statistics import mean_sd

READINGS: dict[str, dict[str, Any]] = {
    "as params.yaml": {},
    "L_R and L_D in one step (Eq. 6)": {"reconstruction_step": "joint"},
    "L_R for the encoder only (Algorithm 1)": {"reconstruction_updates_generator": False},
    "L_R for the discriminator, too": {"reconstruction_updates_discriminator": True},
    "features before the logit": {"phi": "last"},
    "L_R summed": {"reconstruction": "sum"},
    "fakes from encoder's codes (Eq. 5)": {"fakes": "encoded"},
    "fakes from both": {"fakes": "both"},
    "L_D into G_z": {"adversarial_updates_code_generator": True},
    "code game: hinge": {"code_game": "hinge"},
    "code game: WGAN-GP": {"code_game": "wgan_gp"},
    "codes standardised over the batch": {"code_normalisation": "batch"},
    "uniform prior": {"prior": "uniform"},
}


def measure(tree: dict[str, Any], name: str, args: argparse.Namespace) -> list[list[float]]:
    """The Fréchet distance of each seed at each snapshot."""
    params = resolve(tree, scale=args.scale)
    graph = Graph(params, data=args.out, reports=args.out / "reports")
    curves = []
    for seed in args.seeds:
        artifact = graph.metrics(Run(args.scale, args.dataset, name, seed))
        produce_all(artifact, params)
        curve = json.loads((artifact.directory / "metrics.json").read_text())["curve"]
        curves.append([next(v for k, v in point.items() if k.startswith(("fd_", "fid"))) for point in curve])
    return curves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--variant", default="acl_gan")
    parser.add_argument("--baseline", default="gan", help="variant to compare with")
    parser.add_argument("--readings", nargs="+", choices=list(READINGS), default=list(READINGS), metavar="READING")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="training length; the scale's own unless given")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/readings"))
    args = parser.parse_args()

    tree = yaml.safe_load(Path("params.yaml").read_text())
    changes: dict[str, Any] = {"metrics": {"compute": ["fd"]}, "training": {"snapshots": 4}}
    if args.images:
        changes["budget"] = {"default": {"images": args.images}}
    scale = tree["scales"][args.scale] = merge(tree["scales"][args.scale], changes)
    variant = merge(tree["variants"][args.variant], scale.get("variants", {}).get(args.variant, {}))
    names = {args.baseline: args.baseline}
    for reading in args.readings:
        names[reading] = name = f"{args.variant}_{list(READINGS).index(reading)}"
        tree["variants"][name] = merge(variant, READINGS[reading])
    rows = []
    for reading, name in names.items():
        by_point = zip(*measure(tree, name, args), strict=True)
        rows.append([reading, *(text.plus_minus(*mean_sd(values), 1) for values in by_point)])
    quarters = [f"{i}/4 of training" for i in (1, 2, 3, 4)]
    print(f"\n{args.variant} on {args.dataset} at scale {args.scale}: Fréchet distance, seeds {args.seeds}\n")
    print(text.markdown_table(["Reading", *quarters], rows))


if __name__ == "__main__":
    main()
