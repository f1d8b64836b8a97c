"""Chains of two tiny models that share nothing but the names of their labels."""

import offramp
from conftest import WORDS, tiny_model, tiny_network, tiny_tokenizer
from offramp.calibration import Calibration
from offramp.engine import torch_classifier
from offramp.engine.chains import chained
from offramp.model import LoadedModel, save

SMALL = Calibration(temperatures=(0.7, 1.6), fitted_on="", rows=0, exits=())
LARGE = Calibration(temperatures=(2.5, 0.8, 1.3), fitted_on="", rows=0, exits=())


def small_model(labels=("c", "a", "b"), **config):
    """An encoder of another family that has other tokens, fewer words, less to read and its labels in another order."""
    network = tiny_network("distilbert", labels=labels, seed=1, **{"exits": (2, 4), **config})
    return LoadedModel(network, tiny_tokenizer(24, words=WORDS[:5:-1]))


def chain_of(*, token_budget=64, **config):
    """A chain in memory."""
    each = [torch_classifier(small_model(**config), SMALL), torch_classifier(tiny_model(**config), LARGE)]
    return chained(each, ["small", "large"], token_budget=token_budget)


def write_models(folder, **config):
    """The folders of the two models."""
    folder.mkdir(exist_ok=True)
    for name, model, calibration in (
        ("small", small_model(**config), SMALL),
        ("large", tiny_model(**config), LARGE),
    ):
        save(model, folder / name)
        calibration.save(folder / name)
    return folder / "small", folder / "large"


def write_chain(folder, **config):
    """The folder of a chain, and beside it those of its models."""
    return offramp.chain(write_models(folder.parent, **config), output=folder).folder
