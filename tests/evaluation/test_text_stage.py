"""An exit before tokenizing is evaluated as the others are."""

import offramp
from conftest import tiny_model
from keywords import Keywords
from offramp.calibration import Calibration
from offramp.engine import torch_classifier
from toys import single, write_csv


def test_a_text_stage_is_evaluated(tmp_path):
    model = tiny_model()
    classifier = torch_classifier(model, Calibration.neutral(model.network.config.exits)).with_first(Keywords())
    data = write_csv(tmp_path / "rows.csv", single(60))
    found = offramp.evaluate(classifier, str(data), thresholds=[0.5, 0.9], seconds=0.01)
    assert found.model.exits == (0, 1, 2, 4)
    early = next(point for point in found.points if point.threshold == 0.9)
    taken = classifier.predict([row["text"] for row in single(60)], threshold=0.9).exits
    assert early.exits[0] == (taken == 0).mean() > 0
