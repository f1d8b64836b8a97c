"""A cascade made anew from another: with other temperatures, or with a stage more before its others."""

from dataclasses import replace

from offramp.calibration import Calibration, Problem
from offramp.calibration.sets import AS_IT_IS
from offramp.engine.cascade import Cascade
from offramp.engine.text_stages import TextMember, TextStage


def calibrated(cascade: Cascade, calibration: Calibration, problem: Problem) -> Cascade:
    """The same cascade with all that a calibration has fitted.

    Args:
        problem: whose kind it stays, whatever was fitted for it before.
    """
    return replace(
        cascade,
        problem=calibration.problem(problem),
        temperatures=calibration.temperatures,
        evidence=calibration.evidence,
    )


def with_first(
    stage: TextStage, temperature: float, cascade: Cascade, calibration: Calibration
) -> tuple[Cascade, Calibration]:
    """Puts a stage that reads raw texts before all others, and its exit into the calibration.

    What was measured of exits is void, since it was measured without this one. No exit adds what the stage says, and
    its confidence in sets is what its probabilities say.

    Args:
        temperature: of its exit, which divides its logits.

    Raises:
        OptionError: the stage lacks a part of a :class:`~offramp.engine.text_stages.TextStage`.
    """
    members = (TextMember(stage), *cascade.members)
    temperatures = (temperature, *calibration.temperatures)
    evidence = (0.0, *calibration.evidence) if calibration.evidence else ()
    default = None if calibration.default is None else replace(calibration.default, exits=(), layers=None)
    curves = (AS_IT_IS, *calibration.curves) if calibration.curves else ()
    longer = replace(
        calibration, temperatures=temperatures, evidence=evidence, curves=curves, exits=(), default=default
    )
    problem = longer.problem(cascade.problem)
    return replace(cascade, members=members, problem=problem, temperatures=temperatures, evidence=evidence), longer
