"""What programs read of typical refusals: the file, the row, the option and the value, where they are known."""

import pytest

from offramp.data import Columns, LabeledTexts, check_apart, check_target, encode_labels, read_labeled
from offramp.errors import BackboneError, DataError, ModelFolderError, OptionError, StorageError
from offramp.files import check_writable, read_json
from offramp.folder import POINTS
from offramp.model.finding import check_checkpoint
from offramp.model.folder import check_folder
from offramp.policy import OperatingPoints

FILES = {
    "number.jsonl": '{"text": "a", "label": "x"}\n{"text": ["a"], "label": "x"}\n',
    "empty.csv": "",
    "short.csv": "text,label\na,x\nb\n",
    "twice.csv": "text,text,label\na,b,x\n",
    "missing.csv": "text,label\na,x\nb,\n",
    "other.csv": "body,label\na,x\n",
    "broken.jsonl": '{"text": "a", "label": "x"}\n{"text": \n',
    "list.jsonl": '{"text": "a", "label": "x"}\n[1]\n',
    "mixed.jsonl": '{"text": "a", "label": "x"}\n{"text": "a", "label": ["x"]}\n',
    "table.txt": "text\na\n",
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "latin.csv").write_bytes(b"text,label\na,x\n\xe9,x\n")
    return tmp_path


def known(error):
    """The attributes that are set, as programs compare them."""
    return {
        name: str(value) if name == "path" else value for name, value in vars(error).items() if name[0] != "_" and value
    }


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("number.jsonl", {"row": 2, "value": ["a"]}),
        ("empty.csv", {}),
        ("short.csv", {"row": 3}),
        ("twice.csv", {"row": 1, "value": "text"}),
        ("missing.csv", {"row": 3}),
        ("other.csv", {"row": 1, "value": "text", "option": "text"}),
        ("broken.jsonl", {"row": 2}),
        ("list.jsonl", {"row": 2}),
        ("mixed.jsonl", {"row": 2, "value": ("x",)}),
        ("latin.csv", {"row": 3}),
        ("table.txt", {}),
        ("nowhere.csv", {}),
    ],
)
def test_data_that_cannot_be_read(place, name, attributes):
    with pytest.raises(DataError) as caught:
        read_labeled(name, Columns())
    assert known(caught.value) == {"path": name, **attributes}


def test_data_in_memory(place):
    with pytest.raises(DataError) as caught:
        LabeledTexts.of(["a", None], ["x", "y"])
    assert known(caught.value) == {"path": "data in memory", "row": 2}
    with pytest.raises(DataError) as caught:
        encode_labels(LabeledTexts.of(["a", "b"], ["x", "y"]), ["x"], multi_label=False)
    assert known(caught.value) == {"path": "data in memory", "row": 2, "value": "y"}


def test_outputs(place):
    for refused, name in (
        (lambda: check_apart("short.csv", "short.csv"), "short.csv"),
        (lambda: check_target("out.docx", resume=False), "out.docx"),
    ):
        with pytest.raises(OptionError) as caught:
            refused()
        assert known(caught.value) == {"option": "output", "path": name}
    with pytest.raises(OptionError) as caught:
        check_writable(place)
    assert known(caught.value) == {"path": str(place)}
    with pytest.raises(StorageError) as caught:
        check_writable(place / "short.csv" / "out.csv")
    assert known(caught.value) == {"path": str(place / "short.csv" / "out.csv")}


def test_model_folders(place):
    (place / "points").mkdir()
    (place / "points" / POINTS.name).write_text('{"schema": 2, "points": 3, "default": null}')
    (place / "foreign").mkdir()
    (place / "foreign" / "config.json").write_text('{"model_type": "bert"}')
    for refused, attributes in (
        (lambda: check_folder(place / "nowhere"), {"path": str(place / "nowhere")}),
        (lambda: check_folder(place), {"path": str(place)}),
        (lambda: check_folder(place / "foreign"), {"path": str(place / "foreign"), "value": "bert"}),
        (lambda: POINTS.read(place / "points", OperatingPoints), {"path": str(place / "points" / POINTS.name)}),
        (lambda: read_json(place / "short.csv"), {"path": str(place / "short.csv")}),
    ):
        with pytest.raises(ModelFolderError) as caught:
            refused()
        assert known(caught.value) == attributes


def test_checkpoints(place):
    for name in ("short.csv", "."):
        with pytest.raises(BackboneError) as caught:
            check_checkpoint(name)
        assert known(caught.value) == {"path": name}
