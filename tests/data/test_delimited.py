from pathlib import Path

import pytest

from offramp.data import Columns, read_rows
from offramp.errors import DataError


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(name, content, keep=(), **options):
    Path(name).write_text(content, encoding="utf-8")
    return [(row.text, row.label, *row.kept) for row in read_rows(name, Columns(**options), labeled=True, keep=keep)]


def test_only_the_columns_asked_for_have_to_be_unique():
    assert read("a.csv", "text,label,,,\na,x,,,\nb,y,,,\n") == [("a", "x"), ("b", "y")]
    assert read("a.csv", "id,text,label,id\n1,a,x,1\n") == [("a", "x")]
    with pytest.raises(DataError, match=r"a\.csv, line 1, repeats the columns 'id'"):
        read("a.csv", "id,text,label,id\n1,a,x,1\n", keep=["id"])
    with pytest.raises(DataError, match=r"a\.tsv, line 1, repeats the columns 'label'"):
        read("a.tsv", "text\tlabel\tlabel\na\tx\ty\n")


def test_columns_without_a_name_are_not_listed():
    with pytest.raises(DataError, match=r"no column 'text'.* its columns are 'v1', 'v2':"):
        read("a.csv", "v1,v2,,,\nham,hello,,,\n")


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("a.csv", "good film,pos\nbad film,neg\nfair film,pos\n", "'text,label'"),
        ("a.csv", "a film that everybody should see,pos\n", "'text,label'"),
        ("a.csv", "3,Stocks fall,x\n4,Stocks rise,y\n", "'text,label'"),
        ("a.tsv", "good film\tpos\nbad film\tneg\nfair film\tpos\n", r"'text\\tlabel'"),
        ("a.csv", 'good film,1\n"never closed,2\n', "'text,label'"),
    ],
)
def test_a_file_without_a_header_is_told_as_such(name, content, names):
    message = (
        "no column 'text'.*; the first line looks like a row: if the file has no header, put one before it, such as "
    )
    with pytest.raises(DataError, match=message + names):
        read(name, content)


def test_a_header_with_other_names_is_not_taken_for_a_row():
    with pytest.raises(DataError) as caught:
        read("a.csv", "v1,v2\nham,hello\nspam,win\n")
    assert "looks like a row" not in str(caught.value)
