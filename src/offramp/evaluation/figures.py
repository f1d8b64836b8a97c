"""Every figure of an evaluation except time, computed from the answers of every exit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from offramp.calibration import ExitCalibration, Problem, measure_exits, reliability
from offramp.data import LabeledTexts
from offramp.evaluation.breakdown import Outcome, class_members, exit_counts, group_rows, length_members
from offramp.evaluation.coverage import RiskCoverage, risk_coverage
from offramp.evaluation.disagreements import BothAnswers, worst_disagreements
from offramp.evaluation.intervals import accuracy_difference
from offramp.evaluation.result import ExitReliability, Focus, Point, Way
from offramp.evaluation.speed import Speed
from offramp.exit_names import alone, stands_alone
from offramp.policy import ExitAnswers, Interval, Replay, Threshold, exit_shares, layers_run, rule_in_words


def outcome_of(answers: ExitAnswers, replayed: Replay) -> Outcome:
    """The outcome of each row, given the replay of a rule."""
    given = replayed.probabilities
    right, full_right = answers.right(given), answers.right(answers.full)
    return Outcome(replayed.exits, right, full_right, answers.agree(given), replayed.handed_over)


def leaving_at(answers: ExitAnswers, index: int) -> Replay:
    """The replay in which every row leaves at the same exit, if it is not read to its end before."""
    exits = np.full(len(answers), index)
    taken = exits if answers.ends is None else np.minimum(exits, answers.ends)
    return Replay(taken, np.asarray(answers.probabilities[index]), np.zeros(len(answers), np.bool_))


def early_exit(answers: ExitAnswers, rule: Threshold, replayed: Replay, speed: Speed, name: str | None) -> Point:
    """The figures of early exit by a rule, given its replay and its speed; ``name`` is an operating point's."""
    way = Way.THRESHOLD if name is None else Way.OPERATING_POINT
    words = rule_in_words(rule, answers.labels)
    return _point(answers, way, replayed, speed, rule=words, threshold=rule.threshold, name=name)


def ending_after(answers: ExitAnswers, index: int, layers: int, speed: Speed) -> Point:
    """The figures of the network of so many layers that ends after an exit; full depth if that is the last."""
    end, last = answers.names[index], index == len(answers.names) - 1
    way = Way.FULL if last else Way.ALONE if stands_alone(answers.names, index) else Way.CUT
    rule = alone(end) if way is Way.ALONE else f"all after {end}"
    point = _point(answers, way, leaving_at(answers, index), speed, rule=rule, end=end)
    return replace(point, mean_layers=float(layers))


def _point(
    answers: ExitAnswers,
    way: Way,
    replayed: Replay,
    speed: Speed,
    *,
    rule: str,
    threshold: float | None = None,
    end: str | None = None,
    name: str | None = None,
) -> Point:
    outcome = outcome_of(answers, replayed)
    difference = accuracy_difference(outcome.won, outcome.lost, len(answers))
    return Point(
        way=way,
        name=name,
        rule=rule,
        threshold=threshold,
        end=end,
        accuracy=float(outcome.right.mean()),
        macro_f1=answers.macro_f1(replayed.probabilities),
        agreement=float(outcome.agree.mean()),
        # Full depth is compared with itself, so nothing is uncertain.
        accuracy_difference=Interval(0.0, 0.0, 0.0) if way is Way.FULL else difference,
        mean_layers=layers_run(replayed.exits, answers.layers, answers.tokens, answers.reads),
        bound_speedup=speed.bound,
        speedup=speed.ratio.median,
        speedup_spread=(speed.ratio.low, speed.ratio.high),
        computed=speed.computed,
        efficiency=speed.ratio.median / speed.bound,
        texts_per_second=speed.texts_per_second,
        exits=tuple(exit_shares(replayed.exits, len(answers.layers)).tolist()),
    )


def calibration_of(answers: ExitAnswers) -> tuple[ExitCalibration, ...]:
    """Each exit's quality before and after calibration."""
    return measure_exits(
        answers.logits,
        answers.truth,
        answers.temperatures,
        answers.problem,
        answers=answers.probabilities,
        adding=answers.evidence,
        names=answers.names,
        layers=answers.layers,
    )


def reliability_of(answers: ExitAnswers) -> tuple[ExitReliability, ...]:
    """Each exit's confidence against its accuracy."""
    problem, unfitted = answers.problem, Problem(answers.problem.type)
    before = problem.probabilities(answers.logits)
    right = answers.right(answers.probabilities)
    return tuple(
        ExitReliability(
            exit=index,
            name=name,
            layers=layers,
            before=reliability(unfitted.confidence(before[index], index), right[index]),
            after=reliability(problem.confidence(answers.probabilities[index], index), right[index]),
        )
        for index, (name, layers) in enumerate(zip(answers.names, answers.layers, strict=True))
    )


def coverage_of(answers: ExitAnswers, full: Point, point: Point, replayed: Replay) -> tuple[RiskCoverage, ...]:
    """The curves of full depth and, if it is another setting, of the one in focus."""
    settings = {
        full.setting: (answers.full, np.asarray(len(answers.layers) - 1)),
        point.setting: (replayed.probabilities, replayed.exits),
    }
    return tuple(
        risk_coverage(setting, answers.problem.confidence(given, exits), answers.right(given))
        for setting, (given, exits) in settings.items()
    )


def focus_on(
    answers: ExitAnswers, labels: Sequence[str], point: Point, replayed: Replay, rows: LabeledTexts | None
) -> Focus:
    """A setting in detail; ``rows`` are given only if the texts of disagreements may be shown."""
    outcome = outcome_of(answers, replayed)
    n_exits = len(answers.layers)
    both = BothAnswers(
        early=replayed.probabilities,
        full=answers.full,
        exits=replayed.exits,
        handed_over=replayed.handed_over,
        exit_names=answers.names,
        layers=answers.layers,
        targets=answers.truth,
        labels=labels,
        problem=answers.problem,
    )
    return Focus(
        point=point,
        exits=exit_counts(outcome, answers.names, answers.layers),
        classes=group_rows(outcome, class_members(answers.truth, labels, answers.problem), n_exits),
        lengths=group_rows(outcome, length_members(answers.tokens), n_exits),
        disagreeing=int((~outcome.agree & ~outcome.handed_over).sum()),
        disagreements=worst_disagreements(
            both, None if rows is None else rows.texts, None if rows is None else rows.text_pairs
        ),
    )
