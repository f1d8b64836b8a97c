"""Whose checkpoints lie beside an output."""

import json
import shutil

import pytest

from offramp.errors import OptionError
from offramp.training.unfinished import SETTINGS, check_unfinished, discard


@pytest.mark.parametrize(
    ("before", "now"),
    [({"train": "a", "unlabeled": "b"}, {"train": "a"}), ({"train": "a"}, {"train": "a", "more": "b"})],
)
def test_what_is_new_or_left_out_is_another_run(tmp_path, before, now):
    (tmp_path / SETTINGS).write_text(json.dumps({"seed": 0, "data": before}))
    check_unfinished(tmp_path, {"seed": 0, "data": before}, resume=True)
    with pytest.raises(OptionError, match=r"another data (unlabeled \(b, now None\)|more \(None, now b\)); resume"):
        check_unfinished(tmp_path, {"seed": 0, "data": now}, resume=True)


def test_what_a_finished_run_leaves_is_out_of_the_way_however_long_deleting_takes(tmp_path, monkeypatch):
    workplace = tmp_path / "model.checkpoints"
    workplace.mkdir()
    (workplace / SETTINGS).write_text("{}")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted_where_there_is_something)
        with pytest.raises(KeyboardInterrupt):
            discard(workplace)
    assert not workplace.exists()
    check_unfinished(workplace, {}, resume=False)
    # The next one takes the rest along.
    workplace.mkdir()
    discard(workplace)
    assert not list(tmp_path.iterdir())


def interrupted_where_there_is_something(path, **_):
    if path.exists():
        raise KeyboardInterrupt


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
