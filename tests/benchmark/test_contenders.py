import pytest

from offramp import environment
from offramp.backends import REFERENCE, Engine
from offramp.benchmark.contenders import Contender, Kind, engines_of, entries
from offramp.calibration import Problem
from offramp.errors import ModelFolderError, OptionError
from offramp.policy import Confidence, Threshold

CONFIDENCE = Confidence(Problem.SINGLE_LABEL)
OTHER = Engine("openvino", "int8")


def test_every_engine_runs_at_full_depth_cut_and_with_exits():
    rules = [Threshold(threshold, CONFIDENCE) for threshold in (0.8, 0.9, 0.8)]
    entered = entries(
        [REFERENCE, OTHER], ("layer 1", "layer 2", "layer 4"), rules, {OTHER: {"safe": Threshold(0.8, CONFIDENCE)}}
    )
    assert [contender.name for contender in entered] == [
        "transformers.pipeline",
        "torch fp32, full depth",
        "torch fp32, cut after layer 1",
        "torch fp32, cut after layer 2",
        "torch fp32, exits at 0.8",
        "torch fp32, exits at 0.9",
        "openvino int8, full depth",
        "openvino int8, cut after layer 1",
        "openvino int8, cut after layer 2",
        "openvino int8, exits at 0.8",
        "openvino int8, exits at 0.9",
        "openvino int8, exits at safe",
    ]
    assert len(set(entered)) == len(entered)
    assert entered[2] == Contender(Kind.TRUNCATED, REFERENCE, end="layer 1")
    assert entered[-2] == Contender(Kind.EARLY_EXIT, OTHER, rule=Threshold(0.9, CONFIDENCE))
    assert entered[-1].at == "safe"


def test_what_is_whole_on_its_own_runs_alone():
    entered = entries([REFERENCE], ("words", "layer 1", "layer 4"), [], {})
    assert entered[2:] == [
        Contender(Kind.ALONE, REFERENCE, end="words"),
        Contender(Kind.TRUNCATED, REFERENCE, end="layer 1"),
    ]
    assert entered[2].name == "torch fp32, words alone"


def test_the_pipeline_is_always_held_against_its_own_full_depth():
    names = [one.name for one in entries([OTHER], ("layer 1", "layer 4"), [Threshold(0.9, CONFIDENCE)], {})]
    assert names[:3] == ["transformers.pipeline", "torch fp32, full depth", "openvino int8, full depth"]


@pytest.mark.parametrize(("fast", "expected"), [(False, ["torch fp32"]), (True, ["torch fp32", "torch bf16"])])
def test_bf16_runs_where_it_is_fast(folder, monkeypatch, fast, expected):
    monkeypatch.setattr(environment, "fast_bf16", lambda: fast)
    assert list(map(str, engines_of(folder))) == expected


def test_only_some_engines(folder, monkeypatch):
    monkeypatch.setattr(environment, "fast_bf16", lambda: True)
    assert list(map(str, engines_of(folder, precisions=["bf16"]))) == ["torch bf16"]
    assert list(map(str, engines_of(folder, backends=["torch"], precisions=["fp32"]))) == ["torch fp32"]
    with pytest.raises(OptionError, match="cannot run in openvino int8 here, only in torch fp32, torch bf16 where"):
        engines_of(folder, ["openvino"], ["int8"])


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "openvino" / "int8").mkdir(parents=True)
    (tmp_path / "openvino" / "int8" / "export.json").write_text("{")
    with pytest.raises(ModelFolderError, match=r"export.json is damaged"):
        engines_of(tmp_path)
