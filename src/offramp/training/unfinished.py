"""What lies beside the output until a model is whole: whose it is, and whether a run may go on from it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from offramp import environment
from offramp.errors import OptionError
from offramp.files import link_target, read_json

SETTINGS = "run.json"
"""Of the run that began there; the first thing that it writes."""

AGAIN = "the same command goes on from there"
"""How a run is gone on with that needs no leave for it."""

_KEPT = "what is done lies in"


def workplace_of(folder: Path, kind: str = ".checkpoints") -> Path:
    """Where a model is made: beside its folder, since it is moved from there, which takes one disk."""
    place = link_target(folder)
    return place.with_name(place.name + kind)


def check_workplace(workplace: Path, resume: bool) -> None:
    """Makes sure that nothing is where checkpoints go but those of an earlier run, and only if it is to be resumed."""
    if not environment.is_main_process():
        return  # Other processes may find what the first is writing there.
    if (workplace / SETTINGS).is_file():
        if not resume:
            raise OptionError(
                f"{workplace} holds an unfinished run; add `resume` to go on with it, or delete that folder to start "
                "anew",
                option="resume",
                path=workplace,
            )
    elif _holds_anything(workplace):
        # At the end the folder is deleted.
        raise OptionError(
            f"{workplace} is where checkpoints go until the model is whole, but it holds something else; move "
            "that away, or choose another output",
            path=workplace,
        )


def check_unfinished(workplace: Path, settings: dict[str, Any], resume: bool) -> None:
    """Makes sure that checkpoints of an earlier run are wanted and belong to the same command, and nobody else's."""
    check_workplace(workplace, resume)
    note = workplace / SETTINGS
    if not note.is_file():
        return
    before, now = _flat(read_json(note)), _flat(json.loads(json.dumps(settings)))
    keys = sorted(before.keys() | now.keys())
    changed = [f"{key} ({before.get(key)}, now {now.get(key)})" for key in keys if before.get(key) != now.get(key)]
    # Other options may divide the rows otherwise: then the data are as they were, and their parts are not.
    changed = [change for change in changed if not change.startswith("data ")] or changed
    if changed:
        raise OptionError(
            f"{workplace} holds a run with another {', '.join(changed)}; "
            "resume with the same options and data, or delete that folder to start anew",
            path=workplace,
        )


def discard(workplace: Path) -> None:
    """Deletes what a finished run leaves. It goes out of the way at once: interrupted, it must not look unfinished."""
    gone = workplace.with_name(f".{workplace.name}.partial")
    shutil.rmtree(gone, ignore_errors=True)
    workplace.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _holds_anything(workplace: Path) -> bool:
    """Whether there is more than what a run leaves that was killed while it wrote its first note."""
    return workplace.is_dir() and any(not path.name.startswith(f".{SETTINGS}.") for path in workplace.iterdir())


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by names such as ``recipe epochs``."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= {f"{key} {name}": part for name, part in value.items()} if isinstance(value, dict) else {key: value}
    return flat


@contextmanager
def kept(workplace: Path, how: str) -> Iterator[None]:
    """Tells with an error or an interruption that a run can be gone on with, and how; the outermost run has the say."""
    try:
        yield
    except BaseException as error:
        if (workplace / SETTINGS).is_file():
            told = [note for note in getattr(error, "__notes__", []) if not note.startswith(_KEPT)]
            error.__notes__ = [*told, f"{_KEPT} {workplace}: {how}"]
        raise
