"""Inference: the compacting loop, batching, the backends and the ``Classifier``."""

from offramp.engine.answering import answers_of, check_pairs, targets_of
from offramp.engine.classifier import DEFAULT_THRESHOLD, WINDOW, Classifier
from offramp.engine.exports import exports_of, save_calibration
from offramp.engine.loading import AUTO, load, open_export, torch_classifier
from offramp.engine.predict_file import Scored, Scorer, Window, check_columns, columns_of, predict
from offramp.engine.predictions import Prediction, Predictions, column_names
from offramp.engine.tuning import Tuning, save_tunings

__all__ = [
    "AUTO",
    "DEFAULT_THRESHOLD",
    "WINDOW",
    "Classifier",
    "Prediction",
    "Predictions",
    "Scored",
    "Scorer",
    "Tuning",
    "Window",
    "answers_of",
    "check_columns",
    "check_pairs",
    "column_names",
    "columns_of",
    "exports_of",
    "load",
    "open_export",
    "predict",
    "save_calibration",
    "save_tunings",
    "targets_of",
    "torch_classifier",
]
