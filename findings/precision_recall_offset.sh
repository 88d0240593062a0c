#!/usr/bin/env bash
# torch-fidelity 0.4.0 and piq 0.8.0: precision and recall change when all features are shifted by one number.
#
# Improved precision and recall ask only which points are near which, so that a shift of all features changes nothing.
# Both packages take distances from torch.cdist in float32, which for more than 25 points forms |a|² + |b|² − 2ab: where
# features lie far from the origin, the differences that matter are lost. 500 points of 16 dimensions with standard deviation 1
# have a precision of 0.638; 100 away from the origin it is 0.640, 1,000 away 0.688, 3,000 away 0.998 (piq: 1.000). No
# warning. Features with large means (pixels of 0 to 255, activations without normalisation) are on that way. Subtracting
# the real features' mean before measuring helps, and moves no distance.
#
# Seen (2026-11), torch 2.14.1 on a CPU: the numbers above; by float64, 0.638 at every shift.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 torch-fidelity==0.4.0 piq==0.8.0

venv/bin/python -W ignore - <<'PY'
import numpy as np
import piq
import torch
from torch_fidelity.metric_prc import prc_features_to_metric


def exact(real, generated, k=3):
    """Precision in float64: the share of generated points within a real point's distance to its k-th neighbour."""
    real, generated = real.double().numpy(), generated.double().numpy()
    radii = np.sort(np.linalg.norm(real[:, None] - real[None], axis=-1), axis=1)[:, k]
    return float((np.linalg.norm(generated[:, None] - real[None], axis=-1) <= radii).any(1).mean())


random = torch.Generator().manual_seed(0)
generated, real = torch.randn(500, 16, generator=random), torch.randn(500, 16, generator=random) * 0.9
fidelity, others, truth = [], [], []
for shift in (0, 100, 1000, 3000):
    a, b = generated + shift, real + shift
    fidelity.append(prc_features_to_metric(a, b, prc_neighborhood=3, prc_batch_size=10000, verbose=False)["precision"])
    others.append(float(piq.PR(nearest_k=3).compute_metric(b, a)[0]))
    truth.append(exact(b, a))
    print(f"shift {shift:,}: torch-fidelity {fidelity[-1]:.3f}, piq {others[-1]:.3f}, float64 {truth[-1]:.3f}")
assert len(set(truth)) == 1, "a shift moves no distance"
if not (fidelity[-1] > truth[-1] + 0.3 and others[-1] > truth[-1] + 0.3):
    raise SystemExit("CHANGED: precision does not follow the shift any more")
PY
