#!/bin/bash
# Your own images from a folder to a run, and out again: draws 300 pictures, trains, interrupts, goes on, makes the run
# longer, trains a second method beside it and takes images and codes out. Usage: own_images.sh [FOLDER] [IMAGES SEEN]
set -euo pipefail
work=${1:-$(mktemp -d)} seen=${2:-64000} python=${PYTHON:-python}
cd "$work"
small=(--size 32 --set training.batch_size=32 --set architectures.infogan.width=8 --set architectures.infogan.features=64
       --set sampling.reestimate_batches=1 --set sampling.batch_size=64)
command=("$python" -m advcodes train --data photos --out my_run "${small[@]}")
train() { "${command[@]}" "$@"; }
fail() { echo "own_images.sh: $1" >&2; exit 1; }

"$python" - <<'P'
import numpy as np
from pathlib import Path
from PIL import Image, ImageDraw

random = np.random.default_rng(0)
Path("photos").mkdir(exist_ok=True)
for i in range(300):  # a disc on a ground, wider than high
    ground, disc = (tuple(int(v) for v in random.integers(0, 256, 3)) for _ in range(2))
    image, x, y = Image.new("RGB", (48, 40), ground), *(int(v) for v in random.integers(8, 24, 2))
    ImageDraw.Draw(image).ellipse((x, y, x + 12, y + 12), fill=disc)
    image.save(f"photos/{i:03d}.png")
P

# Train, and interrupt: what was reached is kept, and the program says where.
"${command[@]}" --method acl_ae --images 10000000 > first.log 2>&1 &
process=$!
for _ in $(seq 900); do [ -n "$(find my_run -name losses.csv -size +0 2> none)" ] && break; sleep 0.2; done
kill -TERM $process
wait $process && fail "an interrupted training ended as if it were whole"
grep "interrupted at step" first.log || { cat first.log; fail "no word about the checkpoint"; }
test -n "$(find my_run -name checkpoint.pt)" || fail "no checkpoint"

# Another length than that of the interrupted run, which is longer, is refused; --replace begins anew.
train --method acl_ae --images "$seen" > refused.log 2>&1 && fail "a longer run was replaced unasked"
grep -q -- "--replace" refused.log || fail "the refusal does not say what to do"
train --method acl_ae --images "$seen" --replace | tee second.log
grep -q "300 images found: 270 to train on, 30 held out" first.log || fail "wrong counts"

# Longer: it goes on where it ended. Again: there is nothing to do.
train --method acl_ae --images $((2 * seen)) | tee third.log
grep -q "resumed at step" third.log || fail "the longer run began anew"
train --method acl_ae --images $((2 * seen)) | grep -q "already made" || fail "a finished run was made again"

# A second method beside it, and both from Python.
train --method wae_mmd --set variants.wae_mmd.pretrain_steps=1 --images "$seen"
"$python" - <<'P'
import advcodes
import torch

photos = advcodes.images("photos", 32)
assert photos.shape == (300, 3, 32, 32) and photos.dtype == torch.uint8
for method in ("acl_ae", "wae_mmd"):
    run = advcodes.load(f"my_run/runs/laptop/images/{method}/seed0")
    print(run)
    assert run.sample(10).shape == (10, 3, 32, 32)
    assert run.encode(photos).shape == (300, run.method.config.latent_dim)
    assert run.interpolate(photos[:1], photos[1:2], 5).shape == (1, 5, 3, 32, 32)
P
for method in acl_ae wae_mmd; do test -s my_run/grids/${method}_seed0/samples.png || fail "no grid of $method"; done
echo "own_images.sh: all is right"
