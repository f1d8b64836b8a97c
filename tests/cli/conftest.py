import subprocess
import threading

import pytest
from typer.testing import CliRunner

from conftest import write_encoder
from helpers.commands import Server
from helpers.toys import pairs, single, write_csv, write_jsonl, write_model
from offramp.cli import progress
from offramp.cli.app import app


@pytest.fixture(autouse=True)
def _no_signs_of_life(monkeypatch):
    """On a slow machine they would stand between the lines that tests compare."""
    monkeypatch.setattr(progress, "_FIRST", threading.TIMEOUT_MAX)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Commands as real processes."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture
def offramp():
    """Commands inside this process: ``offramp("predict", ...)`` gives ``exit_code``, ``stdout`` and ``stderr``."""
    runner = CliRunner()

    def run(*arguments, stdin=None):
        result = runner.invoke(app, [str(one) for one in arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def refused(offramp):
    """Runs a command that has to end with exit code 2 and one line on standard error, which it gives."""

    def run(*arguments, stdin=None):
        result = offramp(*arguments, stdin=stdin)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    return run


@pytest.fixture(scope="session")
def _kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    write_model(folder / "model")
    write_model(folder / "pair-model", text_pair=True)
    write_encoder(folder / "encoder")
    write_csv(folder / "data.csv", single(60))
    write_csv(folder / "pairs.csv", pairs(40))
    write_jsonl(folder / "data.jsonl", single(60))
    return folder


@pytest.fixture
def place(_kit, tmp_path, monkeypatch):
    """An empty working folder; beside it lie an encoder, a model for single texts and one for pairs, and data."""
    for path in _kit.iterdir():
        (tmp_path / path.name).symlink_to(path)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of a size such as ``"64k"``; calling it again with another size makes the same disk that large."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size):
        options = f"size={size}" + (",remount" if folder.is_mount() else "")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a small disk")
        return folder

    yield mount
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)
