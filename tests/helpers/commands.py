"""The command line in processes of its own, without paying for the imports each time.

A server process imports everything once and forks for every command; what is forked is an ordinary process with its own
working folder, standard streams, signals and exit code.
"""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CLOSED_PIPE = "|"
ROOMS = (
    *("cli", "training.trials", "training.attaching", "evaluation", "benchmark", "report", "demonstration"),
    *("engine.loading", "model.building", "model.checkpoints"),
)


@dataclass
class Ended:
    """What a command left: its exit code (negative: the signal that killed it) and what it printed."""

    code: int
    out: str
    err: str


class Server:
    """Runs ``offramp`` commands, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._process.stdout.readline() == "ready\n"

    def run(self, *arguments, cwd: Path, **streams) -> Ended:
        """Runs a command to its end; the streams are those of :meth:`start`."""
        with self.start(*arguments, cwd=cwd, **streams) as running:
            pass
        return running.ended

    @contextmanager
    def start(
        self,
        *arguments,
        cwd: Path,
        stdin: str | Path = "/dev/null",
        stdout: str | Path | None = None,
        encoding: str = "utf-8",
    ):
        """Starts a command, gives its :class:`Running` to the block and then waits for its end.

        ``stdout`` may name a device, or be ``CLOSED_PIPE``; ``encoding`` is that of standard output.
        """
        out, err = self._folder / "stdout", self._folder / "stderr"
        streams = [str(stdin), str(stdout or out), str(err)]
        words = [str(one) for one in arguments]
        order = {"arguments": words, "cwd": str(cwd), "streams": streams, "encoding": encoding}
        out.write_text("")
        print(json.dumps(order), file=self._process.stdin)
        running = Running(int(self._process.stdout.readline()), err)
        yield running
        code = int(self._process.stdout.readline())
        running.ended = Ended(code, out.read_text(encoding), err.read_text())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Running:
    """A command on its way."""

    def __init__(self, pid: int, err: Path) -> None:
        self._pid = pid
        self._err = err
        self.ended: Ended | None = None

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)

    def wait_for(self, condition, seconds: float = 60) -> None:
        """Waits until ``condition()`` holds."""
        stop = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < stop, f"waited in vain; stderr: {self._err.read_text()}"
            time.sleep(0.01)


def _serve() -> None:
    import importlib

    for room in ROOMS:
        importlib.import_module(f"offramp.{room}")
    # On a slow machine signs of life would stand between the lines that tests compare.
    importlib.import_module("offramp.cli.progress")._FIRST = threading.TIMEOUT_MAX
    gc.freeze()  # so that forked processes do not copy every object when they end
    # Forked processes print to these; the server's own go elsewhere.
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w", buffering=1)
    print("ready", file=answers)
    for line in orders:
        pid = os.fork()
        if pid == 0:
            answers.close()
            _run(json.loads(line))
        print(pid, file=answers)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), file=answers)


def _run(order) -> None:
    from offramp.cli import main

    # A test run in the background hands on signals that are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(order["cwd"])
    flags = [os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC]
    for descriptor, (path, flag) in enumerate(zip(order["streams"], flags, strict=True)):
        os.dup2(_closed_pipe() if path == CLOSED_PIPE else os.open(path, flag), descriptor)
    sys.stdout.reconfigure(encoding=order["encoding"])
    sys.argv = ["offramp", *order["arguments"]]
    main()


def _closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


if __name__ == "__main__":
    _serve()
