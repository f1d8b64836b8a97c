"""Ray on this machine: what comes out is what one process makes, whatever happens to the workers."""

import importlib
import json
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from conftest import WORDS
from offramp.data import Columns
from offramp.engine import load, predict
from offramp.errors import ClusterError, DataError, OptionError
from offramp.scale import Workers, pool, predict_dataset

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.usefixtures("cluster"),
    # Ray warns of its own options.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
]

ROWS = 1000
THRESHOLD = 0.7
TWO = Workers(workers=2)


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch):
    monkeypatch.setattr(importlib.import_module("offramp.engine.predict_file"), "WINDOW", 64)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    random = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("texts") / "in.jsonl"
    with file.open("w") as stream:
        for row in range(ROWS):
            text = " ".join(random.choice(WORDS, random.integers(1, 30)))
            stream.write(json.dumps({"id": row, "text": text if row % 100 else ""}) + "\n")
    return str(file)


@pytest.fixture(scope="module")
def classifier(folder):
    return load(folder)


@pytest.fixture(scope="module")
def expected(classifier, source, tmp_path_factory):
    """What one process writes."""
    output = tmp_path_factory.mktemp("alone") / "out.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.import_module("offramp.engine.predict_file"), "WINDOW", 64)
        scored = predict(
            classifier, input=source, output=str(output), threshold=THRESHOLD, keep=["id"], probabilities=True
        )
    return scored, output.read_bytes()


@pytest.fixture(scope="module")
def two(folder, cluster):
    """Two processes that several tests share: starting them takes seconds."""
    with pool(folder, TWO) as found:
        yield found


def run(found, source, output, **more):
    return predict(
        found,
        input=source,
        output=str(output),
        threshold=THRESHOLD,
        keep=["id"],
        probabilities=True,
        **more,
    )


def process_of(actor):
    return ray.get(actor.__ray_call__.remote(lambda _: os.getpid()))


def test_the_file_is_that_of_one_process(two, source, expected, tmp_path):
    assert len(two.actors) == 2
    assert run(two, source, tmp_path / "out.jsonl") == expected[0]
    assert (tmp_path / "out.jsonl").read_bytes() == expected[1]


def test_workers_that_are_killed_lose_and_repeat_nothing(two, source, expected, tmp_path):
    killed = []

    def kill(what, rows, total):
        if len(killed) < 2:
            killed.append(process_of(two.actors[len(killed)]))
            os.kill(killed[-1], signal.SIGKILL)

    assert run(two, source, tmp_path / "out.jsonl", on_progress=kill) == expected[0]
    assert process_of(two.actors[0]) not in killed
    assert len(killed) == 2
    assert (tmp_path / "out.jsonl").read_bytes() == expected[1]


def test_a_run_that_was_broken_off_is_resumed(two, source, expected, tmp_path):
    def give_up(what, rows, total):
        if rows > ROWS // 2:
            raise KeyboardInterrupt

    output = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(two, source, output, on_progress=give_up)
    assert not output.exists()
    rows = []
    again = run(two, source, output, resume=True, on_progress=lambda what, done, total: rows.append(done))
    assert again == expected[0]
    assert rows[0] > ROWS // 2
    assert output.read_bytes() == expected[1]


def test_a_window_that_kills_every_worker_ends_the_run(folder, source, tmp_path, monkeypatch):
    batch = importlib.import_module("offramp.scale.batch")

    class Deadly:
        def score(self, *_):
            os._exit(1)

    monkeypatch.setattr(batch, "_Worker", Deadly)
    monkeypatch.setattr(batch, "_RETRIES", 1)  # each is a start of a process
    with (
        pool(folder, Workers(workers=1)) as found,
        pytest.raises(ClusterError, match="the cluster could not do the work"),
    ):
        run(found, source, tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_without_a_number_there_are_as_many_as_the_cluster_has_room_for(folder):
    with pool(folder) as found:
        assert len(found.actors) == 3
    with pool(folder, Workers(worker_threads=2)) as found:
        assert len(found.actors) == 1


def test_a_cluster_without_gpus_is_told_of(folder):
    with pytest.raises(ClusterError, match="no machine of the cluster has a GPU"), pool(folder, Workers(worker_gpus=1)):
        pass


@pytest.fixture
def table(source):
    rows = [json.loads(line) for line in Path(source).read_text().splitlines()]
    return pa.table({"id": [row["id"] for row in rows], "text": pa.array([row["text"] for row in rows], pa.string())})


def test_a_dataset_gets_columns(folder, classifier, table):
    dataset = ray.data.from_arrow([table.slice(0, 300), table.slice(300)])
    scored = predict_dataset(folder, dataset, threshold=THRESHOLD, probabilities=True, workers=Workers(workers=1))
    rows = sorted(scored.take_all(), key=lambda row: row["id"])
    assert [row["id"] for row in rows] == list(range(ROWS))
    predictions = classifier.predict([row["text"] or "" for row in rows], threshold=THRESHOLD)
    assert [row["label"] for row in rows] == [one.label for one in predictions]
    assert [row["exit"] for row in rows] == predictions.exit
    assert [row["confidence"] for row in rows] == pytest.approx([one.confidence for one in predictions], abs=1e-5)
    scores = [name for name in rows[0] if name.startswith("probability_")]
    assert len(scores) == len(classifier.labels)


def test_a_dataset_of_files_goes_on_from_its_checkpoint(folder, table, tmp_path):
    from ray.data.checkpoint import CheckpointConfig

    context = ray.data.DataContext.get_current()
    context.checkpoint_config = CheckpointConfig("id", str(tmp_path / "done"), delete_checkpoint_on_success=False)
    (tmp_path / "in").mkdir()
    for part in range(4):
        parquet.write_table(table.slice(part * 250, 250), tmp_path / "in" / f"{part}.parquet")

    def go(source):
        dataset = ray.data.read_parquet(str(source))
        predict_dataset(folder, dataset, workers=Workers(workers=1)).write_parquet(str(tmp_path / "out"))
        return sorted(parquet.read_table(tmp_path / "out")["id"].to_pylist())

    try:
        assert go(tmp_path / "in" / "2.parquet") == list(range(500, 750))
        assert go(tmp_path / "in") == list(range(ROWS))
    finally:
        context.checkpoint_config = None


def test_what_does_not_fit_is_refused_at_once(folder, table):
    with pytest.raises(DataError, match=r"no column 'body'; its columns are id, text"):
        predict_dataset(folder, ray.data.from_arrow(table), columns=Columns(text="body"))
    labeled = table.append_column("label", pa.array(["a"] * ROWS))
    with pytest.raises(OptionError, match="cannot keep the column 'label'"):
        predict_dataset(folder, ray.data.from_arrow(labeled))


def kinds(rows):
    """Columns that lose something on their way through Python."""
    return pa.table(
        {
            "text": [" ".join(WORDS[row % 9 : row % 9 + 3]) for row in range(rows)],
            "time": pa.array([2**60 + row for row in range(rows)], pa.timestamp("ns", "UTC")),
            "big": pa.array([2**64 - 1 - row for row in range(rows)], pa.uint64()),
            "single": pa.array([row / 10 for row in range(rows)], pa.float32()),
            "map": pa.array([[("a", row)] for row in range(rows)], pa.map_(pa.string(), pa.int64())),
        }
    )


def test_kept_columns_are_as_they_were(two, tmp_path):
    table = kinds(200)
    parquet.write_table(table, tmp_path / "in.parquet")
    output = tmp_path / "out.parquet"
    predict(two, input=str(tmp_path / "in.parquet"), output=str(output), keep=table.column_names)
    written = parquet.read_table(output).select(table.column_names)
    assert written.schema.types == table.schema.types
    assert written.equals(table)


def test_columns_of_a_dataset_are_as_they_were(folder):
    table = kinds(200)
    written = pa.concat_tables(ray.get(predict_dataset(folder, ray.data.from_arrow(table)).to_arrow_refs()))
    assert not [name for name in written.column_names if name.startswith("probability_")]
    written = written.select(table.column_names).sort_by("time")
    assert written.schema.types == table.schema.types
    assert written.equals(table)
