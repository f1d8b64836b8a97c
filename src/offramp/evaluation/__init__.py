"""A finished model against labelled data: the ``evaluate`` and ``calibrate`` verbs."""

from offramp.evaluation.bound import Costs, Request, measure_costs, measure_stages
from offramp.evaluation.breakdown import ExitCount, Group, add_up
from offramp.evaluation.disagreements import Answer, Disagreement
from offramp.evaluation.evaluation import ACCEPTED_LOSS, THRESHOLDS, evaluate
from offramp.evaluation.exits import ExitAgainstLast, Overthinking
from offramp.evaluation.intervals import exact_interval, least_rows
from offramp.evaluation.recalibration import Recalibration, calibrate, check_enough
from offramp.evaluation.result import (
    EvaluatedData,
    EvaluatedModel,
    Evaluation,
    ExitReliability,
    Focus,
    Full,
    OperatingPointHere,
    Point,
    Truncated,
)
from offramp.evaluation.sampling import representative_rows, share_of_full
from offramp.evaluation.timing import OnProgress, Ratio, interleave, ratio

__all__ = [
    "ACCEPTED_LOSS",
    "THRESHOLDS",
    "Answer",
    "Costs",
    "Disagreement",
    "EvaluatedData",
    "EvaluatedModel",
    "Evaluation",
    "ExitAgainstLast",
    "ExitCount",
    "ExitReliability",
    "Focus",
    "Full",
    "Group",
    "OnProgress",
    "OperatingPointHere",
    "Overthinking",
    "Point",
    "Ratio",
    "Recalibration",
    "Request",
    "Truncated",
    "add_up",
    "calibrate",
    "check_enough",
    "evaluate",
    "exact_interval",
    "interleave",
    "least_rows",
    "measure_costs",
    "measure_stages",
    "ratio",
    "representative_rows",
    "share_of_full",
]
