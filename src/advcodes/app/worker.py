"""A process that has imported what jobs need, and forks one for each: importing torch takes longer than small jobs.

Snakemake starts it with its first job (pipeline/rules/common.smk) and it ends with Snakemake, however that ends; a
job that it has forked goes on, as any job does. A job is a :mod:`advcodes.app.client` for the shell that waits for it.
It reads params.yaml and the sources' keys itself: what was edited meanwhile stops it as it stops any other job.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import secrets
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
from typing import NoReturn

from advcodes.app import client
from advcodes.config.params import read
from advcodes.core.errors import AdvcodesError

AFFECTS_RESULTS = False
BACKLOG = 128
#: The worker's socket, which has no file: what is killed leaves none behind, and a project can be copied.
NAME = f"advcodes-{os.getpid()}-{secrets.token_hex(8)}"
#: What a command imports, before it is forked for the first time.
NEEDS = {
    "prepare": ("advcodes.data.prepare",),
    "text": ("advcodes.text.embeddings", "torch._dynamo"),  # which torch's own optimisers import
    "train": ("advcodes.training.train",),
    "sample": ("advcodes.evaluation.sample",),
    "extractor": ("advcodes.extractors.classifier", "torch._dynamo"),
    "reference": ("advcodes.evaluation.reference", "torch_fidelity"),
    "evaluate": ("advcodes.evaluation.evaluate", "torch_fidelity"),
    "study": ("advcodes.studies.make",),
    "render": ("advcodes.pages.render",),
}


def command(python: str, sources: str, by_worker: bool) -> str:
    """Shell words to which a job appends a command's arguments.

    Args:
        python: the interpreter.
        sources: directory of this package.
        by_worker: of this process, if it is there when the job begins.
    """
    called = f"PYTHONPATH={shlex.quote(sources)}${{PYTHONPATH:+:$PYTHONPATH}} {python}"
    # Elsewhere a process that has loaded torch cannot be forked safely.
    if by_worker and sys.platform == "linux":
        return f"{called} -IS {shlex.quote(client.__file__)} {NAME}"
    return f"{called} -m advcodes"


def start(sources: str) -> int:
    """Start a worker for as long as this process lives.

    Args:
        sources: directory of this package, for ``PYTHONPATH``.

    Returns:
        A file that has to stay open: the worker ends when it is closed.
    """
    ours, alive = os.pipe()
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"\0{NAME}")
            listener.listen(BACKLOG)
            given = (listener.fileno(), ours)
            path = os.pathsep.join(filter(None, (sources, os.environ.get("PYTHONPATH"))))
            numbers = map(str, given)
            subprocess.Popen(
                [sys.executable, "-m", "advcodes.app.worker", *numbers], pass_fds=given, stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip
    finally:
        os.close(ours)
    return alive


def serve(listener: socket.socket, alive: int) -> None:
    """Fork a process for each request, until the other end of ``alive`` is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for jobs
    while True:
        ready, _, _ = select.select([listener.fileno(), alive], [], [])
        if alive in ready:
            return _reap()
        connection, _ = listener.accept()
        _reap()
        with connection, contextlib.suppress(OSError, ValueError):
            if not client.own(connection):
                continue
            size, files, _, _ = socket.recv_fds(connection, 4, 3)
            request = json.loads(_read(connection, int.from_bytes(size, "big")))
            for module in NEEDS.get(request["arguments"][0], ()):
                importlib.import_module(module)
            gc.freeze()  # what is shared with children is not to be copied by looking through it
            if os.fork() == 0:
                listener.close()
                os.close(alive)
                _job(connection, files, request["arguments"], request["environment"])
            for file in files:
                os.close(file)


def _reap() -> None:
    """Let go of jobs that have ended; each has told its client how."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _read(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        if not (more := connection.recv(size - len(content))):
            raise ValueError("the client has gone")
        content += more
    return content


def _job(connection: socket.socket, files: list[int], arguments: list[str], environment: dict[str, str]) -> NoReturn:
    """Run a command in this process, forked for it, and tell the client how it ended."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(environment)
        _open_anew()
        connection.sendall(os.getpid().to_bytes(4, "big"))
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        from advcodes.app.cli import main

        status = main(arguments)
    except SystemExit as end:  # of the parser of arguments
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        with contextlib.suppress(OSError):
            connection.sendall(bytes([status]))
        os._exit(status)


def _open_anew() -> None:
    """New objects for the standard streams: those that this process inherited know what kind of file they were."""
    encoding = sys.stdout.encoding
    lines = 1 if os.environ.get("PYTHONUNBUFFERED") else -1
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", lines, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115


def _end_with(connection: socket.socket) -> None:
    """End this process, which saves what it has, when its client is killed."""
    with contextlib.suppress(OSError):
        connection.recv(1)
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    importlib.import_module("advcodes.app.cli")
    with contextlib.suppress(AdvcodesError):
        read()  # what it says is read again by each job, but the models that read it are built once
    serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
