"""Images per second of the training loop beside a plain PyTorch loop, in one process.

    python benchmarks/training_speed.py --width 64 --batch 64 --steps 40

The plain loop is what one writes first: a DataLoader, float32, contiguous tensors, default Adam, nothing frozen. Both
train the same networks on the same images with the same batch and the same updates; rounds alternate, and the median
round counts. "ours fp32" separates what bfloat16 adds from the rest.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils.data import DataLoader, Dataset

from advcodes.jobs.precision import used
from advcodes.losses import wasserstein
from advcodes.methods.base import Method
from advcodes.nets.spec import DatasetSpec
from advcodes.training.data import TrainingData
from advcodes.training.loop import Loop
from advcodes.training.restore import build_method

N_IMAGES = 4096


def configuration(method: str, width: int, batch: int, precision: str, channels_last: bool) -> dict[str, Any]:
    """A run's configuration as the pipeline would resolve it at full width."""
    features = 1024 * width // 64
    return {
        "method": {"method": method, "optimiser": {"lr": 2e-4, "betas": [0.5, 0.999]}},
        "architecture": {"family": "infogan", "width": width, "features": features},
        "training": {"batch_size": batch, "precision": precision, "channels_last": channels_last},
        "view": {"range": [0.0, 1.0], "train_split": "train"},
        "seed": 0,
    }


class Images(Dataset):
    """The plain loop's dataset: one image at a time, as float."""

    def __init__(self, images: np.ndarray):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> torch.Tensor:
        return torch.from_numpy(self.images[i]).float() / 255


def plain_gan(method: Method, images: np.ndarray, batch: int, device: torch.device) -> Callable[[], None]:
    """The loop of a first GAN tutorial."""
    g, d = method.networks["generator"], method.networks["discriminator"]
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (g, d))
    loader = itertools.chain.from_iterable(
        iter(DataLoader(Images(images), batch, shuffle=True, drop_last=True)) for _ in itertools.count()
    )
    one, zero = torch.ones(batch, device=device), torch.zeros(batch, device=device)

    def step() -> None:
        x = next(loader).to(device)
        fake = g(method.noise(batch))
        opt_d.zero_grad()
        loss_d = bce(d(x), one) + bce(d(fake.detach()), zero)
        loss_d.backward()
        opt_d.step()
        opt_g.zero_grad()
        loss_g = bce(d(fake), one)
        loss_g.backward()
        opt_g.step()
        loss_d.item(), loss_g.item()

    return step


def plain_wgan_gp(method: Method, images: np.ndarray, batch: int, device: torch.device) -> Callable[[], None]:
    """The usual WGAN-GP loop: five critic steps, then one of the generator with fresh noise."""
    g, d = method.networks["generator"], method.networks["discriminator"]
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (g, d))
    loader = itertools.chain.from_iterable(
        iter(DataLoader(Images(images), batch, shuffle=True, drop_last=True)) for _ in itertools.count()
    )
    count = itertools.count(1)

    def step() -> None:
        x = next(loader).to(device)
        fake = g(method.noise(batch)).detach()
        opt_d.zero_grad()
        loss_d = d(fake).mean() - d(x).mean() + 10 * wasserstein.gradient_penalty(d, x, fake)
        loss_d.backward()
        opt_d.step()
        loss_d.item()
        if next(count) % 5 == 0:
            opt_g.zero_grad()
            loss_g = -d(g(method.noise(batch))).mean()
            loss_g.backward()
            opt_g.step()
            loss_g.item()

    return step


def ours(config: dict[str, Any], directory: Path, device: torch.device, log_every: int = 50) -> Callable[[], None]:
    """The pipeline's loop, logging included."""
    settings = config["training"]
    data = TrainingData(
        directory,
        "train",
        (0.0, 1.0),
        settings["batch_size"],
        0,
        device,
        channels_last=settings["channels_last"],
    )
    method = build_method(config, data.spec, device)
    loop = Loop(method, method.phases(method.config), used(settings["precision"], device))

    def step() -> None:
        loop.train_step(data.batch(loop.step), (loop.step + 1) % log_every == 0)
        if loop.step % log_every == 0:
            loop.flush()

    return step


def measure(
    steps: dict[str, Callable[[], None]], n: int, rounds: int, batch: int, device: torch.device
) -> dict[str, float]:
    """Median images per second of each loop; the rounds of all loops alternate."""

    def run(step: Callable[[], None], count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return count * batch / (time.perf_counter() - start)

    for step in steps.values():
        run(step, 10)
    seen: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            seen[name].append(run(step, n))
    return {name: statistics.median(values) for name, values in seen.items()}


def write_images(directory: Path, side: int) -> np.ndarray:
    """A prepared dataset of noise: speed does not depend on what the images show."""
    import json

    images = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 3, side, side), dtype=np.uint8)
    np.save(directory / "images.npy", images)
    np.save(directory / "labels.npy", np.full(N_IMAGES, -1, np.int64))
    meta = {
        "shape": [3, side, side],
        "dtype": "uint8",
        "splits": {"train": [0, N_IMAGES]},
        "classes": [],
        "attributes": [],
    }
    (directory / "meta.json").write_text(json.dumps(meta))
    return images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["gan", "wgan_gp"], choices=["gan", "wgan_gp"])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--steps", type=int, default=40, help="steps a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {args.threads} threads"
    print(f"{name}; torch {torch.__version__}; {args.side} x {args.side}, width {args.width}, batch {args.batch}")
    with tempfile.TemporaryDirectory() as folder:
        images = write_images(Path(folder), args.side)
        for method in args.methods:
            plain = {"gan": plain_gan, "wgan_gp": plain_wgan_gp}[method]

            def settings(precision: str, channels_last: bool, method: str = method) -> dict[str, Any]:
                return configuration(method, args.width, args.batch, precision, channels_last)

            baseline = build_method(settings("float32", False), DatasetSpec(tuple(images.shape[1:])), device)
            loops = {
                "plain fp32": plain(baseline, images, args.batch, device),
                "ours fp32": ours(settings("float32", True), Path(folder), device),
                "ours bf16": ours(settings("bfloat16", True), Path(folder), device),
            }
            speeds = measure(loops, args.steps, args.rounds, args.batch, device)
            for loop, speed in speeds.items():
                print(f"{method:<8} {loop:<11} {speed:>9,.0f} images/s  {speed / speeds['plain fp32']:.2f}x")


if __name__ == "__main__":
    main()
