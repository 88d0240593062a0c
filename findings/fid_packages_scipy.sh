#!/usr/bin/env bash
# pytorch-fid 0.3.0 and clean-fid 0.1.35 compute no distance with SciPy 1.18: they call scipy.linalg.sqrtm with `disp`.
#
# SciPy deprecated the argument in 1.17 and removed it in 1.18. Both packages ask for SciPy without an upper bound, so pip
# brings them together on Python 3.12 and above. The error comes last: images are read and features computed before the
# distance fails. SciPy 1.17 is the newest that serves both.
#
# Seen (2026-11): pytorch_fid.fid_score.calculate_frechet_distance and cleanfid.fid.frechet_distance, of two means and
# covariances, both raise "TypeError: sqrtm() got an unexpected keyword argument 'disp'". torch-fidelity 0.4.0 and
# torchmetrics 1.9.0 do not call it.
set -euo pipefail
for python in python3.14 python3.13 python3.12; do command -v "$python" > /dev/null && "$python" -c '' 2> /dev/null && break; done
"$python" -c '' 2> /dev/null || { echo "needs Python 3.12 or above, as SciPy 1.18 does"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$python" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 scipy==1.18.1 \
	pytorch-fid==0.3.0 clean-fid==0.1.35

venv/bin/python - <<'PY'
import numpy as np
from cleanfid.fid import frechet_distance
from pytorch_fid.fid_score import calculate_frechet_distance

random = np.random.default_rng(0)
a, b = random.normal(size=(500, 8)), random.normal(1, 2, size=(500, 8))
statistics = [part for x in (a, b) for part in (x.mean(0), np.cov(x, rowvar=False))]
for distance in (calculate_frechet_distance, frechet_distance):
    name = f"{distance.__module__}.{distance.__name__}"
    try:
        print(name, distance(*statistics))
    except TypeError as error:
        print(f"{name}: {error}")
        assert "disp" in str(error), error
    else:
        raise SystemExit(f"CHANGED: {name} computes a distance")
PY
