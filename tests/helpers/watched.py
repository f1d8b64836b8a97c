"""A tiny tuned model that knows its calibration texts, texts like these, and others."""

import random

import offramp
from helpers.serving_models import classifier_of
from offramp.tuning import Selection

MINE = {"threshold": 0.7, "name": "mine", "selection": Selection(default="mine", seconds=0.01)}
"""Arguments of ``tune`` for an operating point that is the default."""


def home(number, seed=0):
    """Texts like the calibration texts."""
    chance = random.Random(seed)
    return [" ".join(f"w{chance.randrange(60)}" for _ in range(chance.randint(3, 12))) for _ in range(number)]


def foreign(number, seed=0):
    """Texts of other words, and more of them."""
    chance = random.Random(seed)
    return [" ".join(f"x{chance.randrange(600)}" for _ in range(chance.randint(9, 20))) for _ in range(number)]


def watched_classifier(classifier=None, rows=300):
    """A classifier with an operating point ``mine``, its default, and a summary of its calibration texts."""
    classifier = classifier or classifier_of()
    offramp.tune(classifier, home(rows, seed=1), **MINE)
    return classifier
