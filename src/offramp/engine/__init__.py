"""Inference: the compacting loop, batching, the torch backend and the ``Classifier``."""

from offramp.engine.classifier import DEFAULT_THRESHOLD, Classifier, load
from offramp.engine.predict_file import Scored, predict
from offramp.engine.predictions import Prediction, Predictions

__all__ = ["DEFAULT_THRESHOLD", "Classifier", "Prediction", "Predictions", "Scored", "load", "predict"]
