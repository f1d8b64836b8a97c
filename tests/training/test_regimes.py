"""Regimes as a user names them, and what they come to."""

from dataclasses import replace

import pytest

from offramp.errors import OptionError
from offramp.model.flow import GradientFlow
from offramp.training import Regime
from offramp.training.phases import phases_of

LAYERS = (1, 2, 4, 6)
FULL, LAST, EVERY = GradientFlow.full(4), (0, 0, 0, 1), (1, 1, 1, 1)


def phases(name, **switches):
    return phases_of(Regime(name=name, **switches), LAYERS)


def test_by_default_all_exits_are_taught_alike():
    (phase,) = phases_of(Regime(), LAYERS)
    assert phase.weights == (EVERY,)
    assert phase.flow == FULL
    assert (phase.share, phase.labeled, phase.distill, phase.consistent) == (1, 1, 0, False)
    assert phase.trained == (0, 1, 2, 3)


def test_weighted_by_depth():
    (phase,) = phases("weighted")
    (weights,) = phase.weights
    assert sum(weights) == pytest.approx(4)
    assert [weight / weights[0] for weight in weights] == pytest.approx(LAYERS)


def test_sweet_stops_gradients():
    (phase,) = phases("sweet")
    assert phase.weights == (EVERY,)
    assert phase.flow == GradientFlow.stopped(4)


def test_alternating_takes_turns():
    (phase,) = phases("alternating")
    assert phase.weights == (LAST, EVERY)
    assert phase.trained == (0, 1, 2, 3)


def test_mixed_and_frozen_begin_with_the_last_exit_alone():
    for name, then, flow, share in (("mixed", EVERY, FULL, 0.5), ("frozen", (1, 1, 1, 0), None, 1)):
        first, second = phases(name, distill=0.5, consistent=True)
        assert (first.weights, first.flow, first.trained) == ((LAST,), FULL, (3,))
        assert (first.distill, first.consistent) == (0, False)
        assert (second.weights, second.flow) == ((then,), flow)
        assert (second.distill, second.consistent) == (0.5, True)
        assert first.share == second.share == share


@pytest.mark.parametrize("name", ["joint", "weighted", "mixed"])
def test_equilibrium_goes_with_what_shares_layers(name):
    assert phases(name, equilibrium=True)[-1].flow == GradientFlow.balanced(4)


def test_one_exit_is_the_standard_model():
    (phase,) = phases_of(Regime(), (6,))
    assert phase.weights == ((1,),)
    assert phase.flow == GradientFlow.full(1)
    assert phase.distill == 0
    (taught,) = phases_of(Regime(distill=1, teacher="classifier"), (6,))
    assert taught == replace(phase, distill=1)


@pytest.mark.parametrize("taught", [{}, {"distill": 1, "teacher": "classifier"}])
@pytest.mark.parametrize(
    ("values", "named"),
    [
        *(({"name": name}, f"regime '{name}'") for name in ("weighted", "mixed", "alternating", "sweet")),
        ({"consistent": True}, "consistent"),
        ({"equilibrium": True}, "equilibrium"),
        ({"name": "weighted", "consistent": True}, "regime 'weighted', consistent"),
    ],
)
def test_what_is_about_several_exits_is_refused_for_one(values, named, taught):
    with pytest.raises(OptionError, match=f"the only exit is after layer 6, and there {named} would do nothing; leave"):
        phases_of(Regime(**values, **taught), (6,))


def test_one_exit_has_no_other_to_learn_from():
    with pytest.raises(OptionError, match="there regime 'frozen' would do nothing"):
        phases_of(Regime(name="frozen"), (6,))
    with pytest.raises(OptionError, match="there distill without a teacher would do nothing"):
        phases_of(Regime(distill=1), (6,))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "best"}, "regime 'best' is not known; valid: joint, weighted, frozen, mixed, sweet, alternating"),
        ({"distill": -1}, "distill is -1; it is a weight beside the labels' 1, so use 0 to 100"),
        ({"distill": float("nan")}, "distill is nan"),
        ({"teacher": "classifier"}, "a teacher teaches through distillation; give `distill` a weight, such as 1"),
        ({"unlabeled": "more.csv"}, "texts without labels teach through distillation alone"),
        ({"name": "frozen", "distill": 1, "teacher": "classifier"}, "in regime 'frozen' the exits learn what the last"),
        ({"name": "sweet", "equilibrium": True}, "in regime 'sweet' no exit shares layers with a later one; leave one"),
        ({"name": "frozen", "equilibrium": True}, "in regime 'frozen' no exit shares layers with another; leave one"),
        ({"name": "alternating", "equilibrium": True}, "in regime 'alternating' every other step has the last exit al"),
    ],
)
def test_what_makes_no_sense_is_refused(values, message):
    with pytest.raises(OptionError, match=message):
        Regime(**values)
