import subprocess
import sys
import time

import pytest

from offramp.cli import progress as module
from offramp.cli.progress import Beat, progress, rate_in_words


def test_no_bar_goes_into_a_file_and_nothing_where_work_is_short(capsys):
    with progress() as update:
        update("working", 1, None)
        update("working", 2, 3)
    assert capsys.readouterr().err == ""


def test_work_that_goes_on_says_now_and_then_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(module, "_FIRST", 0.02)
    monkeypatch.setattr(module, "_NEXT", 0.02)
    heard = ""
    with progress() as update:
        update("writing graphs", 0, 3)
        while "writing graphs" not in heard:
            heard += capsys.readouterr().err
        update("classifying", 5, None)
        while "classifying" not in heard:
            heard += capsys.readouterr().err
    quiet = capsys.readouterr().err
    time.sleep(0.1)
    assert capsys.readouterr().err == ""
    assert all(line.startswith(("writing graphs: ", "classifying: ")) for line in (heard + quiet).splitlines())


def test_a_line_has_the_rate_of_what_is_done_now():
    beat = Beat()
    beat.update("loading the model", 0, None)
    assert beat.line() == "loading the model: 0 s so far"
    beat.update("classifying", 1000, None)
    beat.update("classifying", 3000, 8000)
    beat.since -= 10
    assert beat.line() == "classifying: 3,000 of 8,000, 200/s"


@pytest.mark.parametrize(("rate", "words"), [(0.0123, "0.0123/s"), (9.87, "9.87/s"), (1234.5, "1,234/s")])
def test_rates_have_three_digits(rate, words):
    assert rate_in_words(rate) == words


def test_a_terminal_gets_a_bar():
    code = """
import time
from offramp.cli.progress import progress
with progress() as update:
    for done in range(4):
        update("classifying", done, 4)
        time.sleep(0.3)
"""
    command = ["script", "-qec", f"{sys.executable} -c '{code}'", "/dev/null"]
    try:
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("needs script, which makes a terminal")
    assert "classifying" in shown
    assert "/s" in shown
