import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from offramp.cli.terminal import guarded, say, table
from offramp.errors import CheckFailed, DataError, MissingExtraError, OptionError, StorageError


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("no rows"), 2, "error: no rows"),
        (StorageError("disk full"), 2, "error: disk full"),
        (CheckFailed("too slow"), 1, "error: too slow"),
        (
            MissingExtraError("the backend", "onnx"),
            2,
            "error: the backend needs an optional dependency: run  pip install 'offramp[onnx]'",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_one_line_and_an_exit_code(capsys, error, code, line):
    @guarded
    def command():
        raise error

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == code
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("error", [StorageError("disk full"), KeyboardInterrupt()])
def test_what_can_be_done_about_it_stands_in_the_same_line(capsys, error):
    @guarded
    def command():
        error.add_note("5 rows are done")
        raise error

    with pytest.raises(typer.Exit):
        command()
    assert capsys.readouterr().err in ("error: disk full; 5 rows are done\n", "interrupted; 5 rows are done\n")


def test_names_of_options_become_the_flags_of_the_command(capsys):
    @guarded
    def command(text_pair: Annotated[str, typer.Option("--text-pair-column")] = "") -> None:
        error = OptionError("text_pair is '' and `text` 'a'; add `text_pair` or `text_pairs`", option="text_pair")
        error.add_note("or leave `text_pair` out")
        raise error

    with pytest.raises(typer.Exit):
        command()
    assert capsys.readouterr().err == (
        "error: --text-pair-column is '' and `text` 'a'; add --text-pair-column or `text_pairs`; "
        "or leave --text-pair-column out\n"
    )


def test_a_message_that_begins_with_a_longer_word_than_the_option_stays(capsys):
    @guarded
    def command(text: Annotated[str, typer.Option()] = "") -> None:
        raise OptionError("texts are missing", option="text")

    with pytest.raises(typer.Exit):
        command()
    assert capsys.readouterr().err == "error: texts are missing\n"


def test_bugs_stay_visible():
    @guarded
    def command():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()


def test_only_the_main_process_speaks(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    say("hello")
    monkeypatch.setenv("RANK", "0")
    say("hello")
    assert capsys.readouterr().err == "hello\n"


def test_columns_are_aligned_on_the_right():
    assert table(["a", "long"], [["100", "x"], ["1", "y"]]) == "  a  long\n100     x\n  1     y"


def test_what_standard_output_does_not_take_does_not_change_the_exit_code():
    code = """
import sys
from offramp.cli.terminal import guarded
from offramp.errors import DataError
import typer

def command() -> None:
    sys.stdout.write("not flushed")
    raise DataError("no rows")

typer.run(guarded(command))
"""
    # With PYTHONUNBUFFERED nothing is left to be flushed at the end.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (2, "error: no rows\n")


def test_a_table_that_is_too_wide_shows_what_matters_most_and_names_the_rest():
    header = ["name", "a" * 40, "b" * 40, "c" * 40]
    rows = [["x", "1", "2", "3"]]
    shown = table(header, rows, first=["name", "c" * 40], wide=False)
    first, second, *rest = shown.splitlines()
    assert first.split() == ["name", "a" * 40, "c" * 40]
    assert second.split() == ["x", "1", "3"]
    assert rest == [f"more with --wide: {'b' * 40}"]
    assert len(table(header, rows, wide=True).splitlines()[0]) > 100


def test_the_rest_of_a_wide_table_is_told_in_one_line():
    header = ["name", *(f"exit layer {number}" for number in range(30))]
    *_, last = table(header, [["1"] * 31], wide=False).splitlines()
    assert len(last) <= 100
    shown, _, others = last.removeprefix("more with --wide: ").rpartition(" and ")
    columns = 31 - len(shown.split(", ")) - int(others.split()[0])
    assert shown.startswith(f"{header[columns]}, ")
