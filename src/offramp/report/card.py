"""The report's section of a model card."""

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from offramp.data import hub_dataset
from offramp.data.wording import count
from offramp.errors import ModelFolderError, first_line
from offramp.evaluation import Evaluation, Way
from offramp.files import replacing, unreadable
from offramp.folder import CARD, CURVE
from offramp.report import words
from offramp.report.advice import warning
from offramp.report.curve import curve_picture
from offramp.report.report import Report
from offramp.report.tables import ChoiceRow, Promised, choices, promises

_CHOICES = (
    "setting",
    "accuracy",
    "difference (points; 95 % interval)",
    "same answer as full depth",
    "speed-up (quartiles)",
    "texts a second",
)
_PROMISES = ("operating point", "rule", "promise", "method", "calibration texts", "seen there", "bound", "seen here")
# Names of our results begin so; the setting follows.
_OURS = ("Accuracy, ", "Macro-F1, ")
# A top-level key with all lines that are indented or listed under it, and comments and blank lines between them.
_INDEX = re.compile(r"^model-index:.*(\r?\n|$)((#.*\r?\n|\r?\n)*[ \t\-].*(\r?\n|$))*", re.MULTILINE)
_START, _END = "<!-- offramp report: start -->", "<!-- offramp report: end -->"


def card_section(report: Report) -> str:
    """The report in short, as Markdown; it shows the picture that :func:`write_card` puts beside the card."""
    evaluation, promised = report.evaluation, promises(report.evaluation, report.watched)
    return "\n\n".join(
        [
            "## Speed and accuracy",
            *([_plain(text)] if (text := warning(evaluation)) else []),
            *_first(report),
            *([] if report.watched is None else [_plain(report.watched.sentence)]),
            f"![accuracy against measured speed-up]({CURVE})",
            _table(_CHOICES, [_choice(row) for row in choices(evaluation)]),
            *([_table(_PROMISES, list(map(_kept, promised)))] if promised else []),
            _measured_on(evaluation),
        ]
    )


def splice(card: str, section: str) -> str:
    """Puts the section into a card, in place of an earlier one or at the end.

    Raises:
        ModelFolderError: a mark of the section is missing, or there more than once.
    """
    marked = f"{_START}\n{section}\n{_END}\n"
    marks = card.count(_START), card.count(_END)
    if marks == (0, 0):
        return f"{card.rstrip()}\n\n{marked}" if card.strip() else marked
    before, _, rest = card.partition(_START)
    _, closed, after = rest.partition(_END)
    if marks != (1, 1) or not closed:
        raise ModelFolderError(
            f"{CARD} has the mark {_START!r} {marks[0]} times and {_END!r} {marks[1]} times; it should have each once, "
            "in this order, or neither: remove the marks"
        )
    return f"{before}{marked}{after.removeprefix(chr(10))}"


def with_results(card: str, evaluation: Evaluation) -> str:
    """Puts the results into the front matter of a card, where the hub reads them.

    Results of an earlier report are replaced; everything else stays, as does a card without front matter.

    Raises:
        ModelFolderError: the hub cannot read the front matter.
    """
    match, metadata = REGEX_YAML_BLOCK.search(card), _front_matter(card)
    if match is None or metadata is None:
        return card
    block, (start, end) = match.group(2), match.span(2)
    kept = [result for result in metadata.eval_results or () if not (result.metric_name or "").startswith(_OURS)]
    name = metadata.model_name if kept else evaluation.model.name
    index = ModelCardData(model_name=name or evaluation.model.name, eval_results=[*kept, *_results(evaluation)])
    newline = "\r\n" if "\r\n" in block else "\n"
    unindexed = _INDEX.sub("", f"{block}{newline}").rstrip("\r\n")
    return f"{card[:start]}{unindexed}{newline}{index.to_yaml(line_break=newline).rstrip()}{card[end:]}"


def check_card(card: str) -> None:
    """Makes sure that a card can take a section and results.

    Raises:
        ModelFolderError: see :func:`splice` and :func:`with_results`.
    """
    splice(card, "")
    _front_matter(card)


def _front_matter(card: str) -> ModelCardData | None:
    """The metadata that the hub reads; None for a card without any."""
    if REGEX_YAML_BLOCK.search(card) is None:
        return None
    try:
        return cast("ModelCardData", ModelCard(card).data)
    except Exception as error:  # YAML has errors of its own, and results may be anything
        raise ModelFolderError(
            f"the Hugging Face hub cannot read the front matter of {CARD} ({first_line(error)}); mend it, or remove it"
        ) from None


def _results(evaluation: Evaluation) -> list[EvalResult]:
    """Accuracy and macro-F1 of the setting in focus, if it answers every text, and of full depth."""
    source, focus = evaluation.data.source, evaluation.focus.point
    dataset = hub_dataset(source)
    return [
        EvalResult(
            task_type="text-classification",
            task_name="Text Classification",
            dataset_name=words.data_name(source),
            dataset_type=(Path(source).suffix[1:] or "text") if dataset is None else dataset.name,
            dataset_config=None if dataset is None else dataset.config,
            dataset_split=None if dataset is None else dataset.split,
            metric_type=kind,
            metric_name=f"{name}{point.setting}",
            metric_value=round(value, 6),
        )
        for point in dict.fromkeys((focus, evaluation.full))
        if evaluation.handing_over(point) is None
        for kind, name, value in zip(("accuracy", "f1"), _OURS, (point.accuracy, point.macro_f1), strict=True)
    ]


def read_card(folder: Path) -> str:
    """The card of a model folder; empty where there is none.

    Raises:
        ModelFolderError: it is not text.
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
    """Puts the report's section into a model folder's card, and its results into the front matter; the rest stays.

    The picture is written first, so that the card never links to a missing one.

    Raises:
        ModelFolderError: see :func:`splice`, :func:`with_results` and :func:`read_card`.
        StorageError: the card cannot be read, or the card or the picture cannot be written.
    """
    text = with_results(splice(read_card(folder), card_section(report)), report.evaluation)
    curve_picture(report.evaluation, folder / CURVE)
    with replacing(folder / CARD) as new:
        new.write_bytes(text.encode("utf-8"))


def _first(report: Report) -> list[str]:
    """The summary, which also opens the page."""
    summary, kept = report.summary, report.summary.kept
    lines = [
        f"{summary.heading}. {summary.sentence}",
        "" if kept is None else f"{kept.mark} {kept.stated}.",
        summary.caveat or "",
        "" if summary.otherwise is None else f"Recommended instead: {summary.otherwise}",
    ]
    code = [] if summary.command is None else [f"```\n{summary.command}\n```"]
    return [*(_plain(line) for line in lines if line), *code]


def _choice(row: ChoiceRow) -> tuple[str, ...]:
    point = row.point
    full = point.way is Way.FULL
    quartiles = "" if full else f" ({words.quartiles(point)})"
    return (
        f"{row.name} ({row.aside})" if row.aside else row.name,
        "" if row.accuracy is None else words.percent(row.accuracy),
        row.answered or ("" if full else words.interval(point.accuracy_difference)),
        "" if row.agreement is None else words.percent(row.agreement),
        f"{words.times(point.speedup, 2)}{quartiles}",
        words.rate(point.texts_per_second),
    )


def _kept(row: Promised) -> tuple[str, ...]:
    mark = "" if row.kept is None else f" {row.kept.mark}"
    return (
        row.name,
        row.operating_point.point.rule,
        row.promise if row.suspended is None else f"{row.promise}; suspended: {row.suspended}",
        row.method,
        f"{row.rows:,}",
        *("" if share is None else words.percent(share) for share in (row.seen, row.bound)),
        ("" if row.uncompared is None else f"not compared with {row.uncompared}")
        if row.here is None
        else f"{words.percent(row.here)}{mark}",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _plain(text: str) -> str:
    """Escapes text for Markdown, including its tables: names may hold anything."""
    return " ".join(html.escape(text, quote=False).replace("|", "\\|").split())


def _measured_on(evaluation: Evaluation) -> str:
    data, model, machine = evaluation.data, evaluation.model, evaluation.environment
    return (
        f"Measured on {evaluation.date} on {count(data.rows, 'text')} of {_plain(words.data_name(data.source))} "
        f"(`{data.fingerprint}`), times on {data.timed_rows:,} of them; "
        f"{count(machine['threads'], 'thread')}, {_plain(words.processor(evaluation))}, {model.backend} "
        f"{model.precision}, offramp {machine['offramp']}."
    )
