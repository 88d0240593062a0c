"""Peak memory of a training run on the CPU beyond its dataset, at the paper's width.

python benchmarks/peak_memory.py --method acl_gan_gp
python benchmarks/peak_memory.py --method vae_began_lsm --family began --width 128 --side 128 --batch-size 16 \\
    --precision float32 --images 64 --steps 1
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from pathlib import Path

import numpy as np
import torch

from advcodes.training.train import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="acl_gan_gp")
    parser.add_argument("--family", choices=["infogan", "began"], default="infogan")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--side", type=int, default=32, help="of the images, in pixels")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--images", type=int, default=50_000, help="size of the dataset: CIFAR-10's")
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    wide = {"features": 16 * args.width} if args.family == "infogan" else {}
    config = {
        "method": {"method": args.method},
        "architecture": {"family": args.family, "width": args.width, **wide},
        "training": {
            "batch_size": args.batch_size, "precision": args.precision, "channels_last": True, "compile": False,
            "flip": True, "snapshots": 2,
        },
        "budget": {"images": args.batch_size * args.steps, "epochs": None},
        "view": {"range": [0.0, 1.0], "train_split": "train"},
        "seed": 0,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "data", Path(folder) / "run"
        data.mkdir()
        run.mkdir()
        shape = (args.images, 3, args.side, args.side)
        images = np.lib.format.open_memmap(data / "images.npy", "w+", np.uint8, shape)
        images.flush()
        del images
        np.save(data / "labels.npy", np.full(args.images, -1, np.int64))
        meta = {
            "shape": shape[1:], "dtype": "uint8", "splits": {"train": [0, args.images]},
            "classes": [], "attributes": [],
        }  # fmt: skip
        (data / "meta.json").write_text(json.dumps(meta))
        train(config, data, run, torch.device("cpu"), checkpoint_seconds=1e-9)
    peak, dataset = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, np.prod(shape) / 2**20
    print(f"{args.method}: peak {peak:,.0f} MiB: the dataset's {dataset:,.0f} MiB and {peak - dataset:,.0f} beyond it")


if __name__ == "__main__":
    main()
