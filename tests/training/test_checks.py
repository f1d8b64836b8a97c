from pathlib import Path

import pytest
from transformers.integrations import get_available_reporting_integrations
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from helpers.damage import forbid_writing
from offramp.errors import OptionError, StorageError
from offramp.training import checks


def test_the_trackers_are_those_of_transformers():
    assert set(checks.TRACKERS) == set(INTEGRATION_TO_CALLBACK)
    for name in ("none", "all", *get_available_reporting_integrations()):
        checks.check_trackers(name)


def test_a_tracker_that_any_of_its_packages_brings_is_installed(monkeypatch):
    monkeypatch.setattr(checks, "find_spec", lambda package: True if package == "tensorboardX" else None)
    checks.check_trackers("tensorboard")
    with pytest.raises(OptionError, match=r"report_to is 'wandb', .* valid here: none, all, tensorboard$"):
        checks.check_trackers("wandb")


def test_a_model_to_replace_has_to_be_one_that_may_be_moved(tmp_path, monkeypatch):
    (tmp_path / "training.json").touch()
    checks.check_output(tmp_path, overwrite=True)
    forbid_writing(monkeypatch)
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(StorageError, match=f"cannot write {folder}: Permission denied"):
            checks.check_output(folder, overwrite=True)


def test_an_output_where_another_disk_begins_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)
    checks.check_output(tmp_path / "model", overwrite=False)
    with pytest.raises(OptionError, match="is a mount point, which cannot be replaced; give a folder"):
        checks.check_output(tmp_path, overwrite=False)
    assert list(tmp_path.iterdir()) == []
