#!/usr/bin/env bash
# All that is to be known of a GPU, in one command of at most 8 minutes:
#
#     benchmarks/gpu.sh > gpu.txt
#
# With --rehearse it runs whole on a CPU at tiny sizes, in seconds, so that it works on the day.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
exec timeout 480 python benchmarks/gpu.py "$@"
