"""Models to serve: tiny, random and tuned without calibration rows."""

from conftest import tiny_model
from offramp.calibration import Calibration
from offramp.engine import torch_classifier
from offramp.policy import Confidence, OperatingPoint, OperatingPoints, Seen, Threshold

TEXTS = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w10", "", "w11 " * 60, "w12 w13", "w14 w15 w16 w17"] + [
    f"w{number} w{number + 7} w{2 * number}" for number in range(20, 30)
]


def classifier_of(**config):
    """A random network with neutral temperatures."""
    model = tiny_model(**config)
    return torch_classifier(model, Calibration.neutral(model.network.config.exits))


def tuned(classifier, **thresholds):
    """Gives a classifier operating points; the first is the default."""
    points = tuple(
        OperatingPoint(
            name=name,
            engine=classifier.engine,
            model=classifier.fingerprint,
            rule=Threshold(threshold, Confidence(classifier.problem)),
            promises=(),
            seen=Seen("sha256:0", 500, 0.01, 0.9, 0.91, 2.0, 1.5, (0.5, 0.3, 0.2), "none", 1),
        )
        for name, threshold in thresholds.items()
    )
    classifier.points = OperatingPoints(points, points[0].name)
    return classifier
