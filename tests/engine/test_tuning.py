import json

import pytest

from helpers.toys import names, write_model
from offramp import environment
from offramp.backends import REFERENCE, Engine
from offramp.engine import load
from offramp.engine.choosing import DEFAULT_TOKEN_BUDGET
from offramp.engine.tuning import Tuning, read_tunings, save_tunings, tuned_budget
from offramp.errors import ModelFolderError, OptionError
from offramp.folder import TUNING

INT8 = Engine("openvino", "int8")
HERE = Tuning("A CPU", INT8, 1, 512)
ON_DISK = {
    "processor": "A CPU",
    "engine": {"backend": "openvino", "precision": "int8"},
    "threads": 1,
    "token_budget": 512,
}


def test_a_budget_holds_for_the_same_case_only(tmp_path):
    save_tunings(tmp_path, [HERE])
    case = ("A CPU", INT8, 1)
    assert tuned_budget(tmp_path, *case) == 512
    for place, other in enumerate(("B CPU", Engine("openvino", "bf16"), 2)):
        assert tuned_budget(tmp_path, *case[:place], other, *case[place + 1 :]) == DEFAULT_TOKEN_BUDGET


def test_on_disk(tmp_path):
    save_tunings(tmp_path, [HERE])
    assert json.loads((tmp_path / TUNING.name).read_text()) == {"schema": 2, "tunings": [ON_DISK]}


def test_the_threads_are_pytorchs_where_none_are_given(tmp_path, monkeypatch):
    save_tunings(tmp_path, [HERE])
    for threads, expected in ((1, 512), (2, DEFAULT_TOKEN_BUDGET)):
        monkeypatch.setattr("torch.get_num_threads", lambda number=threads: number)
        assert tuned_budget(tmp_path, "A CPU", INT8, None) == expected


def test_what_is_found_anew_replaces_and_the_rest_stays(tmp_path):
    other, again = Tuning("B CPU", REFERENCE, 1, 64), Tuning("A CPU", INT8, 1, 2048)
    save_tunings(tmp_path, [HERE, other])
    save_tunings(tmp_path, [again])
    assert read_tunings(tmp_path) == (again, other)
    assert names(tmp_path) == [TUNING.name]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2, "tunings": [1]}',
        '{"schema": 2, "tunings": [{"processor": "A"}]}',
        json.dumps({"schema": 2, "tunings": [ON_DISK | {"token_budget": 0}]}),
        json.dumps({"schema": 2, "tunings": [ON_DISK | {"token_budget": "many"}]}),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / TUNING.name).write_text(content)
    with pytest.raises(ModelFolderError, match=r"tuning.json is damaged .*; delete it, and run"):
        read_tunings(tmp_path)


def test_load_uses_what_was_found_on_this_processor(tmp_path):
    folder = write_model(tmp_path / "model")
    assert load(folder, threads=1).token_budget == DEFAULT_TOKEN_BUDGET
    save_tunings(folder, [Tuning(environment.processor_name(), REFERENCE, 1, 300)])
    assert load(folder, threads=1).token_budget == 300
    assert load(folder, threads=1, precision="bf16").token_budget == DEFAULT_TOKEN_BUDGET
    assert load(folder, threads=1, token_budget=50).token_budget == 50
    with pytest.raises(OptionError, match="token_budget is 0"):
        load(folder, token_budget=0)
