"""What is looked at before any work is done."""

from pathlib import Path

from offramp.data import check_dev_fraction
from offramp.errors import OptionError
from offramp.files import check_writable

TRAINING = "training.json"


def check_numbers(dev_fraction: float, max_length: int | None, seed: int) -> None:
    """Refuses values out of range."""
    check_dev_fraction(dev_fraction)
    if max_length is not None and max_length < 8:
        raise OptionError(f"max-length is {max_length}; use at least 8 tokens")
    if not 0 <= seed < 2**32:
        raise OptionError(f"seed is {seed}; use a whole number from 0 to {2**32 - 1}")


def check_output(folder: Path, overwrite: bool) -> None:
    """Refuses to write a model over something else."""
    if folder.name in ("", ".."):
        raise OptionError(f"the output {folder} has no name of its own; give the name of a folder to write")
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise OptionError(f"{folder} exists and is not empty; choose another output or add --overwrite")
        if not (folder / TRAINING).is_file():
            raise OptionError(f"{folder} holds something other than an offramp model; choose another output")
    elif not folder.is_dir():
        if folder.exists():
            raise OptionError(f"{folder} is a file; give a folder to write the model into")
        check_writable(folder)
