import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import offramp
from helpers.damage import forbid_writing
from helpers.toys import LABELS, QUICK, multi, names, pairs, quick, single, write_jsonl, write_model
from offramp.backends import REFERENCE
from offramp.calibration import Calibration, Problem
from offramp.data import Columns, point_of, read_labeled, uses_of
from offramp.errors import CheckFailed, DataError, ModelFolderError, OptionError, StorageError
from offramp.evaluation import calibrate
from offramp.policy import (
    CRITERIA,
    Criterion,
    Method,
    Reference,
    Risk,
    StageCosts,
    criterion_name,
    read_operating_points,
    register,
    replay,
)
from offramp.training import Architecture, train
from offramp.tuning import check, tune
from offramp.tuning.rows import Measured


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that learned the toy problem, so that its exits mostly agree, and unseen rows."""
    from conftest import write_encoder

    folder = tmp_path_factory.mktemp("trained")
    write_encoder(folder / "encoder")
    for name, seed, number in (("train", 1, 240), ("dev", 2, 60), ("cal", 3, 400)):
        write_jsonl(folder / f"{name}.jsonl", single(number, seed))
    train(
        str(folder / "encoder"),
        str(folder / "train.jsonl"),
        output=folder / "model",
        dev=str(folder / "dev.jsonl"),
        architecture=Architecture(exits=(1, 2)),
        recipe=QUICK,
    )
    # The toy is so easy that fitted temperatures saturate the exits.
    Calibration.neutral((1, 2, 4)).save(folder / "model")
    return folder


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch):
    """A stage costs what it has layers, whatever the clock says."""
    costs = Measured(StageCosts((1.0, 1.0, 2.0), 4.0), rows=32)
    monkeypatch.setattr("offramp.tuning.run.measure", lambda classifier, rows, answers, seconds: costs)


@pytest.fixture
def place(trained, tmp_path):
    """A copy of the trained model that may be changed; the data lie beside it."""
    for path in trained.iterdir():
        if path.suffix == ".jsonl":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "model").mkdir()
    for path in (trained / "model").iterdir():
        (tmp_path / "model" / path.name).write_bytes(path.read_bytes())
    return tmp_path


def tuned(place, data="cal", **options):
    return tune(place / "model", str(place / f"{data}.jsonl"), **quick(**options))


def points_in(place):
    return {point.name: point for point in read_operating_points(place / "model").points}


def unlabeled(place, number=400):
    rows = [{"text": row["text"]} for row in single(number, seed=3)]
    return Path(write_jsonl(place / "unlabeled.jsonl", rows)).stem


def test_three_points_with_what_was_promised_and_seen(place):
    result = tuned(place, rule="confidence")
    check(result)
    assert [point.name for point in result.points] == ["fast", "balanced", "safe"]
    assert [point.promises[0].limit.target for point in result.points] == [0.05, 0.02, 0.01]
    assert points_in(place) == {point.name: point for point in result.points}
    classifier, rows = offramp.load(place / "model"), read_labeled(str(place / "cal.jsonl"), Columns())
    full = classifier.predict_full(rows.texts)
    for point in result.points:
        found, seen = classifier.predict(rows.texts, at=point.name), point.seen
        (promise,) = point.promises
        assert promise.seen == seen.disagreement <= promise.bound <= promise.limit.target
        changed = np.mean([one != other for one, other in zip(found.labels, full.labels, strict=True)])
        assert seen.disagreement == pytest.approx(changed)
        right = np.mean([label == (target,) for label, target in zip(found.labels, rows.labels, strict=True)])
        assert seen.accuracy == pytest.approx(right)
        assert seen.full_accuracy > 0.8
        np.testing.assert_allclose(
            seen.exits, [(found.exits == index).mean() for index in range(len(classifier.exits))]
        )
        assert seen.mean_layers == pytest.approx(np.average(found.layers, weights=found.tokens))
        assert (seen.rows, seen.data, seen.threads) == (400, rows.fingerprint, 1)
        assert seen.speedup == pytest.approx(4 / seen.mean_layers)
    speeds = [point.seen.speedup for point in result.points]
    assert sorted(speeds, reverse=True) == speeds
    assert result.costs == {"stages": (1.0, 1.0, 2.0), "full": 4.0, "rows": 32, "repeats": 5}
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["points"][0]["rule"]["threshold"] >= 0
    uses = uses_of(place / "model", rows)
    assert [uses[point_of(name, REFERENCE)] for name in ("fast", "balanced", "safe")] == [1, 1, 1]


def test_texts_without_labels_do(place):
    result = tuned(place, unlabeled(place), max_disagreement=0.02, name="mine")
    (point,) = result.points
    assert (point.seen.accuracy, point.seen.full_accuracy) == (None, None)
    assert point.promises[0].limit.risk is Risk.DISAGREEMENT
    assert point.rule == tuned(place, max_disagreement=0.02).points[0].rule  # labels change nothing
    assert set(points_in(place)) == {"mine", "tuned"}
    assert tuned(place, "unlabeled", speedup=1.5).points[0].seen.speedup >= 1.5
    with pytest.raises(DataError, match="has no labels"):
        tuned(place, "unlabeled", max_accuracy_drop=0.02)


def test_an_accuracy_drop_is_kept(place):
    (point,) = tuned(place, max_accuracy_drop=0.05).points
    (promise,) = point.promises
    assert (promise.limit.risk, promise.method, promise.confidence) == (Risk.ACCURACY_DROP, Method.UCB, 0.95)
    assert point.seen.accuracy >= point.seen.full_accuracy - 0.05
    assert promise.seen == pytest.approx(point.seen.full_accuracy - point.seen.accuracy)


def test_limits_are_kept_at_once_and_as_the_engine_answers(place):
    common = max(LABELS, key=[row["label"] for row in single(400, seed=3)].count)
    goal = {"max_disagreement": 0.1, "each_exit": True, "min_precision": {common: 0.5}, "min_recall": {common: 0.5}}
    (point,) = tuned(place, **goal).points
    limits = [promise.limit for promise in point.promises]
    assert [limit.risk for limit in limits[-3:]] == [Risk.DISAGREEMENT, Risk.PRECISION, Risk.RECALL]
    assert all(promise.bound <= promise.limit.target for promise in point.promises)
    so_far = [promise for promise in point.promises if promise.limit.exit is not None]
    assert len(so_far) + len(limits[-3:]) == len(limits)
    classifier, rows = offramp.load(place / "model"), read_labeled(str(place / "cal.jsonl"), Columns())
    found, answers = classifier.predict(rows.texts, at="tuned"), classifier.exit_answers(rows.texts, None)
    np.testing.assert_array_equal(found.exits, replay(answers.probabilities, point.rule).exits)
    assert points_in(place)["tuned"] == point


@pytest.mark.parametrize("rule", ["gate", "confidence"])
def test_a_point_that_hands_texts_over_does_so_as_the_engine_does(rule, place):
    result = tuned(place, max_error=0.05, abstain=True, name="sure", rule=rule)
    check(result)
    (point,) = result.points
    assert points_in(place) == {"sure": point}
    classifier, rows = offramp.load(place / "model"), read_labeled(str(place / "cal.jsonl"), Columns())
    found = classifier.predict(rows.texts, at="sure")
    (promise,) = point.promises
    assert (promise.limit.what, promise.rows) == ("error among the answered", round(300 * (1 - point.seen.handed_over)))
    assert promise.seen == pytest.approx(1 - point.seen.accuracy)
    assert promise.seen <= promise.bound <= 0.05
    expected = replay(classifier.exit_answers(rows.texts).probabilities, point.rule)
    np.testing.assert_array_equal(found.handed_over, expected.handed_over)
    assert [label is None for label in found.label] == expected.handed_over.tolist()


def test_a_rule_without_a_threshold_for_the_last_exit_is_refused_at_once(place):
    with pytest.raises(OptionError, match="'per-exit' has no threshold for the last exit"):
        tune(place / "nothing", "nowhere.csv", **quick(max_error=0.05, abstain=True, rule="per-exit"))


def test_any_column_can_be_the_reference(place):
    rows = [row | {"gpt": row["label"] if number % 20 else LABELS[0]} for number, row in enumerate(single(400, seed=3))]
    write_jsonl(place / "judged.jsonl", rows)
    (point,) = tuned(place, "judged", max_disagreement=0.5, reference_column="gpt").points
    (promise,) = point.promises
    assert promise.limit.reference == Reference("gpt")
    assert promise.seen != point.seen.disagreement  # which is with full depth
    (missed,) = tuned(place, "judged", max_disagreement=0.001, reference_column="gpt").missed
    assert "no threshold keeps the disagreement with gpt at 0.1% or less" in missed.reason
    write_jsonl(place / "judged.jsonl", [row | {"gpt": "other"} for row in rows])
    with pytest.raises(DataError, match="the model has no label 'other'"):
        tuned(place, "judged", reference_column="gpt")


def test_every_promise_can_be_counted_against_another_model(place):
    classifier, rows = offramp.load(place / "model"), read_labeled(str(place / "cal.jsonl"), Columns())
    other = write_model(place / "original", labels=("c", "a", "b"), seed=3)
    original = offramp.load(other)
    said = original.predict_full(rows.texts).label
    (point,) = tuned(place, max_disagreement=0.9, rule="confidence", reference=other).points
    (promise,) = point.promises
    assert promise.limit.reference == Reference("original", original.fingerprint)
    assert str(promise).startswith(f"disagreement with the model original ({original.fingerprint}) at most 90 %")
    assert points_in(place)["tuned"] == point
    found = offramp.load(place / "model").predict(rows.texts, at="tuned").label
    differing = np.array([one != two for one, two in zip(found, said, strict=True)])
    # A quarter of the rows chose where to begin.
    assert abs(promise.seen - differing.mean()) < 0.1
    assert promise.rows == 300
    (own,) = tuned(place, max_disagreement=0.2, max_accuracy_drop=0.1, reference=classifier).points
    assert {promise.limit.reference for promise in own.promises} == {Reference("model", classifier.fingerprint)}
    assert own.promises[0].seen == own.seen.disagreement  # which is with full depth, and so is the model itself
    assert own.promises[1].seen == pytest.approx(own.seen.full_accuracy - own.seen.accuracy)
    with pytest.raises(OptionError, match=r"`reference` .* and `reference_column` 'gpt' are given; give only one"):
        tuned(place, reference=other, reference_column="gpt")
    with pytest.raises(OptionError, match="does not have the labels of the model: it has 'x' and lacks 'c'"):
        tuned(place, reference=write_model(place / "foreign", labels=("a", "b", "x")))


def test_a_speed_or_a_threshold_has_no_promise(place):
    (fast,) = tuned(place, speedup=1.5, name="quick").points
    assert fast.promises == ()
    assert fast.seen.speedup >= 1.5
    (plain,) = tuned(place, threshold=0.7).points
    assert plain.promises == ()
    assert plain.rule.threshold == 0.7


@pytest.mark.parametrize("rule", CRITERIA)
def test_every_rule_can_be_tuned(place, rule):
    (point,) = tuned(place, max_disagreement=0.1, rule=rule).points
    assert criterion_name(point.rule.criterion) == rule
    # A quarter of the rows is for fitting.
    assert point.seen.rows == (300 if rule in ("gate", "per-exit") else 400)
    found = offramp.load(place / "model").predict(["w1 w2", "w30"], at="tuned")
    assert len(found) == 2


def test_a_gate_decides_if_nothing_else_is_asked_for(place):
    result = tuned(place)
    assert {criterion_name(point.rule.criterion) for point in result.points} == {"gate"}
    (point,) = tuned(place, threshold=0.5).points
    assert criterion_name(point.rule.criterion) == "confidence"
    with pytest.raises(OptionError, match=r"threshold is 0.5, but the rule 'per-exit' has one for each exit"):
        tuned(place, threshold=0.5, rule="per-exit")


def test_a_point_that_is_missed_leaves_the_one_of_its_name(place):
    (safe,) = tuned(place, max_disagreement=0.1, name="safe", default="safe").points
    write_jsonl(place / "few.jsonl", single(100, seed=4))
    result = tuned(place, "few", rule="confidence")
    assert [one.name for one in result.missed] == ["balanced", "safe"]
    assert set(points_in(place)) == {"fast", "safe"}
    assert points_in(place)["safe"] == safe
    assert read_operating_points(place / "model").default == "safe"
    assert result.dropped == ()
    with pytest.raises(CheckFailed, match=r"balanced: no threshold keeps .* at least 149 rows.*; safe: .* 299 rows"):
        check(result)
    # Too few to fit thresholds to and to judge them: all of them judge.
    assert [one.reason for one in tuned(place, "few").missed] == [one.reason for one in result.missed]
    for one, whole in zip(tuned(place, "few", rule="gate").missed, (198, 398), strict=True):
        assert f"on 75 rows, after 25 others served to fit the rule; it takes at least {whole} rows or" in one.reason
        assert one.reason.endswith("; the rule 'confidence' would be judged on all rows")


def test_where_rows_are_few_confidence_decides(place):
    result = tuned(place, write_rows(place, 300))  # a gate for "safe" takes 398
    assert result.unfitted == ("fast", "balanced", "safe")
    assert {criterion_name(point.rule.criterion) for point in result.points} == {"confidence"}
    assert {point.name: point.seen.rows for point in result.points} == {"fast": 300, "balanced": 300, "safe": 300}
    speedups = [point.seen.speedup for point in result.points]
    assert speedups == sorted(speedups, reverse=True)
    result = tuned(place, write_rows(place, 298))  # which nothing certifies 1 % on
    assert result.unfitted == ("safe",)
    assert {criterion_name(point.rule.criterion) for point in result.points} == {"gate"}
    assert tuned(place).unfitted == ()  # 400 rows
    assert tuned(place, threshold=0.5).unfitted == ()


@pytest.mark.parametrize("rows", [298, 299, 397, 398])
def test_as_many_rows_do_as_were_said_to(place, rows):
    """At the toy's full agreement a promise of 1 % takes 299 rows that judge."""
    result = tuned(place, write_rows(place, rows), max_disagreement=0.01)
    assert len(result.points) == (rows >= 299)
    if rows == 298:
        assert "on 298 rows; it takes at least 299 rows or a dis" in result.missed[0].reason


def write_rows(place, number):
    return Path(write_jsonl(place / f"{number}.jsonl", single(number, seed=3))).stem


@pytest.mark.parametrize("split", [False, True])
def test_nothing_changes_where_no_point_is_found(split, place):
    tuned(place, threshold=0.6, name="safe", default="safe")
    write_jsonl(place / "few.jsonl", single(70 if split else 20, seed=4))
    before = {path.name: path.read_bytes() for path in (place / "model").iterdir()}
    result = tuned(place, "few", split=split, default="fast")
    assert [one.name for one in result.missed] == ["fast", "balanced", "safe"]
    assert {path.name: path.read_bytes() for path in (place / "model").iterdir()} == before


def test_points_of_the_same_model_stay_and_void_ones_go(place):
    tuned(place, threshold=0.6, name="one")
    tuned(place, threshold=0.7, name="two", default="two")
    assert set(points_in(place)) == {"one", "two"}
    write_jsonl(place / "other.jsonl", single(80, seed=9))
    calibrate(place / "model", str(place / "other.jsonl"))
    with pytest.raises(ModelFolderError, match="tuned for other weights or temperatures"):
        offramp.load(place / "model").predict(["w1"], at="one")
    assert tuned(place, threshold=0.8, name="two").dropped == ("one",)
    assert set(points_in(place)) == {"two"}
    assert read_operating_points(place / "model").default == "two"


def test_a_default_point(place):
    tuned(place, threshold=0.0, name="first", default="first")
    assert offramp.load(place / "model").predict(["w1 w2"])[0].exit_index == 0
    tuned(place, threshold=9.0, name="last")
    assert read_operating_points(place / "model").default == "first"
    tuned(place, threshold=0.5, default="last")
    assert offramp.load(place / "model").predict(["w1 w2"])[0].layers == 4
    with pytest.raises(
        OptionError, match="the default 'none' is not an operating point; use one of tuned, first, last"
    ):
        tuned(place, threshold=0.5, default="none")


@pytest.mark.parametrize(
    ("data", "use"), [("train", "training"), ("dev", "choosing the epoch"), ("dev-again", "temperatures of torch")]
)
def test_rows_that_made_the_model_are_refused(place, data, use):
    if data == "dev-again":
        calibrate(place / "model", str(place / "dev.jsonl"))
        rows = [json.loads(line) for line in (place / "dev.jsonl").read_text().splitlines()]
        write_jsonl(place / "dev-again.jsonl", [{"text": row["text"]} for row in rows[::-1]])
        use = "(choosing the epoch|temperatures of torch)"
    with pytest.raises(DataError, match=rf"\d+% .* in .*{data}.jsonl were used to make this model \(for {use}\): "):
        tuned(place, data)
    assert "operating_points.json" not in names(place / "model")


def test_rows_of_the_temperatures_can_be_split(place):
    before = Calibration.load(place / "model")
    result = tuned(place, "dev", split=True, max_disagreement=0.2)
    after = Calibration.load(place / "model")
    assert after.temperatures != before.temperatures
    assert after.rows == 30
    assert result.points[0].seen.rows == 30
    assert after.fitted_on != result.points[0].seen.data
    assert len(offramp.load(place / "model").predict(["w1"], at="tuned")) == 1
    with pytest.raises(DataError, match=r"were used to make this model \(for training\): .*; use other rows$"):
        tuned(place, "train", split=True)
    with pytest.raises(OptionError, match=r"split fits temperatures, which takes labels, and .* has none"):
        tuned(place, unlabeled(place), split=True)


def test_all_rules_are_compared(place):
    result = tuned(place, compare_rules=True)
    assert {line.rule for line in result.comparison} == set(CRITERIA)
    assert tuned(place).comparison == ()


@dataclass(frozen=True)
class Squared(Criterion):
    """A criterion of somebody else's."""

    problem: Problem
    power: int = 2

    def score(self, probabilities, history):
        return self.problem.confidence(probabilities, len(history)) ** self.power


@pytest.fixture
def squared():
    register("squared", Squared)
    yield
    del CRITERIA["squared"]


def test_a_rule_of_ones_own_is_tuned_stored_and_loaded(place, squared):
    (point,) = tuned(place, max_disagreement=0.2, rule="squared").points
    assert isinstance(point.rule.criterion, Squared)
    assert points_in(place)["tuned"].rule == point.rule
    classifier, rows = offramp.load(place / "model"), read_labeled(str(place / "cal.jsonl"), Columns())
    found = classifier.predict(rows.texts, at="tuned")
    expected = replay(classifier.exit_answers(rows.texts).probabilities, point.rule)
    assert found.exits.tolist() == expected.exits.tolist()


def test_another_precision_has_points_of_its_own(place):
    tuned(place, threshold=0.5)
    tuned(place, threshold=0.6, backend="torch", precision="bf16")
    points = read_operating_points(place / "model").points
    assert [(point.engine.precision, point.rule.threshold) for point in points] == [("fp32", 0.5), ("bf16", 0.6)]
    for precision in ("fp32", "bf16"):
        assert len(offramp.load(place / "model", precision=precision).predict(["w1"], at="tuned")) == 1
    # Both run with the same temperatures: new ones void the other's points, too.
    tuned(place, threshold=0.7, split=True)
    with pytest.raises(ModelFolderError, match="tuned for other weights"):
        offramp.load(place / "model", precision="bf16").predict(["w1"], at="tuned")


def test_several_labels(tmp_path):
    folder = write_model(tmp_path / "model", labels=LABELS, problem_type="multi_label_classification")
    data = write_jsonl(tmp_path / "data.jsonl", multi(200))
    for options in ({"max_accuracy_drop": 0.5}, {"max_disagreement": 0.9}, {"speedup": 1.2, "rule": "gate"}):
        (point,) = tune(folder, data, **quick(**options)).points
        assert 0 <= point.seen.accuracy <= 1
        assert len(offramp.load(folder).predict(["w1"], at="tuned")) == 1


def test_pairs(tmp_path):
    folder = write_model(tmp_path / "model", text_pair=True)
    data = write_jsonl(tmp_path / "data.jsonl", pairs(80))
    columns = Columns(text="first", text_pair="second")
    (point,) = tune(folder, data, columns=columns, **quick(threshold=0.6)).points
    assert point.seen.rows == 80
    with pytest.raises(DataError, match="trained on pairs of texts; add `text_pair`"):
        tune(folder, data, columns=Columns(text="first"), threshold=0.6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "entropy"}, "rule 'entropy' is not known; valid: confidence, certainty, "),
        ({"seconds": 0.0}, "seconds is 0.0"),
        ({"seed": -1}, "seed is -1"),
        ({"threshold": -0.5}, "threshold is -0.5"),
        ({"max_disagreement": 0.0}, "max_disagreement is 0.0; use a share above 0 and below 1"),
        ({"max_disagreement": 1}, "max_disagreement is 1;"),
        ({"confidence": 1.0}, "confidence is 1.0"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_options_out_of_range_change_nothing(place, options, message):
    before = names(place / "model")
    with pytest.raises(OptionError, match=message):
        tuned(place, **options)
    assert names(place / "model") == before


def test_one_row(place):
    write_jsonl(place / "one.jsonl", single(1, seed=3))
    assert len(tuned(place, "one", rule="confidence").missed) == 3
    assert tuned(place, "one", threshold=0.5).points[0].seen.rows == 1
    with pytest.raises(DataError, match="1 row cannot be split into"):
        tuned(place, "one", threshold=0.5, rule="gate")
    with pytest.raises(DataError, match=r"takes at least 30 different texts, .* has 1;"):
        tuned(place, "one", threshold=0.5, split=True)


def test_a_folder_that_may_not_be_written_is_told_before_the_data_are_read(place, monkeypatch):
    forbid_writing(monkeypatch)
    with pytest.raises(StorageError, match=r"cannot write .*model: Permission denied"):
        tuned(place, "missing")
