import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp.data import Columns, Texts, fingerprint, read_texts
from offramp.data.unlabelled import split_off_texts
from offramp.errors import DataError


def texts(number, pairs=False):
    column = [f"text {row}" for row in range(number)]
    return Texts(column, column[::-1] if pairs else None, 0, "memory")


def test_reading(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,other,label\na,b,x\n,d,\n")
    found = read_texts(str(path), Columns(text_pair="other"))
    assert found == Texts(["a", ""], ["b", "d"], 1, str(path))
    assert len(found) == 2
    assert found.fingerprint == fingerprint(["a", ""], ["b", "d"])
    assert read_texts(str(path), Columns()).text_pairs is None


def test_a_missing_column_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("txt\na\n")
    with pytest.raises(DataError, match="has no column 'text'"):
        read_texts(str(tmp_path / "a.csv"), Columns())


@given(number=st.integers(2, 60), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 5), pairs=st.booleans())
def test_every_row_is_in_one_part_in_its_old_order(number, fraction, seed, pairs):
    rows = texts(number, pairs)
    train, dev = split_off_texts(rows, fraction, seed)
    assert len(train) >= 1
    assert len(dev) == np.clip(round(fraction * number), 1, number - 1)
    assert sorted(train.texts + dev.texts) == sorted(rows.texts)
    for part in (train, dev):
        places = [rows.texts.index(text) for text in part.texts]
        assert places == sorted(places)
        assert part.text_pairs == ([rows.text_pairs[place] for place in places] if pairs else None)
    assert split_off_texts(rows, fraction, seed) == (train, dev)


def test_one_row_cannot_be_split():
    with pytest.raises(DataError, match="memory has 1 rows, too few to split off a dev part; give one of its own"):
        split_off_texts(texts(1), 0.5, 0)
