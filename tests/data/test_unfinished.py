import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from helpers.toys import names
from offramp.data import unfinished as module
from offramp.data.unfinished import Progress, unfinished
from offramp.errors import DataError, OptionError, StorageError

SETTINGS = {"threshold": "0.9", "keep": ["id"]}
FOLDER = Path("a.csv.unfinished")
NOTE, ROWS = FOLDER / "progress.json", FOLDER / "rows"
ONE, TWO = Progress(1, 3, {"blank": 1}), Progress(2, 6, {"blank": 1})


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def append(pieces, settings, resume):
    with unfinished(Path("a.csv"), settings, resume=resume) as begun:
        for raw, progress in pieces:
            begun.append(raw, progress)
        raise KeyboardInterrupt


def break_off(*pieces, settings=SETTINGS, resume=False, error=KeyboardInterrupt):
    """Appends pieces (raw, progress) up to an error, which it gives."""
    with pytest.raises(error) as caught:
        append(pieces, settings, resume)
    return caught.value


def resumed(settings=SETTINGS):
    """What a resumed run finds: the bytes kept and its progress."""
    with unfinished(Path("a.csv"), settings, resume=True) as begun:
        return begun.path.read_bytes(), begun.progress


def test_what_is_whole_leaves_nothing_else():
    with unfinished(Path("a.csv"), SETTINGS, resume=False) as begun:
        begun.append(b"abc", ONE)
        assert names(Path()) == ["a.csv.unfinished"]
        begun.path.replace("a.csv")
    assert names(Path()) == ["a.csv"]
    assert Path("a.csv").read_bytes() == b"abc"


def test_what_is_broken_off_is_kept_and_told():
    error = break_off((b"abc", ONE), (b"def", TWO))
    assert error.__notes__ == ["2 rows are done: with `resume` the same command on the same input goes on from there"]
    assert resumed() == (b"abcdef", TWO)
    assert names(Path()) == []


@pytest.mark.parametrize("settings", [SETTINGS, None])
def test_nothing_stays_from_which_no_run_can_go_on(settings):
    pieces = [] if settings else [(b"abc", ONE)]
    assert not hasattr(break_off(*pieces, settings=settings), "__notes__")
    assert names(Path()) == []


def test_a_head_without_rows_is_not_kept():
    break_off((b"id,text\n", Progress(0, 8, {})))
    assert names(Path()) == []


def test_a_run_is_resumed_again_and_again():
    break_off((b"abc", ONE))
    error = break_off(resume=True)
    assert "1 rows are done" in error.__notes__[0]
    break_off((b"def", TWO), resume=True)
    assert resumed() == (b"abcdef", TWO)


def test_nothing_to_resume_is_a_start():
    assert resumed() == (b"", Progress())


@pytest.mark.parametrize("settings", [SETTINGS, None])
def test_without_resume_nothing_is_lost(settings):
    break_off((b"abc", ONE))
    error = break_off((b"x", Progress(1, 1, {})), settings=settings, error=OptionError)
    assert str(error) == (
        "a.csv.unfinished holds an unfinished run; add `resume` to go on with it, or delete that folder to start anew"
    )
    assert resumed() == (b"abc", ONE)


def test_what_lies_behind_the_note_is_cut_off():
    break_off((b"abc", ONE))
    with ROWS.open("ab") as stream:
        stream.write(b"half of a pie")
    assert resumed() == (b"abc", ONE)


def test_rows_without_a_note_are_dropped():
    break_off((b"abc", ONE))
    NOTE.unlink()
    assert resumed() == (b"", Progress())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (SETTINGS | {"threshold": "0.8"}, "threshold"),
        (SETTINGS | {"threshold": "0.8", "keep": []}, "threshold, keep"),
        (SETTINGS | {"new": 1}, "new"),
    ],
)
def test_other_settings_are_refused_and_nothing_is_lost(settings, named):
    break_off((b"abc", ONE))
    with pytest.raises(
        OptionError,
        match=rf"a\.csv\.unfinished holds a run with another {named}; resume with the same options and input, "
        r"or delete that folder to start anew",
    ):
        resumed(settings)
    assert resumed() == (b"abc", ONE)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"settings": {}, "progress": {"pages": 3}}', b"\xff", None])
def test_a_damaged_note(content):
    break_off((b"abc", ONE))
    NOTE.write_bytes(NOTE.read_bytes()[:-5] if content is None else content)
    with pytest.raises(DataError, match=r"progress\.json is damaged .*; delete a\.csv\.unfinished to start") as caught:
        resumed()
    assert "\n" not in str(caught.value)
    assert names(FOLDER) == ["lock", "progress.json", "rows"]
    shutil.rmtree(FOLDER)
    break_off((b"x", Progress(1, 1, {})))
    assert resumed() == (b"x", Progress(1, 1, {}))


@pytest.mark.parametrize("kept", [b"ab", None])
def test_rows_that_are_missing(kept):
    break_off((b"abc", ONE))
    ROWS.unlink() if kept is None else ROWS.write_bytes(kept)
    with pytest.raises(DataError, match=r"rows is damaged: it holds \d bytes, but 3 were written; delete a\.csv\.unf"):
        resumed()


def test_the_note_never_runs_ahead(monkeypatch):
    order = []
    monkeypatch.setattr(module.os, "fsync", lambda number: order.append(("rows", os.fstat(number).st_size)))
    monkeypatch.setattr(module, "write_json", lambda path, value: order.append(("note", value["progress"]["bytes"])))
    break_off((b"abc", ONE), (b"def", TWO))
    assert order == [("rows", 3), ("note", 3), ("rows", 6), ("note", 6)]


def test_a_disk_that_is_full_while_the_note_is_written(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    break_off((b"abc", ONE))
    before = NOTE.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("offramp.files.os.fsync", full)
        error = break_off((b"def", TWO), resume=True, error=StorageError)
    assert str(error).startswith("cannot write a.csv: No space left on device; free some space")
    assert "1 rows are done" in error.__notes__[0]
    assert NOTE.read_bytes() == before
    assert json.loads(before)["progress"] == {"rows": 1, "bytes": 3, "counts": {"blank": 1}}
    assert resumed() == (b"abc", ONE)


@pytest.mark.parametrize("resume", [False, True])
def test_two_runs_do_not_write_the_same_file(resume):
    with unfinished(Path("a.csv"), SETTINGS, resume=False) as begun:
        begun.append(b"abc", ONE)
        with (
            pytest.raises(OptionError, match=r"a\.csv\.unfinished is in use by another run .*; wait for it, or choose"),
            unfinished(Path("a.csv"), SETTINGS, resume=resume),
        ):
            pytest.fail("it should not come this far")
        begun.path.replace("a.csv")
    assert Path("a.csv").read_bytes() == b"abc"
    assert names(Path()) == ["a.csv"]
