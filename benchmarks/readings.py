"""Which reading of a paper trains, and how fast: the same runs with one setting changed, measured alike over training.

    python benchmarks/readings.py --scale demo --dataset digits --seeds 0 1 2
    python benchmarks/readings.py --variant acl_gan_gp --baseline wgan_gp
    python benchmarks/readings.py --variant lpaae_supervised --baseline aae_supervised
    python benchmarks/readings.py --variant aaae --baseline aae_gaussian

Every reading is `--variant` as params.yaml has it at that scale, with the changes that READINGS names for its method.
Results stay in --out, so that a stopped benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from advcodes.build.produce import produce_all
from advcodes.config.params import merge, resolve
from advcodes.core.statistics import mean_sd
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.methods import registry
from advcodes.metrics.registry import parse
from advcodes.metrics.samples.conditional import CONDITIONAL
from advcodes.pages import text

AS_IS = "as params.yaml"
READINGS: dict[str, dict[str, dict[str, Any]]] = {  # by module of advcodes.methods
    "acl": {
        AS_IS: {},
        "L_R and L_D in one step, mean": {"reconstruction_step": "joint"},
        "L_R and L_D in one step, summed (Eq. 6)": {"reconstruction_step": "joint", "reconstruction": "sum"},
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
    },
    "lpaae": {
        AS_IS: {},
        "Q learns from generated images alone (Eq. 7)": {"recogniser_sees_real": False},
        "without Q (weight of Eq. 7 is 0)": {"information_weight": 0.0},
        "L_rec of pixels": {"perceptual": False},
        "features before the logit": {"features": "last"},
        "L_rec by statistics in common": {"shared_statistics": True},
        "lambda 0.1": {"reconstruction_weight": 0.1},
        "reconstructions are fakes, too": {"reconstructions_are_fakes": True},
        "stochastic encoder": {"stochastic_encoder": True},
    },
    "aaae": {
        AS_IS: {},
        "adversarial loss is D's value (Eq. 7)": {"adversarial": "critic"},
        "penalty at generated codes (Eq. 9)": {"penalty_at": "generated"},
        # Adam does not see the scale of a loss: 0.001 * distance + adversarial is this one's thousandth.
        "lambda_1 on the distance (Eq. 7)": {"adversarial_weight": 1000.0},
        "without D_omega (lambda_1 = 0)": {"adversarial_weight": 0.0},
        "absolute error": {"distance": "absolute"},
        "one step of the approximator": {"approximator_steps": 1},
        "five steps of the approximator": {"approximator_steps": 5},
        "uniform noise": {"prior": "uniform"},
        "beta2 0.999 (ALI's)": {"optimiser": {"betas": [0.5, 0.999]}},
        "beta2 0.1 (as printed)": {"optimiser": {"betas": [0.5, 0.1]}},
    },
}


def measure(tree: dict[str, Any], name: str, args: argparse.Namespace) -> list[dict[str, float]]:
    """For each seed the Fréchet distance at each quarter of training, and in the end how samples show their label."""
    params = resolve(tree, scale=args.scale)
    graph = Graph(params, data=args.out, reports=args.out / "reports")
    runs = []
    for seed in args.seeds:
        artifact = graph.metrics(Run(args.scale, args.dataset, name, seed))
        produce_all(artifact, params)
        measured = json.loads((artifact.directory / "metrics.json").read_text())
        found = {}
        for i, point in enumerate(measured["curve"], 1):
            found[f"{i}/4 of training"] = next(v for k, v in point.items() if k.startswith(("fd_", "fid")))
        runs.append(found | {k: v for k, v in measured["metrics"].items() if parse(k)[0] in CONDITIONAL})
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="demo")
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--variant", default="acl_gan")
    parser.add_argument("--baseline", default="gan", help="variant to compare with")
    parser.add_argument("--readings", nargs="+", metavar="READING", help="some of READINGS; all unless given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="training length; the scale's own unless given")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/readings"))
    args = parser.parse_args()

    tree = yaml.safe_load(Path("params.yaml").read_text())
    changes: dict[str, Any] = {"metrics": {"compute": ["fd"]}, "training": {"snapshots": 4}}
    if args.images:
        changes["budget"] = {"default": {"images": args.images}}
    tree["scales"][args.scale] = merge(tree["scales"][args.scale], changes)
    method = resolve(tree, scale=args.scale).variants[args.variant].method
    readings = READINGS[registry.method(method).__module__.rpartition(".")[2]]
    names = {args.baseline: args.baseline}
    for reading in args.readings or readings:
        if reading not in readings:
            parser.error(f"unknown reading {reading!r} of {args.variant} (known: {'; '.join(readings)})")
        names[reading] = name = f"{args.variant}_{list(readings).index(reading)}"
        tree["variants"][name] = {"like": args.variant, **readings[reading]}
    rows = []
    for reading, name in names.items():
        runs = measure(tree, name, args)
        head = list(runs[0])
        cells = [[run[key] for run in runs] for key in head]
        rows.append([reading, *(text.plus_minus(*mean_sd(c), text.decimals([mean_sd(c)[0]])) for c in cells)])
    print(f"\n{args.variant} on {args.dataset} at scale {args.scale}: Fréchet distance, seeds {args.seeds}\n")
    print(text.markdown_table(["Reading", *head], rows))


if __name__ == "__main__":
    main()
