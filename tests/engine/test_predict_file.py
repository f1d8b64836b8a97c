import csv
import importlib
import io
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from conftest import WORDS, tiny_model
from offramp.backends import Runtime
from offramp.calibration import Calibration, Problem
from offramp.data import Columns, Writer
from offramp.engine import predict, torch_classifier
from offramp.engine.runner import Runner
from offramp.errors import DataError, ModelFolderError, OptionError, StorageError
from offramp.model import save
from offramp.policy import Confidence, Threshold

module = importlib.import_module("offramp.engine.predict_file")

CALIBRATION = Calibration(temperatures=(2.5, 0.8, 1.3), fitted_on="", rows=0, exits=())
ROWS = 30
BLANK, LONG = (4, 17), (9,)
THRESHOLD = 0.7


def classifier_of(**config):
    return torch_classifier(tiny_model(**config), CALIBRATION, device="cpu")


@pytest.fixture(scope="module")
def classifier():
    return classifier_of()


@pytest.fixture(scope="module")
def texts():
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, length)) for length in random.integers(1, 30, ROWS)]
    for row in BLANK:
        texts[row] = " "
    for row in LONG:
        texts[row] = " ".join(WORDS)
    return texts


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def source(texts, tmp_path):
    with (tmp_path / "in.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "second"])
        writer.writerows([f"row-{number}", text, f"w{number}"] for number, text in enumerate(texts))
    return "in.csv"


def read(name):
    if name.endswith(".parquet"):
        return parquet.read_table(name).to_pylist()
    with Path(name).open(encoding="utf-8", newline="") as stream:
        if name.endswith(".jsonl"):
            return [json.loads(line) for line in stream]
        return list(csv.DictReader(stream, delimiter="\t" if name.endswith(".tsv") else ","))


def after_writing(monkeypatch, tell):
    """Has ``tell`` hear of the number of rows that are in the file, each time that some were written."""
    write = Writer.write

    def told(writer, *args):
        write(writer, *args)
        tell(writer.progress.rows)

    monkeypatch.setattr(Writer, "write", told)


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv", "out.tsv", "out.parquet"])
@pytest.mark.parametrize("window", [7, 8192])
def test_every_format(output, window, classifier, source, texts, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "WINDOW", window)
    progress = []
    after_writing(monkeypatch, progress.append)
    scored = predict(
        classifier,
        input=source,
        output=output,
        threshold=THRESHOLD,
        probabilities=True,
        keep=["id"],
    )
    expected = classifier.predict([text.strip() for text in texts], threshold=THRESHOLD)
    rows = read(output)
    assert [row["id"] for row in rows] == [f"row-{number}" for number in range(ROWS)]  # each once, in order
    assert [row["label"] for row in rows] == [label for (label,) in expected.labels]
    assert [row["exit"] for row in rows] == expected.exit
    assert [str(row["truncated"]).lower() for row in rows] == [str(row in LONG).lower() for row in range(ROWS)]
    np.testing.assert_allclose([float(row["confidence"]) for row in rows], expected.confidence, atol=1e-4)
    scores = np.array([[float(row[f"probability_{label}"]) for label in "abc"] for row in rows])
    np.testing.assert_allclose(scores, expected.probabilities, atol=1e-4)
    np.testing.assert_allclose(scores.sum(1), 1, atol=3e-6)
    assert list(rows[0]) == [
        *["id", "label", "confidence", "exit", "truncated"],
        *["probability_a", "probability_b", "probability_c"],
    ]
    assert (scored.rows, scored.blank, scored.truncated) == (ROWS, len(BLANK), len(LONG))
    assert scored.exits == {f"layer {layers}": int((expected.layers == layers).sum()) for layers in (1, 2, 4)}
    assert progress == [*range(window, ROWS, window), ROWS]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", output]


def test_only_what_was_asked_for(classifier, source):
    predict(classifier, input=source, output="out.jsonl")
    assert list(read("out.jsonl")[0]) == ["label", "confidence", "exit", "truncated"]


def test_kept_columns_keep_their_types(classifier):
    table = pa.table({"text": ["w1", "w2"], "number": [1, None], "list": [[1, 2], []]})
    parquet.write_table(table, "in.parquet")
    predict(classifier, input="in.parquet", output="out.parquet", keep=["number", "text", "list"])
    kept = parquet.read_table("out.parquet").select(["number", "text", "list"])
    assert kept.to_pylist() == table.select(["number", "text", "list"]).to_pylist()


def arrow_types():
    """Columns that lose something on their way through Python."""
    return {
        "time": pa.array([1, None, 2**60 + 1], pa.timestamp("ns", "UTC")),
        "big": pa.array([2**64 - 1, 0, None], pa.uint64()),
        "single": pa.array([0.1, None, -0.0], pa.float32()),
        "money": pa.array([None, "1.50", "2.00"]).cast(pa.decimal128(10, 2)),
        "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int8())),
        "category": pa.array(["x", None, "x"]).dictionary_encode(),
        "nothing": pa.nulls(3),
        "raw": pa.array([b"\xff", b"", None]),
    }


@pytest.mark.parametrize("resume", [False, True])
def test_kept_columns_go_from_parquet_to_parquet_as_they_are(resume, classifier, monkeypatch):
    columns = arrow_types()
    parquet.write_table(pa.table({"text": ["w1", "w2", "w3"], **columns}), "in.parquet")
    monkeypatch.setattr(module, "WINDOW", 2)
    options = {"input": "in.parquet", "output": "out.parquet", "keep": {name: f"my {name}" for name in columns}}
    if resume:

        def stop(rows):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            after_writing(patch, stop)
            with pytest.raises(KeyboardInterrupt):
                predict(classifier, **options)
    predict(classifier, resume=resume, **options)
    read, written = parquet.read_table("in.parquet", columns=list(columns)), parquet.read_table("out.parquet")
    written = written.select([f"my {name}" for name in columns])
    assert written.schema.types == read.schema.types
    assert written.to_pydict() == {f"my {name}": values for name, values in read.to_pydict().items()}
    single = [one.column(place).combine_chunks().view(pa.int32()) for one, place in ((read, 2), (written, 2))]
    assert single[0] == single[1]


@pytest.mark.parametrize("output", ["out.csv", "out.tsv", "out.jsonl"])
def test_kept_columns_of_every_type_go_into_text(output, classifier):
    parquet.write_table(pa.table({"text": ["w1", "w2", "w3"], **arrow_types()}), "in.parquet")
    predict(classifier, input="in.parquet", output=output, keep=list(arrow_types()))
    rows = read(output)
    assert str(rows[0]["big"]) == str(2**64 - 1)
    assert "1970-01-01 00:00:00.000000001" in rows[0]["time"]
    assert rows[1]["money"] == "1.50"


def test_a_run_with_other_quoting_is_not_resumed(classifier, monkeypatch):
    Path("in.csv").write_text("text\nw1\nw2\n")
    monkeypatch.setattr(module, "WINDOW", 1)

    def stop(rows):
        raise KeyboardInterrupt

    after_writing(monkeypatch, stop)
    with pytest.raises(KeyboardInterrupt):
        predict(classifier, input="in.csv", output="out.csv")
    with pytest.raises(OptionError, match="a run with another quoting"):
        predict(classifier, input="in.csv", output="out.csv", columns=Columns(quoting="none"), resume=True)


def test_an_exit_that_nobody_took_is_counted_as_zero(classifier, source):
    scored = predict(classifier, input=source, output="out.jsonl", threshold=2)
    assert scored.exits == {"layer 1": 0, "layer 2": 0, "layer 4": ROWS}


def test_a_folder_instead_of_a_classifier(classifier, source, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save(tiny_model(), folder)
    CALIBRATION.save(folder)
    predict(folder, input=source, output="a.jsonl")
    predict(classifier, input=source, output="b.jsonl")
    assert [row["label"] for row in read("a.jsonl")] == [row["label"] for row in read("b.jsonl")]
    with pytest.raises(ModelFolderError, match="there is no folder"):
        predict("nothing", input=source, output="c.jsonl")


@pytest.mark.parametrize("option", [{"backend": "openvino"}, {"precision": "bf16"}, {"threads": 2}], ids=str)
def test_options_of_loading_are_refused_for_a_classifier_in_memory(option, classifier, source, tmp_path):
    with pytest.raises(OptionError, match=r"would do nothing to a classifier in memory, .* or give the model folder"):
        predict(classifier, input=source, output=str(tmp_path / "out.csv"), runtime=Runtime(**option))
    assert not (tmp_path / "out.csv").exists()


def test_standard_output(classifier, source, capfdbinary):
    predict(classifier, input=source, output="-", keep=["id"])
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"row-{number}" for number in range(ROWS)]


def test_labels_of_a_multi_label_model(source):
    classifier = classifier_of(problem_type="multi_label_classification")
    expected = classifier.predict_full(["w1 w2", "w3", "w9 w8"]).labels
    Path("in.jsonl").write_text('{"text": "w1 w2"}\n{"text": "w3"}\n{"text": "w9 w8"}\n')
    predict(classifier, input="in.jsonl", output="out.jsonl", threshold=2)
    predict(classifier, input="in.jsonl", output="out.csv", threshold=2)
    assert [tuple(row["label"]) for row in read("out.jsonl")] == expected
    assert [tuple(json.loads(row["label"])) for row in read("out.csv")] == expected


def test_pairs(source, texts):
    classifier = classifier_of(text_pair=True)
    predict(classifier, input=source, output="out.jsonl", columns=Columns(text_pair="second"), threshold=THRESHOLD)
    seconds = [f"w{number}" for number in range(ROWS)]
    expected = classifier.predict([text.strip() for text in texts], seconds, threshold=THRESHOLD)
    assert [row["label"] for row in read("out.jsonl")] == [label for (label,) in expected.labels]


def test_a_second_text_may_be_empty():
    classifier = classifier_of(text_pair=True)
    Path("in.jsonl").write_text('{"text": "w1", "second": ""}\n{"text": "", "second": "w2"}\n')
    scored = predict(classifier, input="in.jsonl", output="out.jsonl", columns=Columns(text_pair="second"))
    assert (scored.rows, scored.blank) == (2, 1)


def test_lone_surrogates(classifier):
    Path("in.jsonl").write_text('{"text": "w1 \\ud83d", "id": "\\ud83d"}\n')
    assert predict(classifier, input="in.jsonl", output="out.jsonl", keep=["id"]).rows == 1


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"columns": Columns(text="txet")}, DataError, "txet"),
        (
            {"columns": Columns(text_pair="second")},
            DataError,
            "trained on single texts; leave `text_pair` out",
        ),
        ({"keep": ["nothing"]}, DataError, "nothing"),
        ({"keep": ["label"]}, OptionError, "cannot keep the column 'label': predictions have a column of that name"),
        ({"keep": ["probability_a"], "probabilities": True}, OptionError, "cannot keep the column 'probability_a'"),
        ({"threshold": -1}, OptionError, "threshold is -1"),
        ({"output": "out.txt"}, OptionError, "out.txt ends in none of"),
        ({"output": "in.csv/out.csv"}, StorageError, "cannot write"),
        ({"input": "nothing.csv"}, DataError, "nothing.csv"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(options, kind, message, classifier, source, tmp_path):
    with pytest.raises(kind, match=message):
        predict(classifier, **({"input": source, "output": "out.jsonl"} | options))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_model_of_pairs_needs_the_second_column(source):
    with pytest.raises(DataError, match="trained on pairs of texts; add `text_pair`"):
        predict(classifier_of(text_pair=True), input=source, output="out.jsonl")
    with pytest.raises(DataError, match="third"):
        predict(classifier_of(text_pair=True), input=source, output="out.jsonl", columns=Columns(text_pair="third"))


FORMATS = ["out.csv", "out.tsv.gz", "out.jsonl", "out.ndjson.gz", "out.parquet"]
OPTIONS = {"threshold": THRESHOLD, "probabilities": True, "keep": ["id"]}


@pytest.fixture
def broken_off(classifier, source, monkeypatch):
    """Runs ``predict`` in windows of 7 until an error in the third one, and gives that error."""
    monkeypatch.setattr(module, "WINDOW", 7)

    def run(output, error=KeyboardInterrupt, **options):
        classify, windows = Runner.complete, []

        def failing(*args, **others):
            windows.append(args)
            if len(windows) == 3:
                raise error
            return classify(*args, **others)

        with monkeypatch.context() as patch:
            patch.setattr(Runner, "complete", failing)
            with pytest.raises(error) as caught:
                predict(classifier, **({"input": source, "output": output} | OPTIONS | options))
        return caught.value

    return run


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_the_middle_leaves_the_old_file_and_what_is_done(output, error, broken_off, tmp_path):
    (tmp_path / output).write_text("what was there before")
    caught = broken_off(output, error)
    assert caught.__notes__ == ["14 rows are done: with `resume` the same command on the same input goes on from there"]
    assert (tmp_path / output).read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", output, f"{output}.unfinished"]


@pytest.mark.parametrize("output", FORMATS)
def test_a_resumed_run_ends_like_an_unbroken_one(output, broken_off, classifier, source, monkeypatch, tmp_path):
    broken_off(output)
    with (tmp_path / f"{output}.unfinished" / "rows").open("ab") as rows:
        rows.write(b"torn")
    classify, seen, progress, written = Runner.complete, [], [], []

    def counted(*args, **others):
        seen.append(len(args[1].exits))
        return classify(*args, **others)

    monkeypatch.setattr(Runner, "complete", counted)
    with monkeypatch.context() as patch:
        after_writing(patch, written.append)
        options = {**OPTIONS, "on_progress": lambda what, done, total: progress.append(done)}
        resumed = predict(classifier, input=source, output=output, resume=True, **options)
    assert seen == [7, 7, 2]  # nothing is classified again
    assert (progress[0], written) == (14, [21, 28, 30])
    assert resumed == predict(classifier, input=source, output=f"whole-{output}", **OPTIONS)
    assert (tmp_path / output).read_bytes() == (tmp_path / f"whole-{output}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", output, f"whole-{output}"]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_inputs_of_other_kinds_are_resumed_too(kind, broken_off, classifier, texts, tmp_path):
    table = pa.table({"id": range(ROWS), "text": texts})
    if kind == "parquet":
        parquet.write_table(table, "in.parquet", row_group_size=4)
    else:
        Path("in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
    broken_off("out.csv", input=f"in.{kind}")
    predict(classifier, input=f"in.{kind}", output="out.csv", resume=True, **OPTIONS)
    predict(classifier, input=f"in.{kind}", output="whole.csv", **OPTIONS)
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_an_unfinished_run_is_not_started_anew_unasked(broken_off, classifier, source, tmp_path):
    broken_off("out.jsonl")
    with pytest.raises(OptionError, match=r"out\.jsonl\.unfinished holds an unfinished run; add `resume` to go on"):
        predict(classifier, input=source, output="out.jsonl", threshold=2)
    predict(classifier, input=source, output="out.jsonl", resume=True, **OPTIONS)
    assert len(read("out.jsonl")) == ROWS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.jsonl"]


def test_nothing_to_resume_is_a_start(classifier, source):
    assert predict(classifier, input=source, output="out.jsonl", resume=True).rows == ROWS


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"threshold": 0.71}, "exit rule"),
        ({"threshold": float("inf")}, "exit rule"),
        ({"probabilities": False}, "probabilities"),
        ({"keep": ["id", "second"]}, "keep"),
        ({"columns": Columns(text="second")}, "text column"),
        ({"input": "other.csv"}, "input"),
        ({"keep": [], "threshold": 0}, "exit rule, keep"),
    ],
)
def test_another_run_is_not_resumed(change, named, broken_off, classifier, source):
    broken_off("out.jsonl")
    Path("other.csv").write_bytes(Path(source).read_bytes())
    with pytest.raises(OptionError, match=f"holds a run with another {named}; resume with the same options and input"):
        predict(classifier, **({"input": source, "output": "out.jsonl", "resume": True} | OPTIONS | change))
    predict(classifier, input=source, output="out.jsonl", resume=True, **OPTIONS)


def test_a_changed_world_is_not_resumed(broken_off, classifier, source, monkeypatch):
    broken_off("out.jsonl")

    def refused(named, classifier=classifier):
        with pytest.raises(OptionError, match=f"holds a run with another {named};"):
            predict(classifier, input=source, output="out.jsonl", resume=True, **OPTIONS)

    refused("model", torch_classifier(tiny_model(seed=1), CALIBRATION, device="cpu"))
    refused("token budget", torch_classifier(tiny_model(), CALIBRATION, device="cpu", token_budget=64))
    with monkeypatch.context() as patch:
        patch.setattr(module, "WINDOW", 10)
        refused("window")
    with monkeypatch.context() as patch:
        patch.setattr(module, "version", lambda package: "9")
        refused("offramp")
    with Path(source).open("a") as stream:
        stream.write("row-30,w1,w2\n")
    refused("input")


@pytest.mark.parametrize(("stream", "output"), [("-", "out.jsonl"), ("in.csv", "-"), ("pipe.csv", "out.jsonl")])
def test_streams_are_not_resumed(stream, output, classifier, source, tmp_path):
    os.mkfifo("pipe.csv")
    with pytest.raises(OptionError, match="cannot be resumed; leave out `resume`, or name files"):
        predict(classifier, input=stream, output=output, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "pipe.csv"]


def test_what_came_from_a_stream_is_not_kept(broken_off, texts, monkeypatch, tmp_path):
    raw = "".join(f"{json.dumps({'text': text, 'id': 0})}\n" for text in texts).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert not hasattr(broken_off("out.jsonl", input="-"), "__notes__")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_bad_rows_in_the_middle(classifier, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "WINDOW", 2)
    Path("in.jsonl").write_text('{"text": "a"}\n' * 5 + '{"text": ["no", "text"]}\n')
    with pytest.raises(DataError, match=r"the text in column 'text' is a list.*\n4 rows are done"):
        predict(classifier, input="in.jsonl", output="out.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl.unfinished"]


@pytest.mark.parametrize("output", ["same.jsonl", "./same.jsonl", "link.jsonl"])
def test_the_input_is_not_overwritten(output, classifier, tmp_path):
    rows = b'{"text": "w1"}\n{"text": "w2"}\n'
    Path("same.jsonl").write_bytes(rows)
    Path("link.jsonl").symlink_to("same.jsonl")
    with pytest.raises(OptionError, match=r"is the input, whose texts would be lost; choose another name"):
        predict(classifier, input="same.jsonl", output=output)
    assert Path("same.jsonl").read_bytes() == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.jsonl", "same.jsonl"]


def test_progress_comes_before_a_window_is_done(classifier, source):
    heard = []
    predict(classifier, input=source, output="out.jsonl", threshold=2, on_progress=lambda *told: heard.append(told))
    whats, rows, totals = zip(*heard, strict=True)
    assert set(whats) == {"classifying"}
    assert set(totals) == {None}
    assert list(rows) == sorted(rows)
    assert 0 < rows[0] < rows[-1] == ROWS


def test_a_stream_is_answered_before_its_end(classifier, texts, monkeypatch):
    """Half of the rows are answered before the others are sent."""
    os.mkfifo("in")
    written, lines = [], [json.dumps({"text": text}) + "\n" for text in texts]

    def send():
        with Path("in").open("w") as stream:
            stream.writelines(lines[:10])
            stream.flush()
            while not written:
                time.sleep(0.01)
            stream.writelines(lines[10:])

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    after_writing(monkeypatch, written.append)
    predict(classifier, input="in", output="out.jsonl")
    sender.join()
    streamed = read("out.jsonl")
    Path("in.jsonl").write_text("".join(lines))
    predict(classifier, input="in.jsonl", output="whole.jsonl")
    assert written[0] == 10
    whole = read("whole.jsonl")
    # In other company a confidence is rounded differently in its last digit; nothing else may differ.
    np.testing.assert_allclose(*([row.pop("confidence") for row in rows] for rows in (streamed, whole)), atol=1e-5)
    assert streamed == whole


# What an exit must be sure of, so that some rows leave early, some are answered at the end, and others handed over.
UNSURE = Threshold(THRESHOLD, Confidence(Problem.SINGLE_LABEL), answer_from=0.6)


def handed_over_by_hand(classifier, texts):
    found = classifier.predict([text.strip() for text in texts], rule=UNSURE)
    places = [place for place, over in enumerate(found.handed_over.tolist()) if over]
    assert 3 <= len(places) <= ROWS - 5
    return found, places


@pytest.mark.parametrize("apart", ["apart.jsonl", "apart.csv", "apart.parquet"])
@pytest.mark.parametrize("window", [7, 8192])
def test_rows_handed_over_are_written_apart_as_they_came(apart, window, classifier, source, texts, monkeypatch):
    monkeypatch.setattr(module, "WINDOW", window)
    scored = predict(classifier, input=source, output="out.jsonl", rule=UNSURE, keep=["id"], handed_over=apart)
    found, places = handed_over_by_hand(classifier, texts)
    assert scored.handed_over == len(places)
    rows = read("out.jsonl")
    assert list(rows[0]) == ["id", "label", "confidence", "exit", "truncated", "handed_over", "best_guess"]
    assert [row["label"] for row in rows] == found.label
    assert [row["best_guess"] for row in rows] == found.best_guess
    assert [row["handed_over"] for row in rows] == found.handed_over.tolist()
    given = read(apart)
    assert list(given[0]) == ["id", "text", "second", "best_guess", "confidence"]
    assert [row["id"] for row in given] == [f"row-{place}" for place in places]
    assert [row["text"] for row in given] == [texts[place] for place in places]
    assert [row["best_guess"] for row in given] == [found.best_guess[place] for place in places]
    confidence = [float(row["confidence"]) for row in given]
    np.testing.assert_allclose(confidence, found.confidence[places], atol=1e-6)


def test_rows_handed_over_keep_their_types_and_go_to_the_next_model(classifier, texts):
    table = pa.table({"text": texts, "when": pa.array(range(ROWS), pa.timestamp("ms")), "tags": [["a"]] * ROWS})
    parquet.write_table(table, "in.parquet")
    predict(classifier, input="in.parquet", output="out.csv", rule=UNSURE, handed_over="apart.parquet")
    _, places = handed_over_by_hand(classifier, texts)
    assert parquet.read_table("apart.parquet").select(["text", "when", "tags"]).equals(table.take(places))
    assert predict(classifier, input="apart.parquet", output="rest.csv", keep=["best_guess"]).rows == len(places)
    with pytest.raises(OptionError, match="the input has a column 'best_guess'"):
        predict(classifier, input="apart.parquet", output="again.csv", rule=UNSURE, handed_over="third.csv")


@pytest.mark.parametrize("last", ["out.csv", "apart.csv"])
def test_a_run_that_hands_rows_over_is_resumed_after_either_file(last, classifier, source, monkeypatch, tmp_path):
    """Whichever of the two files was written last before a kill, no row is missing and none comes twice."""
    monkeypatch.setattr(module, "WINDOW", 7)
    options = {"input": source, "rule": UNSURE}
    predict(classifier, output="whole.csv", handed_over="whole-apart.csv", **options)
    write, wrote = Writer.write, []

    def killed(writer, chunk, counts):
        write(writer, chunk, counts)
        wrote.append("apart.csv" if "read" in counts else "out.csv")
        if len(wrote) > 3 and wrote[-1] == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "write", killed)
        with pytest.raises(KeyboardInterrupt) as caught:
            predict(classifier, output="out.csv", handed_over="apart.csv", **options)
    assert len(caught.value.__notes__) == 1
    assert not Path("apart.csv").exists()
    with pytest.raises(OptionError, match="holds a run with another file of rows handed over"):
        predict(classifier, output="out.csv", resume=True, **options)
    predict(classifier, output="out.csv", handed_over="apart.csv", resume=True, **options)
    for name in ("out.csv", "apart.csv"):
        found, whole = read(name), read(name.replace("out", "whole").replace("apart", "whole-apart"))
        for row in (*found, *whole):
            row["confidence"] = round(float(row["confidence"]), 4)
        assert found == whole
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"handed_over": "apart.csv", "threshold": 0.7}, "no row is ever handed over here"),
        ({"handed_over": "apart.csv"}, "no row is ever handed over here"),
        ({"handed_over": "./out.csv", "rule": UNSURE}, "is the output; choose another name"),
        ({"handed_over": "in.csv", "rule": UNSURE}, "is the input, whose texts would be lost"),
        ({"handed_over": "apart.doc", "rule": UNSURE}, "ends in none of"),
    ],
)
def test_where_rows_handed_over_cannot_go(options, message, classifier, source, tmp_path):
    with pytest.raises(OptionError, match=message) as caught:
        predict(classifier, input=source, output="out.csv", **options)
    assert caught.value.option == "handed_over"
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]
