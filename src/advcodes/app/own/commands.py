"""Commands on own images and trained runs: their options, and what they call."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from advcodes.app.own.runs import is_own
from advcodes.app.own.settings import LOOSE
from advcodes.config.sections import FITS
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import SEEDS
from advcodes.graph.run import Run

AFFECTS_RESULTS = False
Command = Callable[[argparse.Namespace], None]
RUN = {"help": "folder of a run on own images (--out), or scale/dataset/variant/seed<k>"}
#: What `train --data` does unless its options say otherwise.
DEFAULTS: dict[str, Any] = {
    "method": "acl_gan",
    "out": Path("advcodes-out"),
    "size": 32,
    "fit": "crop",
    "skip_broken": False,
    "loose": "refuse",
    "levels": None,
    "images": 200_000,
    "seed": 0,
    "replace": False,
    "set": [],
}


class Add(Protocol):
    """What adds a command to the parser."""

    def __call__(self, name: str, text: str, run: Command, what: str | None = None, **kw: Any) -> Any: ...


def train_options(sub: argparse.ArgumentParser) -> None:
    """Options of `train` on own images; none has a default of its own, so that a named run can refuse them."""
    own = sub.add_argument_group("own images")

    def option(name: str, about: str, **kw: Any) -> None:
        default = DEFAULTS.get(name.lstrip("-").replace("-", "_"))
        said = "" if default in (None, False, []) else f" (default: {default})"
        own.add_argument(name, default=None, help=about + said, **kw)

    option("--data", "folder or zip of images", type=Path)
    option("--method", "method, see `advcodes list methods`")
    option("--out", "folder for checkpoints and grids", type=Path)
    option("--size", "side of the square images in pixels", type=int)
    option("--fit", "how they become square: cut to the centre, padded with black, or squeezed", choices=FITS)
    option("--skip-broken", "leave out files that do not decode (default: name them all and stop)",
           action="store_const", const=True)  # fmt: skip
    option("--loose", "images beside the folders of classes: refuse them, skip them, or let them be a class of their "
           "own; flat: no image has a class", choices=LOOSE)  # fmt: skip
    option("--levels", "values that become black and white in images of more than 8 bits a channel (default: 0 65535 "
           "where they have 16 bits and use all of them; else there is none)", type=float, nargs=2,
           metavar=("LOW", "HIGH"))  # fmt: skip
    option("--images", "training length in images seen; raised later, a finished run goes on to the new length",
           type=int)  # fmt: skip
    option("--seed", "of the run", type=int)
    option("--replace", "train anew where --out has a run of other settings or images (default: refuse)",
           action="store_const", const=True)  # fmt: skip
    option("--set", "any key of params.yaml: --set architectures.infogan.width=32 (default: params.yaml's own "
           "defaults)", action="append", metavar="KEY=VALUE")  # fmt: skip


def train(args: argparse.Namespace, named: Command) -> None:
    """Train on own images, or what ``named`` trains."""
    given = {key: getattr(args, key) for key in DEFAULTS if getattr(args, key) is not None}
    if args.data is None:
        if args.what is not None and given:
            option = "--" + next(iter(given)).replace("_", "-")
            raise AdvcodesError(f"train: {option} goes with --data; what a named run trains with is in params.yaml")
        if args.what is None:
            raise AdvcodesError("train: name a run (demo/digits/gan/seed0), or your images with --data and --method")
        named(args)
        return
    if args.what is not None:
        raise AdvcodesError(f"train: either the run {args.what} or --data, not both")
    from advcodes.app.own.train import train_own

    asked = {**DEFAULTS, **given}
    train_own(
        args.data,
        asked.pop("method"),
        asked.pop("out"),
        settings=asked.pop("set"),
        tensorboard=args.tensorboard,
        **asked,
    )


def sample(args: argparse.Namespace, named: Command) -> None:
    """Draw samples to files, or make the stage's with ``named``."""
    if args.out is None and args.png is None:
        if args.text is not None:
            raise AdvcodesError("sample: --text goes with --out, the grid of images of that sentence")
        if is_own(args.what):
            raise AdvcodesError("sample: say where to: --out grid.png, or --png FOLDER for files of their own")
        _named(args, named)
        return
    if args.n < 1 or not 0 <= args.seed < SEEDS:
        raise AdvcodesError(f"sample: got --n {args.n} --seed {args.seed}; expected 1 at least, and 0 to {SEEDS - 1}")
    import advcodes
    from advcodes.app.own import take
    from advcodes.core.values import to_stored
    from advcodes.pages.pictures.images import grid

    out = args.out and args.out.expanduser()
    if out is not None:
        take.png(out)
    run = advcodes.load(args.what)
    images = run.sample(args.n, args.seed) if args.text is None else run.say([args.text], args.n, args.seed)[0]
    stored = to_stored(images, run.value_range).numpy()
    if args.png is not None:
        _print(take.pngs(stored, [f"{i:05d}" for i in range(args.n)], args.png.expanduser()))
    if out is not None:
        side = max(1, int(args.n**0.5))
        grid(stored, -(-args.n // side), side, out, limit=None)
        print(out)


def _named(args: argparse.Namespace, named: Command) -> None:
    """Do what is done for a run of params.yaml."""
    try:
        Run.parse(args.what)
    except AdvcodesError as error:
        raise AdvcodesError(f"{error}, or the folder (--out) of a training on own images") from None
    named(args)


def evaluate(args: argparse.Namespace, named: Command) -> None:
    """Measure a run on own images, or the stage's with ``named``."""
    if not is_own(args.what):
        given = [f"--{key}" for key in ("extractor", "n", "set", "out") if getattr(args, key) is not None]
        if given:
            raise AdvcodesError(f"evaluate: {given[0]} goes with a run on own images; what a named run is measured by "
                                "is in params.yaml")  # fmt: skip
        _named(args, named)
        return
    from advcodes.app.own.evaluate import evaluate as measure

    _print(measure([args.what], args.extractor or "rotations", args.n, args.set or (), args.out))


def _compare(args: argparse.Namespace) -> None:
    from advcodes.app.own.evaluate import evaluate as measure

    _print(measure([args.what, *args.others], args.extractor or "rotations", args.n, args.set or (), args.out))


def _interpolate(args: argparse.Namespace) -> None:
    import advcodes
    from advcodes.app.own import take

    a, b = (path.expanduser() for path in args.pictures)
    _print(take.interpolation(advcodes.load(args.what), a, b, args.steps, args.out.expanduser()))


def _reconstruct(args: argparse.Namespace) -> None:
    import advcodes
    from advcodes.app.own import take

    out, pngs = (path and path.expanduser() for path in (args.out, args.png))
    _print(take.reconstructions(advcodes.load(args.what), args.folder.expanduser(), out, pngs))


def _encode(args: argparse.Namespace) -> None:
    import advcodes
    from advcodes.app.own import take

    _print(take.codes(advcodes.load(args.what), args.folder.expanduser(), args.npz.expanduser()))


def _export(args: argparse.Namespace) -> None:
    import advcodes
    from advcodes.app.own import take

    _print(take.weights(advcodes.load(args.what), args.out.expanduser()))


def _print(lines: list[str]) -> None:
    print("\n".join(lines))


def sample_options(sub: argparse.ArgumentParser) -> None:
    """Options of `sample`."""
    sub.add_argument("--out", type=Path, help="write a PNG grid there instead")
    sub.add_argument("--png", type=Path, metavar="FOLDER", help="write each image there as a PNG of its own")
    sub.add_argument("-n", "--n", type=int, default=64, help="images (default: %(default)s)")
    sub.add_argument("--seed", type=int, default=0, help="of the noise (default: %(default)s)")
    sub.add_argument("--text", help="sentence that the images shall show (methods conditioned on captions)")


def evaluate_options(sub: argparse.ArgumentParser) -> None:
    """Options of `evaluate` and `compare` on own images."""
    sub.add_argument("--extractor", choices=("rotations", "inception"),
                     help="network whose features are compared: one trained on your images to tell by how much they "
                          "are turned, whatever folders are called, or Inception (default: rotations)")  # fmt: skip
    sub.add_argument("--n", type=int, help="generated images (default: as many as were trained on, 10,000 at most)")
    sub.add_argument("--out", type=Path, help="the page, an HTML file (default: below the run's evaluation/)")
    sub.add_argument("--set", action="append", metavar="KEY=VALUE",
                     help="any key of params.yaml: --set metrics.classifier.epochs=20")  # fmt: skip


def add_commands(add: Add) -> None:
    """Add the commands that are of runs alone."""
    sub = add("compare", "measure runs on own images side by side", _compare, "run", help="folder of a run (--out)")
    sub.add_argument("others", nargs="+", metavar="run", help="others")
    evaluate_options(sub)
    sub = add("interpolate", "turn one picture of yours into another", _interpolate, "run", **RUN)
    sub.add_argument("pictures", type=Path, nargs=2, metavar="picture", help="any that Pillow reads")
    sub.add_argument("--steps", type=int, default=9, help="images in the row, with both ends (default: %(default)s)")
    sub.add_argument("--out", type=Path, default=Path("interpolation.png"), help="the PNG (default: %(default)s)")
    sub = add("reconstruct", "what a run makes of the codes of your pictures", _reconstruct, "run", **RUN)
    sub.add_argument("folder", type=Path, help="of images")
    sub.add_argument("--out", type=Path, help="a PNG: each reconstruction below its image")
    sub.add_argument("--png", type=Path, metavar="FOLDER", help="or PNGs of their own there")
    sub = add("encode", "codes of your pictures", _encode, "run", **RUN)
    sub.add_argument("folder", type=Path, help="of images")
    sub.add_argument("--npz", type=Path, required=True, metavar="FILE", help="NumPy arrays `codes` and `names`")
    sub = add("export", "a run's weights as safetensors", _export, "run", **RUN)
    sub.add_argument("--out", type=Path, required=True, metavar="FILE", help="a file ending in .safetensors")
