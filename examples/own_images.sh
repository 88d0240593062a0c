#!/bin/bash
# Your own images from a folder to numbers, and out again: draws 300 pictures, trains, interrupts, goes on, makes the run
# longer, trains a second method beside it, measures both and takes images, codes and weights out.
# Usage: own_images.sh [FOLDER] [IMAGES SEEN] [WIDTH]
set -euo pipefail
work=${1:-$(mktemp -d)} seen=${2:-64000} width=${3:-16} python=${PYTHON:-python}
cd "$work"
small=(--size 32 --set training.batch_size=32 --set "architectures.infogan.width=$width" --set training.snapshots=2
       --set architectures.infogan.features=64 --set sampling.reestimate_batches=1 --set sampling.batch_size=64)
advcodes() { "$python" -m advcodes "$@"; }
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

# A second method, and both from Python.
train --method vae --images "$seen" --out other_run
"$python" - <<'P'
import advcodes
import torch

photos = advcodes.images("photos", 32)
assert photos.shape == (300, 3, 32, 32) and photos.dtype == torch.uint8
for folder in ("my_run", "other_run"):
    run = advcodes.load(folder)
    print(run)
    assert run.sample(10).shape == (10, 3, 32, 32)
    assert run.encode(photos).shape == (300, run.method.config.latent_dim)
    assert run.interpolate(photos[:1], photos[1:2], 5).shape == (1, 5, 3, 32, 32)
P
test -s my_run/grids/acl_ae_seed0/samples.png || fail "no grid of acl_ae"
test -s other_run/grids/vae_seed0/samples.png || fail "no grid of vae"

# Numbers of one run, then of two side by side: distances, precision and recall, reconstruction, and the floor.
quick=(--set "metrics.classifier.width=$width")
advcodes evaluate my_run "${quick[@]}" | tee numbers.md
for name in fd_classifier kd_classifier precision_classifier recall_classifier mse; do
    grep -q "^| $name " numbers.md || fail "no $name"
done
grep -q "real images" numbers.md || fail "no floor"
grep -q "warning: 30 real images held out and 270 generated images" numbers.md || fail "no word about few images"
test -s my_run/evaluation/acl_ae_seed0.html || fail "no page"
advcodes compare my_run other_run "${quick[@]}" --out compared.html | tee compared.md
grep -q "| acl_ae_seed0 | vae_seed0 | real images |" compared.md || fail "the runs are not side by side"
grep -q "accuracy" compared.md && fail "the same extractor was trained twice"
grep -q "not comparable" compared.md && fail "the same images by the same extractor do not compare"
test "$(grep -o "data:image/png" compared.html | wc -l)" = 4 || fail "not two grids of each run"

# Take out: samples, what lies between two pictures, reconstructions, codes, weights.
advcodes sample my_run --n 20 --png samples --out grid.png
test "$(ls samples | wc -l)" = 20 && test -s grid.png || fail "no samples"
advcodes interpolate my_run photos/000.png photos/001.png --out between.png
mkdir -p few && cp photos/00?.png few
advcodes reconstruct my_run few --out again.png --png again
test "$(ls again | wc -l)" = 10 && test -s again.png || fail "no reconstructions"
advcodes encode my_run few --npz codes.npz
advcodes export my_run --out weights.safetensors
"$python" - <<'P'
import advcodes
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

codes, run = np.load("codes.npz"), advcodes.load("my_run")
assert codes["codes"].shape == (10, run.method.config.latent_dim) and codes["names"][0] == "000.png"
assert torch.allclose(run.encode(advcodes.images("few", 32)), torch.from_numpy(codes["codes"]), atol=1e-5)
assert Image.open("between.png").size == (9 * 66 - 2, 64)  # small images are drawn twice as large
weights, encoder = load_file("weights.safetensors"), run.method.networks["encoder"].state_dict()
assert all(torch.equal(weights[f"encoder.{name}"], value) for name, value in encoder.items())
P
echo "own_images.sh: all is right"
