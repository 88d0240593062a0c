"""The command line: the same commands that the rules call."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from advcodes import __version__
from advcodes.app.own.settings import FITS
from advcodes.build.produce import produce
from advcodes.build.provenance import Artifact
from advcodes.build.versions import keep_lock, record
from advcodes.config.params import SCALES, json_schema, read
from advcodes.core.errors import AdvcodesError, Interrupted
from advcodes.extractors.registry import EXTRACTORS
from advcodes.graph.graph import Graph
from advcodes.graph.run import DATA, Run
from advcodes.methods import registry
from advcodes.metrics import registry as metrics
from advcodes.metrics.base import Metric

AFFECTS_RESULTS = False
IMAGES = 200_000  #: seen in a training on own images, unless --images says otherwise
SCHEMA = Path("pipeline/params.schema.json")


def _graph(scale: str | None = None) -> Graph:
    """The graph of this directory's params.yaml, by this directory's sources: keys depend on both."""
    here = Path("src/advcodes/app/cli.py")
    if here.exists() and not here.samefile(__file__):
        raise AdvcodesError(
            f"these are the sources of {Path(__file__).parents[2]}, not those of this checkout; "
            "install it (`pip install -e .`), or run `PYTHONPATH=src python -m advcodes`"
        )
    return Graph(read(scale=scale))


def _stage(find: Callable[[Graph, str], Artifact]) -> Callable[[argparse.Namespace], None]:
    def command(args: argparse.Namespace) -> None:
        graph = _graph()
        produce(find(graph, args.what), graph.params, args.key)

    return command


def _of_graph(find: Callable[[Graph], Artifact], graph: Graph, _: str) -> Artifact:
    return find(graph)


def _extractor(args: argparse.Namespace) -> None:
    _stage(lambda g, what: g.made_for(args.task, what or "") if args.task else g.extractor(what or ""))(args)


def _train(args: argparse.Namespace) -> None:
    if args.data is None:
        own = [f"--{name}" for name in ("set", "images") if getattr(args, name)]
        if args.what is not None and own:
            raise AdvcodesError(f"train: {own[0]} goes with --data; what a named run trains with is in params.yaml")
        if args.what is None:
            raise AdvcodesError("train: name a run (demo/digits/gan/seed0), or your images with --data and --method")
        _stage(lambda g, what: g.train(Run.parse(what)))(args)
        return
    from advcodes.app.own.train import train_own

    train_own(
        args.data,
        args.method,
        args.out,
        size=args.size,
        images=args.images or IMAGES,
        seed=args.seed,
        settings=args.set,
        fit=args.fit,
        replace=args.replace,
    )


def _sample(args: argparse.Namespace) -> None:
    if args.out is None:
        if args.text is not None:
            raise AdvcodesError("sample: --text goes with --out, the grid of images of that sentence")
        _stage(lambda g, what: g.samples(Run.parse(what)))(args)
        return
    import advcodes
    from advcodes.core.values import to_stored
    from advcodes.pages.pictures.images import grid

    run = advcodes.load(args.what)
    images = run.sample(args.n, args.seed) if args.text is None else run.say([args.text], args.n, args.seed)[0]
    side = max(1, int(args.n**0.5))
    out = Path(args.out).expanduser()
    grid(to_stored(images, run.value_range).numpy(), -(-args.n // side), side, out, limit=None)
    print(out)


def _inpaint(args: argparse.Namespace) -> None:
    from advcodes.app.inpaint import fill

    print("\n".join(fill(args.what, args.image, args.out, args.mask, args.box)))


def _list(args: argparse.Namespace) -> None:
    graph = _graph()
    p = graph.params

    def widest(*names: str) -> int:
        return 2 + max(map(len, names), default=0)

    wide, wide_item, wide_data = (
        widest(*p.variants, *registry.methods()), widest(*graph.items), widest(*p.datasets)
    )  # fmt: skip
    if args.what in ("datasets", "all"):
        print(f"datasets (scale {p.scale}):")
        for name in p.datasets:
            served = p.served(name)
            state = "not run at this scale" if served is None else f"served by {served}" if served != name else ""
            built = "prepared" if _status(partial(graph.prepared, name)) == "built" else ""
            print(f"  {name:<{wide_data}}{p.source(name):<{wide_data}}{'; '.join(filter(None, [state, built]))}")
    if args.what in ("methods", "all"):
        print("methods:")
        for name, cls in registry.methods().items():
            print(f"  {name:<{wide}}{_about(cls)}")
    if args.what in ("metrics", "all"):
        print("metrics:")
        every = metrics.metrics()
        wide_key, wide_names = widest(*every), widest(*(_numbers(cls) for cls in every.values()))
        for key, metric in every.items():
            print(f"  {key:<{wide_key}}{_numbers(metric):<{wide_names}}{_about(metric)}")
    if args.what in ("variants", "all"):
        print("variants:")
        for name, v in p.variants.items():
            print(f"  {name:<{wide}}{v.method:<{wide}}{', '.join(v.items)}")
    if args.what in ("items", "all"):
        print("items:")
        for name, item in graph.items.items():
            print(f"  {name:<{wide_item}}{_status(partial(graph.item, name)):<9}{item.title} ({item.source})")
    if args.what in ("runs", "all"):
        print("runs:")
        runs = graph.all_runs()
        wide = widest(*(run.id for run in runs))
        for run in runs:
            stages = {s: _status(partial(f, run)) for s, f in
                      (("train", graph.train), ("sample", graph.samples), ("evaluate", graph.metrics))}  # fmt: skip
            print(f"  {run.id:<{wide}}" + "  ".join(f"{s}: {state}" for s, state in stages.items()))


def _about(cls: type) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


def _numbers(metric: type[Metric]) -> str:
    return ", ".join(q.name for q in metric.quantities)


def _status(find: Callable[[], Artifact]) -> str:
    try:
        artifact = find()
        return "built" if artifact.fresh() else "stale" if artifact.record() else "missing"
    except AdvcodesError:
        return "missing"


def _resolve(args: argparse.Namespace) -> None:
    from advcodes.app.resolve import resolved

    print(resolved(Path("params.yaml"), args.what, args.scale), end="")


def _plan(args: argparse.Namespace) -> None:
    from advcodes.app.plan import plan

    graph = _graph(args.scale)
    if args.what:
        graph = Graph(graph.params.model_copy(update={"items": args.what}))
    planned = plan(graph, args.cores, args.measure)
    print(json.dumps(planned.as_dict(), indent=1) if args.json else planned)


def _rehearse(args: argparse.Namespace) -> None:
    from advcodes.app.rehearse.page import page
    from advcodes.app.rehearse.rehearse import rehearse

    found = rehearse(args.what, args.scale, args.work, args.threads, args.limit)
    text = page(found, args.what)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)
    print(args.out or text)
    if found.failures:
        stages = {id_ for id_, _ in found.failures}
        raise AdvcodesError(f"rehearse: {len(stages)} of {len(found.stages)} stages failed, the first {min(stages)}")


def _prune(args: argparse.Namespace) -> None:
    """Delete run directories that no item, chosen or not, has any more; every other scale's are left alone."""
    graph = _graph()
    wanted = {r.id for r in graph.every_run()}
    found: set[Path] = set()
    for root in ("runs", "evaluation/samples", "evaluation/metrics"):
        for directory in (DATA / root / graph.params.scale).glob("*/*/seed*"):
            if Run.parse(str(directory)).id not in wanted:
                found.add(directory)
    for directory in sorted(found):
        print(("deleted " if args.yes else "would delete ") + str(directory))
        if args.yes:
            shutil.rmtree(directory)
    if not found:
        print("nothing to prune")
    elif args.yes:
        _record(graph)
    else:
        print("nothing was deleted; run `advcodes prune --yes` to delete them (dvc keeps committed versions)")


def _record(graph: Graph) -> None:
    record(complete=all(a.fresh() for a in graph.everything()))


def _accept(args: argparse.Namespace) -> None:
    graph = _graph()
    accepted = [a.id for a in graph.every_item() if a.accept(args.reason)]
    if accepted:
        _record(graph)
    print(
        "\n".join(f"accepted {a}" for a in accepted)
        if accepted
        else "nothing to accept: no result differs by code alone"
    )


def _verify(args: argparse.Namespace) -> None:
    from advcodes.app.verify import verify

    keep_lock()
    for line in verify(_graph(), args.all):
        print(line, flush=True)


def _schema(args: argparse.Namespace) -> None:
    SCHEMA.write_text(json.dumps(json_schema(), indent=1) + "\n")
    print(SCHEMA)


def _docs(args: argparse.Namespace) -> None:
    from advcodes.app import docs

    for path, content in docs.pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        print(path)


def parser() -> argparse.ArgumentParser:
    """The argument parser."""
    top = argparse.ArgumentParser(prog="advcodes", description=__doc__)
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    def add(name: str, text: str, run: Callable[[argparse.Namespace], None], what: str | None = None, **kw: Any):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        if what:
            sub.add_argument("what", metavar=what, **kw)
        return sub

    def stage(name: str, text: str, run: Callable[[argparse.Namespace], None], what: str | None, **kw: Any):
        sub = add(name, text, run, what, **kw)
        sub.add_argument("--key", help="the key the plan was made for; the job stops if it computes another")
        return sub

    run_help = {"help": "scale/dataset/variant/seed<k>"}
    stage("prepare", "make a dataset's array", _stage(lambda g, w: g.prepared(w)), "dataset")
    stage("text", "train a sentence encoder and embed a dataset's captions", _stage(lambda g, w: g.text(w)), "dataset")
    sub = stage("train", "train a run, or on your own images", _train, "run", nargs="?", **run_help)
    own = sub.add_argument_group("own images")
    own.add_argument("--data", type=Path, help="folder or zip of images")
    own.add_argument("--method", default="acl_gan", help="method, see `advcodes list methods` (default: %(default)s)")
    own.add_argument("--out", type=Path, default=Path("advcodes-out"),
                     help="folder for checkpoints and grids (default: %(default)s)")  # fmt: skip
    own.add_argument("--size", type=int, default=32, help="side of the square images in pixels (default: %(default)s)")
    own.add_argument("--fit", choices=FITS, default="crop",
                     help="how they become square: cut to the centre, or squeezed (default: %(default)s)")  # fmt: skip
    own.add_argument("--images", type=int, help=f"training length in images seen (default: {IMAGES}); raised later, a "
                     "finished run goes on to the new length")  # fmt: skip
    own.add_argument("--seed", type=int, default=0, help="of the run (default: %(default)s)")
    own.add_argument("--replace", action="store_true", help="train anew where --out has a run of other settings")
    own.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                     help="any key of params.yaml: --set architectures.infogan.width=32")  # fmt: skip
    sub = stage("sample", "generate a run's samples, or a grid with --out", _sample, "run", **run_help)
    sub.add_argument("--out", help="write a PNG grid there instead")
    sub.add_argument("-n", type=int, default=64, help="images in the grid")
    sub.add_argument("--seed", type=int, default=0, help="of the grid's noise")
    sub.add_argument("--text", help="sentence that the grid's images shall show (methods that are told captions)")
    sub = add("inpaint", "fill in a piece of your own picture", _inpaint, "run",
              help="scale/dataset/variant/seed<k> of a variant with `masked: true`")  # fmt: skip
    sub.add_argument("--image", type=Path, required=True, help="the picture; it is brought to the run's size")
    sub.add_argument("--mask", type=Path, help="image that is white where something is missing")
    sub.add_argument("--box", type=int, nargs=4, metavar=("TOP", "LEFT", "HEIGHT", "WIDTH"),
                     help="or the rectangle that is missing, in the picture's pixels")  # fmt: skip
    sub.add_argument("--out", type=Path, required=True, help="write the filled picture there, a PNG")
    sub = stage("extractor", "train or fetch the feature extractor", _extractor, "dataset", nargs="?")
    sub.add_argument("--task", choices=[task for kind in EXTRACTORS.values() for task in kind.tasks],
                     help="make the one for this, whatever `metrics.extractor` is: the dataset's classifier (auto, "
                          "statements), that of the MNIST score, of the feature-MSE, or Inception")  # fmt: skip
    stage("reference", "features of the real images", _stage(lambda g, w: g.reference(w)), "dataset")
    stage("evaluate", "measure a run's samples", _stage(lambda g, w: g.metrics(Run.parse(w))), "run", **run_help)
    stage("study", "compute what a table or figure needs of networks", _stage(lambda g, w: g.study(w)), "item")
    stage("render", "render a table or figure", _stage(lambda g, w: g.item(w)), "item")
    for name, text, find in (
        ("front", "write reports/table1.md", Graph.front),
        ("claims", "write reports/<scale>/claims.md", Graph.claims),
        ("summary", "write what dvc compares", Graph.summary),
    ):
        stage(name, text, _stage(partial(_of_graph, find)), None).set_defaults(what=None)
    add("list", "what there is, what is built and what is stale", _list, "what", nargs="?", default="all",
        choices=["all", "datasets", "methods", "metrics", "variants", "items", "runs"])  # fmt: skip
    sub = add("resolve", "what variants are at a scale, and where each value comes from, as YAML", _resolve, "variant",
              nargs="*", help="all unless given")  # fmt: skip
    sub.add_argument("--scale", choices=SCALES, help="params.yaml's unless given")
    sub = add("plan", "what tables and figures will cost: runs, images, hours", _plan, "item", nargs="*",
              help="table, figure, or a paper's key for all of its; params.yaml's `items` unless given")  # fmt: skip
    sub.add_argument("--scale", help="demo, laptop or paper; params.yaml's unless given")
    sub.add_argument("--measure", action="store_true",
                     help="train what has no finished run for a few seconds (on a machine that is idle)")  # fmt: skip
    sub.add_argument("--cores", type=int, help="cores for jobs at once; all of this machine's unless given")
    sub.add_argument("--json", action="store_true", help="print JSON, for scripts")
    sub = add("rehearse", "run a few steps of everything at full size, on made images, and say what fails", _rehearse,
              "item", nargs="+", help="table, figure, or a paper's key for all of its")  # fmt: skip
    sub.add_argument("--scale", choices=SCALES, default="paper", help="(default: %(default)s)")
    sub.add_argument("--out", type=Path, help="write the page there instead of printing it")
    sub.add_argument("--work", type=Path, help="keep what was made in this directory; a second call goes on from there")
    sub.add_argument("--limit", type=float, default=10.0, metavar="SECONDS",
                     help="longer steps of training have a part of their batch (default: %(default)g)")  # fmt: skip
    sub.add_argument("--threads", type=int, help="CPU threads; machine.threads of params.yaml unless given")
    add("prune", "delete runs that params.yaml no longer names", _prune).add_argument(
        "--yes", action="store_true", help="do it; without, only say what would be deleted"
    )
    add("accept", "declare results still valid after a code change proven equal", _accept).add_argument(
        "--reason", required=True, help="why they are equal; recorded in every manifest"
    )
    add("verify", "compare every file of finished results with its checksum", _verify).add_argument(
        "--all", action="store_true", help="of every result in data/, not only of those that params.yaml asks for"
    )
    add("schema", "write pipeline/params.schema.json", _schema)
    add("docs", "write docs/methods.md, metrics.md, networks.md and protocol.md from code and declarations", _docs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; every error a user can cause is one line and exit status 1."""
    args = parser().parse_args(argv)
    try:
        args.run(args)
        sys.stdout.flush()  # a reader that has gone shall be noticed here
    except AdvcodesError as error:
        print(f"advcodes: error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `advcodes list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"advcodes: error: {where}{error.strerror}; free some space or fix permissions, then run again",
            file=sys.stderr,
        )
        return 1
    except Interrupted as interruption:
        print(f"advcodes: {interruption}", file=sys.stderr)
        return 128 + interruption.signal
    except KeyboardInterrupt:
        print("advcodes: interrupted", file=sys.stderr)
        return 130
    return 0
