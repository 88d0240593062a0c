#!/usr/bin/env bash
# torchmetrics 1.9.0 and piq 0.8.0: computing KID or Inception Score moves torch's global random state.
#
# Both draw the order or the subsets of features by torch.randperm, without a generator of their own. A training that
# measures itself on the way therefore goes on with other noise, dropout and batches than one that does not: measuring more
# often gives another model, and a run cannot be compared bit for bit with one that was measured less. FID moves nothing,
# so that the same habit is safe there. Neither documentation says so. torch.random.fork_rng() around compute() helps.
#
# Seen (2026-11): the state differs after KernelInceptionDistance.compute, InceptionScore.compute and piq.KID, and is the
# same after FrechetInceptionDistance.compute and piq.FID.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 torchmetrics==1.9.0 piq==0.8.0

venv/bin/python -W ignore - <<'PY'
import piq
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance


class Features(torch.nn.Module):
    num_features = 16

    def forward(self, x):
        return x.flatten(1).float()


a, b = torch.rand(300, 1, 4, 4), torch.rand(300, 1, 4, 4) ** 2
own = {"feature": Features(), "normalize": True}
fid, kid, score = FrechetInceptionDistance(**own), KernelInceptionDistance(subset_size=50, **own), InceptionScore(**own)
for metric in (fid, kid):
    metric.update(a, real=True)
    metric.update(b, real=False)
score.update(a)
x, y = a.flatten(1), b.flatten(1)
computed = {
    "torchmetrics, KID": (kid.compute, True),
    "torchmetrics, Inception Score": (score.compute, True),
    "piq, KID": (lambda: piq.KID(subset_size=50).compute_metric(x, y), True),
    "torchmetrics, FID": (fid.compute, False),
    "piq, FID": (lambda: piq.FID().compute_metric(x, y), False),
}
for name, (compute, moves) in computed.items():
    before = torch.get_rng_state()
    compute()
    moved = not torch.equal(before, torch.get_rng_state())
    print(f"{name}: global random state {'moved' if moved else 'as before'}")
    if moved != moves:
        raise SystemExit("CHANGED")
PY
