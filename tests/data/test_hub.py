import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from offramp.data import Columns, read_rows
from offramp.errors import DataError

NAMES = ["neg", "pos"]


def table(*texts, labels=(1, 0)):
    features = Features(
        {"text": Value("string"), "label": ClassLabel(names=NAMES), "tags": List(ClassLabel(names=NAMES))}
    )
    columns = {"text": list(texts), "label": list(labels), "tags": [[0, 1]] * len(texts)}
    return Dataset.from_dict(columns, features=features)


@pytest.fixture(autouse=True)
def _quiet():
    datasets.disable_progress_bars()


@pytest.fixture
def saved(tmp_path):
    folder = str(tmp_path / "saved")
    DatasetDict(train=table("a", "b"), test=table("c", "d")).save_to_disk(folder)
    return folder


def read(source, **options):
    return [(row.text, row.label) for row in read_rows(source, Columns(**options), labeled=True)]


def test_saved_splits_with_class_names(saved):
    assert read(saved) == [("a", "pos"), ("b", "neg")]
    assert read(f"{saved}:test") == [("c", "pos"), ("d", "neg")]
    assert read(saved, label="tags") == [("a", ("neg", "pos")), ("b", ("neg", "pos"))]


def test_unknown_split_and_column(saved):
    with pytest.raises(DataError, match=r"no split 'dev'; its splits are 'train', 'test'"):
        read(f"{saved}:dev")
    with pytest.raises(DataError, match=r"saved:train has no column 'Text' \(did you mean 'text'\?\)"):
        read(saved, text="Text")


def test_saved_without_splits(tmp_path):
    folder = str(tmp_path / "saved")
    table("a", "b").with_format("numpy").save_to_disk(folder)
    assert read(folder) == [("a", "pos"), ("b", "neg")]
    with pytest.raises(DataError, match="saved without splits"):
        read(f"{folder}:test")


def test_unlabeled_rows_are_marked_by_minus_one(tmp_path):
    folder = str(tmp_path / "saved")
    table("a", "b", labels=(0, -1)).save_to_disk(folder)
    with pytest.raises(DataError, match="row 2: the label in column 'label' is missing"):
        read(folder)
    kept = [row.kept for row in read_rows(folder, Columns(), labeled=False, keep=["label", "text"])]
    assert kept == [("neg", "a"), (None, "b")]


def test_damaged_folder(saved, tmp_path):
    (tmp_path / "saved" / "train" / "state.json").write_text("{")
    with pytest.raises(DataError, match="not a whole saved data set"):
        read(saved)


def test_hub_offline(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"nobody/nothing is no file or folder here.*HF_HUB_OFFLINE") as caught:
        read("nobody/nothing")
    assert "\n" not in str(caught.value)


def test_hub_splits(monkeypatch):
    asked = []

    def load(name, config):
        asked.append((name, config))
        return DatasetDict(train=table("a", "b"), test=table("c", "d"))

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert read("owner/name:small:test") == [("c", "pos"), ("d", "neg")]
    assert asked == [("owner/name", "small")]


def test_hub_errors_are_one_line(monkeypatch):
    def load(name, config):
        raise ValueError("Config name is missing.\nPlease pick one among ['a', 'b']\n" + "x" * 1000)

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError, match=r"missing\. Please pick one among \['a', 'b'\]") as caught:
        read("owner/name")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
