import pytest

from offramp.errors import OptionError
from offramp.scale import Workers


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"workers": 0}, "workers is 0; use a whole number from 1 on"),
        ({"worker_threads": 0}, "worker_threads is 0"),
        ({"worker_gpus": -1.0}, "worker_gpus is -1.0; use a number from 0 on"),
        ({"worker_gpus": float("nan")}, "worker_gpus is nan"),
    ],
)
def test_values_out_of_range_are_refused(values, message):
    with pytest.raises(OptionError, match=message):
        Workers(**values)
