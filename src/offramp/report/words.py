"""Figures as people read them."""

from offramp.evaluation import Evaluation
from offramp.policy import Interval, Promise

# Keeps a number and its unit on one line.
_NARROW = "\u202f"
_MINUS = "\u2212"


def percent(share: float, digits: int = 2) -> str:
    """``0.8874`` as ``88.74 %``."""
    return f"{_signless(100 * share, digits)}{_NARROW}%"


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
    """``1.63`` as ``1.6×``."""
    return f"{ratio:.{digits}f}×"


def whole(number: float) -> str:
    """``12345.6`` as ``12,346``."""
    return f"{number:,.0f}"


def span(low: str, high: str) -> str:
    """From one figure to another; one figure where both read the same."""
    return low if low == high else f"{low} to {high}"


def count(number: int, one: str, several: str | None = None) -> str:
    """``1 text``, ``2,000 texts``."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def short(name: str, longest: int = 60) -> str:
    """A name, or the beginning of a very long one."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def interval(difference: Interval) -> str:
    """A difference of shares in points, with the ends of its interval."""
    return f"{signed(difference.value)} ({signed(difference.low)} to {signed(difference.high)})"


def quartiles(spread: tuple[float, float]) -> str:
    """The quartiles of a speed-up."""
    return span(*(f"{end:.2f}" for end in spread))


def promise(made: Promise | None) -> str:
    """What an operating point keeps low, in words."""
    if made is None:
        return "none"
    sure = "" if made.confidence is None else f", with {percent(made.confidence, 0)} confidence"
    return f"{made.risk} at most {percent(made.target, 1)}{sure}"


def processor(evaluation: Evaluation) -> str:
    """What computed: the GPU's name, or the CPU's where there is none."""
    return str(evaluation.environment["gpu"] or evaluation.environment["cpu"])


def headline(evaluation: Evaluation) -> str:
    """The setting in focus in one sentence: speed, accuracy, and how sure both are."""
    point, full = evaluation.focus.point, evaluation.full
    low, high = point.measured_speedup_spread
    change = point.accuracy_difference
    return (
        f"At {point.setting} the model is {times(point.measured_speedup)} as fast as at full depth "
        f"(quartiles {span(times(low), times(high))}) and right on {percent(point.accuracy)} of "
        f"{count(evaluation.data.rows, 'text')} instead of {percent(full.accuracy)}: {points(change.value)} "
        f"(95 % interval {span(signed(change.low), signed(change.high))})."
    )


def _signless(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", _MINUS)
