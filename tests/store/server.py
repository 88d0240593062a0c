"""An object store that speaks S3: moto's server, a process of its own on loopback that writes down each request."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BUCKET = "bucket"
BOOT_SECONDS = 60


class Store:
    """The server, with one empty bucket; it keeps what it is given in memory.

    Attributes:
        endpoint: its address.
        environment: what clients need: any credentials at all.
    """

    def __init__(self, log: Path):
        self.log = log
        port = _free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.environment = {
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
        with open(log, "w") as out:
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        end = time.monotonic() + BOOT_SECONDS
        while not self._has_made_bucket():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"the object store does not start:\n{log.read_text()}")
            time.sleep(0.2)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def uploads(self) -> list[str]:
        """Names of objects in the order in which they came, one for each upload."""
        return re.findall(rf'"PUT /{BUCKET}/(\S+) HTTP/[\d.]+" 200', self.log.read_text())

    def _has_made_bucket(self) -> bool:
        try:
            urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT"))
            return True
        except (urllib.error.URLError, ConnectionError):
            return False


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
