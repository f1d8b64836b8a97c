"""A finished model against labelled data: the ``evaluate`` and ``calibrate`` verbs."""

from offramp.evaluation.bound import Costs, Request, measure_costs
from offramp.evaluation.evaluation import THRESHOLDS, Evaluation, Full, Point, evaluate, targets_of
from offramp.evaluation.recalibration import Recalibration, calibrate
from offramp.evaluation.sampling import representative_rows, share_of_full
from offramp.evaluation.timing import Ratio, interleave, ratio

__all__ = [
    "THRESHOLDS",
    "Costs",
    "Evaluation",
    "Full",
    "Point",
    "Ratio",
    "Recalibration",
    "Request",
    "calibrate",
    "evaluate",
    "interleave",
    "measure_costs",
    "ratio",
    "representative_rows",
    "share_of_full",
    "targets_of",
]
