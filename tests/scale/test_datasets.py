"""Datasets of Ray Data: columns with predictions, and the rows as they were."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from helpers.scaling import ROWS, kinds
from offramp.data import Columns
from offramp.errors import DataError, OptionError
from offramp.scale import Workers, predict_dataset

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.usefixtures("cluster"),
    # Ray warns of its own options.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
]

THRESHOLD = 0.7


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


def test_columns_of_a_dataset_are_as_they_were(folder):
    table = kinds(200)
    written = pa.concat_tables(ray.get(predict_dataset(folder, ray.data.from_arrow(table)).to_arrow_refs()))
    assert not [name for name in written.column_names if name.startswith("probability_")]
    written = written.select(table.column_names).sort_by("time")
    assert written.schema.types == table.schema.types
    assert written.equals(table)
