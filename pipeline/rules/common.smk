import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError

from advcodes.errors import AdvcodesError
from advcodes.graph import Graph, Run
from advcodes.params import read
from advcodes.provenance import hold_pipeline

PLANNING = bool({"-n", "--dry-run", "--dryrun", "--lint", "--summary", "--dag", "--rulegraph", "--report"} & set(sys.argv))

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

# A file that is newer than every output: an input of each stale job, so that Snakemake runs it.
STALE = ".snakemake/advcodes/stale"
Path(STALE).parent.mkdir(parents=True, exist_ok=True)
Path(STALE).write_text(str(time.time_ns()))

ADVCODES = f"{sys.executable} -m advcodes"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [f"{workflow.basedir}/src", os.environ.get("PYTHONPATH")]))


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


def planned(find, wildcards):
    try:
        return find(wildcards)
    except AdvcodesError as error:
        raise WorkflowError(str(error)) from None


def manifests(artifacts):
    return sorted({str(a.manifest) for a in artifacts})


def record_in_dvc():
    """Record the results in dvc.lock, once everything is right: `dvc exp run` restores what dvc.lock names first."""
    if os.environ.get("DVC_STAGE") or not (Path(".dvc").is_dir() and shutil.which("dvc")):
        return
    if all(a.fresh() for a in GRAPH.everything()):
        subprocess.run(["dvc", "commit", "--force", "--quiet"], check=False)
