import json
import warnings
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from pyarrow import parquet

from offramp.data import Columns, read_any, read_labeled, read_rows
from offramp.errors import DataError

NAMES = ["entailment", "neutral"]
ROWS = {"text": ["a", "b", "", "d"], "label": [1, 0, 1, 0], "tags": [[0, 1], [], [1], [0]], "id": [1, 2, 3, 4]}
FEATURES = Features(
    {
        "text": Value("string"),
        "label": ClassLabel(names=NAMES),
        "tags": List(ClassLabel(names=NAMES)),
        "id": Value("int64"),
    }
)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


LABELS = "class_label:\n        names:\n          '0': entailment\n          '1': neutral"


def name_of(number):
    return None if number is None or number < 0 else NAMES[number]


def store(container, rows=ROWS):
    """Writes one data set, and gives the name of its source."""
    table = Dataset.from_dict(rows, features=FEATURES)
    match container:
        case "parquet":
            table.to_parquet("data.parquet")
            return "data.parquet"
        case "shards":
            Path("data").mkdir()
            table.select([0, 1]).to_parquet("data/train-0.parquet")
            table.select(range(2, len(table))).to_parquet("data/train-1.parquet")
            return "data"
        case "arrow" | "feather":
            Path("data").mkdir()
            new = pa.ipc.new_stream if container == "arrow" else pa.ipc.new_file
            with new(f"data/train.{container}", table.data.table.schema) as writer:
                writer.write_table(table.data.table)
            return "data"
        case "saved":
            table.save_to_disk("data")
            return "data"
        case "saved splits":
            DatasetDict(train=table, test=table.select([0])).save_to_disk("data")
            return "data"
        case "hub folder":
            Path("data/data").mkdir(parents=True)
            table.to_parquet("data/data/train-00000-of-00001.parquet")
            return "data"
        case "described":
            card = "---\ndataset_info:\n  features:\n"
            for name, kind in (
                ("text", "dtype: string"),
                ("label", LABELS),
                ("tags", f"list:\n      {LABELS}"),
                ("id", "dtype: int64"),
            ):
                card += f"  - name: {name}\n    {kind}\n"
            Path("data").mkdir()
            Path("data/README.md").write_text(f"{card}---\n")
            table.to_json("data/train.jsonl")
            return "data"
        case "named":
            names = list(map(name_of, rows["label"]))
            tags = [list(map(name_of, row)) for row in rows["tags"]]
            lines = zip(rows["text"], names, tags, rows["id"], strict=True)
            Path("data.jsonl").write_text(
                "".join(json.dumps(dict(zip(rows, line, strict=True))) + "\n" for line in lines)
            )
            return "data.jsonl"


CONTAINERS = ["hub folder", "described", "parquet", "shards", "arrow", "feather", "saved", "saved splits", "named"]


@pytest.mark.parametrize("container", CONTAINERS)
def test_one_data_set_is_the_same_in_every_container(container):
    source = store(container)
    whole = read_labeled(source, Columns())
    assert whole.texts == ["a", "b", "", "d"]
    assert whole.labels == ["neutral", "entailment", "neutral", "entailment"]
    assert whole.label_names() == NAMES
    assert read_any(source, Columns()).labels == whole.labels
    streamed = list(read_rows(source, Columns(), labeled=False, keep=["label", "tags", "id"]))
    assert [row.text for row in streamed] == whole.texts
    assert streamed[0].kept == ("neutral", NAMES, 1)
    several = read_labeled(source, Columns(label="tags"))
    assert several.labels == [tuple(NAMES), (), ("neutral",), ("entailment",)]


@pytest.mark.parametrize("container", CONTAINERS)
def test_a_missing_text_is_refused_with_its_place_in_every_container(container):
    source = store(container, ROWS | {"text": ["a", "b", None, "d"]})
    place = "(row 3|line 3|row 1)"  # of the second shard
    for read in (read_any, read_labeled):
        with pytest.raises(DataError, match=f"{place}: the text in column 'text' is missing; fill it in"):
            read(source, Columns())


@pytest.mark.parametrize("saved", [False, True])
def test_an_empty_field_of_csv_stays_an_empty_text_when_datasets_reads_it(saved):
    Path("data/data").mkdir(parents=True)
    Path("data/data/train.csv").write_text("text,note\na,x\n,y\nb,\n")
    if saved:
        datasets.load_dataset("data").save_to_disk("saved")
    rows = list(read_rows("saved" if saved else "data", Columns(), labeled=False, keep=["note"]))
    assert [(row.text, row.blank, *row.kept) for row in rows] == [
        ("a", False, "x"),
        ("", True, "y"),
        ("b", False, None),
    ]


@pytest.mark.parametrize("missing", [-1, None])
@pytest.mark.parametrize("container", CONTAINERS)
def test_missing_labels_are_missing_in_every_container(container, missing):
    source = store(container, ROWS | {"label": [1, 0, missing, 0], "tags": [[0], [1, missing], [], []]})
    place = "(row 3|line 3|row 1)"  # of the second shard
    with pytest.raises(DataError, match=f"{place}: the label in column 'label' is missing"):
        read_labeled(source, Columns())
    with pytest.raises(DataError, match="2: the label in column 'tags' is missing"):
        read_labeled(source, Columns(label="tags"))
    kept = [row.kept for row in read_rows(source, Columns(), labeled=False, keep=["label"])]
    assert kept == [("neutral",), ("entailment",), (None,), ("entailment",)]


def test_configurations_and_splits_of_a_folder_like_those_on_the_hub():
    card = "---\nlicense: mit\nconfigs:\n"
    for name in ("small", "large"):
        card += f"- config_name: {name}\n  data_files:\n"
        Path("data", name).mkdir(parents=True)
        for split in ("train", "test"):
            card += f"  - split: {split}\n    path: {name}/{split}.jsonl\n"
            Path("data", name, f"{split}.jsonl").write_text(json.dumps({"text": f"{name} {split}"}))
    Path("data", "README.md").write_text(f"{card}---\n")
    for source, text in (("data:small:test", "small test"), ("data:large:train", "large train")):
        assert [row.text for row in read_rows(source, Columns(), labeled=False)] == [text]
    for source, message in (("data", "no whole data set"), ("data:small:dev", "no split 'dev'")):
        with pytest.raises(DataError, match=message):
            list(read_rows(source, Columns(), labeled=False))


def write(features, **columns):
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), "data.parquet")
    return [row.label for row in read_rows("data.parquet", Columns(), labeled=True)]


def test_a_class_number_without_a_name_is_refused():
    features = {"label": {"_type": "ClassLabel", "names": NAMES}}
    with pytest.raises(DataError, match=r"row 2: there is no class 2; .* name 2: 'entailment', 'neutral'"):
        write(features, text=["a", "b"], label=[0, 2])


@pytest.mark.parametrize(
    ("feature", "labels", "expected"),
    [
        ({"_type": "ClassLabel", "num_classes": 2, "names": NAMES, "id": None}, [1], ["neutral"]),
        ({"_type": "ClassLabel", "num_classes": 2, "names": None}, [1], ["1"]),
        ({"_type": "Sequence", "feature": {"_type": "ClassLabel", "names": NAMES}}, [[1]], [("neutral",)]),
        ({"_type": "LargeList", "feature": {"_type": "ClassLabel", "names": NAMES}}, [[1]], [("neutral",)]),
        ([{"_type": "ClassLabel", "names": NAMES}], [[1]], [("neutral",)]),
        ({"_type": "ClassLabel", "names": NAMES}, ["other"], ["other"]),
        ({"_type": "Value", "dtype": "int64"}, [1], ["1"]),
        ("damaged", [1], ["1"]),
    ],
)
def test_metadata_of_other_versions(feature, labels, expected):
    assert write({"label": feature}, text=["a"] * len(labels), label=labels) == expected


@pytest.mark.parametrize("metadata", [b"{", b"[]", b'{"info": null}', b'{"info": {"features": []}}'])
def test_damaged_metadata_say_nothing(metadata):
    table = pa.table({"text": ["a"], "label": [1]}).replace_schema_metadata({"huggingface": metadata})
    parquet.write_table(table, "data.parquet")
    assert read_labeled("data.parquet", Columns()).labels == ["1"]


@pytest.mark.parametrize("container", ["parquet", "arrow"])
def test_only_the_columns_asked_for_have_to_be_unique(container):
    table = pa.Table.from_arrays([pa.array(["a"])] * 4, names=["text", "label", "id", "id"])
    if container == "parquet":
        parquet.write_table(table, "data.parquet")
    else:
        with pa.ipc.new_file("data.arrow", table.schema) as writer:
            writer.write_table(table)
    source = f"data.{container}"
    assert read_labeled(source, Columns()).texts == ["a"]
    with pytest.raises(DataError, match=rf"data\.{container} repeats the columns 'id'"):
        list(read_rows(source, Columns(text="id"), labeled=False))


def test_categories_of_pandas_are_names():
    table = pa.table({"text": ["a", "b", "c"], "label": pa.array(["x", "y", "x"]).dictionary_encode()})
    parquet.write_table(table, "data.parquet")
    assert read_labeled("data.parquet", Columns()).labels == ["x", "y", "x"]


def test_times_that_python_cannot_hold_are_text():
    far = pa.array([2**62, 1], pa.timestamp("s"))
    with pa.ipc.new_file("data.arrow", pa.schema({"text": pa.string(), "time": far.type})) as writer:
        writer.write_table(pa.table({"text": ["a", "b"], "time": far}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = [row.kept[0].plain for row in read_rows("data.arrow", Columns(), labeled=False, keep=["time"])]
    assert isinstance(kept[0], str)
    assert kept[1].isoformat() == "1970-01-01T00:00:01"


def test_a_damaged_arrow_file_is_told_as_such():
    Path("data.arrow").write_bytes(b"ARROW1\0\0 nothing")
    with pytest.raises(DataError, match=r"data\.arrow is not a whole Arrow file"):
        list(read_rows("data.arrow", Columns(), labeled=False))
