import csv
import io
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offramp.data import Columns, DataWarning, read_rows, result_writer
from offramp.data.quotes import quotes_hold_fields
from offramp.errors import DataError

MERGE = 'text\tlabel\nplain\ta\n"opens here\tb\nno quote\ta\ncloses here "\tb\n'
INSIDE = 'text\tlabel\n"opens here\tb\nhe said "so" twice\ta\nwell" enough" then\tb\n'
SEVERAL = 'text\tlabel\n"one\ttab"\ta\n"two\nlines and ""quotes"""\tb\n'
# All of which quoting is about.
KNOTTY = st.text(st.sampled_from('ab"\t\n\r ,'), max_size=8)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(name, content, **options):
    Path(name).write_text(content, newline="")
    return [(row.text, row.label) for row in read_rows(name, Columns(**options), labeled=True)]


@pytest.mark.parametrize("content", [MERGE, INSIDE])
def test_quotes_of_a_tsv_are_text(content):
    expected = [tuple(line.split("\t")) for line in content.splitlines()[1:]]
    assert read("a.tsv", content) == expected
    assert read("a.tsv", content, quoting="none") == expected


@pytest.mark.parametrize("quoting", ["auto", "minimal"])
def test_a_tsv_whose_every_row_says_so_is_quoted(quoting):
    assert read("a.tsv", SEVERAL, quoting=quoting) == [("one\ttab", "a"), ('two\nlines and "quotes"', "b")]


@pytest.mark.parametrize(
    ("content", "quoted"),
    [
        ("text\tlabel\nplain\ta\n", False),
        ('"text"\t"label"\n"plain"\t"a"\n', True),
        ('"text"\tid\n"plain"\t1\n', True),
        ('text\tlabel\n"plain"\ta\nother\tb\n', False),
        ('text\tlabel\n"Excel, with a comma"\ta\nother\tb\n', True),
        ('text\tlabel\n"he said ""so"""\ta\nother\tb\n', True),
        ('text\tlabel\n"he said ""so"""\ta\nanother "one"\tb\n', False),
        ('text\tlabel\n"never closed\ta\nother\tb\n', False),
        ('text\tlabel\n"two\nlines"\ta\n', True),
        ('text\tlabel\n"two\trows\nor"\ta\n', False),
        ('text\tlabel\n"two\trows\nor"\t"a"\n', True),
        ('text\n"two\nrows"\n', False),
        ('text\n"' + "x\n" * 5000 + '"\n', False),
        ('text\tlabel\n"' + "x\n" * 5000 + '"\ta\n', True),
        ("", False),
    ],
)
def test_how_a_file_tells(content, quoted):
    assert quotes_hold_fields(io.StringIO(content, newline="\n")) is quoted


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_what_programs_write_that_quote_is_read_as_they_meant_it(quoting):
    rows = [("text", "label"), ("a\tb", "x"), ('say "so"', "y"), ("l1\nl2", "z")]
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter="\t", quoting=quoting).writerows(rows)
    assert read("a.tsv", stream.getvalue()) == rows[1:]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@given(st.lists(st.tuples(KNOTTY.filter(str.strip), KNOTTY), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_what_we_write_is_read_again_without_a_doubt(name, rows):
    with result_writer(name, ["text", "k"]) as writer:
        writer.write({"text": [text for text, _ in rows], "k": [kept for _, kept in rows]})
    back = read_rows(name, Columns(), labeled=False, keep=["k"])
    assert [(row.text, *row.kept) for row in back] == rows


def test_a_csv_row_that_may_be_several_is_warned_of_once():
    content = 'text,label\n"opens here,b\nno quote,a\ncloses here ",b\n"again,b\ncloses ",a\n'
    with pytest.warns(DataWarning, match=r"a\.csv: lines 2 to 4 are read as one row, .* quoting 'none'") as caught:
        assert len(read("a.csv", content)) == 2
    assert len(caught) == 1
    assert read("a.csv", content, quoting="minimal")[1] == ("again,b\ncloses ", "a")  # and no warning: it was said
    assert read("a.csv", content, quoting="none") == [
        ('"opens here', "b"), ("no quote", "a"), ('closes here "', "b"), ('"again', "b"), ('closes "', "a")
    ]  # fmt: skip


@pytest.mark.parametrize("content", ['text,label\n"two\nlines",a\n', '"text","label"\n"a, b\nc","x"\n'])
def test_a_csv_row_over_several_lines_is_no_news(content):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read("a.csv", content)) == 1


def test_an_unbalanced_quote_has_a_way_out():
    with pytest.raises(DataError, match=r"a\.csv, line 2: .* if quotes are text in this file, .* `quoting` 'none'"):
        read("a.csv", 'text,label\n"never closed,b\nother,a\n')
    with pytest.raises(DataError, match=r"a\.tsv, line 2: 3 fields, but the header has 2; .* `quoting` 'minimal'"):
        read("a.tsv", 'text\tlabel\n"one\ttab"\ta\nand "text"\tb\n')


def test_a_carriage_return_in_a_text_is_no_line_end_where_quotes_are_text():
    assert read("a.tsv", "text\tlabel\r\na\rb\tx\r\n\r\n", quoting="none") == [("a\rb", "x")]
