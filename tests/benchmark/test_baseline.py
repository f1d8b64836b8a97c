import json
from dataclasses import replace

import pytest

from helpers.benchmark_rows import benchmark_row
from offramp.benchmark import Benchmark, check, read_baseline
from offramp.benchmark.baseline import check_comparable
from offramp.benchmark.result import SCHEMA, Spread
from offramp.errors import CheckFailed, DataError, OptionError


def row(name="a", speed=100.0, latency=10.0, spread=0.1):
    def about(middle):
        return Spread(middle, middle * (1 - spread), middle * (1 + spread), ())

    return benchmark_row(name, about(speed), about(latency), p90=latency)


RESULT = Benchmark(
    schema=2,
    environment={"cpu": "A CPU", "cores": 2, "gpu": None, "torch": "3"},
    model={"fingerprint": "sha256:1", "folder": "model"},
    data={"fingerprint": "sha256:2", "timed_rows": 32, "single_rows": 8},
    options={"thresholds": (0.9,), "points": (), "threads": (1,), "token_budgets": (64,), "seed": 0, "seconds": 1.0},
    rows=(row("a"), row("b")),
)
NAMES = {("a", 1), ("b", 1)}


@pytest.fixture
def baseline(tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(RESULT.to_dict()))
    return read_baseline(path)


def described(**changes):
    parts = {name: getattr(RESULT, name) for name in ("environment", "model", "data", "options")}
    return {name: part | changes.get(name, {}) for name, part in parts.items()}


def test_it_tells_how_many_rows_were_timed(baseline):
    assert (baseline.timed_rows, baseline.single_rows) == (32, 8)


def test_the_same_speed_passes(baseline):
    check(RESULT, baseline)


@pytest.mark.parametrize("now", [{"speed": 85.0}, {"latency": 11.9}, {"speed": 300.0, "latency": 1.0}])
def test_what_lies_within_the_spread_of_both_or_is_faster_passes(baseline, now):
    check(replace(RESULT, rows=(row("a", **now), row("b"))), baseline)


def test_everything_slower_is_named(baseline):
    slower = (row("a", speed=70.0, latency=20.0), row("b", speed=80.0, spread=0.01), row("new", speed=1.0))
    with pytest.raises(CheckFailed) as failed:
        check(replace(RESULT, rows=slower), baseline)
    assert str(failed.value) == (
        f"slower than {baseline.path}: a (1 thread): 70.0 texts/s, were 100.0; "
        "a (1 thread): 20.00 ms a text, were 10.00; b (1 thread): 80.0 texts/s, were 100.0"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": {"cpu": "B"}}, "is of another environment (cpu was A CPU, is B)"),
        ({"model": {"fingerprint": "x"}}, "is of another model (fingerprint was sha256:1, is x)"),
        ({"data": {"fingerprint": "x"}}, "is of another data"),
        ({"options": {"thresholds": (0.9, 0.8)}}, "thresholds was [0.9], is [0.9, 0.8]"),
        ({"options": {"seed": 1}}, "seed was 0, is 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(baseline, changes, message):
    with pytest.raises(OptionError) as refused:
        check_comparable(baseline, described(**changes), NAMES)
    assert message in str(refused.value)


def test_other_versions_and_another_place_can_be_compared(baseline):
    changes = {"environment": {"torch": "4"}, "model": {"folder": "b"}, "options": {"seconds": 9.0}}
    check_comparable(baseline, described(**changes), NAMES | {("new", 1)})


def test_what_is_gone_is_named(baseline):
    with pytest.raises(OptionError, match="has 'b', which is not measured now"):
        check_comparable(baseline, described(), {("a", 1)})


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1}', '{"schema": 2, "environment": {}}'])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "baseline.json"
    path.write_text(content)
    with pytest.raises(DataError, match="is not what 'offramp bench' writes as JSON"):
        read_baseline(path)


def test_rough_results_are_not_compared(tmp_path, baseline):
    rough = replace(RESULT, doubts=("one", "two"))
    with pytest.raises(CheckFailed, match=r"too rough to compare with .*: one; two; measure again"):
        check(rough, baseline)
    path = tmp_path / "rough.json"
    path.write_text(json.dumps(rough.to_dict()))
    with pytest.raises(DataError, match="is too rough to compare with: one; two; measure a new baseline"):
        read_baseline(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the baseline .*none.json: No such file"):
        read_baseline(tmp_path / "none.json")


def test_a_key_that_is_missing_is_called_that(tmp_path):
    parts = {name: {} for name in ("environment", "model", "data", "options")}
    (tmp_path / "other.json").write_text(json.dumps({"schema": SCHEMA, **parts, "rows": [], "doubts": []}))
    with pytest.raises(DataError, match=r"writes as JSON \('cpu' is missing\); measure"):
        read_baseline(tmp_path / "other.json")
