import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.cached import every_criterion
from helpers.problems import PROBLEMS
from helpers.toys import names
from offramp.backends import REFERENCE, Engine
from offramp.calibration import Problem
from offramp.errors import ModelFolderError, OptionError
from offramp.policy import (
    Confidence,
    Limit,
    Loss,
    Method,
    OperatingPoint,
    OperatingPoints,
    Promise,
    Reference,
    Risk,
    Seen,
    Threshold,
    read_operating_points,
    save_operating_points,
)
from offramp.records import from_json, to_json

SEEN = Seen(
    data="sha256:00",
    rows=1000,
    disagreement=0.004,
    accuracy=None,
    full_accuracy=None,
    mean_layers=2.5,
    speedup=2.1,
    exits=(0.5, 0.25, 0.25),
    processor="one",
    threads=2,
)
PROMISE = Promise(Limit(Risk.DISAGREEMENT, 0.01), Method.LTT, 0.95, seen=0.004, bound=0.0093, rows=1000)
SAFE = OperatingPoint(
    "safe", REFERENCE, "sha256:11", Threshold(0.9, Confidence(Problem.SINGLE_LABEL)), (PROMISE,), SEEN
)
PLAIN = replace(SAFE, name="plain", promises=(), seen=replace(SEEN, accuracy=0.9, full_accuracy=0.91))

shares = st.floats(0, 1)
targets = st.floats(0, 1, exclude_min=True, exclude_max=True)
references = st.builds(Reference, st.text(), st.none() | st.text())
limits = st.builds(
    Limit, st.sampled_from([Risk.DISAGREEMENT]), targets, exit=st.none() | st.text(), reference=st.none() | references
) | st.builds(Limit, st.sampled_from([Risk.PRECISION, Risk.RECALL]), targets, label=st.text())
points = st.builds(
    OperatingPoint,
    name=st.text(),
    engine=st.builds(Engine, st.sampled_from(["torch", "openvino"]), st.sampled_from(["fp32", "int8"])),
    model=st.text(),
    rule=st.builds(
        Threshold,
        st.floats(0, 1e9),
        st.sampled_from([one for kind in PROBLEMS for one in every_criterion(kind, 4)]),
    ),
    promises=st.lists(st.builds(Promise, limits, st.sampled_from(Method), st.none() | shares, shares, shares,
                                st.integers(0, 10**9)), max_size=3).map(tuple),
    seen=st.builds(Seen, st.text(), st.integers(0, 10**9), shares, st.none() | shares, st.none() | shares, shares,
                   shares, st.lists(shares).map(tuple), st.text(), st.integers(1, 99)),
)  # fmt: skip


@given(st.lists(points, max_size=4), st.none() | st.text())
def test_what_is_read_is_what_was_written(several, default):
    written = OperatingPoints(tuple(several), default)
    assert from_json(OperatingPoints, json.loads(json.dumps(to_json(written), allow_nan=False))) == written


def test_on_disk(tmp_path):
    save_operating_points(tmp_path, OperatingPoints((SAFE, PLAIN), "safe"))
    assert read_operating_points(tmp_path) == OperatingPoints((SAFE, PLAIN), "safe")
    assert names(tmp_path) == ["operating_points.json"]


def test_a_folder_that_was_never_tuned_has_none(tmp_path):
    assert read_operating_points(tmp_path) == OperatingPoints()


def test_finding_and_replacing():
    other = replace(SAFE, engine=Engine("openvino", "fp32"))
    there = OperatingPoints((SAFE, PLAIN), "safe").with_points([other])
    assert there.points == (SAFE, PLAIN, other)
    assert there.default == "safe"
    assert there.named("safe") == (SAFE, other)
    assert there.of(REFERENCE) == {"safe": SAFE, "plain": PLAIN}
    assert there.of(Engine("torch", "bf16")) == {}
    newer = replace(SAFE, model="sha256:22")
    assert there.with_points([newer]).points == (newer, PLAIN, other)


def test_each_risk_has_its_losses_and_its_best_method():
    assert (Risk.DISAGREEMENT.loss, Risk.DISAGREEMENT.best_method) == (Loss.BINARY, Method.LTT)
    assert (Risk.ACCURACY_DROP.loss, Risk.ACCURACY_DROP.best_method) == (Loss.SIGNED, Method.UCB)


def spoil(content, path, value):
    *outer, last = path
    for key in outer:
        content = content[key]
    if value is ...:
        del content[last]
    else:
        content[last] = value


def test_a_default_is_chosen_and_a_point_deleted():
    points = OperatingPoints((SAFE,)).with_default(SAFE.name)
    assert points.default == SAFE.name
    assert points.without(SAFE.name) == OperatingPoints()
    for refuse in (points.with_default, points.without):
        with pytest.raises(OptionError, match=f"there is no operating point 'other'; use one of {SAFE.name}"):
            refuse("other")


FIRST = ("points", 0)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), ...),
        (("default",), ...),
        (("default",), 1),
        (("points",), 3),
        (FIRST, "safe"),
        ((*FIRST, "name"), ...),
        ((*FIRST, "name"), 7),
        ((*FIRST, "rule"), None),
        ((*FIRST, "rule", "threshold"), -1),
        ((*FIRST, "promises"), None),
        ((*FIRST, "promises", 0, "limit", "risk"), "death"),
        ((*FIRST, "promises", 0, "limit", "target"), 0),
        ((*FIRST, "promises", 0, "limit", "label"), "spam"),
        ((*FIRST, "promises", 0, "method"), "prayer"),
        ((*FIRST, "promises", 0, "bound"), "0.1"),
        ((*FIRST, "seen", "speedup"), None),
        ((*FIRST, "seen", "rows"), True),
        ((*FIRST, "seen", "exits"), 3),
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path, path, value):
    save_operating_points(tmp_path, OperatingPoints((SAFE,)))
    file = tmp_path / "operating_points.json"
    content = json.loads(file.read_text())
    spoil(content, path, value)
    file.write_text(json.dumps(content))
    with pytest.raises(ModelFolderError, match=r"_points.json is damaged .*; delete it, and run 'offramp tune'"):
        read_operating_points(tmp_path)


def test_a_file_of_another_version_is_not_called_damaged(tmp_path):
    (tmp_path / "operating_points.json").write_text('{"schema": 1000}')
    with pytest.raises(ModelFolderError, match=r"of a newer version of offramp .*; upgrade offramp, or delete it"):
        read_operating_points(tmp_path)


def test_not_json_at_all(tmp_path):
    (tmp_path / "operating_points.json").write_text("{")
    with pytest.raises(ModelFolderError, match="is damaged"):
        read_operating_points(tmp_path)
