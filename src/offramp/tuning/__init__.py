"""The ``tune`` verb: operating points from calibration rows."""

from typing import TYPE_CHECKING

from offramp._lazy import lazy
from offramp.tuning.selection import Selection

if TYPE_CHECKING:
    from offramp.tuning.goals import DEFAULT_POINTS
    from offramp.tuning.run import MissedPoint, Tuned, check, tune

__all__ = ["DEFAULT_POINTS", "MissedPoint", "Selection", "Tuned", "check", "tune"]

_HOMES = {"DEFAULT_POINTS": "goals", "MissedPoint": "run", "Tuned": "run", "check": "run", "tune": "run"}
__getattr__ = lazy(__name__, _HOMES)
