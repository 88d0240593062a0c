import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.config.params import read
from advcodes.build.provenance import hold_pipeline
from advcodes.methods.registry import methods
from advcodes.build.versions import record

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

# One pipeline at a time in this directory, held before params.yaml is read. The kernel frees the lock even after
# kill -9, which is why the profile turns Snakemake's own lock off.
if workflow.is_main_process and not PLANNING:
    PIPELINE_LOCK = hold_pipeline()

try:
    GRAPH = Graph(read())
    GRAPH.chosen()
except AdvcodesError as error:
    raise WorkflowError(str(error)) from None

# Variants whose methods are told captions, as a pattern; one that fits nothing where there are none.
ASKING_TEXT = (
    "|".join(
        re.escape(name) for name, variant in GRAPH.params.variants.items() if methods()[variant.method].asks == "text"
    )
    or "(?!)"
)

# A file that is newer than every output: an input of each stale job, so that Snakemake runs it.
STALE = ".snakemake/advcodes/stale"
Path(STALE).parent.mkdir(parents=True, exist_ok=True)
Path(STALE).write_text(str(time.time_ns()))

# Jobs run this checkout's package in Snakemake's own environment, or in the one that `--sdm conda` makes.
CONDA = any(method.name == "CONDA" for method in workflow.deployment_settings.deployment_method)
shell.prefix(
    "set -euo pipefail; "
    f"advcodes() {{{{ PYTHONPATH={shlex.quote(f'{workflow.basedir}/src')}${{{{PYTHONPATH:+:$PYTHONPATH}}}} "
    f"{'python' if CONDA else shlex.quote(sys.executable)} -m advcodes \"$@\"; }}}}; "
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


def inputs_of(find):
    """Inputs of a rule whose artifact `find(wildcards)` gives.

    Whether a job runs is decided by its manifest's key, never by times: a fresh one has only `ancient` inputs (which
    never trigger), a stale one has an input that is newer than anything.
    """

    def inputs(wildcards):
        artifact = planned(find, wildcards)
        files = [STALE, *(str(i.manifest) for i in artifact.inputs.values())]
        return [ancient(f) for f in files] if artifact.fresh() else files

    return inputs


def key_of(find):
    """The key for which the job was planned; the job stops if it computes another one when it starts."""
    return lambda wildcards: planned(find, wildcards).key


def task_of(wildcards):
    """What the classifier of a dataset and a hash is trained for."""
    return planned(lambda w: GRAPH.classifier_at(w.dataset, w.hash), wildcards).config.get("task", "auto")


def planned(find, wildcards):
    try:
        return find(wildcards)
    except AdvcodesError as error:
        raise WorkflowError(str(error)) from None


def manifests(artifacts):
    return sorted({str(a.manifest) for a in artifacts})


def conclude():
    """Last act of a run: say if its results are not what is asked for any more, else record them in dvc.lock."""
    look = "from advcodes.graph.graph import Graph; from advcodes.config.params import read; print(Graph(read()).summary().key)"
    sources = {**os.environ, "PYTHONPATH": f"{workflow.basedir}/src"}
    now = subprocess.run([sys.executable, "-c", look], env=sources, capture_output=True, text=True)
    if now.stdout.strip() != GRAPH.summary().key:
        raise WorkflowError("params.yaml or the sources changed while the pipeline was running; run it again")
    record(complete=all(a.fresh() for a in GRAPH.everything()))
