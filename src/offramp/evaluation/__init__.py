"""A finished model against labelled data: the ``evaluate`` and ``calibrate`` verbs."""

from offramp.evaluation.bound import Costs, Request, StageCosts, measure_costs, measure_stages
from offramp.evaluation.evaluation import THRESHOLDS, Evaluation, Full, Point, check_pairs, evaluate, targets_of
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
    "StageCosts",
    "calibrate",
    "check_pairs",
    "evaluate",
    "interleave",
    "measure_costs",
    "measure_stages",
    "ratio",
    "representative_rows",
    "share_of_full",
    "targets_of",
]
