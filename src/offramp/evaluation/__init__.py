"""A finished model against labelled data: the ``evaluate`` and ``calibrate`` verbs."""

from offramp.evaluation.evaluation import THRESHOLDS, Evaluation, Full, Point, evaluate, targets_of
from offramp.evaluation.recalibration import Recalibration, calibrate

__all__ = ["THRESHOLDS", "Evaluation", "Full", "Point", "Recalibration", "calibrate", "evaluate", "targets_of"]
