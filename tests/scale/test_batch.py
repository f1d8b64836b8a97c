"""Ray on this machine: what comes out is what one process makes, whatever happens to the workers."""

import importlib
import os
import signal

import pytest
from pyarrow import parquet

from helpers.scaling import ROWS, kinds
from offramp.engine import predict
from offramp.errors import ClusterError
from offramp.scale import Workers, pool

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.usefixtures("cluster"),
    # Ray warns of its own options.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
]

THRESHOLD = 0.7
TWO = Workers(workers=2)


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch):
    monkeypatch.setattr(importlib.import_module("offramp.engine.predict_file"), "WINDOW", 64)


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


def test_kept_columns_are_as_they_were(two, tmp_path):
    table = kinds(200)
    parquet.write_table(table, tmp_path / "in.parquet")
    output = tmp_path / "out.parquet"
    predict(two, input=str(tmp_path / "in.parquet"), output=str(output), keep=table.column_names)
    written = parquet.read_table(output).select(table.column_names)
    assert written.schema.types == table.schema.types
    assert written.equals(table)
