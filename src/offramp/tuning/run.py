"""Chooses operating points and stores them with the model."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from offramp import environment
from offramp.backends import AUTOMATIC, Engine, Runtime
from offramp.data import Columns, Data, LabeledTexts, Texts, read_any
from offramp.engine import answers_of, check_model, check_rows, open_model
from offramp.engine.choosing import check_unloaded, processor_of
from offramp.errors import CheckFailed, OptionError
from offramp.evaluation import Asked, answers_alike, constant_answer, learned_nothing
from offramp.policy import (
    CRITERIA,
    FITTED,
    AtCost,
    AtMost,
    Chosen,
    Exactly,
    ExitAnswers,
    Goal,
    Missed,
    OperatingPoint,
    Seen,
    Selected,
    at_exits,
    compare_rules,
    enough_to_fit,
    enough_to_judge,
    exit_shares,
    layers_run,
    select_all,
)
from offramp.policy.abstaining import no_last_threshold
from offramp.progress import OnProgress, unheard
from offramp.records import to_json
from offramp.tuning.goals import PointTarget, check_known, check_labels, check_sets, goals_of
from offramp.tuning.rows import REPEATS, check_unused, measure, refit
from offramp.tuning.selection import DEFAULT_SELECTION, Selection
from offramp.tuning.storing import Store
from offramp.tuning.summing import sum_up

if TYPE_CHECKING:
    from offramp.engine import Classifier

SCHEMA = 3
SPEEDUPS = (1.25, 1.5, 2.0, 3.0, 4.0)
"""The speed-ups at which rules are compared, if they can be reached."""

_FEWER = "; the rule 'confidence' would be judged on all rows"


@dataclass(frozen=True, slots=True)
class MissedPoint:
    """A point that no threshold qualified for, and why; an existing point of that name stays."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """Everything ``offramp tune --json`` writes.

    Attributes:
        points: the chosen points, which are in the model folder now; if there are none, nothing was written.
        missed: points that no threshold was good enough for, or only one that is slower than full depth.
        doubt: why the model's answers, and so all points, may be worthless; None if nothing suggests so.
        unfitted: names of points that use confidence, because there were too few rows to fit a gate and judge it.
        dropped: names of points of this backend and precision that were removed, because they were tuned for other
            weights or temperatures.
        comparison: all rules at equal cost, if that was asked for.
    """

    schema: int
    environment: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    costs: dict[str, Any]
    points: tuple[OperatingPoint, ...]
    missed: tuple[MissedPoint, ...]
    doubt: str | None
    unfitted: tuple[str, ...]
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
    selection: Selection = DEFAULT_SELECTION,
    runtime: Runtime = AUTOMATIC,
    on_progress: OnProgress = unheard,
    **target: Unpack[PointTarget],
) -> Tuned:
    """Chooses operating points on calibration rows and stores them with the model, for ``predict(at=name)``.

    Everything is decided on one full-depth pass. Limits (``max_...`` and ``min_...``) may be given together: one point
    keeps all of them at once, with the given confidence. Without a target there are three: ``fast``, ``balanced`` and
    ``safe``: at most 5 %, 2 % and 1 % of the predictions differ from full depth. Each point's promise is about rows
    drawn like these, and holds for that point alone. It requires rows that the model was neither trained nor calibrated
    on, and a rule that was not chosen by them. Points that no threshold is good enough for, or that would be slower
    than full depth, are missed: see :func:`check`.

    Args:
        model: a model folder, or a classifier in memory, whose ``points`` change together with its folder if it has
            one.
        data: texts, as a source or in memory, see :func:`offramp.data.read_rows`; only an accuracy drop needs labels.
        columns: names of the columns.
        selection: how the points are selected, and on which rows.
        runtime: how to run a model folder; the points hold for this backend and precision. Not for a classifier in
            memory.
        on_progress: called with the current step, the parts done and their number.
        max_disagreement: as fast as possible with at most this share of predictions that differ from full depth.
        max_labels_changed: as fast as possible with at most this share of labels, of all that the model knows, on which
            sets differ from those at full depth; for models that give any number of labels.
        max_accuracy_drop: as fast as possible with an accuracy at most this share below full depth.
        max_error: as fast as possible with at most this share of predictions that are wrong; takes labels.
        min_precision: for labels, the least share of the texts predicted as one that have it; takes labels.
        min_recall: for labels, the least share of the texts that have one and are predicted as it; takes labels.
        each_exit: let disagreement and accuracy drop be limited not only among all texts, but after every exit among
            those that have left so far.
        reference: another model, a folder or a classifier in memory, whose answers at full depth count instead of this
            model's own: disagreement, labels changed and accuracy drop compare with these. A folder answers in PyTorch
            in fp32; that of the model itself will do, for what an export in lower precision is worth.
        reference_column: column with predictions to compare with instead, written as labels are, such as those of a
            large language model.
        abstain: hand over what no exit is sure of, not even the last: then all limits are about the texts that are
            answered, as many as possible. Which are right the labels say, or the reference.
        min_coverage: with ``abstain``, miss the point if a smaller share of the texts would be answered.
        speedup: at least this many times as fast as full depth in one go, with the best accuracy (without labels: the
            least disagreement). The speed is estimated from the measured time of each stage.
        threshold: use this threshold, even if it is slower than full depth.
        confidence: probability that the promise holds, over calibration rows.
        name: of the point, if there is a target; by default ``tuned``.

    Returns:
        The points that were found and stored, and in ``missed`` why there are none for other goals.

    Raises:
        DataError: the data cannot be read, do not fit the model, have been used for it before, or lack labels that a
            target needs.
        ModelFolderError: the folder is damaged or not an offramp model.
        OptionError: an option is out of range.
        StorageError: the folder cannot be written.

    Example:
        >>> tuned = offramp.tune("model", "fresh.csv", threshold=0.8, name="mine")
        >>> [point.name for point in tuned.points]
        ['mine']
        >>> offramp.load("model").predict(["a wonderful story"], at="mine").label
        ['good']
    """
    asked = Asked(target.get("reference"), target.get("reference_column"))
    goals = goals_of(target, selection.method, asked.named)
    _check_rule(selection.rule, target)
    model = Path(model) if isinstance(model, str) else model
    check_unloaded(model, threads=runtime.threads)
    known = check_model(model, runtime)
    check_known(goals, known.labels)
    check_sets(goals, multi_label=known.multi_label)
    asked.check(known)
    store = Store.of(model, runtime)
    store.check_default(selection.default, goals)
    columns = columns or Columns()
    rows = read_any(data, columns)
    check_labels(goals, rows)
    check_rows(known, rows)
    uses = store.uses_of(rows)
    check_unused(rows, uses, split=selection.split)
    compared = asked.compared(known, rows, data, columns, on_progress)
    goals = goals_of(target, selection.method, compared.reference)
    classifier = open_model(model, runtime, on_progress)
    on_progress("running all exits", 0, 2)
    answers, refitted = replace(answers_of(classifier, rows), reference=compared.predictions), None
    if selection.split:
        refitted = refit(classifier, rows, answers, selection.seed)
        classifier, rows, answers = refitted.classifier, refitted.rest, refitted.answers
    on_progress("timing stages", 1, 2)
    measured = measure(classifier, rows, answers, selection.seconds)
    answers = replace(answers, costs=measured.costs)
    threads = _threads(runtime.threads)
    rules = _rules(goals, selection.rule, len(answers))
    selections = _select(goals, rules, answers, selection.seed)
    points, missed = _choose(goals, rules, selections, classifier, rows.fingerprint, threads)
    dropped: tuple[str, ...] = ()
    if points:
        summed = sum_up(points, [selections[point.name] for point in points], rows, classifier)
        dropped = store.keep(points, selection.default, rows, refitted, summed)
    return Tuned(
        schema=SCHEMA,
        environment={**environment.describe(), "threads": threads, "seed": selection.seed},
        model=_describe_model(store.folder, classifier),
        data=_describe_data(rows, answers, uses),
        costs={**asdict(measured.costs), "rows": measured.rows, "repeats": REPEATS},
        points=points,
        missed=missed,
        doubt=_doubt(answers, classifier),
        unfitted=()
        if selection.rule is not None or target.get("threshold") is not None
        else _by_confidence(goals, len(rows)),
        dropped=dropped,
        comparison=compare_rules(answers, SPEEDUPS, selection.seed) if selection.compare_rules else (),
    )


def check(tuned: Tuned) -> None:
    """Makes sure that every point asked for was found.

    Raises:
        CheckFailed: some were missed; the others are in the model folder.
    """
    if tuned.missed:
        raise CheckFailed("; ".join(f"{point.name}: {point.reason}" for point in tuned.missed))


def _check_rule(rule: str | None, target: PointTarget) -> None:
    threshold = target.get("threshold")
    if rule is not None and rule not in CRITERIA:
        raise OptionError(f"rule {rule!r} is not known; valid: {', '.join(CRITERIA)}", option="rule", value=rule)
    if rule == "per-exit" and threshold is not None:
        raise OptionError(
            f"threshold is {threshold}, but the rule 'per-exit' has one for each exit; leave one out",
            option="threshold",
            value=threshold,
        )
    if rule == "per-exit" and target.get("abstain", False):
        raise no_last_threshold()


def _by_confidence(goals: Mapping[str, Goal], rows: int) -> tuple[str, ...]:
    """The points that go by confidence by default; a plain threshold is one of confidence.

    All points that can be kept on these rows go by one rule, so that a laxer one is never slower: by a gate where all
    of them can be judged by the rows that a gate is not fitted to.
    """
    in_reach = [name for name, goal in goals.items() if enough_to_judge(goal, rows) and not isinstance(goal, Exactly)]
    fitted = in_reach if all(enough_to_fit(goals[name], rows) for name in in_reach) else []
    return tuple(name for name in goals if name not in fitted)


def _rules(goals: Mapping[str, Goal], rule: str | None, rows: int) -> dict[str, str]:
    """The criterion that each point goes by."""
    by_confidence = _by_confidence(goals, rows)
    return {name: rule or ("confidence" if name in by_confidence else "gate") for name in goals}


def _select(
    goals: Mapping[str, Goal], rules: Mapping[str, str], answers: ExitAnswers, seed: int
) -> dict[str, Selected]:
    """What each goal came to; points of one criterion are chosen together."""
    found: dict[str, Selected] = {}
    for rule in set(rules.values()):
        names = [name for name in goals if rules[name] == rule]
        found |= zip(names, select_all([goals[name] for name in names], rule, answers, seed), strict=True)
    return found


def _choose(
    goals: Mapping[str, Goal],
    rules: Mapping[str, str],
    selections: Mapping[str, Selected],
    classifier: "Classifier",
    fingerprint: str,
    threads: int,
) -> tuple[tuple[OperatingPoint, ...], tuple[MissedPoint, ...]]:
    points, missed = [], []
    for name, goal in goals.items():
        rule, selected = rules[name], selections[name]
        match selected.choice:
            case Missed() as choice:
                few = _FEWER if rule in FITTED and isinstance(goal, AtMost) and goal.walks_from_full_depth else ""
                missed.append(MissedPoint(name, choice.reason + few))
            case Chosen() as choice:
                point = OperatingPoint(
                    name=name,
                    engine=classifier.engine,
                    model=classifier.fingerprint,
                    rule=choice.rule,
                    promises=choice.promises,
                    seen=_seen(choice, selected.rows, fingerprint, classifier.engine, threads),
                )
                points.append(point)
    return tuple(points), tuple(missed)


def _seen(choice: Chosen, rows: ExitAnswers, fingerprint: str, engine: Engine, threads: int) -> Seen:
    answers = at_exits(choice.answers, choice.exits[None, :, None])[0]
    places = np.flatnonzero(~choice.handed_over)
    answered = rows.subset(places)
    return Seen(
        data=fingerprint,
        rows=len(rows),
        disagreement=float((~answered.agree(answers[places])).mean()),
        accuracy=answered.accuracy(answers[places]),
        full_accuracy=rows.accuracy(rows.full),
        mean_layers=layers_run(choice.exits, rows.layers, rows.tokens, rows.reads),
        speedup=1 / rows.cost(choice.exits),
        exits=tuple(exit_shares(choice.exits, len(rows.layers)).tolist()),
        processor=processor_of(engine),
        threads=threads,
        handed_over=float(choice.handed_over.mean()),
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
        **asdict(classifier.engine),
        "exits": list(classifier.exits),
        "exit_names": list(classifier.exit_names),
        "labels": list(classifier.labels),
        "problem_type": str(classifier.problem.type),
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
