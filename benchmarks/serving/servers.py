"""Servers as processes of their own, for as long as something is measured."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    url: str
    pid: int


@contextmanager
def running(module: str, *arguments: str) -> Iterator[Server]:
    """Runs ``python -m module arguments --port PORT`` until it is ready, and ends it with SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *module.split(), *arguments, "--port", str(port)]
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(f"{url}/ready", process)
            yield Server(url, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}") from None
            time.sleep(0.2)
