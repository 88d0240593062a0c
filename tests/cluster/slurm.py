"""A Slurm of one machine: munged, slurmctld and slurmd of this test alone, on loopback, gone when it ends."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

NODE = "node1"
BOOT_SECONDS = 30

# Node failure is noticed within seconds, and a node that comes back is used again. Two GPUs, which are mere files.
CONFIGURATION = """
ClusterName=advcodes
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=5,batch_sched_delay=0
SlurmctldTimeout=30
SlurmdTimeout=6
InactiveLimit=0
MinJobAge=300
KillWait=2
ReturnToService=2
MpiDefault=none
GresTypes=gpu
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""

# What stands for clients on the path: `sbatch` writes down each call; `srun` within a job is told by Snakemake's plugin
# no variable of Slurm's but the job's number, so that it would look for a cluster in /etc.
CLIENTS = {
    "sbatch": """#!/bin/sh
echo "$@" >> {folder}/submitted
exec {client} "$@"
""",
    "srun": """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {client} "$@"
""",
}


class Slurm:
    """The three daemons, their state in a folder.

    Attributes:
        environment: what clients need: SLURM_CONF, and on the path a ``sbatch`` that counts.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen] = {}
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        ports = [_free_port(), _free_port()]
        text = CONFIGURATION.format(folder=folder, host=socket.gethostname(), node=NODE, ports=ports)
        (folder / "slurm.conf").write_text(text)
        gpus = [folder / "gpu0", folder / "gpu1"]
        (folder / "gres.conf").write_text("".join(f"Name=gpu File={gpu}\n" for gpu in gpus))
        for gpu in gpus:
            gpu.touch()
        for name, text in CLIENTS.items():
            wrapper = folder / "bin" / name
            wrapper.write_text(text.format(folder=folder, client=shutil.which(name)))
            wrapper.chmod(0o755)
        self.environment = {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }

    def start(self) -> None:
        """Start all, and wait until the node is idle."""
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge.key").chmod(0o400)
        names = ("key-file", "socket", "pid-file", "seed-file", "log-file")
        places = [f"--{name}={self.folder}/munge.{name.partition('-')[0]}" for name in names]
        self._start("munged", "--foreground", "--force", *places)
        self.until(lambda: (self.folder / "munge.socket").exists(), "munged does not start")
        self._start("slurmctld", "-D")
        self.start_node()

    def start_node(self) -> None:
        """Start slurmd, and wait until the node is there."""
        self._start("slurmd", "-D", "-N", NODE)
        self.until(lambda: self.node() in ("idle", "mixed", "allocated"), "the node does not come up")

    def fail_node(self) -> None:
        """As if the node had lost its power: kill -9 of slurmd and of all that runs under it; wait until it is down."""
        node, work = self._daemons["slurmd"], self._work()
        node.kill()
        node.wait()
        for process in work:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(work, BOOT_SECONDS)
        self.until(lambda: self.node().startswith("down"), "nobody notices that the node is down")

    def stop(self) -> None:
        """End every job and daemon."""
        with contextlib.suppress(subprocess.CalledProcessError):
            self.command("scancel", "--signal=KILL", "--full", "--user=root")
            self.command("scancel", "--user=root")
            self.until(lambda: not self.command("squeue", "--noheader"), "jobs do not end")
        for daemon in reversed(self._daemons.values()):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(5)
            daemon.kill()
            daemon.wait()

    def until(self, happened: Callable[[], bool], otherwise: str) -> None:
        """Wait until something happened; if it does not, say ``otherwise`` and what the daemons printed."""
        end = time.monotonic() + BOOT_SECONDS
        while not happened():
            if time.monotonic() > end:
                logs = "\n".join(log.read_text() for log in sorted(self.folder.glob("*.out")))
                raise AssertionError(f"{otherwise}:\n{logs}")
            time.sleep(0.2)

    def command(self, *arguments: str) -> str:
        """Output of a client such as squeue."""
        env = os.environ | self.environment
        return subprocess.run(arguments, env=env, capture_output=True, text=True, check=True).stdout.strip()

    def node(self) -> str:
        """State of the node, as sinfo prints it; empty while the controller does not answer."""
        try:
            return self.command("sinfo", "--noheader", "--Format=StateLong").rstrip("*")
        except subprocess.CalledProcessError:
            return ""

    def jobs(self, state: str = "all") -> list[str]:
        """Numbers of the jobs in a state."""
        return self.command("squeue", "--noheader", "--format=%i", f"--states={state}").split()

    @property
    def submitted(self) -> list[str]:
        """Each call of sbatch so far."""
        calls = self.folder / "submitted"
        return calls.read_text().splitlines() if calls.exists() else []

    def _work(self) -> list[psutil.Process]:
        """All processes of jobs, what watches over them first."""
        work, watching = [], set()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                if "SLURM_JOB_ID" in environment and environment.get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                    work.append(process)
                    watching |= {parent for parent in process.parents() if "slurmstepd" in parent.name()}
        return [*watching, *work]

    def _start(self, daemon: str, *arguments: str) -> None:
        with open(self.folder / f"{daemon}.out", "a") as out:
            self._daemons[daemon] = subprocess.Popen(
                [shutil.which(daemon) or daemon, *arguments],
                env=os.environ | self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
