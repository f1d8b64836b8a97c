"""Inference: the compacting loop, batching, the backends and the ``Classifier``."""

from offramp.engine.classifier import DEFAULT_THRESHOLD, WINDOW, Classifier
from offramp.engine.exports import exports_of, save_calibration
from offramp.engine.loading import load, open_export, torch_classifier
from offramp.engine.predict_file import Scored, Scorer, Window, check_columns, column_names, columns_of, predict
from offramp.engine.predictions import AllExits, Prediction, Predictions
from offramp.engine.tuning import Tuning, save_tunings

__all__ = [
    "DEFAULT_THRESHOLD",
    "WINDOW",
    "AllExits",
    "Classifier",
    "Prediction",
    "Predictions",
    "Scored",
    "Scorer",
    "Tuning",
    "Window",
    "check_columns",
    "column_names",
    "columns_of",
    "exports_of",
    "load",
    "open_export",
    "predict",
    "save_calibration",
    "save_tunings",
    "torch_classifier",
]
