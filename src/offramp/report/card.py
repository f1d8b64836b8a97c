"""The report's section of a model card."""

import html
from collections.abc import Sequence
from pathlib import Path

from offramp.errors import ModelFolderError
from offramp.evaluation import Evaluation, Way
from offramp.files import replacing, unreadable
from offramp.report import words
from offramp.report.advice import warning
from offramp.report.report import Report
from offramp.report.tables import Choice, Promised, choices, promises

CARD = "README.md"
_CHOICES = (
    "setting",
    "accuracy",
    "difference (points; 95 % interval)",
    "same answer as full depth",
    "speed-up (quartiles)",
    "texts a second",
)
_PROMISES = ("operating point", "rule", "promise", "method", "calibration texts", "seen there", "bound", "seen here")
_START, _END = "<!-- offramp report: start -->", "<!-- offramp report: end -->"


def card_section(report: Report) -> str:
    """The report in short, as Markdown."""
    evaluation = report.evaluation
    return "\n\n".join(
        [
            "## Speed and accuracy",
            *([_plain(told)] if (told := warning(evaluation)) else []),
            *_first(report),
            _table(_CHOICES, [_choice(one) for one in choices(evaluation)]),
            *([_table(_PROMISES, [_kept(one) for one in promises(evaluation)])] if evaluation.operating_points else []),
            _measured_on(evaluation),
        ]
    )


def splice(card: str, section: str) -> str:
    """Puts the section into a card: in the place of the one that is there, or at the end.

    Raises:
        ModelFolderError: only one of the two marks of a section is there, or one of them twice.
    """
    marked = f"{_START}\n{section}\n{_END}\n"
    marks = card.count(_START), card.count(_END)
    if marks == (0, 0):
        return f"{card.rstrip()}\n\n{marked}" if card.strip() else marked
    before, _, rest = card.partition(_START)
    _, closed, after = rest.partition(_END)
    if marks != (1, 1) or not closed:
        raise ModelFolderError(
            f"{CARD} has {marks[0]} times the mark {_START!r} and {marks[1]} times {_END!r}, not one before the other; "
            "remove the marks"
        )
    return f"{before}{marked}{after.removeprefix(chr(10))}"


def read_card(folder: Path) -> str:
    """The card of a model folder; empty where there is none.

    Raises:
        ModelFolderError: it is no text.
        StorageError: it cannot be read.
    """
    path = folder / CARD
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise ModelFolderError(f"{path} is not UTF-8 text ({error}); replace or remove it") from None
    except OSError as error:
        raise unreadable(path, error) from error


def write_card(folder: Path, report: Report) -> None:
    """Puts the report's section into a model folder's card; the rest of the card stays as it is.

    Raises:
        ModelFolderError: see :func:`splice` and :func:`read_card`.
        StorageError: the card cannot be read or written.
    """
    text = splice(read_card(folder), card_section(report))
    with replacing(folder / CARD) as new:
        new.write_bytes(text.encode("utf-8"))


def _first(report: Report) -> list[str]:
    """What stands first in the page, too."""
    summary = report.summary
    kept = summary.kept
    told = "" if kept is None else f"{kept.mark} {kept.promise}: {words.percent(kept.risk)} here ({kept.standing})."
    lines = [
        f"{summary.heading}. {summary.sentence}",
        told,
        summary.caveat or "",
        "" if summary.otherwise is None else f"Recommended instead: {summary.otherwise}",
    ]
    code = [] if summary.command is None else [f"```\n{summary.command}\n```"]
    return [*(_plain(line) for line in lines if line), *code]


def _choice(one: Choice) -> tuple[str, ...]:
    point = one.point
    full = point.way is Way.FULL
    quartiles = "" if full else f" ({words.quartiles(point.measured_speedup_spread)})"
    return (
        f"{one.name} ({one.aside})" if one.aside else one.name,
        words.percent(point.accuracy),
        "" if full else words.interval(point.accuracy_difference),
        words.percent(point.agreement),
        f"{words.times(point.measured_speedup, 2)}{quartiles}",
        words.rate(point.texts_per_second),
    )


def _kept(one: Promised) -> tuple[str, ...]:
    promise, mark = one.here.promise, "" if one.kept is None else f" {one.kept.mark}"
    return (
        one.name,
        one.here.point.rule,
        one.promise,
        one.method,
        f"{one.here.seen.rows:,}",
        "" if promise is None else words.percent(promise.seen),
        "" if promise is None else words.percent(promise.bound),
        f"{words.percent(one.risk)}{mark}",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _plain(text: str) -> str:
    """Text that Markdown takes as it is, also in a table: names may hold anything."""
    return " ".join(html.escape(text, quote=False).replace("|", "\\|").split())


def _measured_on(evaluation: Evaluation) -> str:
    data, model, machine = evaluation.data, evaluation.model, evaluation.environment
    return (
        f"Measured on {evaluation.date} on {words.count(data.rows, 'text')} of {_plain(words.data_name(data.source))} "
        f"(`{data.fingerprint}`), times on {data.timed_rows:,} of them; "
        f"{words.count(machine['threads'], 'thread')}, {_plain(words.processor(evaluation))}, {model.backend} "
        f"{model.precision}, offramp {machine['offramp']}."
    )
