import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from conftest import LAYERS, tiny_model
from helpers.evaluations import SEEN
from helpers.toys import multi, pairs, single, write_jsonl, write_model
from offramp.backends import REFERENCE, Runtime
from offramp.calibration import Calibration, DefaultThreshold, Problem
from offramp.data import Columns, LabeledTexts, remember
from offramp.engine import load, torch_classifier
from offramp.errors import DataError, ModelFolderError, OptionError
from offramp.evaluation import evaluate, evaluation, fastest_within, recommend, speed
from offramp.policy import (
    Lead,
    Limit,
    Method,
    OperatingPoint,
    OperatingPoints,
    Promise,
    Reference,
    Risk,
    Threshold,
    save_operating_points,
)

POINT = {
    "way",
    "name",
    "rule",
    "threshold",
    "end",
    "accuracy",
    "macro_f1",
    "agreement",
    "accuracy_difference",
    "mean_layers",
    "bound_speedup",
    "speedup",
    "speedup_spread",
    "computed",
    "efficiency",
    "texts_per_second",
    "exits",
}
CHOSEN = (0.0, 0.5, 0.7, 0.9, 1.01)


@pytest.fixture(autouse=True)
def _few_repeats(monkeypatch):
    monkeypatch.setattr(speed, "REPEATS", 1)


def classifier(temperatures=(0.5, 2.0, 1.5), **config):
    model = tiny_model(**config)
    return torch_classifier(model, replace(Calibration.neutral(model.network.config.exits), temperatures=temperatures))


def labeled(rows, first="text", second=None):
    labels = [tuple(row["label"]) if isinstance(row["label"], list) else row["label"] for row in rows]
    return LabeledTexts(
        texts=[row[first] for row in rows],
        text_pairs=None if second is None else [row[second] for row in rows],
        labels=labels,
        blank=0,
        source="toy",
    )


@pytest.fixture(scope="module")
def rows():
    return labeled(single(80))


def test_the_report_has_the_documented_keys(rows):
    report = json.loads(json.dumps(evaluate(classifier(), rows, thresholds=(0.9,)).to_dict(), allow_nan=False))
    assert set(report) == {
        "schema",
        "date",
        "environment",
        "model",
        "data",
        "full",
        "points",
        "operating_points",
        "truncated",
        "overthinking",
        "calibration",
        "reliability",
        "risk_coverage",
        "focus",
    }
    assert set(report["full"]) == set(report["points"][0]) == set(report["truncated"][0]) == POINT
    assert {"exit", "temperature", "ece_before", "ece_after", "nll_before", "nll_after", "auroc"} <= set(
        report["calibration"][0]
    )
    assert {"cpu", "gpu", "threads", "torch", "transformers", "offramp", "seed"} <= set(report["environment"])
    assert report["schema"] == 10
    assert report["model"]["exits"] == [1, 2, LAYERS]
    assert report["model"]["problem_type"] == "single_label_classification"
    assert report["data"]["rows"] == 80
    assert report["data"]["fingerprint"] == rows.fingerprint


@pytest.mark.parametrize("kind", ["single", "multi", "pairs"])
def test_accuracies_are_those_of_predict(kind):
    if kind == "multi":
        model, data = classifier(problem_type="multi_label_classification"), labeled(multi(80))
    elif kind == "pairs":
        model, data = classifier(text_pair=True), labeled(pairs(80), "first", "second")
    else:
        model, data = classifier(), labeled(single(80))
    result = evaluate(model, data, thresholds=CHOSEN)
    full = model.predict_full(data.texts, data.text_pairs)

    def coded(labels):
        if kind == "multi":
            return np.array([[name in row for name in model.labels] for row in labels])
        return [row if isinstance(row, str) else row[0] for row in labels]

    truth = coded(data.labels)
    for point in result.points:
        predictions = model.predict(data.texts, data.text_pairs, threshold=point.threshold)
        predicted = coded(predictions.labels)
        assert point.accuracy == pytest.approx(accuracy_score(truth, predicted))
        assert point.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
        assert point.agreement == pytest.approx(accuracy_score(coded(full.labels), predicted))
        assert point.mean_layers == pytest.approx(np.average(predictions.layers, weights=predictions.tokens))
        assert point.exits == pytest.approx(np.bincount(predictions.exits, minlength=3) / 80)
    assert result.full.accuracy == pytest.approx(accuracy_score(truth, coded(full.labels)))
    assert len({point.mean_layers for point in result.points}) > 2


def test_cut_networks_answer_as_predict_truncated_does(rows):
    model = classifier()
    result = evaluate(model, rows, thresholds=(0.9,))
    full = model.predict_full(rows.texts)
    assert [one.setting for one in result.truncated] == ["cut after layer 1", "cut after layer 2"]
    for one in result.truncated:
        predicted = model.predict_truncated(rows.texts, exit_index=one.exits.index(1)).labels
        right = [labels == (truth,) for labels, truth in zip(predicted, rows.labels, strict=True)]
        agree = [labels == other for labels, other in zip(predicted, full.labels, strict=True)]
        assert one.accuracy == pytest.approx(np.mean(right))
        assert one.agreement == pytest.approx(np.mean(agree))
        assert one.accuracy_difference.value == pytest.approx(one.accuracy - result.full.accuracy)
        assert one.mean_layers == model.exits[one.exits.index(1)]


def test_the_setting_in_focus_is_looked_at_in_detail(rows):
    model = classifier()
    focus = evaluate(model, rows, thresholds=(0.5, 0.9), focus=0.7, show_texts=True).focus
    predictions = model.predict(rows.texts, threshold=0.7)
    full = model.predict_full(rows.texts)
    right = np.array([labels == (truth,) for labels, truth in zip(predictions.labels, rows.labels, strict=True)])
    assert (focus.point.threshold, focus.point.name) == (0.7, None)
    assert [one.right for one in focus.exits] == np.bincount(predictions.exits[right], minlength=3).tolist()
    assert [one.wrong for one in focus.exits] == np.bincount(predictions.exits[~right], minlength=3).tolist()
    assert {one.name: one.rows for one in focus.classes} == {name: rows.labels.count(name) for name in "abc"}
    assert sum(one.rows for one in focus.lengths) == 80
    differ = [one != other for one, other in zip(predictions.labels, full.labels, strict=True)]
    assert focus.disagreeing == sum(differ)
    for one in focus.disagreements:
        assert differ[one.row - 1]
        assert one.text == rows.texts[one.row - 1]
        assert one.early.labels == predictions.labels[one.row - 1]
        assert one.truth == (rows.labels[one.row - 1],)


def test_by_default_the_focus_is_what_is_recommended(rows):
    result = evaluate(classifier(), rows, thresholds=CHOSEN)
    found = recommend(result.full, result.points, (), result.truncated, result.data.constant)
    assert result.focus.point == found.point


@pytest.mark.parametrize("exit_index", [0, 1, 2])
def test_the_focus_may_be_a_network_that_ends_anywhere(rows, monkeypatch, exit_index):
    def chosen(full, thresholds, operating_points, truncated, constant):
        return replace(recommend(full, (), (), (), constant), point=(*truncated, full)[exit_index])

    monkeypatch.setattr(evaluation, "recommend", chosen)
    model = classifier()
    result = evaluate(model, rows, thresholds=(0.9,))
    assert result.focus.point == (*result.truncated, result.full)[exit_index]
    assert [one.right + one.wrong for one in result.focus.exits] == [80 * (exit_index == place) for place in range(3)]
    predicted = model.predict_truncated(rows.texts, exit_index=exit_index).labels
    assert sum(one.right for one in result.focus.exits) == sum(
        labels == (truth,) for labels, truth in zip(predicted, rows.labels, strict=True)
    )
    assert (result.focus.disagreeing == 0) == (result.focus.point.agreement == 1)


def operating_point(folder, name, threshold, model=None):
    return OperatingPoint(
        name=name,
        engine=REFERENCE,
        model=model or load(folder).fingerprint,
        rule=Threshold(threshold, Lead(Problem.SINGLE_LABEL)),
        promises=(Promise(Limit(Risk.DISAGREEMENT, 0.1), Method.LTT, 0.95, seen=0.05, bound=0.09, rows=1000),),
        seen=SEEN,
    )


def test_operating_points_of_the_folder_are_measured(tmp_path, rows):
    folder = write_model(tmp_path / "model")
    points = (operating_point(folder, "safe", 0.8), operating_point(folder, "old", 0.8, model="sha256:other"))
    save_operating_points(folder, OperatingPoints(points, default="safe"))
    result = evaluate(folder, rows, thresholds=(0.9,))
    (here,) = result.operating_points
    predictions = load(folder).predict(rows.texts, at="safe")
    assert (here.point.name, here.point.rule, here.point.threshold) == ("safe", "lead at least 0.8", 0.8)
    assert here.point.exits == pytest.approx(np.bincount(predictions.exits, minlength=3) / 80)
    assert (here.default, here.promises[0].promise, here.seen) == (True, points[0].promises[0], SEEN)
    assert here.promises[0].risk.value == pytest.approx(1 - here.point.agreement)
    assert evaluate(folder, rows, thresholds=(0.9,), focus="safe").focus.point.name == "safe"
    assert [point.name for point in result.points] == [None]
    assert evaluate(folder, rows, thresholds=(0.9,), focus=0.9).focus.point.name is None
    with pytest.raises(OptionError, match="there is no operating point 'none'"):
        evaluate(folder, rows, focus="none")
    with pytest.raises(ModelFolderError, match="tuned for other weights"):
        evaluate(folder, rows, focus="old")


def test_a_promise_about_a_reference_shows_where_the_reference_is_given(tmp_path, rows):
    folder, other = write_model(tmp_path / "model"), classifier(seed=3)
    about = Limit(Risk.DISAGREEMENT, 0.1, reference=Reference("original", other.fingerprint))
    point = operating_point(folder, "safe", 0.8)
    point = replace(point, promises=(replace(point.promises[0], limit=about),))
    save_operating_points(folder, OperatingPoints((point,)))
    (unknown,) = evaluate(folder, rows, thresholds=(0.9,)).operating_points
    assert unknown.promises[0].risk is None
    (here,) = evaluate(folder, rows, thresholds=(0.9,), reference=other).operating_points
    predictions, said = load(folder).predict(rows.texts, at="safe").label, other.predict_full(rows.texts).label
    differing = np.mean([one != two for one, two in zip(predictions, said, strict=True)])
    assert here.promises[0].risk.value == pytest.approx(differing)
    with pytest.raises(OptionError, match=r"anything about the model in memory .* about the model original \(sha256:"):
        evaluate(folder, rows, thresholds=(0.9,), reference=classifier())


def test_texts_that_the_model_has_seen_are_told(tmp_path, rows):
    folder = write_model(tmp_path / "model")
    assert evaluate(folder, rows, thresholds=(0.9,)).data.used_before == {}
    remember(folder, rows, "training")
    assert evaluate(folder, rows, thresholds=(0.9,)).data.used_before == {"training": 1.0}


def test_the_ends_of_the_thresholds(rows):
    first, last = evaluate(classifier(), rows, thresholds=(0.0, 1.01)).points
    assert first.exits == (1, 0, 0)
    assert first.mean_layers == 1
    assert last.exits == (0, 0, 1)
    assert last.mean_layers == LAYERS
    assert last.agreement == 1


def test_full_depth_is_the_same_as_a_threshold_above_one(rows):
    result = evaluate(classifier(), rows, thresholds=(1.01,))
    assert (result.points[0].accuracy, result.points[0].macro_f1) == (result.full.accuracy, result.full.macro_f1)


def test_times_hang_together(rows):
    for point in evaluate(classifier(), rows, thresholds=CHOSEN).points:
        low, high = point.speedup_spread
        assert 0 < low <= point.speedup <= high
        assert point.efficiency == pytest.approx(point.speedup / point.bound_speedup)
        assert point.speedup <= point.bound_speedup


def test_a_report_is_json_even_where_a_figure_is_missing():
    # One row: right or wrong, there is no ranking of right over wrong rows, and two classes never occur.
    result = evaluate(classifier(), labeled(single(1)), thresholds=(0.9,))
    assert [one.auroc for one in result.calibration] == [None, None, None]
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_model_with_a_single_label_of_many_is_measured():
    model = classifier(labels=("a",), problem_type="multi_label_classification")
    data = labeled([row | {"label": [name for name in row["label"] if name == "a"]} for row in multi(40)])
    result = evaluate(model, data, thresholds=(0.6,))
    right = [
        row == truth for row, truth in zip(model.predict(data.texts, threshold=0.6).labels, data.labels, strict=True)
    ]
    assert result.points[0].accuracy == pytest.approx(np.mean(right))


def test_blank_and_long_texts_are_counted(tmp_path):
    data = [*single(10), {"text": "  ", "label": "a"}, {"text": "", "label": "b"}, {"text": "w1 " * 60, "label": "c"}]
    result = evaluate(classifier(), write_jsonl(tmp_path / "data.jsonl", data), thresholds=(0.9,))
    assert (result.data.rows, result.data.blank, result.data.truncated) == (13, 2, 1)


def test_few_seconds_time_fewer_rows():
    many = labeled(single(400))
    assert evaluate(classifier(), many, thresholds=(0.9,), seconds=1e-6).data.timed_rows == 32
    assert evaluate(classifier(), many, thresholds=(0.9,), seconds=1e9).data.timed_rows == 400


def test_a_folder_is_read_and_named(tmp_path, rows):
    folder = write_model(tmp_path / "model")
    result = evaluate(folder, rows, thresholds=(0.9,))
    assert (result.model.name, result.model.folder) == ("model", str(folder))
    assert evaluate(classifier(), rows, thresholds=(0.9,)).model.name == "bert"
    with pytest.raises(ModelFolderError, match="there is no folder"):
        evaluate(tmp_path / "none", rows)


def test_threads_are_used_and_given_back(rows):
    before = torch.get_num_threads()
    assert evaluate(classifier(), rows, thresholds=(0.9,), runtime=Runtime(threads=2)).environment["threads"] == 2
    assert torch.get_num_threads() == before


def test_progress_is_told(rows):
    told = []
    evaluate(classifier(), rows, thresholds=(0.5, 0.9), on_progress=lambda *what: told.append(what))
    assert told[0] == ("running all exits", 0, 1)
    assert told[1:] == [("timing", done, 10) for done in range(1, 11)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": ()}, "there are no thresholds"),
        ({"thresholds": (0.5, -0.1)}, "threshold is -0.1"),
        ({"thresholds": (float("nan"),)}, "threshold is nan"),
        ({"seconds": 0}, "seconds is 0; it must be above 0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"runtime": Runtime(threads=0)}, "threads is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_out_of_range_are_refused(rows, options, message):
    with pytest.raises(OptionError, match=message):
        evaluate(classifier(), rows, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"runtime": Runtime("openvino")},
            "backend 'openvino' would do nothing to a classifier in memory, .* torch fp32",
        ),
        ({"runtime": Runtime("torch", "bf16")}, "backend 'torch' and precision 'bf16' would do nothing"),
    ],
)
def test_options_of_loading_are_refused_for_a_classifier_in_memory(rows, options, message):
    with pytest.raises(OptionError, match=message):
        evaluate(classifier(), rows, **options)


def test_data_that_do_not_fit_the_model_are_refused(rows):
    with pytest.raises(DataError, match="add `text_pair` for the second ones"):
        evaluate(classifier(text_pair=True), rows)
    with pytest.raises(DataError, match="leave `text_pair` out"):
        evaluate(classifier(), labeled(pairs(5), "first", "second"))
    with pytest.raises(DataError, match="row 1: the model has no label 'd'"):
        evaluate(classifier(), labeled([{"text": "w1", "label": "d"}]))
    with pytest.raises(DataError, match="a list of labels in each row, but the model gives one label"):
        evaluate(classifier(), labeled(multi(5)))


def test_the_fastest_point_within_a_loss(rows):
    result = evaluate(classifier(), rows, thresholds=(0.9,))
    (point,) = result.points
    points = tuple(
        replace(point, threshold=threshold, accuracy=accuracy, speedup=speed)
        for threshold, accuracy, speed in [(0.5, 0.80, 4.0), (0.7, 0.88, 3.0), (0.8, 0.89, 2.0), (1.01, 0.90, 0.9)]
    )
    full = replace(result.full, accuracy=0.90)
    assert fastest_within(points, full, 0.5).threshold == 0.5
    assert fastest_within(points, full, 0.02).threshold == 0.7
    assert fastest_within(points, full, 0.01).threshold == 0.8
    assert fastest_within(points, full, 0.0).threshold == 1.01
    assert fastest_within(points[:1], full, 0.01) is None


def test_the_thresholds_measured_by_default_spread_over_the_confidences_and_have_the_default():
    model = classifier(problem_type="multi_label_classification")
    model.recalibrate(replace(model.calibration, default=DefaultThreshold(0.31)))
    found = [point.threshold for point in evaluate(model, labeled(multi(40)), seconds=0.01).points]
    assert found[0] == 0
    assert found[-1] > 1
    assert found == sorted(set(found))
    assert 0.31 in found


def test_columns_are_named(tmp_path):
    data = [{"body": row["text"], "topic": row["label"]} for row in single(10)]
    source = write_jsonl(tmp_path / "data.jsonl", data)
    result = evaluate(classifier(), source, columns=Columns(text="body", label="topic"), thresholds=(0.9,))
    assert result.data.source == source
