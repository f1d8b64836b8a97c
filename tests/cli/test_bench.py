import json

import pytest

from helpers.toys import names, single, write_jsonl, write_model
from offramp import environment
from offramp.benchmark import benchmark as module
from offramp.benchmark.measuring import measure
from offramp.data import Columns, read_labeled, remember
from offramp.data.seen import FITTING


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch):
    monkeypatch.setattr(module, "measure_apart", measure)
    monkeypatch.setattr(module, "doubts_of", lambda *_: ())
    monkeypatch.setattr(environment, "fast_bf16", lambda: False)


def bench(offramp, *more, data="../data.csv", model="../model"):
    options = ("--seconds", "0.01", "--threads", "1", "--token-budget", "64")
    return offramp("bench", model, "--data", data, *options, *more)


def test_table_json_and_picture(offramp, place):
    result = bench(offramp, "--threshold", "0.5", "--threshold", "0.9", "--json", "new/r.json", "--picture", "r.svg")
    assert result.exit_code == 0
    assert "60 rows, " in result.stdout
    assert "\n1 thread\n" in result.stdout
    for name in ("transformers.pipeline", "torch fp32, full depth", "torch fp32, exits at 0.5"):
        assert name in result.stdout
    assert result.stderr.splitlines() == ["wrote new/r.json", "wrote r.svg"]
    written = json.loads((place / "new" / "r.json").read_text(), parse_constant=pytest.fail)
    assert [row["threshold"] for row in written["rows"]] == [None, None, None, None, 0.5, 0.9]
    assert written["options"]["token_budgets"] == [64]
    assert names(place) == ["new", "r.svg"]


def test_texts_of_the_training_are_told(offramp, tmp_path):
    data = write_jsonl(tmp_path / "texts.jsonl", single(12, seed=5))
    folder = write_model(tmp_path / "own")
    remember(folder, read_labeled(data, Columns()), FITTING)
    assert (
        "100.0% of the texts were used to make this model (for training)\n"
        in bench(offramp, data=data, model=folder).stdout
    )


def test_texts_without_labels(offramp, place):
    data = write_jsonl(place / "texts.jsonl", [{"text": row["text"]} for row in single(12)])
    result = bench(offramp, "--ignore-labels", data=data)
    assert result.exit_code == 0
    assert "%" in result.stdout  # agreement is there all the same


def test_getting_slower_fails_the_check(offramp, place):
    bench(offramp, "--json", "base.json")
    content = json.loads((place / "base.json").read_text())
    for factor, code in ((0.001, 0), (1000, 1)):
        for row in content["rows"]:
            for scenario, figure, by in (
                ("offline", "texts_per_second", factor),
                ("single_stream", "p50_of_rounds", 1 / factor),
            ):
                spread = row[scenario][figure]
                row[scenario][figure] = spread | {key: spread[key] * by for key in ("median", "low", "high")}
        (place / "then.json").write_text(json.dumps(content))
        content = json.loads((place / "base.json").read_text())
        result = bench(offramp, "--check", "then.json", "--json", "now.json")
        assert result.exit_code == code
        assert "1 thread" in result.stdout
        said = result.stderr.splitlines()
        assert said[0] == "wrote now.json"
        if code:
            assert said[1].startswith("error: slower than then.json: transformers.pipeline (1 thread): ")
        else:
            assert said[1] == "nothing is slower than then.json"


def test_tuning_is_stored(offramp, place, tmp_path):
    (tmp_path / "own").mkdir()
    for file in (tmp_path / "model").iterdir():
        (tmp_path / "own" / file.name).symlink_to(file)
    result = bench(offramp, "--autotune", "--token-budget", "128", model="../own")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == ["wrote ../own/tuning.json"]
    (tuning,) = json.loads((tmp_path / "own" / "tuning.json").read_text())["tunings"]
    assert tuning["token_budget"] in (64, 128)


def test_a_rough_result_stores_no_budgets_and_is_no_baseline(offramp, refused, place, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "doubts_of", lambda *_: ("the moon was full",))
    model = write_model(tmp_path / "own")
    result = bench(offramp, "--autotune", "--token-budget", "128", "--json", "r.json", model=model)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "wrote r.json",
        "warning: too rough for token budgets or a baseline: the moon was full; measure again on a quiet machine, or "
        "with more --seconds",
    ]
    assert "tuning.json" not in names(model)
    message = bench(refused, "--check", "r.json", model=model)
    assert message.startswith(
        "the baseline r.json is too rough to compare with: the moon was full; measure a new baseline"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "-1"], "threshold is -1.0"),
        (["--threads", "x"], "threads 'x' are not numbers; write them as 1,2"),
        (["--seconds", "0"], "seconds is 0.0"),
        (["--autotune"], "there is only one token budget, 64"),
        (["--picture", "speed.pdf"], "the picture speed.pdf does not end in .svg"),
        (["--check", "none.json"], "cannot read the baseline none.json"),
        (["--text-column", "txt"], "has no column 'txt' (did you mean 'text'?)"),
    ],
)
def test_bad_options_are_refused(refused, place, options, message):
    assert message in bench(refused, *options)
    assert names(place) == []


def test_targets_that_cannot_be_are_refused_before_any_work(refused, place, monkeypatch):
    monkeypatch.setattr(module, "open_engine", lambda *_: pytest.fail("work had begun"))
    (place / "folder.svg").mkdir()
    for option in ("--json", "--picture"):
        assert "folder.svg is not a file" in bench(refused, option, "folder.svg")
