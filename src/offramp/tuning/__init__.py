"""The ``tune`` verb: operating points from calibration rows."""

from offramp.tuning.goals import DEFAULT_POINTS
from offramp.tuning.run import MissedPoint, Tuned, check, tune

__all__ = ["DEFAULT_POINTS", "MissedPoint", "Tuned", "check", "tune"]
