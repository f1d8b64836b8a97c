"""Signs of life on standard error: a bar on a terminal, and elsewhere now and then a line."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from offramp.cli.terminal import say
from offramp.environment import is_main_process
from offramp.progress import OnProgress

if TYPE_CHECKING:
    from rich.console import Console

# Seconds of silence before the first line in a file, and between the others.
_FIRST, _NEXT = 10.0, 60.0


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Shows how far the work is; what is done there is told to what this gives."""
    from rich.console import Console

    console = Console(stderr=True)
    with _bar(console) if console.is_terminal and is_main_process() else _lines() as update:
        yield update


@contextmanager
def _bar(console: "Console") -> Iterator[OnProgress]:
    """A bar with what is being done, the time it takes, parts a second and the time left."""
    from rich import progress as bars
    from rich.text import Text

    class Rate(bars.ProgressColumn):
        def render(self, task: bars.Task) -> Text:
            return Text("" if task.speed is None else rate_in_words(task.speed))

    columns = [
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        Rate(),
        bars.TimeElapsedColumn(),
        bars.TimeRemainingColumn(),
    ]
    with bars.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def update(what: str, done: int, total: int | None = None) -> None:
            if what != bar.tasks[0].description:
                bar.reset(task, description=what, total=total, completed=done)
            else:
                bar.update(task, completed=done, total=total)

        yield update


@dataclass(slots=True)
class Beat:
    """What is being done, for whoever tells of it now and then."""

    what: str = "starting"
    done: int = 0
    total: int | None = None
    since: float = field(default_factory=time.monotonic)
    at_first: int = 0

    def update(self, what: str, done: int, total: int | None = None) -> None:
        """Takes in how far the work is."""
        if what != self.what:
            self.what, self.since, self.at_first = what, time.monotonic(), done
        self.done, self.total = done, total

    def line(self) -> str:
        """One line of it, such as ``classifying: 1,200 rows done``."""
        seconds, gained = time.monotonic() - self.since, self.done - self.at_first
        if not self.done:
            return f"{self.what}: {seconds:.0f} s so far"
        of = "" if self.total is None else f" of {self.total:,}"
        rate = f", {rate_in_words(gained / seconds)}" if gained else ""
        return f"{self.what}: {self.done:,}{of}{rate}"


@contextmanager
def _lines() -> Iterator[OnProgress]:
    """A line after some seconds, and then one a minute, as long as the work goes on."""
    beat, ended = Beat(), threading.Event()

    def tell() -> None:
        wait = _FIRST
        while not ended.wait(wait):
            say(beat.line())
            wait = _NEXT

    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield beat.update
    finally:
        ended.set()
        thread.join()


def rate_in_words(rate: float) -> str:
    """Parts a second, to three digits."""
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"
