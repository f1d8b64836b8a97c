"""Inference: the compacting loop, batching, the backends and the ``Classifier``.

Names are imported when they are first used: much can be checked before PyTorch is.
"""

from typing import TYPE_CHECKING

from offramp._lazy import lazy

if TYPE_CHECKING:
    from offramp.engine.answering import answers_of as answers_of
    from offramp.engine.answering import check_rows as check_rows
    from offramp.engine.answering import targets_of as targets_of
    from offramp.engine.choosing import WINDOW as WINDOW
    from offramp.engine.choosing import check_handing_over as check_handing_over
    from offramp.engine.choosing import check_model as check_model
    from offramp.engine.choosing import choose_engine as choose_engine
    from offramp.engine.choosing import open_model as open_model
    from offramp.engine.classifier import Classifier as Classifier
    from offramp.engine.exports import exports_of as exports_of
    from offramp.engine.exports import save_calibration as save_calibration
    from offramp.engine.loading import load as load
    from offramp.engine.loading import open_export as open_export
    from offramp.engine.loading import torch_classifier as torch_classifier
    from offramp.engine.predict_file import Elsewhere as Elsewhere
    from offramp.engine.predict_file import ScoredFile as ScoredFile
    from offramp.engine.predict_file import Window as Window
    from offramp.engine.predict_file import check_columns as check_columns
    from offramp.engine.predict_file import columns_of as columns_of
    from offramp.engine.predict_file import open_rows as open_rows
    from offramp.engine.predict_file import predict as predict
    from offramp.engine.predictions import Prediction as Prediction
    from offramp.engine.predictions import Predictions as Predictions
    from offramp.engine.predictions import column_names as column_names
    from offramp.engine.text_stages import TextStage as TextStage
    from offramp.engine.tuning import Tuning as Tuning
    from offramp.engine.tuning import save_tunings as save_tunings

_HOMES = {
    "answers_of": "answering",
    "check_rows": "answering",
    "targets_of": "answering",
    "WINDOW": "choosing",
    "check_handing_over": "choosing",
    "check_model": "choosing",
    "choose_engine": "choosing",
    "open_model": "choosing",
    "Classifier": "classifier",
    "exports_of": "exports",
    "save_calibration": "exports",
    "load": "loading",
    "open_export": "loading",
    "torch_classifier": "loading",
    "ScoredFile": "predict_file",
    "Elsewhere": "predict_file",
    "Window": "predict_file",
    "check_columns": "predict_file",
    "columns_of": "predict_file",
    "open_rows": "predict_file",
    "predict": "predict_file",
    "Prediction": "predictions",
    "Predictions": "predictions",
    "column_names": "predictions",
    "TextStage": "text_stages",
    "Tuning": "tuning",
    "save_tunings": "tuning",
}
__all__ = [*_HOMES]  # noqa: PLE0604

__getattr__ = lazy(__name__, _HOMES)
