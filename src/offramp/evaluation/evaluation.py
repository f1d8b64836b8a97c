"""Measures a model's accuracy and speed on labeled data at every threshold: the ``evaluate`` verb."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from offramp import environment
from offramp.backends import AUTO, AUTOMATIC, Runtime
from offramp.data import Columns, Data, LabeledTexts, read_labeled, uses_for, uses_of
from offramp.engine import answers_of, check_model, check_rows, open_model
from offramp.errors import OptionError
from offramp.evaluation.bound import Request
from offramp.evaluation.constant import constant_answer
from offramp.evaluation.coverage import handing_over
from offramp.evaluation.exits import overthinking
from offramp.evaluation.figures import (
    calibration_of,
    coverage_of,
    early_exit,
    ending_after,
    focus_on,
    leaving_at,
    reliability_of,
)
from offramp.evaluation.promises import promise_here
from offramp.evaluation.recommendation import LOSSES, recommend
from offramp.evaluation.reference import Asked, check_promised
from offramp.evaluation.result import (
    SCHEMA,
    EvaluatedData,
    EvaluatedModel,
    EvaluatedPoint,
    Evaluation,
    Point,
)
from offramp.evaluation.sampling import representative_rows
from offramp.evaluation.speed import Speeds, cost_alone, measure_speeds, rows_within
from offramp.evaluation.timed import choose_timed
from offramp.exit_names import is_rival
from offramp.policy import Confidence, ExitAnswers, OperatingPoint, Reference, Replay, Threshold, threshold_grid
from offramp.progress import OnProgress, unheard
from offramp.words import words_trial

if TYPE_CHECKING:
    from offramp.engine import Classifier


def evaluate(
    model: "str | Path | Classifier",
    data: Data,
    *,
    columns: Columns | None = None,
    thresholds: Sequence[float] | None = None,
    focus: float | str | None = None,
    show_texts: bool = False,
    reference: "str | Path | Classifier | None" = None,
    reference_column: str | None = None,
    seconds: float = 60.0,
    seed: int = 0,
    runtime: Runtime = AUTOMATIC,
    on_progress: OnProgress = unheard,
) -> Evaluation:
    """Measures accuracy, calibration, exits and time.

    Accuracies come from one full-depth pass over every row and a replay of each setting: the thresholds, and the
    operating points that the model folder has for this backend and precision. Times are wall-clock from texts in to
    predictions out, compared with the same network at full depth in one go, on a sample whose mean cost is that of all
    rows; all run in turn, five times. Timed are the operating points, the setting in ``focus``, the default, the
    fastest thresholds and cut networks at each of :data:`offramp.evaluation.LOSSES`, and thresholds that differ from
    these. The speeds of the other settings are computed from the times of the stages, and marked as computed.

    Args:
        model: a model folder, or a classifier in memory.
        data: labeled texts, as a source or in memory; see :func:`offramp.data.read_rows`.
        columns: names of the columns.
        thresholds: thresholds of confidence to measure; by default the model's own, and some that spread over the
            confidences that it has on these rows.
        focus: the setting to look at in detail, a threshold or the name of an operating point; by default the one that
            :func:`offramp.evaluation.recommend` chooses.
        show_texts: put the texts of the worst disagreements into the result.
        reference: the model that promises of operating points compare with, as for :func:`offramp.tune`; without it,
            whether such a promise holds here is unknown.
        reference_column: the column that promises compare with.
        seconds: about how long the timed runs may take; it decides the size of the sample.
        seed: of the sample.
        runtime: how to run a model folder; see :func:`offramp.load`. A classifier in memory only uses its threads.
        on_progress: called with the current step, the parts done and their number.

    Raises:
        DataError: the data cannot be read, has labels the model does not know, or lacks pairs the model needs.
        ModelFolderError: the folder is damaged or not an offramp model, or the operating point is out of date.
        OptionError: an option is out of range, there is no such operating point, or none that promises anything about
            the reference.

    Example:
        >>> evaluation = offramp.evaluate("model", "test.csv", thresholds=[0.8], seconds=0.1)
        >>> point = evaluation.points[0]
        >>> point.rule, point.accuracy > 0.8, point.speedup
        ('confidence at least 0.8', True, ...)
    """
    threads = runtime.threads
    _check_options(thresholds, seconds, threads, seed)
    at, threshold = (focus, None) if isinstance(focus, str) else (None, focus)
    known, asked = check_model(model, runtime, threshold=threshold, at=at), Asked(reference, reference_column)
    asked.check(known)
    columns = columns or Columns()
    rows = read_labeled(data, columns)
    check_rows(known, rows)
    classifier = open_model(model, runtime, on_progress)
    if isinstance(focus, str):
        classifier.operating_point(focus)  # raises if there is none
    with _threads(threads):
        machine = {**environment.describe(), "seed": seed}
        compared = asked.compared(known, rows, data, columns, on_progress)
        check_promised(compared.reference, _up_to_date(classifier))
        on_progress("running all exits", 0, 1)
        answers = replace(answers_of(classifier, rows), reference=compared.predictions)
        if thresholds is None:
            grid = threshold_grid(answers.probabilities, answers.problem)
            thresholds = sorted({*grid, classifier.default_threshold})
        settings = _settings(classifier, thresholds, focus)
        always_timed = _always_timed(classifier, settings, focus)
        measured = _measure(classifier, rows, answers, settings, always_timed, seconds, seed, on_progress)
    speeds = measured.speeds
    points = [
        early_exit(answers, setting.rule, replayed, speed, setting.name)
        for setting, replayed, speed in zip(settings, measured.replays, speeds.rules, strict=True)
    ]
    # Of each exit's own member alone, as in a network that ends there.
    depths = [layers for member in classifier.runner.cascade.members for layers in member.layers]
    *ending, full = (
        ending_after(answers, index, layers, speed)
        for index, (layers, speed) in enumerate(zip(depths, speeds.ending, strict=True))
    )
    truncated = [point for index, point in enumerate(ending) if is_rival(answers.names, index)]
    plain = tuple(point for point in points if point.name is None)
    named = _named(points, settings, measured, classifier.points.default, compared.reference)
    data_here = _describe_data(classifier, rows, measured, named)
    best = recommend(full, plain, named, truncated, data_here.constant).point
    point = best if focus is None else _asked(points, focus)
    replayed = dict(zip(points, measured.replays, strict=True)).get(point) or leaving_at(
        answers, answers.names.index(str(point.end))
    )
    return Evaluation(
        schema=SCHEMA,
        date=datetime.now(UTC).date().isoformat(),
        environment=machine,
        model=_describe_model(classifier, model, runtime),
        data=data_here,
        full=full,
        points=plain,
        operating_points=named,
        truncated=tuple(truncated),
        overthinking=overthinking(answers.right(answers.probabilities), answers.names, answers.layers),
        calibration=calibration_of(answers),
        reliability=reliability_of(answers),
        risk_coverage=coverage_of(answers, full, point, replayed),
        focus=focus_on(answers, classifier.labels, point, replayed, rows if show_texts else None),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """The answers to all rows, a replay of every rule, and the times of a sample."""

    answers: ExitAnswers
    replays: list[Replay]
    timed_rows: int
    speeds: Speeds


def _measure(
    classifier: "Classifier",
    rows: LabeledTexts,
    answers: ExitAnswers,
    settings: Sequence["_Setting"],
    wanted: Sequence[int],
    seconds: float,
    seed: int,
    on_progress: OnProgress,
) -> _Measured:
    rules = [setting.rule for setting in settings]
    replays = [answers.replay(rule) for rule in rules]
    cut_costs = [cost_alone(classifier, answers, index) for index in range(len(classifier.exits) - 1)]
    timed = choose_timed(answers, replays, cut_costs, wanted, LOSSES)
    size = rows_within(seconds, answers, [taken.exits for taken in replays], timed)
    places = representative_rows(replays, answers.tokens, size, seed)
    sample, exits = Request(rows.texts, rows.text_pairs).subset(places), [taken.exits for taken in replays]
    speeds = measure_speeds(classifier, sample, answers, rules, exits, timed, on_progress, places)
    return _Measured(answers, replays, size, speeds)


@dataclass(frozen=True, slots=True)
class _Setting:
    """A rule to measure, and its operating point, if it comes from one."""

    rule: Threshold
    point: OperatingPoint | None = None

    @property
    def name(self) -> str | None:
        """The operating point's name."""
        return None if self.point is None else self.point.name


def _settings(classifier: "Classifier", thresholds: Sequence[float], focus: float | str | None) -> list[_Setting]:
    """The thresholds, including the one in focus, and the model's operating points that are up to date."""
    if isinstance(focus, float | int) and focus not in thresholds:
        thresholds = sorted([*thresholds, focus])
    return [
        *(_Setting(Threshold(threshold, Confidence(classifier.problem))) for threshold in thresholds),
        *(_Setting(point.rule, point) for point in _up_to_date(classifier)),
    ]


def _up_to_date(classifier: "Classifier") -> list[OperatingPoint]:
    """The operating points that were tuned for the model as it is."""
    points = classifier.points.of(classifier.engine).values()
    return [point for point in points if point.model == classifier.fingerprint]


def _always_timed(classifier: "Classifier", settings: Sequence[_Setting], focus: float | str | None) -> list[int]:
    """Indices of the settings that are always timed: operating points, the one in focus, and the default."""
    default = classifier.default_threshold if classifier.points.default is None else None
    return [
        place
        for place, setting in enumerate(settings)
        if setting.point is not None or setting.rule.threshold in (focus, default)
    ]


def _named(
    points: Sequence[Point],
    settings: Sequence[_Setting],
    measured: _Measured,
    default: str | None,
    reference: Reference | None,
) -> tuple[EvaluatedPoint, ...]:
    """The operating points among the points, with their promises."""
    return tuple(
        EvaluatedPoint(
            point,
            tuple(promise_here(promise, measured.answers, replayed, reference) for promise in setting.point.promises),
            setting.point.seen,
            point.name == default,
            handing_over(measured.answers, replayed) if setting.rule.may_hand_over else None,
        )
        for point, setting, replayed in zip(points, settings, measured.replays, strict=True)
        if setting.point is not None
    )


def _asked(points: Sequence[Point], focus: float | str) -> Point:
    """The point of the setting in focus: a threshold, or the name of an operating point."""
    if isinstance(focus, str):
        return next(point for point in points if point.name == focus)
    return next(point for point in points if point.name is None and point.threshold == focus)


def _used_before(classifier: "Classifier", rows: LabeledTexts, named: Sequence[EvaluatedPoint]) -> dict[str, float]:
    """What the rows were used for, except for other engines and points that are gone."""
    if classifier.folder is None:
        return {}
    names = [str(entry.point.name) for entry in named]
    return uses_for(uses_of(classifier.folder, rows), classifier.engine, names)


def _describe_data(
    classifier: "Classifier", rows: LabeledTexts, measured: _Measured, named: Sequence[EvaluatedPoint]
) -> EvaluatedData:
    return EvaluatedData(
        source=rows.source,
        rows=len(rows),
        fingerprint=rows.fingerprint,
        used_before=_used_before(classifier, rows, named),
        blank=rows.blank,
        truncated=int(measured.answers.truncated.sum()),
        mean_tokens=float(measured.answers.tokens.mean()),
        timed_rows=measured.timed_rows,
        repeats=measured.speeds.repeats,
        constant=constant_answer(measured.answers, classifier.labels),
    )


def _describe_model(classifier: "Classifier", model: "str | Path | Classifier", runtime: Runtime) -> EvaluatedModel:
    backbone = classifier.runner.cascade.backbone
    folder = model if isinstance(model, str | Path) else model.folder
    return EvaluatedModel(
        name=backbone if folder is None else Path(folder).resolve().name,
        folder=None if folder is None else str(folder),
        fingerprint=classifier.fingerprint,
        backbone=backbone,
        exits=tuple(classifier.exits),
        exit_names=classifier.exit_names,
        labels=len(classifier.labels),
        problem_type=str(classifier.problem.type),
        calibrated_on=classifier.calibration.fitted_on,
        words=None if classifier.folder is None else words_trial(classifier.folder),
        label_thresholds=dict(zip(classifier.labels, classifier.problem.thresholds, strict=False)),
        max_tokens=classifier.max_tokens,
        token_budget=classifier.token_budget,
        **asdict(classifier.engine),
        automatic=isinstance(model, str | Path) and (runtime.backend, runtime.precision) == (AUTO, AUTO),
    )


def _check_options(thresholds: Sequence[float] | None, seconds: float, threads: int | None, seed: int) -> None:
    if thresholds is not None and not thresholds:
        raise OptionError("there are no thresholds; give at least one, such as 0.9")
    if not seconds > 0:
        raise OptionError(f"seconds is {seconds}; it must be above 0", option="seconds", value=seconds)
    environment.check_threads(threads)
    if seed < 0:
        raise OptionError(f"seed is {seed}; use a whole number from 0 on", option="seed", value=seed)


@contextlib.contextmanager
def _threads(number: int | None) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
