import pytest
from transformers.integrations import get_available_reporting_integrations
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from offramp.errors import OptionError
from offramp.training import checks


def test_the_trackers_are_those_of_transformers():
    assert set(checks.TRACKERS) == set(INTEGRATION_TO_CALLBACK)
    for name in ("none", "all", *get_available_reporting_integrations()):
        checks.check_trackers(name)


def test_a_tracker_that_any_of_its_packages_brings_is_installed(monkeypatch):
    monkeypatch.setattr(checks, "find_spec", lambda package: True if package == "tensorboardX" else None)
    checks.check_trackers("tensorboard")
    with pytest.raises(OptionError, match=r"report-to is 'wandb', .* valid here: none, all, tensorboard$"):
        checks.check_trackers("wandb")
