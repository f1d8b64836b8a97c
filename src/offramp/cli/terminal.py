"""What a person sees: one line for an error, plain tables."""

import functools
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from offramp.cli.options import flags_of
from offramp.data.wording import DataWarning, count
from offramp.environment import is_main_process
from offramp.errors import OfframpError
from offramp.exit_names import in_column
from offramp.files import storage_errors
from offramp.progress import SpeedWarning

if TYPE_CHECKING:
    from offramp.calibration import Calibration
    from offramp.model.windows import LongTrial
    from offramp.training import AttachSummary, Epoch, TrainingSummary
    from offramp.words import WordsTrial


# Columns of a terminal that tables fit into.
WIDTH = 100


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Turns offramp's errors and interruptions into one line on standard error and an exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except OfframpError as error:
            say(f"error: {_in_one_line(str(error), error, flags_of(command))}")
            _drop_unwritten()
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as error:
            say(_in_one_line("interrupted", error, flags_of(command)))
            raise typer.Exit(130) from None
        except BrokenPipeError:
            _drop_unwritten()  # the reader has gone
            raise typer.Exit(141) from None

    return run


def replace_unprintable() -> None:
    """Makes standard output show ``?`` for what its encoding lacks, as Windows' code pages lack most of Unicode."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _drop_unwritten() -> None:
    """Forgets what standard output does not take: Python would complain once more when it flushes at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_one_line(message: str, error: BaseException, flags: Mapping[str, str]) -> str:
    """The message and the notes that the error got on its way, such as what can be done about it."""
    option = error.option if isinstance(error, OfframpError) else None
    if option is not None and option in flags:  # a message about an option begins with its name
        message = re.sub(rf"^{option}\b", flags[option], message)
    line = "; ".join([message, *getattr(error, "__notes__", [])])
    return re.sub(r"`(\w+)`", lambda name: flags.get(name[1], name[0]), line)


def say(message: str) -> None:
    """Prints a message for people on standard error, from the main process only."""
    if is_main_process():
        print(message, file=sys.stderr, flush=True)


def show(message: str = "") -> None:
    """Prints a result on standard output, at once: a full disk or a closed pipe shows here and not when Python ends."""
    with storage_errors(Path("standard output")):
        print(message, flush=True)


def quiet_libraries() -> None:
    """Keeps the libraries' own messages and progress bars off the screen; errors still come as exceptions.

    Warnings about the data are ours, and are told. transformers is told by its variables, which it reads when it is
    imported: that takes seconds, and may never happen.
    """
    import logging
    import warnings

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore")
    for told in (DataWarning, SpeedWarning):
        warnings.filterwarnings("always", category=told)
    warnings.showwarning = lambda message, *_, **__: say(f"warning: {message}")
    for name in ("datasets", "huggingface_hub", "accelerate", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, first: Sequence[str] = (), wide: bool = True) -> str:
    """Lays out text in right-aligned columns.

    Args:
        first: the columns that matter most, in this order; the others follow from left to right.
        wide: show all columns; otherwise as many as :data:`WIDTH` holds, and names of the rest in one line.
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    ranks = sorted(range(len(header)), key=lambda column: (_rank(header[column], first), column))
    shown = range(len(header)) if wide else sorted(ranks[: _fitting([widths[column] for column in ranks])])
    lines = ["  ".join(row[column].rjust(widths[column]) for column in shown) for row in [header, *rows]]
    if rest := [name for column, name in enumerate(header) if column not in shown]:
        lines.append(f"more with --wide: {_in_a_line(rest, WIDTH - len('more with --wide: '))}")
    return "\n".join(lines)


def _in_a_line(names: Sequence[str], room: int) -> str:
    """As many names as there is room for, at least one, and how many more there are."""
    shown = len(names)
    while True:
        rest = f" and {len(names) - shown} others" if shown < len(names) else ""
        line = f"{', '.join(names[:shown])}{rest}"
        if shown == 1 or len(line) <= room:
            return line
        shown -= 1


def _rank(name: str, first: Sequence[str]) -> int:
    return first.index(name) if name in first else len(first)


def _fitting(widths: Sequence[int]) -> int:
    """How many columns of these widths stand side by side."""
    ends = accumulate(width + 2 for width in widths)
    return sum(end - 2 <= WIDTH for end in ends)


def exit_table(calibration: "Calibration") -> str:
    """What was measured of every exit when it was calibrated."""
    right = "accuracy" if calibration.against == "labels" else "agrees with full depth"
    after, exits = in_column([fitted.name for fitted in calibration.exits])
    return table(
        [f"exit {after}", right, "temperature", "ECE before", "ECE after"],
        [
            [
                name,
                f"{fitted.accuracy:.2%}" if calibration.judges(fitted) else "-",
                f"{fitted.temperature:.3f}",
                f"{fitted.ece_before:.4f}" if calibration.judges(fitted) else "-",
                f"{fitted.ece_after:.4f}" if calibration.judges(fitted) else "-",
            ]
            for name, fitted in zip(exits, calibration.exits, strict=True)
        ],
    )


def say_made(summary: "TrainingSummary | AttachSummary", *, exits: str, text: str) -> None:
    """Tells what a new model folder holds, with the names that its exits and one of its texts go by."""
    say(exit_table(summary.calibration))
    if summary.words is not None:
        say(f"\n{_words_told(summary.words)}")
    share = summary.exit_parameters / summary.total_parameters
    say(f"\nthe {exits} hold {summary.exit_parameters:,} of {summary.total_parameters:,} parameters ({share:.4%})")
    if summary.blank:
        say(count(summary.blank, f"{text} was empty", f"{text}s were empty"))
    if summary.truncated:
        cut = count(summary.truncated, f"{text} was cut", f"{text}s were cut")
        say(f"{cut} at the longest length the model reads")
    if summary.long is not None and summary.long.helps:
        say(advice_on_long(summary.long, f"offramp calibrate {summary.folder} --data LABELED-TEXTS --long read-on"))
    if doubt := summary.calibration.doubt:
        say(f"warning: {doubt}")
    say(f"wrote {summary.folder}")


def advice_on_long(trial: "LongTrial", command: str) -> str:
    """The sentence that tells where a model should read long texts to their end."""
    return (
        f"{trial.cut:.0%} of the {count(trial.rows, 'dev text')} are cut; read window by window, {trial.read_on:.2%} "
        f"would be right at full depth instead of {trial.accuracy:.2%}:  {command}"
    )


def _words_told(trial: "WordsTrial") -> str:
    """What became of the model of words, and why."""
    right = "right on" if trial.against == "labels" else "as at full depth on"
    tried = (
        f"on the dev texts exits alone are {right} {trial.exits_right:.2%} at {trial.exits_speedup:.1f}x, and with "
        f"words before them on {trial.words_right:.2%} at {trial.words_speedup:.1f}x; words alone on {trial.alone:.2%}"
    )
    kept = "before the encoder there is a model of words" if trial.kept else "a model of words would not pay here"
    return f"{kept}, fitted in {trial.seconds:.0f} s: {tried}"


class EpochTable:
    """Prints dev accuracies as a table that grows by one row an epoch; another trial or other exits begin a new one."""

    def __init__(self) -> None:
        self._last: Epoch | None = None

    def __call__(self, epoch: "Epoch") -> None:
        if self._last is None or epoch.number <= self._last.number or epoch.exits != self._last.exits:
            exits = "".join(f"{f'exit {layers}':>9}" for layers in epoch.exits)
            say(f"dev accuracy {exits}     mean   training loss")
        self._last = epoch
        accuracies = "".join(f"{accuracy:>9.2%}" for accuracy in (*epoch.accuracies, epoch.mean_accuracy))
        loss = "" if epoch.training_loss is None else f"{epoch.training_loss:>16.4f}"
        say(f"{f'epoch {epoch.number:g}':<13}{accuracies}{loss}")
