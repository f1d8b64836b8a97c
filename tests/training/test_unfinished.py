"""Whose checkpoints lie beside an output."""

import pytest

from offramp.errors import OptionError
from offramp.training.unfinished import SETTINGS, check_unfinished


def test_the_first_process_alone_refuses_a_second_start(tmp_path, monkeypatch):
    begun, foreign = tmp_path / "begun", tmp_path / "being-written"
    begun.mkdir()
    (begun / SETTINGS).write_text('{"seed": 0}')
    (foreign / "trial-0").mkdir(parents=True)
    with pytest.raises(OptionError, match="holds an unfinished run"):
        check_unfinished(begun, {"seed": 0}, resume=False)
    with pytest.raises(OptionError, match="holds something else"):
        check_unfinished(foreign, {"seed": 0}, resume=False)
    # Any other process may come later than the first, which has just written the note.
    monkeypatch.setenv("RANK", "1")
    check_unfinished(begun, {"seed": 0}, resume=False)
    check_unfinished(foreign, {"seed": 0}, resume=False)
