"""Whether a promise holds on some rows."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import evaluations
from helpers.evaluations import DROP, SAFE, answers_of, evaluation
from offramp.evaluation import Standing, standings
from offramp.evaluation.promises import promise_here
from offramp.policy import Confidence, Interval, Limit, Reference, Risk, Threshold, replay

NONE = Interval(0.0, 0.0, 0.0)


def here(promise, agreement=1.0, difference=NONE):
    (found,) = evaluation(promises=(("safe", promise),)).operating_points
    return evaluations.here(found, promise, 1000, agreement=agreement, accuracy_difference=difference)


@pytest.mark.parametrize(
    ("point", "standing"),
    [
        (here(SAFE), Standing.KEPT),
        (here(SAFE, agreement=0.99), Standing.KEPT),  # exactly as promised
        (here(SAFE, agreement=0.988), Standing.CHANCE),
        (here(SAFE, agreement=0.97), Standing.BROKEN),
        (here(DROP, agreement=0.5), Standing.KEPT),
        (here(DROP, difference=Interval(-0.01, -0.02, 0.0)), Standing.KEPT),
        (here(DROP, difference=Interval(-0.02, -0.03, -0.005)), Standing.CHANCE),
        (here(DROP, difference=Interval(-0.02, -0.03, -0.011)), Standing.BROKEN),
        (here(None, agreement=0.5), None),
    ],
)
def test_a_promise_is_kept_or_broken_by_more_than_chance(point, standing):
    assert standings([point]) == [[] if standing is None else [standing]]


def test_points_are_judged_together():
    # The chance of one broken promise grows with the number of promises.
    doubtful = here(SAFE, agreement=0.983)
    assert standings([doubtful]) == [[Standing.BROKEN]]
    assert standings([doubtful] * 5) == [[Standing.CHANCE]] * 5
    assert standings([doubtful, *[here(None)] * 4])[0] == [Standing.BROKEN]
    assert standings([replace(doubtful, promises=doubtful.promises * 5)]) == [[Standing.CHANCE] * 5]


def limit_here(limit, exits=None):
    """A limit on the rows of a random model, at threshold 0.7 or with given exits."""
    known = replace(answers_of(), labels=("a", "b", "c"))
    replayed = replay(known.probabilities, Threshold(0.7, Confidence(known.problem)))
    replayed = replayed if exits is None else replace(replayed, exits=exits)
    return known, replayed, promise_here(replace(SAFE, limit=limit), known, replayed)


def test_a_promise_is_about_the_rows_that_count():
    known, replayed, all_rows = limit_here(Limit(Risk.DISAGREEMENT, 0.1))
    differ = ~known.agree(replayed.probabilities)
    assert (all_rows.rows, all_rows.risk.value) == (len(known), pytest.approx(differ.mean()))
    _, _, early = limit_here(Limit(Risk.DISAGREEMENT, 0.1, exit=known.names[1]))
    left = replayed.exits <= 1
    assert (early.rows, early.risk.value) == (left.sum(), pytest.approx(differ[left].mean()))
    found, truth = known.problem.predicted(replayed.probabilities), known.targets
    _, _, precision = limit_here(Limit(Risk.PRECISION, 0.1, label="b"))
    assert precision.rows == (found == 1).sum()
    assert precision.risk.value == pytest.approx((truth[found == 1] != 1).mean())
    _, _, recall = limit_here(Limit(Risk.RECALL, 0.1, label="b"))
    assert recall.risk.value == pytest.approx((found[truth == 1] != 1).mean())
    _, _, drop = limit_here(Limit(Risk.ACCURACY_DROP, 0.1))
    assert drop.risk.value == pytest.approx((truth == known.full.argmax(-1)).mean() - (truth == found).mean())


def test_a_promise_about_a_reference_is_judged_by_its_predictions():
    limit, known = Limit(Risk.DISAGREEMENT, 0.1, reference=Reference("older", "sha256:1")), answers_of()
    other = (known.targets + (np.arange(len(known)) % 10 == 0)) % 3
    known = replace(known, reference=other)
    replayed = replay(known.probabilities, Threshold(0.7, Confidence(known.problem)))
    promise = replace(SAFE, limit=limit)
    found = promise_here(promise, known, replayed, Reference("moved", "sha256:1"))
    assert found.risk.value == pytest.approx((replayed.probabilities.argmax(-1) != other).mean())
    drop = promise_here(
        replace(promise, limit=replace(limit, risk=Risk.ACCURACY_DROP)), known, replayed, limit.reference
    )
    assert drop.risk.value == pytest.approx(0.9 - known.accuracy(replayed.probabilities))
    assert promise_here(promise, known, replayed, Reference("older", "sha256:2")).risk is None


def test_what_cannot_be_seen_here_is_not_judged():
    _, _, nobody = limit_here(Limit(Risk.DISAGREEMENT, 0.1, exit="layer 1"), exits=np.full(400, 3))
    _, _, unknown = limit_here(Limit(Risk.DISAGREEMENT, 0.1, reference=Reference("gpt")))
    assert nobody.risk is unknown.risk is None
    (entry,) = evaluation(promises=(("safe", SAFE),)).operating_points
    assert standings([replace(entry, promises=(nobody, unknown))]) == [[None, None]]
