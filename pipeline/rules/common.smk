import contextlib
import functools
import logging
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

from advcodes.app import worker
from advcodes.core.errors import AdvcodesError
from advcodes.extractors.registry import EXTRACTORS
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.config.params import read
from advcodes.build.provenance import hold_pipeline
from advcodes.methods.registry import methods
from advcodes.papers.read import paper_titles
from advcodes.build.versions import keep_lock, record
from advcodes.build.writing import check_room, written

# Calls that only look, and so need not wait for a pipeline that is running.
LOOKING = re.compile(
    r"-[a-zA-Z]*n[a-zA-Z]*|-[SDl]|--(dry-?run|lint|(detailed-)?summary|(d3)?dag|(rule|file)graph|list(-.+)?|report(-.+)?)"
)
PLANNING = any(map(LOOKING.fullmatch, sys.argv[1:]))

if config:
    raise WorkflowError(
        f"--config/--configfile are not supported (got {', '.join(map(str, config))}): params.yaml is the single "
        "input; edit it, or run `dvc exp run -S <key>=<value>`"
    )

# On a disk that gets full, Snakemake's own log would print a traceback for each line that it cannot write.
logging.raiseExceptions = False

# One pipeline at a time in this directory, held before params.yaml is read. The kernel frees the lock even after
# kill -9, which is why the profile turns Snakemake's own lock off.
try:
    if workflow.is_main_process and not PLANNING:
        check_room(map(Path, (".snakemake/advcodes", "logs", "data", "reports")))
        PIPELINE_LOCK = hold_pipeline()
        keep_lock()
    GRAPH = Graph(read())
    GRAPH.chosen()
except AdvcodesError as error:
    raise WorkflowError(str(error)) from None

# Variants whose methods are conditioned on captions, as a pattern; one that fits nothing where there are none.
ON_TEXT = (
    "|".join(
        re.escape(name)
        for name, variant in GRAPH.params.variants.items()
        if methods()[variant.method].conditioned_on == "text"
    )
    or "(?!)"
)

# A file that is newer than every output: an input of each stale job, so that Snakemake runs it.
STALE = Path(".snakemake/advcodes/stale")
if workflow.is_main_process:
    try:
        STALE.parent.mkdir(parents=True, exist_ok=True)
        with written(STALE):
            STALE.write_text(str(time.time_ns()))
    except AdvcodesError as error:
        raise WorkflowError(str(error)) from None
    BEGAN = STALE.stat().st_mtime_ns

# Jobs run this checkout's package in Snakemake's own environment. On this machine they are forked from one process that
# has imported what they need.
WORKER = workflow.is_main_process and workflow.local_exec
shell.prefix(
    "set -euo pipefail; advcodes() {{ "
    + worker.command(shlex.quote(sys.executable), f"{workflow.basedir}/src", WORKER)
    .replace("{", "{{")
    .replace("}", "}}")
    + ' "$@"; }}; '
)


wildcard_constraints:
    scale="[^/]+",
    dataset="[^/]+",
    variant="[^/]+",
    seed=r"\d+",
    paper="[^/]+",
    item=r"[^/.]+",
    hash="[^/]+",


def run_of(wildcards):
    return Run(wildcards.scale, wildcards.dataset, wildcards.variant, int(wildcards.seed))


def item_of(wildcards):
    GRAPH.check_scale(wildcards.scale, f"reports/{wildcards.scale}/{wildcards.paper}/{wildcards.item}")
    return GRAPH.item(f"{wildcards.paper}/{wildcards.item}")


def study_of(wildcards):
    GRAPH.check_scale(wildcards.scale, f"data/studies/{wildcards.scale}/{wildcards.paper}/{wildcards.item}")
    return GRAPH.study(f"{wildcards.paper}/{wildcards.item}")


def inputs_of(find, check=lambda: None):
    """Inputs of a rule whose artifact `find(wildcards)` gives; `check()` says if a stale one cannot be made here.

    Whether a job runs is decided by its manifest's key, never by times: a stale one has an input that is newer than
    anything, and waits for those of its artifacts that have to be made. A fresh one waits for nothing: it names what
    is there, for plans and reports, as `ancient` (which never triggers), and needs nothing that is gone.
    """

    def inputs(wildcards):
        artifact = planned(find, wildcards)
        if fresh(artifact):
            return [ancient(str(i.manifest)) for i in artifact.inputs.values() if fresh(i)]
        planned(lambda _: check(), wildcards)
        needed = [i.manifest for i in artifact.inputs.values()]
        for manifest in (artifact.manifest, *needed):
            bring_to_present(manifest)
        return [str(STALE), *map(str, needed)]

    return inputs


def first_alike(wildcards):
    """The run whose networks a stale run only copies, if that is to be trained, too."""
    run = run_of(wildcards)
    if fresh(planned(lambda _: GRAPH.train(run), wildcards)):
        return []
    first = GRAPH.first_alike(run)
    return [] if first == run or fresh(GRAPH.train(first)) else str(GRAPH.train(first).manifest)


@functools.cache
def fresh(artifact):
    """Whether it is there, or could be brought back, when this plan is made."""
    return artifact.fresh() or artifact.restore()


def bring_to_present(manifest):
    """Take back a file's time where it lies in the future: Snakemake compares the times of a stale job's files."""
    with contextlib.suppress(OSError):
        if workflow.is_main_process and manifest.stat().st_mtime_ns >= BEGAN:
            os.utime(manifest, ns=(BEGAN - 10**9, BEGAN - 10**9))


def key_of(find):
    """The key for which the job was planned; the job stops if it computes another one when it starts."""
    return lambda wildcards: planned(find, wildcards).key


def extractor_of(kind):
    """What finds the extractor of this kind that wildcards name."""
    return lambda w: GRAPH.extractor_at(kind.name, w.get("dataset", ""), w.get("hash", ""))


def arguments_of(kind):
    """Of `advcodes extractor`: the dataset, where there is one for each, and the task."""

    def arguments(wildcards):
        task = planned(extractor_of(kind), wildcards).config.get("task", kind.tasks[0])
        return f"{wildcards.get('dataset', '')} --task {task}".strip()

    return arguments


def planned(find, wildcards):
    try:
        return find(wildcards)
    except AdvcodesError as error:
        raise WorkflowError(str(error)) from None


def items_of(paper):
    """What finds a paper's pages, when they are asked for."""
    return lambda w: manifests(GRAPH.item(i) for i in GRAPH.items if i.startswith(f"{paper}/"))


def manifests(artifacts):
    return sorted({str(a.manifest) for a in artifacts})


def begin():
    """First act of a run that has jobs: start the process that they are forked from, which ends with this one."""
    global ALIVE
    if WORKER:
        ALIVE = worker.start(f"{workflow.basedir}/src")


def conclude():
    """Last act of a run: say if its results are not what is asked for any more, else record them in dvc.lock."""
    look = "from advcodes.graph.graph import Graph; from advcodes.config.params import read; print(Graph(read()).summary().key)"
    sources = {**os.environ, "PYTHONPATH": f"{workflow.basedir}/src"}
    now = subprocess.run([sys.executable, "-c", look], env=sources, capture_output=True, text=True)
    if now.stdout.strip() != GRAPH.summary().key:
        raise WorkflowError("params.yaml or the sources changed while the pipeline was running; run it again")
    record(complete=all(a.fresh() for a in GRAPH.everything()))
