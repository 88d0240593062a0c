"""Write pipeline/timings.yaml: core-seconds of training for each image, from the leaderboards' finished runs.

python benchmarks/timings.py
"""

from __future__ import annotations

import json
from pathlib import Path

TIMINGS = Path("pipeline/timings.yaml")
HEAD = """\
# Core-seconds of training for each image seen, by machine type, scale, dataset and variant. `advcodes plan` takes them
# where no finished run here tells more. benchmarks/timings.py writes this file from the leaderboards' finished runs:
# one thread of an AMD EPYC or Intel Xeon, torch 2.14; bfloat16 at scale laptop. No GPU has been measured yet.
"""


def timings(reports: Path) -> str:
    """The file, from `reports/<scale>/advcodes/leaderboard.json` of every scale."""
    lines = [HEAD + "cpu:"]
    for path in sorted(reports.glob("*/advcodes/leaderboard.json")):
        board = json.loads(path.read_text())
        lines.append(f"  {board['scale']}:")
        for name, column in board["columns"].items():
            if not column["metric"]:
                continue
            rows = {v: row["board"][name] for v, row in board["rows"].items() if name in row.get("board", {})}
            threads = {device for found in rows.values() for device in found["device"]}
            assert threads == {"CPU, 1 threads"}, "a core's own speed is asked for"
            lines += [f"    {column['served_by']}:", *(f"      {v}: {_seconds(found)}" for v, found in rows.items())]
    return "\n".join(lines) + "\n"


def _seconds(found: dict) -> str:
    return f"{1 / found['speed']['mean']:.2e}"


if __name__ == "__main__":
    TIMINGS.write_text(timings(Path("reports")))
    print(TIMINGS)
