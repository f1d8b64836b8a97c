"""Tiny models that read long texts window by window, and texts of many lengths."""

from dataclasses import asdict

import numpy as np

from conftest import WORDS, tiny_model
from helpers.keywords import Keywords
from offramp.calibration import Calibration
from offramp.engine.loading import classifier_of
from offramp.engine.torch_stages import TorchStages
from offramp.model import LoadedModel
from offramp.model.windows import ReadOn

LENGTH = 12
READ_ON = ReadOn(windows=3, overlap=2)


def texts_of(sizes, seed=0):
    """A text of so many words each, with ten of which a window is full."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, size)) for size in sizes]


TEXTS = texts_of([0, 1, 9, 10, 11, 15, 18, 19, 25, 26, 27, 40, 80, 3, 14, 33])


def long_model(read_on=READ_ON, **config) -> LoadedModel:
    """A random network whose texts are cut after ten words, or read on."""
    model = tiny_model(max_length=LENGTH, **config)
    model.network.config.read_on = None if read_on is None else asdict(read_on)
    return model


def long_classifier(read_on=READ_ON, *, words=False, token_budget=64, seed=1, **config):
    """The classifier that it makes, with temperatures of its own for each exit; perhaps after keywords."""
    model = long_model(read_on, **config)
    settings = model.network.config
    exits = len(settings.all_exits) + words
    temperatures = tuple(np.random.default_rng(seed).uniform(0.6, 2.5, exits).tolist())
    evidence = (0.0, *(0.4 * (place % 3 != 1) for place in range(exits - 1))) if words else ()
    calibration = Calibration(temperatures, "", 0, (), evidence=evidence)
    stage = Keywords() if words else None
    return classifier_of(TorchStages(model.network), model.tokenizer, settings, calibration, token_budget, stage)
