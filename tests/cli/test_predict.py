import csv
import json
import re
import signal
import subprocess
import sys

import pytest
import torch

import offramp as package
from helpers.toys import names, single, write_csv, write_jsonl


def predict(offramp, *more, data="../data.csv", output="out.jsonl"):
    return offramp("predict", "../model", "--input", data, "--output", output, *more)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def expected(place, threshold=0.9):
    texts = [row["text"] for row in single(60)]
    return [one.label for one in package.load(place.parent / "model").predict(texts, threshold=threshold)]


@pytest.mark.parametrize("threshold", [0, 0.6, 0.9, 2])
def test_every_row_gets_its_prediction(offramp, place, threshold):
    result = predict(offramp, "--threshold", threshold)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "60 rows classified; they left " in result.stderr
    assert "\nat " in result.stderr
    assert [row["label"] for row in lines(place / "out.jsonl")] == expected(place, threshold)


def test_columns_are_kept_and_probabilities_written(offramp, place):
    result = predict(offramp, "--keep", "label_of_old,text", "--probabilities", data=_renamed(place), output="out.csv")
    assert result.exit_code == 0, result.stderr
    with (place / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    scores = ["probability_a", "probability_b", "probability_c"]
    assert list(rows[0]) == ["label_of_old", "text", "label", "confidence", "exit", "truncated", *scores]
    assert [row["text"] for row in rows] == [row["text"] for row in single(60)]
    for row in rows:
        assert sum(float(row[score]) for score in scores) == pytest.approx(1, abs=1e-5)


def _renamed(place):
    rows = [{"text": row["text"], "label_of_old": row["label"]} for row in single(60)]
    return write_csv(place.parent / "renamed.csv", rows)


@pytest.mark.parametrize(
    ("name", "quoting", "rows", "warned"),
    [
        ("a.tsv", "auto", 3, False),
        ("a.tsv", "none", 3, False),
        ("a.tsv", "minimal", 1, False),
        ("a.csv", "auto", 1, True),
        ("a.csv", "minimal", 1, False),
        ("a.csv", "none", 3, False),
    ],
)
def test_quotes_are_what_the_option_says(offramp, place, name, quoting, rows, warned):
    delimiter = "\t" if name == "a.tsv" else ","
    lines = ["text,id", '"w1,1', "w2,2", 'w3",3']
    (place / name).write_text("\n".join(lines).replace(",", delimiter) + "\n")
    result = predict(offramp, "--quoting", quoting, data=name)
    assert result.exit_code == 0, result.stderr
    assert f"{rows} row" in result.stderr
    assert ("warning: a.csv: lines 2 to 4 are read as one row" in result.stderr) == warned


def test_pairs(offramp, place):
    arguments = ("predict", "../pair-model", "--input", "../pairs.csv", "--output", "out.jsonl")
    result = offramp(*arguments, "--text-column", "first", "--text-pair-column", "second")
    assert result.exit_code == 0
    assert len(lines(place / "out.jsonl")) == 40


def test_blank_and_long_texts_are_classified_counted_and_told(offramp, place):
    rows = [{"text": text} for text in ("w1", "", "   ", "\t", "\n", "w1 " * 500)]
    result = predict(offramp, data=write_jsonl(place.parent / "odd.jsonl", rows))
    assert result.exit_code == 0
    assert "6 rows classified" in result.stderr
    assert "4 texts were empty; they were classified as such" in result.stderr
    assert "1 text was longer than the model reads, and cut at the end" in result.stderr
    written = lines(place / "out.jsonl")
    assert [row["truncated"] for row in written] == [False] * 5 + [True]
    assert len({(row["label"], row["confidence"]) for row in written[1:5]}) == 1


def test_a_later_row_without_a_text_is_an_error_that_names_its_line(refused, place):
    (place / "in.jsonl").write_text('{"text": "w1"}\n{"txt": "w2"}\n')
    said = refused("predict", "../model", "--input", "in.jsonl", "--output", "out.jsonl")
    assert said.startswith("in.jsonl, line 2: the text in column 'text' is missing")
    assert names(place) == ["in.jsonl"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_stream_goes_through_a_pipe(server, place, kind):
    result = server.run("predict", "../model", "--input", "-", "--output", "-", cwd=place, stdin=f"../data.{kind}")
    assert result.code == 0
    assert [json.loads(line)["label"] for line in result.out.splitlines()] == expected(place)
    assert "60 rows classified" in result.err


def test_a_reader_that_has_had_enough_ends_it_quietly(place):
    data = write_jsonl(place.parent / "many.jsonl", single(60) * 400)
    command = f"{sys.executable} -m offramp predict ../model --input {data} --output - --threshold 0"
    shell = f"({command}; echo code $? >&2) | head -1"
    result = subprocess.run(shell, shell=True, capture_output=True, text=True, check=True)
    assert json.loads(result.stdout)["label"] in "abc"
    *signs_of_life, last = result.stderr.splitlines()
    assert last == "code 141"
    assert all(re.fullmatch("[a-z ]+: .*", line) for line in signs_of_life)


def test_a_full_device_is_one_line(server, place):
    arguments = ("predict", "../model", "--input", "../data.csv", "--output", "-")
    result = server.run(*arguments, cwd=place, stdout="/dev/full")
    assert (result.code, result.err) == (
        2,
        "error: cannot write standard output: No space left on device; free some space and run the command again\n",
    )


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv.gz", "out.parquet"])
def test_a_full_disk_is_one_line(server, place, small_disk, output):
    data, disk = write_jsonl(place.parent / "many.jsonl", single(6000)), small_disk("4k")
    result = server.run("predict", "../model", "--input", data, "--output", disk / output, cwd=place)
    assert result.code == 2
    assert result.err.startswith(f"error: cannot write {disk / output}: ")
    assert "No space left on device" in result.err
    assert len(result.err.splitlines()) == 1
    assert names(disk) == []


def test_a_disk_that_is_full_in_the_middle(server, offramp, place, small_disk):
    data, disk = write_jsonl(place.parent / "many.jsonl", single(60) * 400), small_disk("900k")
    arguments = ("predict", "../model", "--input", data, "--threshold", "0", "--output")
    result = server.run(*arguments, disk / "out.jsonl", cwd=place)
    assert result.code == 2
    (line,) = result.err.splitlines()
    assert re.fullmatch(
        r"error: cannot write \S+: No space left on device; free some space and run the command again; "
        r"8192 rows are done: with --resume the same command on the same input goes on from there",
        line,
    )
    small_disk("8m")
    assert offramp(*arguments, disk / "out.jsonl", "--resume").exit_code == 0
    assert offramp(*arguments, "whole.jsonl").exit_code == 0
    assert (disk / "out.jsonl").read_bytes() == (place / "whole.jsonl").read_bytes()
    assert names(disk) == ["out.jsonl"]


MANY = 60 * 1000  # seven windows and a part


def broken_off(server, place, output, number):
    """Runs ``predict`` on many rows and sends a signal when two windows are done."""

    def begun():
        note = place / f"{output}.unfinished" / "progress.json"
        return note.exists() and json.loads(note.read_text())["progress"]["rows"] > 10_000

    data = write_jsonl(place.parent / "many.jsonl", single(60) * (MANY // 60))
    (place / output).write_text("old")
    arguments = ("predict", "../model", "--input", data, "--threshold", "0", "--keep", "text")
    with server.start(*arguments, "--output", output, cwd=place) as running:
        running.wait_for(begun)
        running.signal(number)
    assert (place / output).read_text() == "old"
    assert names(place) == [output, f"{output}.unfinished"]
    return running.ended, arguments


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv", "out.tsv.gz", "out.jsonl.gz", "out.parquet"])
def test_what_is_killed_is_resumed(server, offramp, place, output):
    ended, arguments = broken_off(server, place, output, signal.SIGKILL)
    assert (ended.code, ended.err) == (-signal.SIGKILL, "")
    resumed, unbroken = (offramp(*arguments, "--output", *more) for more in ((output, "--resume"), (f"u-{output}",)))
    assert resumed.exit_code == 0, resumed.stderr
    assert resumed.stderr == unbroken.stderr
    assert f"{MANY:,} rows classified" in resumed.stderr
    assert names(place) == sorted([output, f"u-{output}"])
    assert (place / output).read_bytes() == (place / f"u-{output}").read_bytes()


def test_what_is_interrupted_says_how_to_go_on(server, offramp, refused, place):
    ended, arguments = broken_off(server, place, "out.jsonl", signal.SIGINT)
    assert ended.code == 130
    assert re.fullmatch(
        r"interrupted; \d+ rows are done: with --resume the same command on the same input goes on from there\n",
        ended.err,
    )
    message = refused(*arguments, "--output", "out.jsonl", "--resume", "--threshold", "0.5")
    assert message == (
        "out.jsonl.unfinished holds a run with another exit rule; resume with the same options and input, "
        "or delete that folder to start anew"
    )
    assert "holds an unfinished run; add --resume to go on with it" in refused(*arguments, "--output", "out.jsonl")
    assert offramp(*arguments, "--output", "out.jsonl", "--resume").exit_code == 0
    assert names(place) == ["out.jsonl"]
    assert [row["text"] for row in lines(place / "out.jsonl")] == [row["text"] for row in single(60)] * (MANY // 60)


def test_streams_cannot_be_resumed(refused, place):
    message = "cannot be resumed; leave out --resume, or name files"
    assert message in predict(refused, "--resume", output="-")
    assert message in predict(refused, "--resume", data="-")
    assert names(place) == []


@pytest.mark.parametrize("threshold", ["-0.1", "nan", "-inf"])
def test_a_threshold_out_of_range_is_refused(refused, place, threshold):
    message = predict(refused, "--threshold", threshold)
    assert f"threshold is {threshold}; use a number from 0" in message
    assert names(place) == []


def test_a_threshold_that_is_no_number_is_refused(offramp, place):
    result = predict(offramp, "--threshold", "abc")
    assert result.exit_code == 2
    assert "Invalid value for '--threshold'" in result.stderr
    assert names(place) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no rows"),
        (b"text,label\n", "holds no rows"),
        (b"txet\nw1\n", "line 1, has no column 'text' (did you mean 'txet'?); its columns are 'txet'"),
        (b"text;id\nw1;1\n", "name one of them; if ';' divides them, convert"),
        (b"text\tid\nw1\t1\n", r"if '\t' divides them, convert the file to ',', or call it .tsv"),
        (b"text,id\nw1,1\nw2\n", "line 3: 1 fields, but the header has 2"),
        (b"text,id\nw1,1\nw2,2,3\n", "line 3: 3 fields, but the header has 2"),
        (b"text\nw1\n\xff\xfe\n", "line 3: byte 1 (0xff) is not UTF-8"),
        (b'text\n"w1\n', "line 2: "),
    ],
)
def test_damaged_data_are_refused(refused, place, content, message):
    (place.parent / "bad.csv").write_bytes(content)
    assert message in predict(refused, data="../bad.csv")
    assert names(place) == []


def test_damage_after_the_first_rows_is_told_with_what_is_done(refused, place):
    data = write_jsonl(place.parent / "late.jsonl", single(60) * 200)
    with open(data, "a") as file:  # noqa: PTH123
        file.write("{\n")
    message = predict(refused, data=data)
    assert "late.jsonl, line 12001 is not JSON" in message
    assert "; 8192 rows are done: with --resume " in message
    assert names(place) == ["out.jsonl.unfinished"]


def test_a_file_that_is_missing_is_refused(refused, place):
    assert "../dat.csv does not exist (did you mean data.csv" in predict(refused, data="../dat.csv")


def test_a_data_set_that_the_hub_does_not_give_is_refused(refused, place):
    message = predict(refused, data="nobody/nothing")
    assert message.startswith("nobody/nothing is no file or folder here, and the Hugging Face hub did not give")
    assert names(place) == []


def test_outputs_that_cannot_be_are_refused(refused, place):
    (place / "folder.csv").mkdir()
    (place / "file").write_text("mine")
    assert "the output out.xlsx ends in none of .csv" in predict(refused, output="out.xlsx")
    assert "the output folder.csv is a folder" in predict(refused, output="folder.csv")
    assert "cannot write file/out.csv" in predict(refused, output="file/out.csv")
    assert names(place) == ["file", "folder.csv"]


def test_columns_that_cannot_be_kept_are_refused(refused, place):
    assert "cannot keep the column 'label'" in predict(refused, "--keep", "label")
    assert "has no column 'txt' (did you mean 'text'?)" in predict(refused, "--keep", "txt")
    assert names(place) == []


def test_a_column_is_kept_under_another_name(offramp, refused, place):
    assert predict(offramp, "--keep", "text,label=gold").exit_code == 0
    written = lines(place / "out.jsonl")
    assert list(written[0]) == ["text", "gold", "label", "confidence", "exit", "truncated"]
    assert [row["gold"] for row in written] == [row["label"] for row in single(60)]
    assert "give it another, as --keep label=old_label" in predict(refused, "--keep", "label")
    assert "cannot keep the column 'x'" in predict(refused, "--keep", "text=x,label=x")


def test_pairs_for_single_texts_and_the_reverse_are_refused(refused, place):
    message = predict(refused, "--text-pair-column", "label")
    assert message.startswith("this model was trained on single texts; leave --text-pair-column out")
    message = refused("predict", "../pair-model", "--input", "../pairs.csv", "--output", "out.csv")
    assert message.startswith("this model was trained on pairs of texts; add --text-pair-column")
    assert names(place) == []


def test_standard_input_may_be_empty(offramp, place):
    result = offramp("predict", "../model", "--input", "-", "--output", "out.csv", stdin="")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: - holds no rows; check that it is the right one and was written to its end\n",
    )


def test_workers_without_ray_are_refused(offramp, place):
    result = predict(offramp, "--worker-threads", 2)
    assert result.exit_code == 2
    assert "--worker-threads is an option of --ray; give that, too" in result.stderr


def test_threads(offramp, refused, place):
    before = torch.get_num_threads()
    try:
        assert predict(offramp, "--threads", 1, "--backend", "torch").exit_code == 0
    finally:
        torch.set_num_threads(before)
    assert "threads is 0; use at least 1" in predict(refused, "--threads", 0)
    assert "with --ray give --worker-threads" in predict(refused, "--threads", 1, "--ray")


def test_ray_scores_the_same_file(offramp, place, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    result = predict(offramp, "--ray", "--workers", 1, "--threshold", 0.6, "--keep", "text")
    assert result.exit_code == 0, result.stderr
    alone = predict(offramp, "--threshold", 0.6, "--keep", "text", output="alone.jsonl")
    assert alone.exit_code == 0
    assert (place / "out.jsonl").read_bytes() == (place / "alone.jsonl").read_bytes()
    assert result.stderr == alone.stderr
