"""What `fd_efficientnet_lite0` sees: damage of real images, its floor and spread with counts, and runs' ranks by it.

    python benchmarks/yardstick.py --datasets mnist cifar10 oxford102 --write docs/yardstick.md
    python benchmarks/yardstick.py --datasets digits --projects . --write docs/yardstick.md

Real images of one half of a dataset are damaged and compared with the other half: the distance has to rise with the
damage. `--projects` are folders with finished runs (`data/evaluation`): their samples are measured, too, and Spearman's
rank correlation with each run's `fd_classifier` is given by dataset. Distances stay in --out, so that a stopped
benchmark goes on where it was. Needs the extra `yardstick`.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

from advcodes.build.produce import produce_all
from advcodes.config.params import resolve
from advcodes.core.statistics import mean_sd
from advcodes.data.prepared import Prepared
from advcodes.data.prepared import load as load_prepared
from advcodes.extractors import efficientnet_lite0
from advcodes.graph.graph import Graph
from advcodes.metrics.samples.frechet import frechet_distance, statistics
from advcodes.pages import text

NOISE, BLUR, DISTINCT, CLASSES = (5, 20, 40), (0.5, 1.0, 2.0), (2, 10, 50), (1 / 2, 1 / 5, 1 / 10)
HEAD = """\
# The yardstick

Made by `python benchmarks/yardstick.py{arguments}`.

`fd_efficientnet_lite0` is the Fréchet distance on the 1,280 features of EfficientNet-Lite0, trained on ImageNet: the
same network on every machine. It is not the FID, and not comparable with it. Nor are numbers at different counts: a
Fréchet distance is biased upwards, the more so the fewer images there are; scale laptop takes 10,000 where there are.
Compare kinds of damage before a difference is trusted: noise that the eye hardly sees may weigh more than missing
classes, most of all on black grounds.
"""


class Measured:
    """Distances by name, kept in a file."""

    def __init__(self, path: Path):
        self.path = path
        self.known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    def __call__(self, name: str, measure: Callable[[], float]) -> float:
        if name not in self.known:
            self.known[name] = measure()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.known, indent=1) + "\n")
            print(f"{name}: {self.known[name]:.3f}", flush=True)
        return self.known[name]


def damages(prepared: Prepared, rows: np.ndarray, n: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Kind of damage, how much of it, and damaged images uint8 [N, C, H, W]; each kind from none to most.

    Args:
        prepared: the dataset.
        rows: of images that may be taken: none that they are compared with.
        n: how many are to come.
    """
    rng, images, labels = np.random.default_rng(0), prepared.images[rows[:n]], prepared.labels[rows]
    for sd in NOISE:
        noisy = images + rng.normal(0, sd, images.shape)
        yield "noise", f"sd {sd} of 255", np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    for sigma in BLUR:
        wide = sigma * images.shape[-1] / 32  # the same share of an image whatever its side
        blurred = gaussian_filter(images.astype(np.float32), (0, 0, wide, wide))
        yield "blur", f"sd {sigma:g} of 32 pixels", np.clip(np.rint(blurred), 0, 255).astype(np.uint8)
    for times in DISTINCT:
        yield "repeated images", f"each {times} times", images[np.arange(len(images)) % -(-len(images) // times)]
    classes = np.unique(labels[labels >= 0])
    for share in CLASSES if len(classes) > 1 else ():
        kept = max(1, round(share * len(classes)))
        of_these = rows[np.isin(labels, classes[:kept])]
        of_these = rng.choice(of_these, n, replace=len(of_these) < n)
        yield "fewer classes", f"{kept} of {len(classes)}", prepared.images[np.sort(of_these)]


def of_real(prepared: Prepared, side: int, args: argparse.Namespace, measured: Measured) -> list[str]:
    """What damage does to real images of a dataset, and the floor with counts, in Markdown."""
    extractor = efficientnet_lite0.yardstick(side)
    order = np.random.default_rng(0).permutation(len(prepared))
    one, two = np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
    known: dict[str, Any] = {}

    def statistics_of(images: np.ndarray, what: str) -> Any:
        return statistics(extractor.features(images, what)[0])

    def features_of(half: str) -> Any:
        """Of as many images of a half as the largest count has."""
        if half not in known:
            rows = one if half == "one" else two
            known[half] = extractor.features(prepared.images[rows[: max(args.counts)]], f"{prepared.dataset}, {half}")[
                0
            ]
        return known[half]

    n = min(args.images, len(one))
    here = f"{prepared.dataset}/{side}/{n}"

    def damaged(images: np.ndarray, what: str) -> float:
        if "reference" not in known:
            known["reference"] = statistics_of(prepared.images[one[:n]], f"{prepared.dataset}, whole")
        return frechet_distance(statistics_of(images, what), known["reference"])

    whole = prepared.images[two[:n]]
    none = measured(f"{here}/none", lambda: damaged(whole, "none"))
    rows, by_kind = [], {}
    for kind, how_much, images in damages(prepared, two, n):
        what = f"{kind}, {how_much}"
        value = measured(f"{here}/{what}", lambda images=images, what=what: damaged(images, what))
        by_kind.setdefault(kind, [none]).append(value)
        rows.append([kind, how_much, text.number(value, 2), text.number(value / none, 1)])
    falls = {
        kind: max(max(0.0, a - b) for a, b in itertools.pairwise(values)) / none for kind, values in by_kind.items()
    }
    wrong = [f"{kind}, which falls by {100 * fall:.1f} % of the floor" for kind, fall in falls.items() if fall]
    parts = [
        f"## {text.dataset(prepared.dataset)}",
        f"{n:,} images damaged against {n:,} whole ones, resized to {side}x{side}; undamaged: {text.number(none, 2)}. "
        + (f"In order but for {text.listing(wrong)}." if wrong else "Every kind of damage comes out in order."),
        text.markdown_table(["Damage", "How much", "Distance", "Times the floor"], rows, left=(0, 1)),
    ]
    rows = []
    for count in args.counts:
        if count > min(len(one), len(two)):
            continue
        floors = []
        # All there are make one draw.
        for draw in range(args.draws if count < max(args.counts) else 1):
            rng = np.random.default_rng(draw)

            def floor(count: int = count, rng: np.random.Generator = rng) -> float:
                a, b = (features_of(half) for half in ("one", "two"))
                a, b = (f[rng.permutation(len(f))[:count]] for f in (a, b))
                return frechet_distance(statistics(a), statistics(b))

            floors.append(measured(f"{prepared.dataset}/{side}/floor of {count}, draw {draw}", floor))
        mean, sd = mean_sd(floors)
        rows.append([f"{count:,}", text.number(mean, 2), text.DASH if sd is None else text.number(sd, 2)])
    parts.append(
        f"Two sets of whole images, over {args.draws} draws from the {max(args.counts):,} first of each half, "
        "which share images: at the larger counts the sd is too small."
    )
    parts.append(text.markdown_table(["Images a side", "Floor", "sd over draws"], rows))
    return parts


def _chosen(project: Path, most: int) -> list[Path]:
    """Metrics of finished runs: of each dataset at most so many, evenly from all, in the order of their names."""
    by_dataset: dict[str, list[Path]] = {}
    for path in sorted(project.glob("data/evaluation/metrics/*/*/*/seed*/metrics.json")):
        by_dataset.setdefault(path.parts[-4], []).append(path)
    return [paths[i * len(paths) // most] if len(paths) > most else paths[i]
            for paths in by_dataset.values() for i in range(min(most, len(paths)))]  # fmt: skip


def of_runs(args: argparse.Namespace, measured: Measured) -> list[str]:
    """Rank correlations of runs that exist, in Markdown."""
    found: dict[str, list[tuple[float, float]]] = {}
    references: dict[str, Any] = {}
    counts: dict[str, tuple[int, int]] = {}
    side, extractor = args.side, efficientnet_lite0.yardstick(args.side)
    for project in args.projects:
        for path in _chosen(project, args.runs):
            run = path.parent.relative_to(project / "data/evaluation/metrics")
            content = json.loads(path.read_text())
            samples = np.load(project / "data/evaluation/samples" / run / "samples.npy", mmap_mode="r")
            if "fd_classifier" not in content["metrics"] or samples.ndim != 4:
                continue
            samples, dataset, protocol = samples[: args.run_images], run.parts[1], content["protocol"]
            place = f"{project.name}/{dataset}"

            def distance(place=place, project=project, dataset=dataset, protocol=protocol, samples=samples, run=run):
                if place not in references:
                    data = load_prepared(project / "data/prepared" / dataset)
                    real = data.split(protocol["split"]).images[: protocol["n_reference"]]
                    references[place] = statistics(extractor.features(real, place)[0])
                return frechet_distance(statistics(extractor.features(samples, str(run))[0]), references[place])

            ours = measured(f"run/{project.name}/{run}/{side}/{len(samples)}", distance)
            found.setdefault(dataset, []).append((content["metrics"]["fd_classifier"], ours))
            counts[dataset] = (len(samples), protocol["n_reference"])
    rows = []
    for dataset, pairs in found.items():
        if len(pairs) < 5:
            continue
        rho = spearmanr(*zip(*pairs, strict=True)).statistic
        generated, real = counts[dataset]
        rows.append([text.dataset(dataset), str(len(pairs)), f"{generated:,}", f"{real:,}", text.number(rho, 2)])
    head = ["Dataset", "Runs", "Generated", "Real", "Spearman's rho"]
    return [
        "## Runs, by it and by `fd_classifier`",
        "Rank correlation of both distances over runs that exist; `fd_classifier` is of all samples of a run. Where it "
        "is low or negative, a verdict hangs on which of both is asked.",
        text.markdown_table(head, rows),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="*", default=["digits"], help="of params.yaml; they are prepared")
    parser.add_argument("--projects", nargs="*", type=Path, default=[], help="folders with finished runs")
    parser.add_argument("--runs", type=int, default=1000, help="of each dataset in a project, at most")
    parser.add_argument("--run-images", type=int, default=2000, help="of a run's samples, at most")
    parser.add_argument("--images", type=int, default=2000, help="damaged images, and whole ones")
    parser.add_argument("--counts", type=int, nargs="+", default=[250, 500, 1000, 2000], help="of the floor")
    parser.add_argument("--draws", type=int, default=5, help="of each floor")
    parser.add_argument("--side", type=int, default=64, help="that images are resized to")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out/yardstick"))
    parser.add_argument("--write", type=Path, help="the page; printed unless given")
    args = parser.parse_args()

    measured = Measured(args.out / "distances.json")
    params = resolve(yaml.safe_load(Path("params.yaml").read_text()), scale="laptop")
    graph = Graph(params, data=args.out / "data")
    counts = " ".join(map(str, args.counts))
    said = f" --datasets {' '.join(args.datasets)} --images {args.images} --counts {counts} --side {args.side}"
    said += f" --projects … --runs {args.runs} --run-images {args.run_images}" if args.projects else ""
    parts = [HEAD.format(arguments=said).rstrip()]
    for dataset in args.datasets:
        artifact = graph.prepared(dataset)
        produce_all(artifact, params)
        parts += of_real(load_prepared(artifact.directory), args.side, args, measured)
    if args.projects:
        parts += of_runs(args, measured)
    page = "\n\n".join(parts) + "\n"
    if args.write:
        args.write.write_text(page)
    print(args.write or page)


if __name__ == "__main__":
    main()
