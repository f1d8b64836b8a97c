import json

import pytest

import offramp
from helpers.evaluations import benchmark
from helpers.toys import write_model
from offramp.benchmark import Kind
from offramp.errors import DataError, OptionError
from offramp.report import read_speeds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("speeds") / "model")


@pytest.fixture
def content(folder):
    """What ``offramp bench --json`` writes."""
    return json.loads(json.dumps(benchmark(offramp.load(folder).fingerprint).to_dict()))


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_a_benchmark_is_read(tmp_path, folder, content):
    found = read_speeds(write(tmp_path / "bench.json", content), folder)
    assert (found.processor, found.data, found.timed_rows) == ("A", "texts.csv", 100)
    (row,) = found.rows
    assert (row.kind, row.accuracy, row.texts_per_second, row.p90, row.p99) == (Kind.FULL, None, 50.0, 3.0, None)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("rows"),
        lambda content: content.update(schema=1),
        lambda content: content["rows"][0].update(kind="nothing known"),
        lambda content: content["rows"][0].pop("single_stream"),
        lambda content: content["rows"][0]["single_stream"].update(p50="fast"),
        lambda content: content.update(rows=1),
    ],
)
def test_other_files_are_refused(tmp_path, folder, content, damage):
    damage(content)
    with pytest.raises(DataError, match=r"is not what 'offramp bench' writes as JSON .* run  offramp bench"):
        read_speeds(write(tmp_path / "bench.json", content), folder)


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"null"])
def test_what_is_no_json_object_is_refused(tmp_path, folder, raw):
    (tmp_path / "bench.json").write_bytes(raw)
    with pytest.raises(DataError, match="is not what"):
        read_speeds(tmp_path / "bench.json", folder)


def test_a_file_that_is_not_there(tmp_path, folder):
    with pytest.raises(DataError, match=r"cannot read the benchmark .*none\.json: No such file"):
        read_speeds(tmp_path / "none.json", folder)


def test_a_benchmark_of_another_model_is_refused(tmp_path, folder, content):
    content["model"]["fingerprint"] = "sha256:other"
    with pytest.raises(OptionError, match=r"of another model \(sha256:other; .* is sha256:"):
        read_speeds(write(tmp_path / "bench.json", content), folder)
