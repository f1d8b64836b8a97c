import math

import pytest

from offramp.errors import OptionError
from offramp.training import DEFAULT, PAPER, Recipe, recipe_named


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0; it must be a number of at least 0.001"),
        ({"epochs": math.nan}, "epochs is nan"),
        ({"epochs": math.inf}, "epochs is inf"),
        ({"batch_size": 0}, "batch_size is 0; it must be a number of at least 1"),
        ({"patience": 0}, "patience is 0"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1"),
        ({"max_grad_norm": -1.0}, "max_grad_norm is -1.0; it must be a number of at least 0"),
        ({"learning_rates": (5e-5, 5.0)}, "learning rate of 5.0 cannot work; use one between 0 and 1, such as 5e-5"),
        ({"learning_rates": (0.0,)}, "learning rate of 0.0"),
        ({"learning_rates": (math.nan,)}, "learning rate of nan"),
        ({"learning_rates": ()}, "there is no learning rate"),
        ({"head_learning_rate": -1e-3}, "learning rate of -0.001"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"warmup": 1.0}, "warmup is 1.0"),
        ({"warmup": -0.1}, "warmup is -0.1"),
        ({"schedule": "square"}, "schedule 'square' is not known; valid: linear, cosine, constant"),
        ({"precision": "fp16"}, "precision 'fp16' is not known; valid: auto, fp32, bf16"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(OptionError, match=message):
        Recipe(**values)


def test_a_recipe_is_found_by_its_name():
    assert recipe_named("default") is not None
    assert recipe_named("default") == DEFAULT
    assert recipe_named("paper") == PAPER
    with pytest.raises(OptionError, match="no recipe 'fast'; valid: default, paper"):
        recipe_named("fast")


def test_values_given_change_a_recipe():
    changed = recipe_named("paper", epochs=7, head_learning_rate=1e-3)
    assert (changed.epochs, changed.batch_size, changed.head_learning_rate) == (7, 72, 1e-3)
    assert PAPER.epochs == 2


def test_a_changed_value_is_checked():
    with pytest.raises(OptionError, match="epochs is 0"):
        recipe_named("default", epochs=0)


def test_the_papers_recipe_is_the_papers():
    assert PAPER.batch_size == 72
    assert PAPER.epochs == 2
    assert set(PAPER.learning_rates) == {2e-5, 3e-5, 5e-5}
    assert (PAPER.schedule, PAPER.warmup, PAPER.weight_decay) == ("constant", 0, 0)
