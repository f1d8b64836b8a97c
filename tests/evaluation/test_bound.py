import pytest

from conftest import tiny_model
from offramp.calibration import Calibration
from offramp.engine import torch_classifier
from offramp.evaluation.bound import Request, measure_stages


@pytest.mark.parametrize("requests", [[Request(["w1 w2", "w3"] * 8, None)], [Request(["w1 w2"], None)] * 8])
@pytest.mark.parametrize("multi_label", [False, True])
def test_every_stage_is_measured(multi_label, requests):
    kind = "multi_label_classification" if multi_label else None
    model = tiny_model(problem_type=kind)
    classifier = torch_classifier(model, Calibration.neutral(model.network.config.exits))
    costs = measure_stages(classifier, requests, repeats=2)
    assert len(costs.stages) == 3
    assert min(*costs.stages, costs.full) > 0
