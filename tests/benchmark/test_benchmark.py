import json
from dataclasses import replace

import pytest

from helpers.chains import write_chain
from helpers.damage import forbid_writing
from helpers.toys import names, pairs, quick_bench, single, write_csv, write_jsonl, write_model
from offramp import environment
from offramp.backends import REFERENCE
from offramp.benchmark import bench, check, read_baseline
from offramp.benchmark import benchmark as module
from offramp.benchmark.doubts import doubts_of
from offramp.benchmark.measuring import Timing, measure
from offramp.calibration import Problem
from offramp.data import Columns, read_labeled, remember
from offramp.data.seen import FITTING
from offramp.engine import Classifier, load
from offramp.engine.tuning import read_tunings
from offramp.errors import DataError, ModelFolderError, OptionError, StorageError
from offramp.files import write_json
from offramp.folder import TUNING
from offramp.policy import OperatingPoint, OperatingPoints, Patience, Seen, Threshold, save_operating_points

BUDGETS = (16, 64)


@pytest.fixture
def tasks(monkeypatch):
    """Measures in this process, however rough the result is, and gives the tasks."""
    seen = []

    def here(task, on_progress):
        seen.append(task)
        return measure(task, on_progress)

    monkeypatch.setattr(module, "doubts_of", lambda *_: ())
    monkeypatch.setattr(module, "measure_apart", here)
    monkeypatch.setattr(environment, "fast_bf16", lambda: False)
    monkeypatch.setattr(environment, "cores", lambda: 2)
    return seen


@pytest.fixture
def data(tmp_path):
    return write_csv(tmp_path / "data.csv", single(60))


def short(folder, data, **options):
    return bench(folder, data, **quick_bench(**options))


def test_rows_of_the_training_are_told(tmp_path, data, tasks):
    folder = write_model(tmp_path / "own")
    assert short(folder, data).data["used_before"] == {}
    remember(folder, read_labeled(data, Columns()), FITTING)
    assert short(folder, data).data["used_before"] == {"training": 1.0}


def test_a_folder_that_may_not_be_written_is_told_before_the_data_are_read(folder, monkeypatch):
    forbid_writing(monkeypatch)
    with pytest.raises(StorageError, match=r"cannot write .*: Permission denied"):
        short(folder, "missing.csv", token_budgets=(64, 128), autotune=True)
    with pytest.raises(DataError, match=r"missing\.csv does not exist"):
        short(folder, "missing.csv")


def test_rows_tell_cost_and_worth(folder, data, tasks):
    result = short(folder, data, thresholds=(0.5, 1.01), threads=(1, 2))
    assert [(row.threads, row.name) for row in result.rows[:6]] == [
        (1, "transformers.pipeline"),
        (1, "torch fp32, full depth"),
        (1, "torch fp32, cut after layer 1"),
        (1, "torch fp32, cut after layer 2"),
        (1, "torch fp32, exits at 0.5"),
        (1, "torch fp32, exits at 1.01"),
    ]
    assert [row.threads for row in result.rows] == [1] * 6 + [2] * 6
    classifier = load(folder)
    texts, labels = [row["text"] for row in single(60)], [row["label"] for row in single(60)]

    def accuracy(predictions):
        return pytest.approx(sum(one == (label,) for one, label in zip(predictions.labels, labels, strict=True)) / 60)

    by_name = {row.name: row for row in result.rows}
    assert by_name["transformers.pipeline"].accuracy == accuracy(classifier.predict_full(texts))
    assert by_name["torch fp32, cut after layer 2"].accuracy == accuracy(
        classifier.predict_truncated(texts, exit_index=1)
    )
    assert by_name["torch fp32, exits at 0.5"].accuracy == accuracy(classifier.predict(texts, threshold=0.5))
    assert {row.agreement for row in result.rows} == {1}


def test_a_chain_is_measured_against_its_last_model(tmp_path, data, tasks):
    chain = write_chain(tmp_path / "chain")
    rows = {row.name: row for row in short(chain, data, thresholds=(0.6,)).rows}
    assert list(rows) == [
        "transformers.pipeline",
        "torch fp32, full depth",
        "torch fp32, cut after layer 2 of model 1",
        "torch fp32, model 1 alone",
        "torch fp32, cut after layer 1 of model 2",
        "torch fp32, cut after layer 2 of model 2",
        "torch fp32, exits at 0.6",
    ]
    last = load(chain / "model-2").predict_full([row["text"] for row in single(60)])
    right = sum(one == row["label"] for one, row in zip(last.label, single(60), strict=True))
    assert rows["transformers.pipeline"].accuracy == rows["torch fp32, full depth"].accuracy == right / 60


def test_json_has_the_documented_keys(folder, data, tasks):
    content = json.loads(json.dumps(short(folder, data).to_dict(), allow_nan=False))
    assert set(content) == {"schema", "environment", "model", "data", "options", "rows", "doubts"}
    assert content["schema"] == 2
    assert {"cpu", "gpu", "cores", "torch", "onnxruntime", "openvino"} <= set(content["environment"])
    assert content["model"]["fingerprint"] == load(folder, backend="torch", precision="fp32").fingerprint
    assert content["data"]["rows"] == 60
    assert content["data"]["fingerprint"].startswith("sha256:")
    assert len(content["rows"][0]["offline"]["texts_per_second"]["rounds"]) == content["data"]["repeats"]


def test_texts_without_labels_have_no_accuracy(folder, tmp_path, tasks):
    data = write_jsonl(tmp_path / "texts.jsonl", [{"text": row["text"]} for row in single(20)])
    for result in (short(folder, data), short(folder, data, columns=Columns(label=None))):
        assert {(row.accuracy, row.agreement) for row in result.rows} == {(None, 1.0)}
        assert result.data["labeled"] is False
    with pytest.raises(DataError, match="has no column 'topic'"):
        short(folder, data, columns=module.Columns(label="topic"))


def test_pairs_are_measured(tmp_path, tasks):
    folder = write_model(tmp_path / "model", text_pair=True)
    rows = [{"text": row["first"], "second": row["second"], "label": row["label"]} for row in pairs(20)]
    columns = module.Columns(text_pair="second")
    result = short(folder, write_csv(tmp_path / "pairs.csv", rows), columns=columns)
    assert len(result.rows) == 5
    assert tasks[0].single.text_pairs is not None


def test_little_time_gives_few_rows(folder, data, tasks):
    short(folder, data, seconds=1e-6)
    assert (len(tasks[0].offline.texts), len(tasks[0].single.texts)) == (4, 1)
    short(folder, data, seconds=1e9)
    assert (len(tasks[1].offline.texts), len(tasks[1].single.texts)) == (60, 60)


def test_a_rough_result_is_told_and_stores_no_budgets(tmp_path, data, tasks, monkeypatch):
    monkeypatch.setattr(module, "doubts_of", doubts_of)
    folder = write_model(tmp_path / "model")
    result = short(folder, data, token_budgets=BUDGETS, autotune=True)
    assert "4 texts were timed at once; it takes 32" in result.doubts
    assert TUNING.name not in names(folder)


def test_the_time_is_shared_by_the_numbers_of_threads(folder, data, tasks, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    short(folder, data, seconds=0.9, threads=(1, 2))
    assert [task.seconds for task in tasks] == pytest.approx([0.6, 0.3])


def test_the_best_budgets_of_early_exit_are_stored(folder, data, tmp_path, tasks, monkeypatch):
    def pretend(task, on_progress):
        return [
            Timing(None if budget is None else budget * task.threads, (), (1.0,) * 5, 1.0, ((1.0,),) * 5, None, None)
            for budget in (None, 7, 7, 7, 100, 200)
        ]

    monkeypatch.setattr(module, "measure_apart", pretend)
    folder = write_model(tmp_path / "model")
    options = {"thresholds": (0.5, 0.9), "threads": (1, 2), "token_budgets": BUDGETS}
    short(folder, data, **options)
    assert TUNING.name not in names(folder)
    short(folder, data, **options, autotune=True)
    assert [(one.engine, one.threads, one.token_budget) for one in read_tunings(folder)] == [
        (REFERENCE, 1, 100),
        (REFERENCE, 2, 200),
    ]
    assert load(folder, threads=1).token_budget == 100


def test_a_baseline_decides_how_many_rows_are_timed(folder, data, tmp_path, tasks):
    write_json(tmp_path / "baseline.json", short(folder, data, seconds=1e-6).to_dict())
    baseline = read_baseline(tmp_path / "baseline.json")
    result = short(folder, data, seconds=1e9, baseline=baseline)
    assert len(tasks[1].offline.texts) == len(tasks[0].offline.texts) == 4
    assert tasks[1].offline == tasks[0].offline
    check(replace(result, rows=()), baseline)


def test_a_baseline_of_something_else_is_refused_before_any_work(folder, data, tmp_path, tasks, monkeypatch):
    write_json(tmp_path / "baseline.json", short(folder, data).to_dict())
    baseline = read_baseline(tmp_path / "baseline.json")
    monkeypatch.setattr(Classifier, "exit_answers", lambda *_: pytest.fail("work had begun"))
    with pytest.raises(OptionError, match="is of another data"):
        short(folder, write_csv(tmp_path / "other.csv", single(61)), baseline=baseline)
    with pytest.raises(OptionError, match="is of another options"):
        short(folder, data, baseline=baseline, seed=1)
    with pytest.raises(OptionError, match="is of another model"):
        short(write_model(tmp_path / "model", seed=1), data, baseline=baseline)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thresholds": ()}, "there are no thresholds"),
        ({"thresholds": (-0.1,)}, "threshold is -0.1"),
        ({"threads": (1, 0)}, r"threads are \[1, 0\]; use numbers from 1 to 2, this machine's cores"),
        ({"threads": (3,)}, r"threads are \[3\]"),
        ({"threads": "1;2"}, "threads '1;2' are not numbers; write them as 1,2"),
        ({"token_budgets": (0,)}, r"token budgets are \[0\]"),
        ({"token_budgets": ()}, r"token budgets are \[\]"),
        ({"seconds": 0}, "seconds is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"autotune": True}, "there is only one token budget, 64; give several, or none"),
    ],
)
def test_options_out_of_range_are_refused(folder, data, tasks, options, message):
    with pytest.raises(OptionError, match=message):
        short(folder, data, **options)
    assert tasks == []


def test_threads_may_be_text(folder, data, tasks):
    assert short(folder, data, threads="2").options["threads"] == (2,)


def test_by_default_there_are_one_and_two_threads(folder, data, tasks, monkeypatch):
    assert short(folder, data, threads=None).options["threads"] == (1, 2)
    monkeypatch.setattr(environment, "cores", lambda: 1)
    assert short(folder, data, threads=None).options["threads"] == (1,)


@pytest.fixture
def tuned(tmp_path):
    """A model with an operating point for PyTorch in fp32, and one out of date."""
    folder = write_model(tmp_path / "tuned")
    seen = Seen("sha256:00", 100, 0.01, None, None, 2.0, 2.0, (0.5, 0.2, 0.3), "here", 1)
    rule, model = Threshold(1, Patience(Problem.SINGLE_LABEL)), load(folder).fingerprint
    good = OperatingPoint("patient", REFERENCE, model, rule, (), seen)
    old = replace(good, name="old", model="sha256:11")
    save_operating_points(folder, OperatingPoints((good, old)))
    return folder


def test_operating_points_run_beside_thresholds(tuned, data, tasks):
    result = short(tuned, data, thresholds=(0.5,), points=("patient",), autotune=True, token_budgets=BUDGETS)
    rows = {row.name: row for row in result.rows}
    plain, patient = rows["torch fp32, exits at 0.5"], rows["torch fp32, exits at patient"]
    assert (plain.threshold, plain.at) == (0.5, None)
    assert (patient.threshold, patient.at) == (None, "patient")
    texts, labels = [row["text"] for row in single(60)], [row["label"] for row in single(60)]
    found = load(tuned).predict(texts, at="patient").labels
    assert patient.accuracy == pytest.approx(
        sum(one == (label,) for one, label in zip(found, labels, strict=True)) / 60
    )
    assert result.options["points"] == ("patient",)
    # The budget of the first setting is kept.
    (kept,) = read_tunings(tuned)
    assert kept.token_budget == plain.offline.token_budget


def test_operating_points_alone(tuned, data, tasks):
    result = short(tuned, data, thresholds=(), points=("patient",))
    assert [row.name for row in result.rows if row.kind == "early exit"] == ["torch fp32, exits at patient"]


def test_operating_points_that_are_none(tuned, data, tasks):
    with pytest.raises(OptionError, match=r"no operating point 'safe' for \S+; the model has old, patient"):
        short(tuned, data, points=("safe",))
    with pytest.raises(ModelFolderError, match="'old' was tuned for other weights"):
        short(tuned, data, points=("old",))
    assert tasks == []
