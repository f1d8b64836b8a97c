import numpy as np
import pytest

from conftest import tiny_model
from offramp.calibration import Calibration
from offramp.engine import torch_classifier
from offramp.evaluation.bound import Costs, Request, measure_costs, measure_stages

COSTS = Costs(tokenisation=1, embedding=2, decision=1, full=12)
LAYERS = (1, 2, 4)
TOKENS = np.array([10, 10, 10, 10])


def test_the_layers_cost_what_is_left():
    # The full pass asks only the last exit.
    assert COSTS.layers == 12 - 1 - 2 - 1
    assert Costs(5, 5, 1, 10).layers == 0


@pytest.mark.parametrize(
    ("exits", "seconds"),
    [
        ([0, 0, 0, 0], 1 + 2 + 1 + 8 / 4),
        ([2, 2, 2, 2], 1 + 2 + 3 + 8),
        ([0, 1, 1, 2], 1 + 2 + (1 + 0.75 + 0.25) + 8 * (1 + 2 + 2 + 4) / 16),
    ],
)
def test_the_bound_adds_what_each_row_needs(exits, seconds):
    assert COSTS.bound(np.array(exits), LAYERS, TOKENS) == pytest.approx(seconds)


def test_layers_count_by_token():
    long_row_stays = COSTS.bound(np.array([2, 0]), LAYERS, np.array([30, 10]))
    assert long_row_stays == pytest.approx(1 + 2 + (1 + 0.5 + 0.5) + 8 * (30 * 4 + 10 * 1) / (40 * 4))


@pytest.mark.parametrize("requests", [[Request(["w1 w2", "w3"] * 8, None)], [Request(["w1 w2"], None)] * 8])
def test_every_part_is_measured(requests):
    model = tiny_model()
    classifier = torch_classifier(model, Calibration.neutral(model.network.config.exits))
    costs = measure_costs(classifier, requests, full=100.0, repeats=2)
    assert costs.full == 100
    assert min(costs.tokenisation, costs.embedding, costs.decision) > 0
    assert 0 < costs.layers < 100


@pytest.mark.parametrize("multi_label", [False, True])
def test_every_stage_is_measured(multi_label):
    kind = "multi_label_classification" if multi_label else None
    model = tiny_model(problem_type=kind)
    classifier = torch_classifier(model, Calibration.neutral(model.network.config.exits))
    costs = measure_stages(classifier, Request(["w1 w2", "w3"] * 8, None), repeats=2)
    assert len(costs.stages) == 3
    assert min(*costs.stages, costs.full) > 0
