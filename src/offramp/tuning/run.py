"""Choosing operating points and writing them into the model folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from offramp import environment
from offramp.backends import AUTOMATIC, Engine, Runtime
from offramp.data import Columns, Data, LabeledTexts, Texts, read_any
from offramp.engine import answers_of, check_model, check_rows, open_model
from offramp.engine.choosing import check_unloaded, processor_of
from offramp.errors import CheckFailed, OptionError
from offramp.evaluation import answers_alike, constant_answer, learned_nothing
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
    replay,
    sweep,
)
from offramp.progress import OnProgress, unheard
from offramp.records import to_json
from offramp.tuning.goals import check_labels, goals_of
from offramp.tuning.rows import REPEATS, check_unused, measure, refit
from offramp.tuning.selection import DEFAULT_SELECTION, Selection
from offramp.tuning.storing import Store

if TYPE_CHECKING:
    from offramp.engine import Classifier

SCHEMA = 2
CONFIDENCE = 0.95
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
    model: "str | Path | Classifier",
    data: Data,
    *,
    columns: Columns | None = None,
    max_disagreement: float | None = None,
    max_accuracy_drop: float | None = None,
    speedup: float | None = None,
    threshold: float | None = None,
    confidence: float = CONFIDENCE,
    name: str | None = None,
    selection: Selection = DEFAULT_SELECTION,
    runtime: Runtime = AUTOMATIC,
    on_progress: OnProgress = unheard,
) -> Tuned:
    """Chooses operating points on calibration rows and stores them with the model, for ``predict(at=name)``.

    Everything is decided on one full-depth pass. Without a target there are three points, ``fast``, ``balanced`` and
    ``safe``: at most 5 %, 2 % and 1 % of the predictions differ from full depth. A promise is about rows drawn like
    these, each point's on its own; it needs rows that the model was neither trained nor calibrated on, and a rule that
    they did not choose. Points that no threshold is good enough for, or that would be slower than full depth, are
    missed: see :func:`check`.

    Args:
        model: a model folder, or a classifier in memory, whose ``points`` change, and its folder if it has one.
        data: texts, as a source or in memory, see :func:`offramp.data.read_rows`; labels are needed for an
            accuracy drop only.
        columns: names of their columns.
        max_disagreement: as fast as possible with at most this share of predictions that differ from full depth.
        max_accuracy_drop: as fast as possible with an accuracy at most this share below full depth.
        speedup: at least this many times as fast as full depth in one go, with the best accuracy (without labels:
            least disagreement). Speed is what the measured time of each stage lets expect.
        threshold: take this one, and see what comes of it, even if it is slower than full depth.
        confidence: probability of the promise over calibration rows.
        name: of the point, where there is a target; ``tuned`` if none is given.
        selection: how the points are selected, and on which of the rows.
        runtime: what runs a model folder; the points hold for this backend and precision. A classifier in memory takes
            none.
        on_progress: called with what is being done, how many of how many parts.

    Raises:
        DataError: the data cannot be read, do not fit the model, have been used for it before or have no labels where
            they are needed.
        ModelFolderError: the folder is not an offramp model, or damaged.
        OptionError: an option is out of range.
        StorageError: the folder cannot be written.

    Example:
        >>> tuned = offramp.tune("model", "fresh.csv", threshold=0.8, name="mine")
        >>> [point.name for point in tuned.points]
        ['mine']
        >>> offramp.load("model").predict(["a wonderful story"], at="mine").label
        ['good']
    """
    goals = goals_of(
        threshold=threshold,
        speedup=speedup,
        max_accuracy_drop=max_accuracy_drop,
        max_disagreement=max_disagreement,
        confidence=confidence,
        method=selection.method,
        name=name,
    )
    _check_rule(selection.rule, threshold)
    model = Path(model) if isinstance(model, str) else model
    check_unloaded(model, threads=runtime.threads)
    known = check_model(model, runtime)
    store = Store.of(model, runtime)
    store.check_default(selection.default, goals)
    rows = read_any(data, columns or Columns())
    check_labels(goals, rows)
    check_rows(known, rows)
    uses = store.uses_of(rows)
    check_unused(rows, uses, split=selection.split)
    classifier = open_model(model, runtime, on_progress)
    on_progress("running all exits", 0, 2)
    answers, refitted = answers_of(classifier, rows), None
    if selection.split:
        refitted = refit(classifier, rows, answers, selection.seed)
        classifier, rows, answers = refitted.classifier, refitted.rest, refitted.answers
    on_progress("timing stages", 1, 2)
    measured = measure(classifier, rows, answers, selection.seconds)
    answers = replace(answers, costs=measured.costs)
    threads = _threads(runtime.threads)
    points, missed = _choose(goals, selection, answers, classifier, rows.fingerprint, threads)
    dropped = store.keep(points, selection.default, rows, refitted) if points else ()
    return Tuned(
        schema=SCHEMA,
        environment={**environment.describe(), "threads": threads, "seed": selection.seed},
        model=_describe_model(store.folder, classifier),
        data=_describe_data(rows, answers, uses),
        costs={**asdict(measured.costs), "rows": measured.rows, "repeats": REPEATS},
        points=points,
        missed=missed,
        doubt=_doubt(answers, classifier),
        one_threshold=tuple(
            name for name, goal in goals.items() if selection.rule is None and not enough_to_fit(goal, len(rows))
        ),
        dropped=dropped,
        comparison=compare_rules(answers, SPEEDUPS, selection.seed) if selection.compare_rules else (),
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
        raise OptionError(f"rule {rule!r} is not known; valid: {', '.join(CRITERIA)}", option="rule", value=rule)
    if rule == "per-exit" and threshold is not None:
        raise OptionError(
            f"threshold is {threshold}, but the rule 'per-exit' has one for each exit; leave one out",
            option="threshold",
            value=threshold,
        )


def _default_rule(goal: Goal, rows: int) -> str:
    """What is compared with thresholds where nothing else is asked for; a plain threshold is one of confidence."""
    return "confidence" if isinstance(goal, Exactly) or not enough_to_fit(goal, rows) else "per-exit"


def _choose(
    goals: Mapping[str, Goal],
    selection: Selection,
    answers: ExitAnswers,
    classifier: "Classifier",
    fingerprint: str,
    threads: int,
) -> tuple[tuple[OperatingPoint, ...], tuple[MissedPoint, ...]]:
    @cache
    def parts(rule: str) -> tuple[ExitAnswers, ExitAnswers]:
        return (
            answers.split(FITTING_SHARE, selection.seed) if rule in FITTED else (answers.subset(np.arange(0)), answers)
        )

    @cache
    def swept(rule: str, risk: Risk) -> Swept:
        fitting, judging = parts(rule)
        return sweep(judging, make_criterion(rule, fitting, risk))

    points, missed = [], []
    for name, goal in goals.items():
        rule = selection.rule or _default_rule(goal, len(answers))
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


def _seen(rule: Threshold, rows: ExitAnswers, fingerprint: str, engine: Engine, threads: int) -> Seen:
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
        threads=threads,
    )


def _doubt(answers: ExitAnswers, classifier: "Classifier") -> str | None:
    if answers.targets is None:
        return answers_alike(answers)
    return learned_nothing(answers.accuracies, constant_answer(answers, classifier.labels))


def _threads(threads: int | None) -> int:
    import torch

    return threads or torch.get_num_threads()


def _describe_model(folder: Path | None, classifier: "Classifier") -> dict[str, Any]:
    return {
        "folder": None if folder is None else str(folder),
        "fingerprint": classifier.fingerprint,
        **asdict(classifier.stages.engine),
        "exits": list(classifier.exits),
        "exit_names": list(classifier.exit_names),
        "labels": len(classifier.labels),
        "problem_type": str(classifier.problem),
        "calibrated_on": classifier.calibration.fitted_on,
    }


def _describe_data(rows: LabeledTexts | Texts, answers: ExitAnswers, uses: Mapping[str, float]) -> dict[str, Any]:
    return {
        "source": rows.source,
        "rows": len(rows),
        "fingerprint": rows.fingerprint,
        "labeled": answers.targets is not None,
        "blank": rows.blank,
        "truncated": int(answers.truncated.sum()),
        "mean_tokens": float(answers.tokens.mean()),
        "seen": dict(uses),
    }
