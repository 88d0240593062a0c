"""A small copy of this repository in which tests run snakemake, dvc and advcodes as a user does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
import yaml
from filelock import FileLock

ROOT = Path(__file__).parents[2]
TIMEOUT = 600  #: seconds after which a command has hung
NOTHING = "Nothing to be done"
CHANGED = "changed while the pipeline was running; run it again"

# Jobs by rule: all of the small project; what a change of one variant, of one run, or of reports alone makes anew.
REPORTS = {"render": 1, "front": 1, "summary": 1}
MEASURED = {"study": 1, **REPORTS}
EVERYTHING = {"prepare": 1, "train": 4, "sample": 4, "classifier": 1, "reference": 1, "evaluate": 4, **MEASURED}
ONE_VARIANT = {"train": 2, "sample": 2, "evaluate": 2, **MEASURED}
ONE_RUN = {"train": 1, "sample": 1, "evaluate": 1, **MEASURED}


class Process:
    """A command in a session of its own, with stdout and stderr in one file; Ctrl-C reaches it.

    A shell that runs the tests in the background has them ignore SIGINT, and what they start would inherit that.
    """

    def __init__(self, command: list[str], cwd: Path, env: dict[str, str], log: Path):
        self.command, self.log = command, log
        with open(log, "w") as f:
            self._popen = subprocess.Popen(
                command, cwd=cwd, env=env, stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip
        self.pid = self._popen.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def fail(self, why: str) -> AssertionError:
        """An error that shows what the command printed."""
        return AssertionError(f"{' '.join(self.command)}: {why}; it printed:\n{self.output}")

    def wait(self, ok: bool | None = True) -> str:
        """Wait for the end; the output. ``ok``: success expected (None: either)."""
        try:
            status = self._popen.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise self.fail(f"still runs after {TIMEOUT} s") from None
        if ok is not None and (status == 0) != ok:
            raise self.fail(f"exit status {status}, expected {'0' if ok else 'a failure'}")
        return self.output

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._popen.poll()

    def running(self) -> bool:
        return self.status is None

    def until(self, happened: Callable[[], object]) -> None:
        """Wait until something happened while the command runs."""
        end = time.monotonic() + TIMEOUT
        while not happened():
            if not self.running():
                raise self.fail(f"ended with status {self._popen.returncode} too early")
            if time.monotonic() > end:
                self.kill_all()
                raise self.fail(f"not in {TIMEOUT} s what the test waits for")
            time.sleep(0.02)

    def child(self, stage: str) -> psutil.Process:
        """The process among its descendants that makes a result of this stage: it holds the result's lock."""
        for process in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(Path(f.path).match(f".snakemake/advcodes/{stage}-*.lock") for f in process.open_files()):
                    return process
        raise self.fail(f"no child makes a result of stage {stage!r}")

    def kill(self) -> None:
        """kill -9 of this process alone: its children live on."""
        os.kill(self.pid, signal.SIGKILL)
        self._popen.wait()

    def kill_all(self) -> None:
        """kill -9 of the process and all its descendants."""
        family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._popen.wait()
        psutil.wait_procs(family, TIMEOUT)


class Project:
    """A git repository with the working tree's files, small parameters, and no state outside ``home``."""

    def __init__(self, root: Path, home: Path):
        self.root, self.home = root, home
        self.logs = root.parent  #: where the output of commands goes
        self._calls = 0

    @classmethod
    def create(cls, root: Path, home: Path) -> Project:
        """A clone of the working tree: tracked and new files as they are on disk, committed."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file() and name != "dvc.lock":  # of results that the small project has not
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        home.mkdir(parents=True, exist_ok=True)
        project = cls(root, home)
        project.params = small(project.params)
        project.git("init", "--quiet", "--initial-branch=main")
        project.git("config", "user.name", "Test")
        project.git("config", "user.email", "test@example.org")
        project.commit("start")
        return project

    def copy(self, root: Path) -> Project:
        """The same state elsewhere, with everything that git ignores."""
        shutil.copytree(self.root, root, symlinks=True)
        return Project(root, self.home)

    # -- commands -----------------------------------------------------------------------------------------------

    def start(self, *command: str, python_path: Path | None = None) -> Process:
        """Start a command of the environment that runs the tests."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_", "SNAKEMAKE_", "ADVCODES_"))}
        env.pop("PYTHONPATH", None)
        home = str(self.home)
        env |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}", "HOME": home, "XDG_CONFIG_HOME": home,
            "XDG_CACHE_HOME": home, "DVC_NO_ANALYTICS": "1", "DVC_GLOBAL_CONFIG_DIR": f"{home}/dvc-global",
            "DVC_SYSTEM_CONFIG_DIR": f"{home}/dvc-system", "DVC_SITE_CACHE_DIR": f"{home}/dvc-site",
            "OMP_NUM_THREADS": "1", "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "",
        }  # fmt: skip
        if python_path:
            env["PYTHONPATH"] = str(python_path)
        self._calls += 1
        log = self.logs / f"{self.root.name}-{os.getpid()}-{self._calls}.log"
        return Process(list(command), self.root, env, log)

    def run(self, *command: str, ok: bool | None = True) -> str:
        """Run a command to its end; its output."""
        return self.start(*command).wait(ok)

    def snakemake(self, *arguments: str, ok: bool | None = True) -> str:
        return self.run("snakemake", "--cores", "2", *arguments, ok=ok)

    def dvc(self, *arguments: str, ok: bool | None = True) -> str:
        return self.run("dvc", *arguments, ok=ok)

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments)

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def advcodes(self, *arguments: str, ok: bool | None = True) -> str:
        command = (sys.executable, "-m", "advcodes", *arguments)
        return self.start(*command, python_path=self.root / "src").wait(ok)

    def end_processes(self) -> None:
        """Kill what a failed test, or dvc's queue, left at work in this project."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if Path(process.cwd()).is_relative_to(self.root):
                    process.kill()

    # -- contents -----------------------------------------------------------------------------------------------

    @property
    def params(self) -> dict[str, Any]:
        return yaml.safe_load((self.root / "params.yaml").read_text())

    @params.setter
    def params(self, tree: dict[str, Any]) -> None:
        (self.root / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))

    def set(self, **values: Any) -> None:
        """Change params.yaml: ``set(variants__gan__optimiser__lr=1e-3)``."""
        tree = self.params
        for path, value in values.items():
            *parents, last = path.split("__")
            node = tree
            for part in parents:
                node = node.setdefault(part, {})
            node[last] = value
        self.params = tree

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a piece of a file that stands there once."""
        text = (self.root / path).read_text()
        assert text.count(old) == 1, f"{path} should contain {old!r} once"
        (self.root / path).write_text(text.replace(old, new))

    def metrics(self, revision: str | None = None) -> dict[str, Any]:
        """reports/metrics.json of the workspace or of a git revision, by dataset and variant."""
        path = "reports/metrics.json"
        text = (self.root / path).read_text() if revision is None else self.git("show", f"{revision}:{path}")
        return json.loads(text)

    def keys(self) -> dict[str, str]:
        """Key of every finished result by its id."""
        records = [json.loads(p.read_text()) for p in (self.root / "data").rglob("*manifest.json")]
        return {r["spec"]["id"]: r["key"] for r in records}

    def run_directory(self, variant: str, seed: int) -> Path:
        return self.root / "data/runs/demo/digits" / variant / f"seed{seed}"

    def unfinished(self, variant: str, seed: int) -> Path:
        """Where a training in progress lies."""
        return self.root / f"data/unfinished/train-demo-digits-{variant}-seed{seed}"

    def second_record(self, variant: str, seed: int) -> Path:
        """Of a finished training."""
        return self.root / f"data/finished/train-demo-digits-{variant}-seed{seed}/record.json"

    def networks(self, variant: str, seed: int) -> dict[str, torch.Tensor]:
        """Every tensor of a trained run by name."""
        content = torch.load(self.run_directory(variant, seed) / "networks.pt", weights_only=True)
        return {f"{role}.{k}": v for role, state in content["networks"].items() for k, v in state.items()}

    def assert_nothing_to_do(self) -> None:
        """Both doors find everything as it should be."""
        plan = self.snakemake()
        assert NOTHING in plan, plan
        status = self.dvc("status")
        assert "up to date" in status, status
        repro = self.dvc("repro")
        assert not jobs(repro), repro


def once(shared: Path, name: str, make: Callable[[Path], str]) -> tuple[Project, str]:
    """A project that the first worker makes; and what ``make`` returned."""
    project, said = Project(shared / name, shared / "home"), shared / f"{name}.txt"
    with FileLock(shared / f"{name}.lock"):
        if not said.exists():
            said.write_text(make(project.root))
    return project, said.read_text()


def small(tree: dict[str, Any]) -> dict[str, Any]:
    """params.yaml with two rows of one table, two seeds, ten steps each, on the handwritten digits."""
    return tree | {
        "scale": "demo",
        "items": ["acl/table1"],
        "seeds": [0, 1],
        "stand_ins": {"cifar10": "digits", "celeba": None},
        "budget": {"default": {"images": 640}},
        "architectures": {
            "infogan": {"family": "infogan", "width": 8, "features": 32, "bn_momentum": 0.1, "code": {"width": 32}},
            "mlp": {"family": "mlp"},
        },
        "variants": {
            "gan": {"method": "gan", "optimiser": {"lr": 2e-4}},
            "acl_gan": {"method": "acl_gan", "optimiser": {"lr": 2e-4}},
        },
        "training": {"batch_size": 64, "log_every": 5, "checkpoint_seconds": 0.2, "snapshots": 1},
        "sampling": {"batch_size": 100, "reestimate_batches": 2},
        "metrics": {
            "n_generated": 100, "n_reference": 200, "curve_n_generated": 100, "is_splits": 2, "kid_subsets": 5,
            "kid_subset_size": 50, "classifier": {"width": 8, "epochs": 1},
        },
        "scales": {},
    }  # fmt: skip


def jobs(output: str) -> Counter[str]:
    """Jobs that snakemake planned, by rule, over every plan in an output; targets without a command do not count."""
    found: Counter[str] = Counter()
    tables = re.findall(r"^Job stats:\n.*?^total", output, re.MULTILINE | re.DOTALL)
    for table in tables[:1] if "This was a dry-run" in output else tables:  # a dry run prints its plan twice
        for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE):
            if rule != "all" and not rule.endswith("_all"):
                found[rule] += int(count)
    return found


def remade(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Ids of results whose key is new."""
    return {i for i, key in after.items() if before.get(i) != key}


def hangs_on(*runs: str, scale: str = "demo") -> set[str]:
    """Ids of what has to be made when these runs (``gan/seed0``) change."""
    stages = {f"{stage}/{scale}/digits/{run}" for stage in ("train", "sample", "evaluate") for run in runs}
    return stages | {f"study/{scale}/acl/table1", f"item/{scale}/acl/table1", f"front/{scale}", f"summary/{scale}"}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    """Whether two sets of tensors are bitwise the same."""
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
