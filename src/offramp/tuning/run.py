"""Choosing operating points and writing them into the model folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offramp import environment
from offramp.backends import AUTO, Engine
from offramp.data import Columns, Data, LabelledTexts, Texts, point_of, read_any, remember, temperatures_of, uses_of
from offramp.engine import answers_of, check_model, check_rows, choose_engine, open_model, save_calibration
from offramp.engine.choosing import processor_of
from offramp.errors import CheckFailed, OptionError
from offramp.evaluation import answers_alike, constant_answer, learned_nothing
from offramp.files import check_folder_writable
from offramp.policy import (
    CRITERIA,
    FITTED,
    FITTING_SHARE,
    AtCost,
    AtMost,
    Chosen,
    Exactly,
    ExitAnswers,
    Goal,
    Missed,
    OperatingPoint,
    OperatingPoints,
    Risk,
    Seen,
    Swept,
    Threshold,
    at_exits,
    choose_rule,
    compare_rules,
    enough_to_fit,
    exit_shares,
    layers_run,
    make_criterion,
    read_operating_points,
    replay,
    save_operating_points,
    sweep,
)
from offramp.progress import OnProgress, unheard
from offramp.records import to_json
from offramp.tuning.goals import check_labels, goals_of
from offramp.tuning.rows import REPEATS, Refitted, check_unused, measure, refit

if TYPE_CHECKING:
    from offramp.engine import Classifier

SCHEMA = 2
CONFIDENCE = 0.95
SECONDS = 10.0
SPEEDUPS = (1.25, 1.5, 2.0, 3.0, 4.0)
"""At which rules are compared, as far as they can be reached."""

_FEWER = "; with the rule 'confidence' all rows would judge"


@dataclass(frozen=True, slots=True)
class MissedPoint:
    """A point that no threshold was good or fast enough for, and why; one of its name that the folder has stays."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """Everything ``offramp tune --json`` writes.

    Attributes:
        points: chosen, and in the model folder now; where there are none, nothing was written.
        missed: those that no threshold was good enough for, or only one that is slower than full depth.
        doubt: why the model's answers, and so all points, may be worth nothing; None where nothing speaks for it.
        one_threshold: names of those with one threshold for all exits, because the rows were too few to fit one for
            each and to judge them, too.
        dropped: names of points that were in the folder for this backend and precision, but were tuned for other
            weights or temperatures; they are gone.
        comparison: of all rules at equal cost, if that was asked for.
    """

    schema: int
    environment: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    costs: dict[str, Any]
    points: tuple[OperatingPoint, ...]
    missed: tuple[MissedPoint, ...]
    doubt: str | None
    one_threshold: tuple[str, ...]
    dropped: tuple[str, ...]
    comparison: tuple[AtCost, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, ready for JSON."""
        return dict(to_json(self))


def tune(
    model: str | Path,
    data: Data,
    *,
    columns: Columns | None = None,
    threshold: float | None = None,
    speedup: float | None = None,
    max_accuracy_drop: float | None = None,
    max_disagreement: float | None = None,
    confidence: float = CONFIDENCE,
    method: str | None = None,
    rule: str | None = None,
    name: str | None = None,
    default: str | None = None,
    split: bool = False,
    compare: bool = False,
    backend: str = AUTO,
    precision: str = AUTO,
    threads: int | None = None,
    seconds: float = SECONDS,
    seed: int = 0,
    on_progress: OnProgress = unheard,
) -> Tuned:
    """Chooses operating points on calibration rows and writes them into the model folder, for ``predict(at=name)``.

    Everything is decided on one full-depth pass. Without a target there are three points, ``fast``, ``balanced`` and
    ``safe``: at most 5 %, 2 % and 1 % of the predictions differ from full depth. A promise is about rows drawn like
    these, each point's on its own; it needs rows that the model was neither trained nor calibrated on, and a ``rule``
    that they did not choose. Points that no threshold is good enough for, or that would be slower than full depth, are
    missed: see :func:`check`.

    Args:
        model: a model folder.
        data: texts, as a source or in memory, see :func:`offramp.data.read_rows`; labels are needed for an
            accuracy drop only.
        columns: names of their columns.
        threshold: take this one, and see what comes of it, even if it is slower than full depth.
        speedup: at least this many times as fast as full depth in one go, with the best accuracy (without labels:
            least disagreement). Speed is what the measured time of each stage lets expect.
        max_accuracy_drop: as fast as possible with an accuracy at most this share below full depth.
        max_disagreement: as fast as possible with at most this share of predictions that differ from full depth.
        confidence: probability of the promise over calibration rows.
        method: ``empirical``, ``crc``, ``ltt`` or ``ucb``, see :class:`offramp.policy.Method`; by default the one that
            keeps most speed: ``ltt`` for disagreement, ``ucb`` for an accuracy drop.
        rule: what is compared with thresholds, of :data:`offramp.policy.CRITERIA`; by default ``per-exit``, confidence
            with a threshold of its own at each exit (and ``confidence`` with a plain ``threshold``). ``per-exit`` and
            ``gate`` are fitted to a random quarter of the rows, and the others decide; ``confidence`` leaves all of
            them to decide, and is the default where the others would be too few for a promise.
        name: of the point, where there is a target; ``tuned`` if none is given.
        default: the point that predictions use from now on where nothing else is asked for.
        split: fit the temperatures anew to one random half of the rows and choose on the other: for rows that have
            served for the temperatures.
        compare: compare the accuracy of all rules at equal cost, too.
        backend, precision, threads: what runs the model; the points hold for this backend and precision.
        seconds: about how long the timed runs may take.
        seed: of the halves and of the comparison's resamples.
        on_progress: called with what is being done, how many of how many parts.

    Raises:
        DataError: the data cannot be read, do not fit the model, have been used for it before or have no labels where
            they are needed.
        ModelFolderError: the folder is not an offramp model, or damaged.
        OptionError: an option is out of range.
        StorageError: the folder cannot be written.
    """
    folder = Path(model)
    goals = goals_of(
        threshold=threshold,
        speedup=speedup,
        max_accuracy_drop=max_accuracy_drop,
        max_disagreement=max_disagreement,
        confidence=confidence,
        method=method,
        name=name,
    )
    _check_rule(rule, threshold)
    _check_numbers(seconds, seed)
    known = check_model(folder, backend=backend, precision=precision, threads=threads)
    check_folder_writable(folder)
    _check_default(default, goals, folder, choose_engine(folder, backend, precision, threads))
    rows = read_any(data, columns or Columns())
    check_labels(goals, rows)
    check_rows(known, rows)
    uses = uses_of(folder, rows)
    check_unused(rows, uses, split=split)
    classifier = open_model(folder, backend=backend, precision=precision, threads=threads, on_progress=on_progress)
    on_progress("running all exits", 0, 2)
    answers, refitted = answers_of(classifier, rows), None
    if split:
        refitted = refit(classifier, rows, answers, seed)
        classifier, rows, answers = refitted.classifier, refitted.rest, refitted.answers
    on_progress("timing stages", 1, 2)
    measured = measure(classifier, rows, answers, seconds)
    answers = replace(answers, costs=measured.costs)
    rules = {name: rule or _default_rule(goal, len(rows)) for name, goal in goals.items()}
    points, missed = _choose(goals, rules, answers, classifier, rows.fingerprint, threads, seed)
    dropped = _write(folder, classifier, rows, refitted, points, default) if points else ()
    return Tuned(
        schema=SCHEMA,
        environment={**environment.describe(), "threads": _threads(threads), "seed": seed},
        model=_describe_model(folder, classifier),
        data=_describe_data(rows, answers, uses),
        costs={**asdict(measured.costs), "rows": measured.rows, "repeats": REPEATS},
        points=points,
        missed=missed,
        doubt=_doubt(answers, classifier),
        one_threshold=tuple(
            name for name, goal in goals.items() if rule is None and not enough_to_fit(goal, len(rows))
        ),
        dropped=dropped,
        comparison=compare_rules(answers, SPEEDUPS, seed) if compare else (),
    )


def check(tuned: Tuned) -> None:
    """Makes sure that every point asked for was found.

    Raises:
        CheckFailed: some were missed; the others are in the model folder.
    """
    if tuned.missed:
        raise CheckFailed("; ".join(f"{one.name}: {one.reason}" for one in tuned.missed))


def _check_rule(rule: str | None, threshold: float | None) -> None:
    if rule is not None and rule not in CRITERIA:
        raise OptionError(f"rule {rule!r} is not known; valid: {', '.join(CRITERIA)}")
    if rule == "per-exit" and threshold is not None:
        raise OptionError(f"threshold is {threshold}, but the rule 'per-exit' has one for each exit; leave one out")


def _default_rule(goal: Goal, rows: int) -> str:
    """What is compared with thresholds where nothing else is asked for; a plain threshold is one of confidence."""
    return "confidence" if isinstance(goal, Exactly) or not enough_to_fit(goal, rows) else "per-exit"


def _check_numbers(seconds: float, seed: int) -> None:
    if not seconds > 0:
        raise OptionError(f"seconds is {seconds}; it must be above 0")
    if seed < 0:
        raise OptionError(f"seed is {seed}; use a whole number from 0 on")


def _check_default(default: str | None, goals: Mapping[str, Goal], folder: Path, engine: Engine) -> None:
    names = list(dict.fromkeys([*goals, *read_operating_points(folder).of(engine)]))
    if default is not None and default not in names:
        raise OptionError(f"the default {default!r} is no operating point; it can be one of {', '.join(names)}")


def _choose(
    goals: Mapping[str, Goal],
    rules: Mapping[str, str],
    answers: ExitAnswers,
    classifier: "Classifier",
    fingerprint: str,
    threads: int | None,
    seed: int,
) -> tuple[tuple[OperatingPoint, ...], tuple[MissedPoint, ...]]:
    @cache
    def parts(rule: str) -> tuple[ExitAnswers, ExitAnswers]:
        return answers.split(FITTING_SHARE, seed) if rule in FITTED else (answers.subset(np.arange(0)), answers)

    @cache
    def swept(rule: str, risk: Risk) -> Swept:
        fitting, judging = parts(rule)
        return sweep(judging, make_criterion(rule, fitting, risk))

    points, missed = [], []
    for name, goal in goals.items():
        rule = rules[name]
        fitting, judging = parts(rule)
        risk = goal.risk if isinstance(goal, AtMost) else judging.best_risk
        choice = choose_rule(goal, swept(rule, risk), judging, fitted=len(fitting))
        match choice:
            case Missed():
                few = _FEWER if rule in FITTED and isinstance(goal, AtMost) else ""
                missed.append(MissedPoint(name, choice.reason + few))
            case Chosen():
                point = OperatingPoint(
                    name=name,
                    engine=classifier.stages.engine,
                    model=classifier.fingerprint,
                    rule=choice.rule,
                    promise=choice.promise,
                    seen=_seen(choice.rule, judging, fingerprint, classifier.stages.engine, threads),
                )
                points.append(point)
    return tuple(points), tuple(missed)


def _seen(rule: Threshold, rows: ExitAnswers, fingerprint: str, engine: Engine, threads: int | None) -> Seen:
    taken = replay(rows.probabilities, rule)
    return Seen(
        data=fingerprint,
        rows=len(rows),
        disagreement=float((~rows.agree(taken.probabilities)).mean()),
        accuracy=rows.accuracy(taken.probabilities),
        full_accuracy=rows.accuracy(rows.full),
        mean_layers=layers_run(taken.exits, rows.layers, rows.tokens),
        speedup=float(1 / at_exits(rows.row_costs, taken.exits[None]).mean()),
        exits=tuple(exit_shares(taken.exits, len(rows.layers)).tolist()),
        processor=processor_of(engine),
        threads=_threads(threads),
    )


def _doubt(answers: ExitAnswers, classifier: "Classifier") -> str | None:
    if answers.targets is None:
        return answers_alike(answers)
    return learned_nothing(answers.accuracies, constant_answer(answers, classifier.labels))


def _write(
    folder: Path,
    classifier: "Classifier",
    rows: LabelledTexts | Texts,
    refitted: Refitted | None,
    points: tuple[OperatingPoint, ...],
    default: str | None,
) -> tuple[str, ...]:
    """Writes the points, and drops those of this engine that no longer hold; gives their names."""
    engine = classifier.stages.engine
    if refitted is not None:
        save_calibration(folder, engine, classifier.calibration)
        remember(folder, refitted.fitted, temperatures_of(engine))
    there = read_operating_points(folder)
    void = [point for point in there.of(engine).values() if point.model != classifier.fingerprint]
    kept = tuple(point for point in there.points if point not in void)
    now = OperatingPoints(kept).with_points(points)
    names = [name for name in (default, there.default) if name is not None and now.named(name)]
    save_operating_points(folder, OperatingPoints(now.points, names[0] if names else None))
    remember(folder, rows, *(point_of(point.name, engine) for point in points))
    return tuple(point.name for point in void if point.name not in now.of(engine))


def _threads(threads: int | None) -> int:
    import torch

    return threads or torch.get_num_threads()


def _describe_model(folder: Path, classifier: "Classifier") -> dict[str, Any]:
    return {
        "folder": str(folder),
        "fingerprint": classifier.fingerprint,
        **asdict(classifier.stages.engine),
        "exits": list(classifier.exits),
        "labels": len(classifier.labels),
        "problem_type": str(classifier.problem),
        "calibrated_on": classifier.calibration.fitted_on,
    }


def _describe_data(rows: LabelledTexts | Texts, answers: ExitAnswers, uses: Mapping[str, float]) -> dict[str, Any]:
    return {
        "source": rows.source,
        "rows": len(rows),
        "fingerprint": rows.fingerprint,
        "labelled": answers.targets is not None,
        "blank": rows.blank,
        "truncated": int(answers.truncated.sum()),
        "mean_tokens": float(answers.tokens.mean()),
        "seen": dict(uses),
    }
