"""The command line: the same commands that the rules call."""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from advcodes import __version__
from advcodes.app.listed import listed
from advcodes.app.own import commands as own
from advcodes.build.produce import produce
from advcodes.build.provenance import Artifact
from advcodes.build.versions import keep_lock, record
from advcodes.build.writing import DISK, REMEDY, reason
from advcodes.config.params import SCALES, json_schema, read
from advcodes.core.errors import AdvcodesError, Interrupted
from advcodes.core.progress import end_bar
from advcodes.core.yaml import read_yaml
from advcodes.extractors.registry import EXTRACTORS
from advcodes.graph.graph import Graph
from advcodes.graph.run import DATA, REPORTS, Run
from advcodes.pages.text import count

AFFECTS_RESULTS = False
IMPOSSIBLE = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)  #: places to write to
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
    """Train a run of params.yaml."""
    graph = _graph()
    artifact, options = graph.train(Run.parse(args.what)), {}
    if args.tensorboard:
        from advcodes.app.watch import watched

        options["on_log"] = watched(artifact, Path("logs/tensorboard") / args.what)
    produce(artifact, graph.params, args.key, **options)


def _explore(args: argparse.Namespace) -> None:
    from advcodes.app.explore.page import explore

    explore(args.what, args.port, args.browser)


def _inpaint(args: argparse.Namespace) -> None:
    from advcodes.app.inpaint import fill

    image, out, mask = (path and path.expanduser() for path in (args.image, args.out, args.mask))
    print("\n".join(fill(args.what, image, out, mask, args.box)))


def _list(args: argparse.Namespace) -> None:
    for line in listed(_graph(), args.what):
        print(line)


def _resolve(args: argparse.Namespace) -> None:
    from advcodes.app.resolve import resolved

    print(resolved(Path("params.yaml"), args.what, args.scale), end="")


def _plan(args: argparse.Namespace) -> None:
    from advcodes.app.planning.plan import plan

    graph = _graph(args.scale)
    if args.claims:
        from advcodes.app.planning.power import plan_claims

        if args.what:
            raise AdvcodesError("plan: --claims is about all papers' claims; name no item beside it")
        needed = plan_claims(graph, args.cores, args.measure, args.pilot, args.margin, args.most)
        print(json.dumps(needed.as_dict(), indent=1) if args.json else needed)
        return
    if args.what:
        graph = Graph(graph.params.model_copy(update={"items": args.what}))
    planned = plan(graph, args.cores, args.measure)
    print(json.dumps(planned.as_dict(), indent=1) if args.json else planned)


def _tune(args: argparse.Namespace) -> None:
    from advcodes.app.planning.tune import tune

    params = read(scale=args.scale)
    print(tune(read_yaml(Path("params.yaml")), params.scale, args.what, DATA, REPORTS))


def _rehearse(args: argparse.Namespace) -> None:
    from advcodes.app.rehearse.page import page
    from advcodes.app.rehearse.rehearse import rehearse

    rehearsal = rehearse(args.what, args.scale, args.work, args.threads, args.limit)
    text = page(rehearsal, args.what)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)
    print(args.out or text)
    if rehearsal.failures:
        stages = {id_ for id_, _ in rehearsal.failures}
        raise AdvcodesError(
            f"rehearse: {len(stages)} of {len(rehearsal.stages)} stages failed, the first {min(stages)}"
        )


def _prune(args: argparse.Namespace) -> None:
    """Delete run directories that no item, chosen or not, has any more; every other scale's are left alone."""
    graph = _graph()
    wanted = {r.id for r in graph.every_run()}
    directories: set[Path] = set()
    for root in ("runs", "evaluation/samples", "evaluation/metrics"):
        for directory in (DATA / root / graph.params.scale).glob("*/*/seed*"):
            if Run.parse(str(directory)).id not in wanted:
                directories.add(directory)
    for directory in sorted(directories):
        print(("deleted " if args.yes else "would delete ") + str(directory))
        if args.yes:
            shutil.rmtree(directory)
    if not directories:
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


def _doctor(args: argparse.Namespace) -> None:
    from advcodes.app.doctor import examine

    faults = 0
    for finding in examine(read().machine):
        print(finding, flush=True)
        faults += finding.state == "fault"
    if faults:
        raise AdvcodesError(f"doctor: {count(faults, 'fault')}, see above; each has its remedy")


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
    sub = stage("train", "train a run, or on your own images", lambda a: own.train(a, _train), "run", nargs="?",
                **run_help)  # fmt: skip
    sub.add_argument("--tensorboard", action="store_true",
                     help="log losses, metrics and images for TensorBoard; where to is said")  # fmt: skip
    own.train_options(sub)
    samples = _stage(lambda g, what: g.samples(Run.parse(what)))
    sub = stage("sample", "generate a run's samples, or images with --out or --png", lambda a: own.sample(a, samples),
                "run", **own.RUN)  # fmt: skip
    own.sample_options(sub)
    sub = add("inpaint", "fill in a piece of your own picture", _inpaint, "run",
              help="scale/dataset/variant/seed<k> of a variant with `masked: true`")  # fmt: skip
    sub.add_argument("--image", type=Path, required=True, help="the picture; it is brought to the run's size")
    sub.add_argument("--mask", type=Path, help="image that is white where something is missing")
    sub.add_argument("--box", type=int, nargs=4, metavar=("TOP", "LEFT", "HEIGHT", "WIDTH"),
                     help="or the rectangle that is missing, in the picture's pixels")  # fmt: skip
    sub.add_argument("--out", type=Path, required=True, help="write the filled picture there, a PNG")
    sub = add("explore", "look at a run in the browser: samples, sliders, your own pictures", _explore, "run",
              help="scale/dataset/variant/seed<k>, a run's directory, or --out of a training")  # fmt: skip
    sub.add_argument("--port", type=int, help="of 127.0.0.1; a free one unless given")
    sub.add_argument("--browser", action="store_true", help="open the page there")
    sub = stage("extractor", "train or fetch the feature extractor", _extractor, "dataset", nargs="?")
    sub.add_argument("--task", choices=[task for kind in EXTRACTORS.values() for task in kind.tasks],
                     help="make the one for this, whatever `metrics.extractor` is: the dataset's classifier (auto, "
                          "statements, rotations), that of the MNIST score, of the feature-MSE, Inception")  # fmt: skip
    stage("reference", "features of the real images", _stage(lambda g, w: g.reference(w)), "dataset")
    measure = _stage(lambda g, what: g.metrics(Run.parse(what)))
    sub = stage("evaluate", "measure a run", lambda a: own.evaluate(a, measure), "run", **own.RUN)
    own.evaluate_options(sub)
    own.add_commands(add)
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
    sub.add_argument("--claims", action="store_true",
                     help="what it takes to decide each claim with 80 %% power, the cheapest first")  # fmt: skip
    sub.add_argument("--pilot", type=Path, metavar="claims.json", help="effects and spreads where this scale has none")
    sub.add_argument("--margin", type=float,
                     help="share of a row's mean within which another is equal (default: each claim's)")  # fmt: skip
    sub.add_argument("--most", type=int, default=20, help="seeds a row at most (default: %(default)s)")
    sub = add("tune", "find each row's best of the paper's grid, by a few trials on a held-out seed and split", _tune,
              "item", help="table or figure")  # fmt: skip
    sub.add_argument("--scale", choices=SCALES, help="params.yaml's unless given")
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
    add("doctor", "what this machine lacks, with a remedy for each", _doctor)
    add("schema", "write pipeline/params.schema.json", _schema)
    add(
        "docs",
        "write methods.md, metrics.md, networks.md, protocol.md and claims.md in docs from code and declarations",
        _docs,
    )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; every error a user can cause is one line and exit status 1."""
    args = parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be anything
    try:
        args.run(args)
        sys.stdout.flush()  # a reader that has gone shall be noticed here
    except AdvcodesError as error:
        end_bar()
        print(f"advcodes: error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `advcodes list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in (*DISK, *IMPOSSIBLE):
            raise
        where = f"{error.filename}: " if error.filename else ""
        remedy = REMEDY if error.errno in DISK else "name another place"
        print(f"advcodes: error: {where}{reason(error)}; {remedy}", file=sys.stderr)
        return 1
    except Interrupted as interruption:
        end_bar()
        print(f"advcodes: {interruption}", file=sys.stderr)
        return 128 + interruption.signal
    except KeyboardInterrupt:
        end_bar()
        print("advcodes: interrupted", file=sys.stderr)
        return 130
    return 0
