"""Figures as people read them."""

from pathlib import Path

from offramp.data import hub_dataset
from offramp.evaluation import Evaluation, Point, Way
from offramp.policy import Interval, Promise
from offramp.words import WordsTrial

# Keeps a number and its unit on one line.
_NARROW = "\u202f"
_MINUS = "\u2212"

# Beyond this share of the highest possible speed, the rest is noise.
_ALL = 0.97


def percent(share: float, digits: int = 2) -> str:
    """``0.8874`` as ``88.74 %``."""
    return f"{bare(share, digits)}{_NARROW}%"


def bare(share: float, digits: int = 2) -> str:
    """``0.8874`` as ``88.74``."""
    return _signless(100 * share, digits)


def points(difference: float, digits: int = 2) -> str:
    """A difference of shares as ``+0.32 points`` or ``−0.32 points``."""
    return f"{signed(difference, digits)} points"


def loss_of(share: float) -> str:
    """A loss of accuracy as ``0.3 points`` or ``1 point``."""
    value = f"{100 * share:g}"
    return f"{value} point" if value == "1" else f"{value} points"


def signed(difference: float, digits: int = 2) -> str:
    """A difference of shares in points, always with its sign; zero has none."""
    value = round(100 * difference, digits)
    sign = "" if value == 0 else "+" if value > 0 else _MINUS
    return f"{sign}{abs(value):.{digits}f}"


def times(ratio: float, digits: int = 1) -> str:
    """``1.63`` as ``1.6×``; ``16.28`` has one digit at most, and ``162.8`` none."""
    return f"{ratio:.{min(digits, 0 if ratio >= 100 else 1 if ratio >= 10 else digits)}f}×"


def whole(number: float) -> str:
    """``12345.6`` as ``12,346``."""
    return f"{number:,.0f}"


def span(low: str, high: str) -> str:
    """From one figure to another; one figure where both read the same."""
    return low if low == high else f"{low} to {high}"


def short(name: str, longest: int = 60) -> str:
    """A name, or the beginning of a very long one."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def interval(difference: Interval) -> str:
    """A difference of shares in points, with the ends of its interval."""
    return f"{signed(difference.value)} ({signed(difference.low)} to {signed(difference.high)})"


def quartiles(point: Point) -> str:
    """The quartiles of a speed-up, or that it was computed."""
    return "computed" if point.computed else span(*(f"{end:.2f}" for end in point.speedup_spread))


def promise(promised: Promise | None) -> str:
    """An operating point's promise in words."""
    if promised is None:
        return "none"
    limit = promised.limit
    sure = "" if promised.confidence is None else f", with {percent(promised.confidence, 0)} confidence"
    return f"{limit.what} at {'least' if limit.at_least else 'most'} {percent(limit.stated(limit.target), 1)}{sure}"


def processor(evaluation: Evaluation) -> str:
    """The GPU's name, or the CPU's where there is none."""
    return str(evaluation.environment["gpu"] or evaluation.environment["cpu"])


def rate(texts_per_second: float) -> str:
    """``1234.5`` as ``1,234``, ``12.34`` as ``12.3``, ``1.234`` as ``1.23``: at least three figures."""
    return f"{texts_per_second:,.{2 if texts_per_second < 10 else 1 if texts_per_second < 100 else 0}f}"


def at(point: Point) -> str:
    """A setting as the beginning of a sentence: ``At threshold 0.9``."""
    if point.way is Way.ALONE:
        return f"With {point.setting}"
    return f"With the network {point.setting}" if point.way is Way.CUT else f"At {point.setting}"


def milliseconds(texts_per_second: float) -> str:
    """The mean time of a text, such as ``0.81 ms``."""
    value = 1000 / texts_per_second
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}{_NARROW}ms"


def possible(point: Point) -> str:
    """The highest possible speed-up, an estimate that means little once it is nearly reached."""
    reached = point.efficiency >= _ALL or point.speedup_spread[1] >= point.bound_speedup
    return "all that is possible, within the noise" if reached else f"at most {times(point.bound_speedup, 2)} possible"


def dev_figures(trial: WordsTrial) -> str:
    """What words alone got on the dev texts, and full depth, when the model was made."""
    if trial.against == "model":
        return f"words alone answer {percent(trial.alone)} of the dev texts as full depth does"
    full = percent(trial.full_right)
    return f"words alone are right on {percent(trial.alone)} of the dev texts, full depth on {full}"


def data_name(source: str) -> str:
    """A source's name: the whole id of a hub data set, the last part of a path."""
    return source if hub_dataset(source) else Path(source).name or source


def _signless(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", _MINUS)
