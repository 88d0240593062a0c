"""What a GPU does with this pipeline: see gpu.sh, which calls this.

For each method at its paper's width, in float32 and in bfloat16, with and without torch.compile: images per second and
peak memory. Beside GAN and WGAN-GP, a plain loop with the same networks (training_speed.py), and torch-mimicry's own
networks and steps where that is installed. Then whether a run that was killed ends bitwise as an uninterrupted one, and
the pipeline's first table with short trainings. What fails is said, and does not keep the rest from being measured.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from compare import configuration
from training_speed import plain_gan, plain_wgan_gp, write_images

from advcodes.jobs import checkpoint
from advcodes.nets.spec import DatasetSpec
from advcodes.training.restore import build_method
from advcodes.training.train import begin, train

ROOT = Path(__file__).resolve().parents[1]
#: Method, architecture family and width of the papers.
METHODS = (("gan", "infogan", 64), ("wgan_gp", "infogan", 64), ("acl_gan", "infogan", 64), ("aaae", "aaae", 64),
           ("lpaae", "residual", 64))  # fmt: skip
SIDE = 32


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    seconds: float  #: measured of each line
    width: int | None  #: of networks; None: the papers'
    compiled: tuple[bool, ...]
    precisions: tuple[str, ...]
    batch: int
    table: dict[str, Any]  #: changes of params.yaml for the table; none: it is only planned


FULL = Sizes(5.0, None, (False, True), ("float32", "bfloat16"), 64,
             {"seeds": [0], "budget": {"default": {"images": 12_800}}})  # fmt: skip
REHEARSAL = Sizes(0.0, 4, (False,), ("float32",), 8, {})


@contextlib.contextmanager
def said(what: str) -> Iterator[None]:
    """Print why something could not be measured, in place of stopping there."""
    try:
        yield
    except Exception as error:
        print(f"{what:<44} failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")


def line(what: str, step: Callable[[], None], batch: int, seconds: float, device: torch.device) -> None:
    """Measure steps for some seconds after a warm-up, and print their images per second and peak memory."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(10 if seconds else 1):
        step()
    wait()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    started, count = time.perf_counter(), 0
    while count < 5 or time.perf_counter() - started < seconds:
        for _ in range(5):
            step()
        wait()
        count += 5
    speed = count * batch / (time.perf_counter() - started)
    memory = f"{torch.cuda.max_memory_allocated(device) / 2**20:,.0f} MiB" if device.type == "cuda" else "-"
    print(f"{what:<44}{speed:>10,.0f} images/s{memory:>12}", flush=True)


def ours(config: dict[str, Any], data_directory: Path, device: torch.device) -> Callable[[], None]:
    """A step of the pipeline's own loop."""
    data, loop, _ = begin(config, data_directory, device)
    with torch.no_grad():
        loop.method.initialise(data.batch(0).images)

    def step() -> None:
        loop.train_step(data.batch(loop.step))
        if loop.step % 50 == 0:
            loop.flush()

    return step


def mimicry(kind: str, batch: int, device: torch.device) -> Callable[[], None]:
    """A step of torch-mimicry's DCGAN or WGAN-GP at 32x32: its networks, losses and settings of Adam."""
    from torch_mimicry.nets import dcgan, wgan_gp
    from torch_mimicry.training.metric_log import MetricLog

    package, name = {"gan": (dcgan, "DCGAN"), "wgan_gp": (wgan_gp, "WGANGP")}[kind]
    g = getattr(package, f"{name}Generator32")().to(device)
    d = getattr(package, f"{name}Discriminator32")().to(device)
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), 2e-4, (0.0, 0.9)) for n in (g, d))
    real = torch.rand(batch, 3, SIDE, SIDE, device=device) * 2 - 1, torch.zeros(batch, device=device)
    count, log = itertools.count(1), MetricLog()

    def step() -> None:
        d.train_step(real_batch=real, netG=g, optD=opt_d, log_data=log, device=device)
        if kind == "gan" or next(count) % 5 == 0:
            g.train_step(real_batch=real, netD=d, optG=opt_g, log_data=log, device=device)

    return step


def resumed(config: dict[str, Any], data: Path, folder: Path, device: torch.device) -> bool:
    """Whether a run that is killed after each checkpoint ends bitwise where an uninterrupted one ends."""

    class Killed(Exception):
        pass

    def kill(step: int) -> None:
        raise Killed

    def go(name: str, **options: Any) -> None:
        (folder / name).mkdir(exist_ok=True)
        train(config, data, folder / name, device, key="k", log_every=5, **options)

    go("whole")
    for _ in range(2):
        with contextlib.suppress(Killed):
            go("killed", checkpoint_seconds=1e-9, on_checkpoint=kill)
    go("killed")
    whole, killed = (checkpoint.load(folder / name / "networks.pt")["networks"] for name in ("whole", "killed"))
    return all(torch.equal(t, killed[role][name]) for role, state in whole.items() for name, t in state.items())


def table(changes: dict[str, Any], folder: Path) -> str:
    """How long the first table takes in a copy of this project, with shorter trainings; without changes, its plan."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["scales"]["demo"]["budget"] = params["scales"]["demo"]["budget"] | changes.get("budget", {})
    params |= {k: v for k, v in changes.items() if k != "budget"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    started = time.perf_counter()
    dry = [] if changes else ["--dry-run", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "reports/table1.md", *dry],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1])
    return f"{'made' if changes else 'planned'} in {time.perf_counter() - started:.0f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, at tiny sizes")
    rehearse = parser.parse_args().rehearse
    if not rehearse and not torch.cuda.is_available():
        raise SystemExit("gpu.py: torch sees no GPU here; --rehearse runs it on the CPU")
    sizes, device = (REHEARSAL, torch.device("cpu")) if rehearse else (FULL, torch.device("cuda"))
    print(
        f"{'CPU' if rehearse else torch.cuda.get_device_name(device)}; torch {torch.__version__}; batch {sizes.batch}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        images = write_images(folder / "data", SIDE)
        for method, family, width in METHODS:
            for precision, compiled in itertools.product(sizes.precisions, sizes.compiled):
                what = f"{method}, {precision}{', compiled' if compiled else ''}"
                with said(what):
                    config = configuration(method, family, sizes.width or width, precision)
                    config["training"] |= {"batch_size": sizes.batch, "compile": compiled}
                    line(what, ours(config, folder / "data", device), sizes.batch, sizes.seconds, device)
        for method, plain in (("gan", plain_gan), ("wgan_gp", plain_wgan_gp)):
            with said(f"{method}, plain loop"):
                config = configuration(method, "infogan", sizes.width or 64, "float32")
                config["training"]["channels_last"] = False
                networks = build_method(config, DatasetSpec((3, SIDE, SIDE)), device)
                step = plain(networks, images, sizes.batch, device)
                line(f"{method}, plain loop, float32", step, sizes.batch, sizes.seconds, device)
            with said(f"{method}, torch-mimicry's"):
                line(f"{method}, torch-mimicry's", mimicry(method, sizes.batch, device), sizes.batch, sizes.seconds,
                     device)  # fmt: skip
        with said("a killed run"):
            config = configuration("acl_gan", "infogan", sizes.width or 64, sizes.precisions[-1])
            config["training"]["batch_size"] = sizes.batch
            config["budget"]["images"] = 20 * sizes.batch
            same = resumed(config, folder / "data", folder, device)
            print(f"a killed run ends {'bitwise' if same else 'NOT bitwise'} as an uninterrupted one")
        with said("reports/table1.md"):
            (folder / "project").mkdir()
            print(f"reports/table1.md, one seed, short trainings: {table(sizes.table, folder / 'project')}")


if __name__ == "__main__":
    main()
