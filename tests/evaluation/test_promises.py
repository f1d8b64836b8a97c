"""Whether a promise holds on some rows."""

from dataclasses import replace

import pytest

from helpers.evaluations import SAFE, evaluation
from offramp.evaluation import Standing, observed_risk, standings
from offramp.policy import Interval, Risk

DROP = replace(SAFE, risk=Risk.ACCURACY_DROP)
NONE = Interval(0.0, 0.0, 0.0)


def here(promise, agreement=1.0, difference=NONE):
    (found,) = evaluation(promises=(("safe", promise),)).operating_points
    return replace(found, point=replace(found.point, agreement=agreement, accuracy_difference=difference))


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
    assert standings([point], 1000) == [standing]


def test_points_are_judged_together():
    # The chance of one broken promise grows with the number of promises.
    doubtful = here(SAFE, agreement=0.983)
    assert standings([doubtful], 1000) == [Standing.BROKEN]
    assert standings([doubtful] * 5, 1000) == [Standing.CHANCE] * 5
    assert standings([doubtful, *[here(None)] * 4], 1000)[0] is Standing.BROKEN


def test_the_risk_is_the_promised_one():
    lost = Interval(-0.02, -0.03, -0.01)
    assert observed_risk(here(SAFE, 0.97, lost)) == pytest.approx(0.03)
    assert observed_risk(here(DROP, 0.97, lost)) == pytest.approx(0.02)
    assert observed_risk(here(None, 0.97, lost)) == pytest.approx(0.03)
