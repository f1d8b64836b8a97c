import os
from pathlib import Path

import pytest

from offramp.data.sources import (
    Files,
    HubDataset,
    Piped,
    SavedFolder,
    SelfMade,
    check_apart,
    find_source,
    self_made,
    source_identity,
)
from offramp.errors import DataError, OptionError


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def test_standard_input():
    assert find_source("-") == Piped(None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "csv"), ("a.TSV.gz", "tsv"), ("a.json", "jsonl"), ("a.b.ndjson", "jsonl"), ("x/a.parquet", "parquet")],
)
def test_files_by_suffix(name, kind):
    touch(name)
    assert find_source(name) == Files(kind, (Path(name),))


@pytest.mark.parametrize("name", ["a.txt", "a", "a.parquet.gz"])
def test_unknown_suffix(name):
    touch(name)
    with pytest.raises(DataError, match=r"known suffixes \.csv, \.tsv"):
        find_source(name)


@pytest.mark.parametrize(
    ("source", "hub"),
    [
        ("owner/name", HubDataset("owner/name", None, None)),
        ("owner/name:test", HubDataset("owner/name", None, "test")),
        ("owner/na.me-2:config:test", HubDataset("owner/na.me-2", "config", "test")),
    ],
)
def test_hub_names(source, hub):
    assert find_source(source) == hub


def test_what_exists_wins_over_the_hub():
    touch("owner/name/train.csv", "owner/name:test/other.csv")
    assert find_source("owner/name") == Files("csv", (Path("owner/name/train.csv"),))
    assert find_source("owner/name:test") == Files("csv", (Path("owner/name:test/other.csv"),))


@pytest.mark.parametrize(
    "source",
    [
        "trian.csv",
        "data/x.csv",
        "data/x.csv:test",
        "./owner/name",
        "/no/such/x",
        "~/owner",
        "~nobody-here/x",
        "name",
    ],
)
def test_missing_files_are_not_looked_for_on_the_hub(source):
    with pytest.raises(DataError, match="does not exist"):
        find_source(source)


def test_an_empty_name():
    with pytest.raises(DataError, match="the name of the input is empty"):
        find_source("")


def test_close_names_are_offered():
    touch("train.csv")
    with pytest.raises(DataError, match=r"trian\.csv does not exist \(did you mean train\.csv\?\)"):
        find_source("trian.csv")
    with pytest.raises(DataError, match=r"nor does the folder nowhere"):
        find_source("nowhere/train.csv")


def test_shards_in_sorted_order_without_hidden_files():
    touch("d/part-2.csv", "d/part-1.csv.gz", "d/_SUCCESS", "d/.part-0.csv", "d/notes.md")
    assert find_source("d") == Files("csv", (Path("d/part-1.csv.gz"), Path("d/part-2.csv")))


def test_shards_of_two_kinds():
    touch("d/a.csv", "d/b.parquet")
    with pytest.raises(DataError, match="d mixes csv and parquet"):
        find_source("d")


def test_train_and_test_files_are_never_mixed():
    touch("d/train-0.csv", "d/train-1.csv", "d/test.csv")
    train = Files("csv", (Path("d/train-0.csv"), Path("d/train-1.csv")))
    assert find_source("d") == find_source("d:train") == train
    assert find_source("d:test") == Files("csv", (Path("d/test.csv"),))
    with pytest.raises(DataError, match=r"no split 'tset' \(did you mean 'test'\?\); its splits are 'test', 'train'"):
        find_source("d:tset")


def test_a_folder_of_one_split_is_read_whole():
    touch("d/test_a.csv", "d/test_b.csv", "e/training.csv", "e/validated.csv")
    assert len(find_source("d").paths) == len(find_source("e").paths) == 2


def test_a_file_has_no_split():
    touch("a.csv")
    with pytest.raises(DataError, match="leave out ':test'"):
        find_source("a.csv:test")


def test_saved_folders():
    touch("one/state.json", "many/dataset_dict.json")
    assert find_source("one") == SavedFolder(Path("one"), None)
    assert find_source("many:test") == SavedFolder(Path("many"), "test")


def test_a_folder_without_data():
    touch("d/notes.md")
    with pytest.raises(DataError, match="the folder d holds no data"):
        find_source("d")


class TestIdentity:
    def test_a_file_is_the_same_until_it_is_changed(self):
        touch("a.csv", "b.csv")
        before = source_identity("a.csv")
        assert before == source_identity("./a.csv") == source_identity(str(Path("a.csv").absolute()))
        assert before != source_identity("b.csv")
        Path("a.csv").write_text("more")
        longer = source_identity("a.csv")
        assert longer != before
        os.utime("a.csv", ns=(1, 1))
        assert source_identity("a.csv") != longer

    def test_shards(self):
        touch("data/train-1.csv", "data/train-2.csv", "data/test.csv")
        before = source_identity("data:train")
        assert before != source_identity("data:test")
        Path("data/test.csv").write_text("more")
        assert before == source_identity("data:train")
        Path("data/train-2.csv").write_text("more")
        assert before != source_identity("data:train")

    def test_a_saved_folder(self):
        touch("data/dataset_dict.json", "data/train/x.arrow")
        before = source_identity("data:train")
        assert before != source_identity("data:test")
        Path("data/train/x.arrow").write_text("more")
        assert before != source_identity("data:train")

    def test_a_name_on_the_hub(self):
        assert source_identity("owner/name:test") == "owner/name:test"

    @pytest.mark.parametrize("name", ["pipe", "pipe.csv"])
    def test_streams_have_none(self, name):
        os.mkfifo(name)
        assert source_identity(name) is None
        assert source_identity("-") is None

    def test_what_is_not_there(self):
        with pytest.raises(DataError, match="does not exist"):
            source_identity("a.csv")


class TestApart:
    @pytest.mark.parametrize("target", ["data/train-1.csv", "data/new.csv", "data/sub/new.csv", "other/../data/x.csv"])
    @pytest.mark.parametrize("source", ["data", "data:train"])
    def test_nothing_is_written_into_the_input_folder(self, target, source):
        touch("data/train-1.csv", "data/train-2.csv", "other/x")
        with pytest.raises(OptionError, match=r"the output .* (is the input|lies in the input data), .*; choose a"):
            check_apart(target, source)

    def test_a_shard_may_lie_elsewhere(self):
        touch("data/a.csv", "far.csv")
        Path("data/b.csv").symlink_to(Path("far.csv").absolute())
        with pytest.raises(OptionError, match=r"the output far\.csv is the input"):
            check_apart("far.csv", "data")

    @pytest.mark.parametrize("source", ["data", "data/a.csv", "-", "owner/name:test"])
    def test_elsewhere_is_fine(self, source):
        touch("data/a.csv")
        for target in ("new.csv", "data.csv", "new/data.csv", "-"):
            check_apart(target, source)

    def test_beside_a_file_is_fine(self):
        touch("data/a.csv", "data/b.csv")
        check_apart("data/b.csv", "data/a.csv")


def test_texts_of_the_models_own_making_are_no_source():
    assert self_made("self") == SelfMade(None)
    assert self_made("self:8-64") == SelfMade((8, 64))
    assert self_made("selfish") is self_made(["self"]) is self_made(None) is None
    with pytest.raises(DataError, match=r"no temperature, no figure and no guarantee is taken from them: give real"):
        find_source("self")
    for wrong in ("self:0-5", "self:9-8"):
        with pytest.raises(DataError, match=r"write  self:8-64"):
            self_made(wrong)
    Path("self").write_text("text\nhere\n")  # what is there wins, as over the hub
    assert self_made("self") is None
