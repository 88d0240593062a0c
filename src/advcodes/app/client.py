"""``python -IS client.py WORKER ARGUMENT...``: an advcodes command, run by a worker if one listens there.

A job of the pipeline is this small process: it hands its arguments, environment and open files to the worker
(:mod:`advcodes.app.worker`), which forks a process that has everything imported already. Where none listens, it becomes
``python -m advcodes``. It imports nothing but what Python has, and of that little: it starts for every job.
"""

import json
import os
import signal
import socket
import sys
from types import FrameType

AFFECTS_RESULTS = False
KILLED = 137  #: exit status of what ended without one, as of a shell's child after kill -9


def own(connection: socket.socket) -> bool:
    """Whether the other side of a socket is this user's: Linux lets anyone use a socket without a file."""
    user = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[4:8]
    return int.from_bytes(user, sys.byteorder) == os.getuid()


def main(worker: str, arguments: list[str]) -> int:
    """Have the command run; its exit status."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"\0{worker}")
        if not own(connection):
            raise OSError("another user's")
        request = json.dumps({"arguments": arguments, "environment": dict(os.environ)}).encode()
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(request)
        number = connection.recv(4)
    except OSError:
        number = b""
    if len(number) < 4:  # no worker, or one that ended before it began
        command = [sys.executable, "-m", "advcodes", *arguments]
        os.execv(command[0], command)
    pid = int.from_bytes(number, "big")

    def forward(number: int, frame: FrameType | None) -> None:
        os.kill(pid, number)

    signal.signal(signal.SIGTERM, forward)
    # Ctrl-C reaches the whole group, and so that process, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = connection.recv(1)
    except OSError:
        status = b""
    return status[0] if status else KILLED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
