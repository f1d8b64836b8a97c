"""Data sets for the reproduction: from a folder, and from the hub as the hub would give them."""

import gzip
import json
from dataclasses import replace

import datasets
import pytest

from benchmarks.paper.place import PARTS, Place
from benchmarks.paper.plan import DATA_SETS, DataSet, Hub, Plan
from benchmarks.paper.preparing import prepare, prepare_unlabelled

SNLI = DataSet("snli", "SNLI", Hub("owner/snli", "premise", "hypothesis", "validation"), pairs=True, train_rows=5)
IMDB = DataSet("imdb", "IMDB", Hub("owner/imdb"))


def place(tmp_path, data, source=None):
    return Place(Plan({data.name: data}, {}, ()), tmp_path / "work", tmp_path / "results", source, {})


def table(rows):
    """As the hub gives it: labels are numbers with names, -1 where there is none."""
    names = datasets.ClassLabel(names=["no", "yes"])
    found = datasets.Dataset.from_list(rows)
    return found.cast_column("label", names)


@pytest.fixture
def hub(monkeypatch):
    """A hub that holds one data set of pairs and one without a dev split."""
    pairs = [{"premise": f"p{n}", "hypothesis": f"h{n}", "label": n % 3 - 1} for n in range(30)]
    texts = [{"text": f"t{n}", "label": n % 2} for n in range(40)]
    there = {
        ("owner/snli", "train"): pairs,
        ("owner/snli", "validation"): pairs[:6],
        ("owner/snli", "test"): pairs[6:12],
        ("owner/imdb", "train"): texts,
        ("owner/imdb", "test"): texts[:4],
    }
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: table(there[name, split]))


def test_the_hub_s_rows_without_a_label_are_left_out(hub, tmp_path):
    here = place(tmp_path, SNLI)
    prepare(here, SNLI)
    assert [len(here.rows("snli", part)) for part in PARTS] == [5, 4, 4]  # train: drawn from 20
    dev = here.rows("snli", "dev")
    assert (dev.texts, dev.text_pairs, dev.labels) == (
        ["p1", "p2", "p4", "p5"],
        ["h1", "h2", "h4", "h5"],
        ["no", "yes"] * 2,
    )


def test_a_missing_dev_split_is_taken_off_the_training_rows(hub, tmp_path):
    here = place(tmp_path, IMDB)
    prepare(here, IMDB)
    train, dev, test = (here.rows("imdb", part) for part in PARTS)
    assert (len(train), len(dev), len(test)) == (36, 4, 4)
    assert not set(train.texts) & set(dev.texts)


def test_texts_without_labels_are_used_nowhere_else(hub, tmp_path):
    here = place(tmp_path, SNLI)
    prepare(here, SNLI)
    prepare_unlabelled(here, SNLI)
    file = here.unlabelled_file("snli")
    more = [tuple(json.loads(line).values()) for line in file.read_text().splitlines()]
    parts = [here.rows("snli", part) for part in PARTS]
    used = [pair for rows in parts for pair in zip(rows.texts, rows.text_pairs, strict=True)]
    assert more
    assert not set(more) & set(used)
    assert len(set(more) | set(used)) == 20  # all that have a label
    before = file.stat().st_mtime_ns
    prepare_unlabelled(here, SNLI)
    assert file.stat().st_mtime_ns == before


def write_source(folder, name, rows):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        with gzip.open(folder / name / f"{part}.jsonl.gz", "wt") as stream:
            stream.write("".join(json.dumps(row) + "\n" for row in rows(part)))


def test_other_rows_or_limits_are_prepared_anew(tmp_path):
    def rows(part, words="w"):
        return [{"text": f"{part} {words}{n}", "text_pair": "x", "label": str(n % 2)} for n in range(9)]

    source = tmp_path / "source"
    write_source(source, "snli", rows)
    prepare(first := place(tmp_path, SNLI, source), SNLI)
    train = first.data_file("snli", "train")
    written = train.stat().st_mtime_ns
    prepare(place(tmp_path, SNLI, source), SNLI)
    assert train.stat().st_mtime_ns == written
    fewer = replace(SNLI, train_rows=3)
    prepare(other := place(tmp_path, fewer, source), fewer)
    assert len(other.rows("snli", "train")) == 3
    write_source(tmp_path / "new", "snli", lambda part: rows(part, "v"))
    prepare(place(tmp_path, SNLI, tmp_path / "new"), SNLI)
    assert "train v" in train.read_text()


def test_pairs_without_labels_come_from_elsewhere(tmp_path):
    for name in ("few", "many"):
        write_source(tmp_path, name, lambda part, name=name: [{"text": name, "text_pair": part, "label": "a"}] * 3)
    few = DataSet("few", "Few", Hub("owner/few"), pairs=True, unlabelled_rows=2, unlabelled_of="many")
    many = DataSet("many", "Many", Hub("owner/many"), pairs=True)
    here = Place(Plan({"few": few, "many": many}, {}, ()), tmp_path / "work", tmp_path / "results", tmp_path, {})
    prepare_unlabelled(here, few)
    lines = here.unlabelled_file("few").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"text": "many", "text_pair": "train"}] * 2


def test_sentences_of_other_texts(tmp_path):
    texts = {"few": "so it is", "many": "One two three four five. <br />Short one. Now six words are here!"}
    for name, text in texts.items():
        write_source(tmp_path / "source", name, lambda part, text=text: [{"text": text, "label": one} for one in "ab"])
    few = DataSet("few", "Few", Hub("owner/few"), unlabelled_of="many", sentences=True)
    many = DataSet("many", "Many", Hub("owner/many"))
    here = Place(
        Plan({"few": few, "many": many}, {}, ()), tmp_path / "work", tmp_path / "results", tmp_path / "source", {}
    )
    prepare_unlabelled(here, few)
    lines = here.unlabelled_file("few").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"text": "One two three four five."},
        {"text": "Now six words are here!"},
    ]


def test_rows_of_a_folder_are_the_same_each_time(tmp_path):
    def rows(part):
        return [{"text": f"{part} {n}", "text_pair": "x", "label": str(n % 2)} for n in range(9)]

    write_source(tmp_path / "source", "snli", rows)
    prints = []
    for name in ("first", "second"):
        here = place(tmp_path / name, SNLI, tmp_path / "source")
        assert not here.is_prepared("snli")
        prepare(here, SNLI)
        assert here.is_prepared("snli")
        prints.append(here.fingerprints("snli"))
    assert prints[0] == prints[1]
    assert len(here.rows("snli", "train")) == 5


def test_the_five_data_sets_of_the_paper_are_there():
    assert {one.title for one in DATA_SETS.values()} == {"AG News", "IMDB", "SST-2", "SNLI", "MultiNLI"}
    assert all(one.pairs == (one.hub.text_pair is not None) for one in DATA_SETS.values())
