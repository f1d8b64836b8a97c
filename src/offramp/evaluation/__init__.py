"""Measuring a finished model on labeled data: the ``evaluate`` and ``calibrate`` verbs."""

from offramp.evaluation.bound import Request, measure_stages
from offramp.evaluation.breakdown import ExitCount, Group, add_up
from offramp.evaluation.constant import ConstantAnswer, answers_alike, constant_answer, learned_nothing
from offramp.evaluation.coverage import HandingOver, RiskCoverage
from offramp.evaluation.disagreements import Answer, Disagreement
from offramp.evaluation.evaluation import evaluate
from offramp.evaluation.exits import ExitAgainstLast, Overthinking
from offramp.evaluation.intervals import least_rows
from offramp.evaluation.promises import Standing, standings
from offramp.evaluation.recalibration import Recalibration, calibrate, check_enough
from offramp.evaluation.recommendation import (
    LEAST_ROWS,
    LEAST_SPEEDUP,
    LOSSES,
    Recommendation,
    fastest_within,
    recommend,
)
from offramp.evaluation.reference import Asked, Compared
from offramp.evaluation.result import (
    EvaluatedData,
    EvaluatedModel,
    EvaluatedPoint,
    Evaluation,
    ExitReliability,
    Focus,
    Point,
    PromiseHere,
    Way,
)
from offramp.evaluation.sampling import representative_rows
from offramp.evaluation.timing import Ratio, interleave, ratio

__all__ = [
    "LEAST_ROWS",
    "LEAST_SPEEDUP",
    "LOSSES",
    "Answer",
    "Asked",
    "Compared",
    "ConstantAnswer",
    "Disagreement",
    "EvaluatedData",
    "EvaluatedModel",
    "EvaluatedPoint",
    "Evaluation",
    "ExitAgainstLast",
    "ExitCount",
    "ExitReliability",
    "Focus",
    "Group",
    "HandingOver",
    "Overthinking",
    "Point",
    "PromiseHere",
    "Ratio",
    "Recalibration",
    "Recommendation",
    "Request",
    "RiskCoverage",
    "Standing",
    "Way",
    "add_up",
    "answers_alike",
    "calibrate",
    "check_enough",
    "constant_answer",
    "evaluate",
    "fastest_within",
    "interleave",
    "learned_nothing",
    "least_rows",
    "measure_stages",
    "ratio",
    "recommend",
    "representative_rows",
    "standings",
]
