"""A Slurm of one machine: munged, slurmctld and slurmd of this test alone, on loopback, gone when it ends.

With accounting, also slurmdbd and MariaDB, which is heard on a socket in the same folder only.
"""

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
BOOT_SECONDS = 120  #: after which a daemon does not start any more; others may use this machine, too

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
SlurmdTimeout=10
InactiveLimit=0
MinJobAge=300
KillWait=2
ReturnToService=2
MpiDefault=none
GresTypes=gpu
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""

# What a cluster with accounting has besides. A job's account must be one of its user's.
ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[2]}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations
AccountingStorageTRES=gres/gpu
"""
DATABASE = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={ports[2]}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
"""
ACCOUNT = "my_group"

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
    """The daemons, their state in a folder.

    Args:
        accounting: whether slurmdbd remembers jobs; its users have an account then, `ACCOUNT`.

    Attributes:
        environment: what clients need: SLURM_CONF, and on the path a ``sbatch`` that counts.
    """

    def __init__(self, folder: Path, accounting: bool = False):
        self.folder, self.accounting = folder, accounting
        self._daemons: dict[str, subprocess.Popen] = {}
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        values = {"folder": folder, "host": socket.gethostname(), "node": NODE, "ports": _free_ports(3)}
        text = CONFIGURATION + ACCOUNTING if accounting else CONFIGURATION
        (folder / "slurm.conf").write_text(text.format(**values))
        (folder / "slurmdbd.conf").write_text(DATABASE.format(**values))
        (folder / "slurmdbd.conf").chmod(0o600)
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
        if self.accounting:
            self._start_accounting()
        self._start("slurmctld", "-D")
        self.start_node()

    def _start_accounting(self) -> None:
        """Start an empty MariaDB and slurmdbd, and enter the cluster and the account into it."""
        database, door = self.folder / "database", self.folder / "database.socket"
        self.command(
            "mariadb-install-db", "--no-defaults", f"--datadir={database}", "--user=root", "--skip-test-db",
            "--auth-root-authentication-method=socket",
        )  # fmt: skip
        self._start(
            "mariadbd", "--no-defaults", f"--datadir={database}", f"--socket={door}", "--skip-networking",
            f"--pid-file={self.folder}/mariadbd.pid", "--user=root", "--innodb-lock-wait-timeout=900",
        )  # fmt: skip
        self.until(door.exists, "MariaDB does not start")
        self._start("slurmdbd", "-D", MYSQL_UNIX_PORT=str(door))
        self.until(
            lambda: self.answers("sacctmgr", "--immediate", "add", "cluster", "advcodes"), "slurmdbd does not start"
        )
        self.command("sacctmgr", "--immediate", "add", "account", ACCOUNT)
        self.command("sacctmgr", "--immediate", "add", "user", "root", f"account={ACCOUNT}")

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
        try:
            if self.answers("scancel", "--signal=KILL", "--full", "--user=root"):
                self.command("scancel", "--user=root")
                self.until(lambda: not self.command("squeue", "--noheader"), "jobs do not end")
        finally:
            for daemon in reversed(self._daemons.values()):
                daemon.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    daemon.wait(BOOT_SECONDS)
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

    def answers(self, *arguments: str) -> bool:
        """Whether a client such as sacctmgr finds its daemon and succeeds."""
        try:
            self.command(*arguments)
        except subprocess.CalledProcessError:
            return False
        return True

    def node(self) -> str:
        """State of the node, as sinfo prints it; empty while the controller does not answer."""
        try:
            return self.command("sinfo", "--noheader", "--Format=StateLong").rstrip("*")
        except subprocess.CalledProcessError:
            return ""

    def jobs(self, state: str = "all") -> list[str]:
        """Numbers of the jobs in a state."""
        return self.command("squeue", "--noheader", "--format=%i", f"--states={state}").split()

    def recorded(self, project: Path) -> list[tuple[str, str]]:
        """Account and state of each job of a project, oldest first, as accounting has them."""
        columns = "--format=Account,State,WorkDir"
        lines = self.command("sacct", "--allocations", "--parsable2", "--noheader", columns).splitlines()
        return [(account, state) for account, state, folder in (x.split("|") for x in lines) if folder == str(project)]

    def submitted(self, project: Path) -> int:
        """How often sbatch was called so far for the project in this folder."""
        calls = self.folder / "submitted"
        return calls.read_text().count(f" -D {project} ") if calls.exists() else 0

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

    def _start(self, daemon: str, *arguments: str, **environment: str) -> None:
        with open(self.folder / f"{daemon}.out", "a") as out:
            self._daemons[daemon] = subprocess.Popen(
                [shutil.which(daemon) or daemon, *arguments],
                env=os.environ | self.environment | environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
