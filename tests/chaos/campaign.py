"""Kill and damage the pipeline again and again; it must always end where an uninterrupted one ends, bit for bit.

    make chaos KILLS=100 SEED=0

A round starts from an empty or a partial `data/`, is killed or damaged several times, at log-uniform moments after the
start of a call or after a checkpoint of a training, through `snakemake`, `dvc repro` or `dvc exp run -S`, and is then
left to finish. Counted are, over all rounds:

- wrong: files that differ from the reference's, are missing, or are left over;
- lost: results that were finished and whole, and were made again;
- stuck: calls that did not end;
- by the other door: `dvc` refused, and one `snakemake` mended it;
- needed a hand: no call mended it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from chaos.faults import FAULTS, fill_disk
from chaos.kills import KILLS, Accounts
from chaos.state import PAGES, TRAININGS, differences, finished, leave_partial
from workflow.project import Process, Project, small

STUCK = 600.0  #: seconds after which a call counts as stuck
SHORT = 10  #: up to so many kills and faults, there is one round, of trainings alone, by Snakemake
PER_ROUND = 7  #: blows of a round, about
DOORS = (*["snakemake"] * 4, "repro", "experiment")
WHOLE = 0.1  #: share of rounds that build everything, and not trainings alone
FULL = "a full disk"
DISK = "1500m"  #: of the file system that is filled


class Campaign:
    """Rounds of blows on copies of one small project.

    Args:
        folder: to work in.
        kills: how many kills.
        faults: how many faults.
        seed: of all choices and moments.
    """

    def __init__(self, folder: Path, kills: int, faults: int, seed: int):
        self.folder, self.random = folder, random.Random(seed)
        self.short = kills <= SHORT
        self.blows = ["kill"] * kills + ["fault"] * faults
        self.random.shuffle(self.blows)
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.accounts = Accounts()
        self.twice = 0.0
        self.round = 0
        self.notes: list[str] = []
        self.damaged: set[str] = set()
        self._faults: list[str] = []

    def run(self) -> int:
        """The whole campaign; what it came to, as an exit status."""
        began = time.monotonic()
        pristine = self._project("pristine")
        self.reference = pristine.copy(self.folder / "reference")
        start = time.monotonic()
        self.whole = False
        self._call(self.reference, self._door("snakemake"))
        self.wall, self.alone = time.monotonic() - start, self.accounts.total
        print(f"reference: {self.wall:.0f} s, {self.alone:.1f} core-seconds", flush=True)
        if not self.short:
            self.whole = True
            self._call(self.reference, self._door("snakemake"))
        while self.blows:
            self.round += 1
            self.whole = not self.short and self.random.random() < WHOLE
            with Room(self.folder / "round", self._mountable()) as room:
                project = pristine.copy(room.path / "project")
                project.logs = Path(tempfile.mkdtemp(dir=self.folder, prefix="logs-"))  # a disk may get full
                self._round(project, room)
            self._say()
        print(f"{time.monotonic() - began:.0f} s, {self.accounts.total:.0f} core-seconds in all", flush=True)
        return int(any(self.counts[bad] for bad in ("wrong", "lost", "stuck", "needed a hand")))

    def _project(self, name: str) -> Project:
        project = Project.create(self.folder / name, self.folder / "home")
        tree = small(project.params) | {
            "seeds": [0],
            "budget": {"default": {"images": 64 * (60 if self.short else 300)}},
            "variants": {"gan": {"method": "gan", "optimiser": {"lr": 2e-4}}},
            "training": {"batch_size": 64, "log_every": 10, "checkpoint_seconds": 0.3, "snapshots": 3},
        }
        project.params = tree
        project.commit("chaos")
        return project

    def _door(self, kind: str | None = None) -> tuple[str, ...]:
        """A call that builds what the round asks for."""
        kind = "snakemake" if self.short else kind or self.random.choice(DOORS)
        door, part = {
            "snakemake": (("snakemake", "--cores", "1"), "train_all"),
            "repro": (("dvc", "repro"), "train"),
            "experiment": (("dvc", "exp", "run", "--set-param", "training.checkpoint_seconds=0.3"), "train"),
        }[kind]
        return door if self.whole else (*door, part)

    @property
    def target(self) -> str:
        """What is made last."""
        return "summary/demo" if self.whole else "train/demo/digits/gan/seed0"

    # -- a round ------------------------------------------------------------------------------------------------

    def _round(self, project: Project, room: Room) -> None:
        size = len(self.blows) if self.short else max(1, round(self.random.gauss(PER_ROUND, 2)))
        blows, self.blows = self.blows[:size], self.blows[size:]
        partial, self.damaged = self.random.random() < 0.4, set[str]()
        if partial:
            leave_partial(self.reference, project, self.random)
        before = self.accounts.total
        done = []
        for i, blow in enumerate(blows):
            if self.target in finished(project.root, self.reference.root):  # nothing is left to interrupt
                self.blows, blows = blows[i:] + self.blows, blows[:i]
                break
            done.append(self._blow(blow, project, room))
        self._finish(project)
        for line in differences(self.reference.root, project.root, PAGES if self.whole else TRAININGS):
            self._bad("wrong", line)
        self.counts["resumed trainings"] += resumed(project)
        if not (partial or self.whole) and "fault" not in blows and all(done):
            self.counts["kills from an empty data/"] += len(blows)
            self.twice += self.accounts.total - before - self.alone
        project.end_processes()

    def _blow(self, blow: str, project: Project, room: Room) -> bool:
        if blow == "fault" and not self._fills(room):
            self._damage(project)
            return True
        whole, early = finished(project.root, self.reference.root), False
        if blow == "fault":
            self._fill(project, room)
        else:
            kind = self.random.choice(list(KILLS))
            start, process = time.time(), self.accounts.watch(project.start(*self._door()))
            if after := self.random.random() < 0.5:
                wait(process, STUCK, lambda: checkpointed(project, start))
            wait(process, 0.1 * self._moment() if after else self._moment())
            early = not process.running()
            if early:  # it was faster: that is no kill
                self.blows.append(blow)
            else:
                KILLS[kind](process, self.random)
                self.kinds[kind] += 1
                self.counts["kills"] += 1
            self._end(process, kind)
        self._lost(project, whole, blow)
        return not early

    def _moment(self) -> float:
        """Seconds: log-uniform, up to the time of an uninterrupted call."""
        return 0.3 * (max(self.wall, 1.0) / 0.3) ** self.random.random()

    def _fills(self, room: Room) -> bool:
        """Choose the next fault; whether it is a full disk."""
        if not self._faults:
            names = [*FAULTS, FULL, FULL]
            self._faults = self.random.sample(names, len(names))
        if self._faults[-1] == FULL and not room.small:
            self._faults[-1] = self.random.choice(list(FAULTS))
        self.counts["faults"] += 1
        return self._faults[-1] == FULL

    def _fill(self, project: Project, room: Room) -> None:
        """Let the disk be full from some moment of a call to its end."""
        process = self.accounts.watch(project.start(*self._door()))
        time.sleep(self._moment())
        with fill_disk(room.path):
            self._end(process, self._faults.pop())
        self.kinds[FULL] += 1
        if "Traceback" in process.output:
            self.counts["tracebacks on a full disk"] += 1
            self.notes.append(f"round {self.round}: traceback on a full disk:\n{process.output}")
            print(self.notes[-1], flush=True)

    def _damage(self, project: Project) -> None:
        """The next fault, or another one where there is nothing yet that it could hit."""
        for kind in (self._faults.pop(), *self.random.sample(list(FAULTS), len(FAULTS))):
            damaged = FAULTS[kind](project, self.random)
            if damaged is not None:
                self.kinds[kind] += 1
                self.damaged |= damaged
                return

    def _finish(self, project: Project) -> None:
        door = self._door()
        whole = finished(project.root, self.reference.root)
        process = self._call(project, door)
        if not self._succeeded(process) and door[0] == "dvc":
            mended = self._succeeded(self._call(project, self._door("snakemake")))
            if mended:
                self._bad("by the other door", process.output[-1500:])
                process = self._call(project, door)
        if not self._succeeded(process):
            self._bad("needed a hand", f"{' '.join(process.command)}\n{process.output[-3000:]}")
        self._lost(project, whole, "last call")

    def _call(self, project: Project, door: tuple[str, ...]) -> Process:
        process = self.accounts.watch(project.start(*door))
        self._end(process, "")
        return process

    def _succeeded(self, process: Process) -> bool:
        return process.status == 0

    def _end(self, process: Process, what: str) -> None:
        wait(process, STUCK)
        if process.running():
            self._bad("stuck", f"{what}: {' '.join(process.command)}\n{process.output[-1500:]}")
            process.kill_all()

    def _lost(self, project: Project, whole: dict[str, tuple[int, int]], what: str) -> None:
        """Count what was finished and whole before a call, and is no more or was made again."""
        now = finished(project.root, self.reference.root)
        for name, mark in whole.items():
            if now.get(name) != mark:
                if name not in self.damaged:
                    self._bad("lost", f"{what}: {name}")
                self.damaged.discard(name)

    # -- results ------------------------------------------------------------------------------------------------

    def _bad(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        self.notes.append(f"round {self.round}: {kind}: {what}")
        print(self.notes[-1], flush=True)

    def _mountable(self) -> str | None:
        return None if self.short else DISK

    def _say(self) -> None:
        """What there is so far, on one line."""
        names = ("kills", "faults", "wrong", "lost", "stuck", "by the other door", "needed a hand")
        counts = ", ".join(f"{name} {self.counts[name]}" for name in names)
        done = self.counts["kills from an empty data/"]
        twice = f"{self.twice / done:.1f} core-seconds beyond the reference per kill ({done})" if done else "-"
        rest = ", ".join(f"{name} {self.counts[name]}" for name in ("resumed trainings", "tracebacks on a full disk"))
        print(f"round {self.round}: {counts}, {rest}; {twice}; {dict(self.kinds)}", flush=True)


def wait(process: Process, seconds: float, happened: Callable[[], bool] = lambda: False) -> None:
    """Until something has happened, the process has ended, or it is time."""
    end = time.monotonic() + seconds
    while process.running() and time.monotonic() < end and not happened():
        time.sleep(0.05)


def checkpointed(project: Project, since: float) -> bool:
    """Whether a training has written a checkpoint since then."""
    found = (project.root / "data/unfinished").glob("train-*/checkpoint.pt")
    return any(path.stat().st_mtime > since for path in found if path.exists())


def resumed(project: Project) -> int:
    """How many calls of a round went on from a checkpoint."""
    return sum(log.read_text(errors="replace").count("resumed at step") for log in project.logs.glob("*.log"))


class Room:
    """A folder, on a small file system of its own where that is permitted; gone in the end."""

    def __init__(self, path: Path, size: str | None):
        self.path, self.size, self.small = path, size, False

    def __enter__(self) -> Room:
        self.path.mkdir(parents=True)
        if self.size:
            command = ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "none", str(self.path)]
            self.small = subprocess.run(command, capture_output=True).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        if self.small:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)
        shutil.rmtree(self.path, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill and damage the pipeline, and see that it recovers.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--faults", type=int, help="two for five kills, unless given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="to work in; a temporary one unless given")
    args = parser.parse_args()
    kills, faults = args.kills, args.faults
    if faults is None:
        faults = 2 * kills // 5
        kills -= faults if kills <= SHORT else 0  # so many of both, to be short
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        return Campaign(args.folder or Path(temporary), kills, faults, args.seed).run()


if __name__ == "__main__":
    sys.exit(main())
