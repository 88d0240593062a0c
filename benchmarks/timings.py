"""Write pipeline/timings.yaml: core-seconds of training for each image, from finished runs.

    python benchmarks/timings.py

Runs are those of `data/runs`, by one thread of a CPU. What they do not tell stays as it stands in the file; delete
there what settings have left behind.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import yaml

TIMINGS = Path("pipeline/timings.yaml")
HEAD = """\
# Core-seconds of training for each image seen, by machine type, scale, dataset and variant. `advcodes plan` takes them
# where no finished run here tells more. benchmarks/timings.py writes this file from finished runs: one thread of an
# AMD EPYC or Intel Xeon, torch 2.14. Those of scale laptop are of some seconds of each on a Zen 3 without bfloat16, by
# CPU time. No GPU has been measured yet.
"""
Timings = dict[str, dict[str, dict[str, float]]]  #: by scale, dataset and variant


def measured(folders: Iterable[Path]) -> Timings:
    """The median over seeds of every variant's finished runs in these folders of data."""
    runs: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for folder in folders:
        for manifest in (folder / "runs").glob("*/*/*/seed*/manifest.json"):
            facts = json.loads(manifest.read_text())["facts"]
            if facts["device"] == "CPU, 1 threads" and "same_as" not in facts:  # else a core's own speed is not told
                scale, dataset, variant = manifest.parts[-5:-2]
                runs[scale, dataset, variant].append(1 / facts["images_per_second"])
    timings: Timings = {}
    for (scale, dataset, variant), seconds in sorted(runs.items()):
        timings.setdefault(scale, {}).setdefault(dataset, {})[variant] = statistics.median(seconds)
    return timings


def merged(old: Timings, new: Timings) -> str:
    """The file: new timings, and old ones where there are none."""
    lines = [HEAD + "cpu:"]
    for scale in [*old, *(s for s in new if s not in old)]:
        lines.append(f"  {scale}:")
        before, after = old.get(scale, {}), new.get(scale, {})
        for dataset in [*before, *(d for d in after if d not in before)]:
            lines.append(f"    {dataset}:")
            seconds = before.get(dataset, {}) | after.get(dataset, {})
            lines += [f"      {variant}: {value:.2e}" for variant, value in seconds.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", type=Path, default=[Path("data")], help="folders of data")
    TIMINGS.write_text(merged(yaml.safe_load(TIMINGS.read_text())["cpu"], measured(parser.parse_args().data)))
