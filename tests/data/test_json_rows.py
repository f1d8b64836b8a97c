import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offramp.data import Columns, read_rows
from offramp.data.json_rows import json_list_records
from offramp.errors import DataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(content, keep=()):
    Path("a.json").write_text(content, encoding="utf-8")
    return [(row.text, *row.kept) for row in read_rows("a.json", Columns(), labeled=False, keep=keep)]


@given(st.lists(VALUES, min_size=1, max_size=5), st.integers(1, 9), st.sampled_from([None, 2]), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_a_list_is_read_wherever_its_text_is_cut(values, size, indent, ascii_only):
    rows = [{"text": "a", "value": value} for value in values]
    text = f" {json.dumps(rows, indent=indent, ensure_ascii=ascii_only)}\n"
    pieces = (text[start : start + size] for start in range(0, len(text), size))
    if "\\ud" not in text:
        assert [record.values for record in json_list_records(pieces, "a.json", ["value"])] == [
            (one,) for one in values
        ]


def test_elements_of_a_list_are_placed_by_their_lines():
    rows = json_list_records(iter(['[\n {"text": "a"},\n\n', ' {"text":\n "b"}]']), "a.json", ["text"])
    assert [row.number for row in rows] == [2, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "a"}', "line 1 is not JSON .*the end of the file"),
        ('[{"text": "a"},\n{"text": "b"', r"line 2 is not JSON"),
        ('[{"text": "a"},\n{"text": b}]', r"line 2 is not JSON \(Expecting value"),
        ('[{"text": "a"} {"text": "b"}]', "line 1 is not JSON .*, or \\] must come, not {"),
        ('[{"text": "a"}]\n[]', "line 2 is not JSON .*after the end of the list"),
        ('["a", "b"]', "line 1 is a JSON str and not an object"),
        ('[{"text": "a"}, 7]', "line 1 is a JSON int and not an object"),
        ('[{"txt": "a"}]', r"line 1, has no column 'text' \(did you mean 'txt'\?\)"),
        ("[]", "holds no rows"),
        ("[", "line 1 is not JSON"),
        ('[{"text": ["a"]}]', "line 1: the text in column 'text' is a list"),
    ],
)
def test_bad_lists(content, message):
    with pytest.raises(DataError, match=message):
        read(content)


def test_a_fault_is_found_where_it_is_and_not_at_the_end():
    def pieces():
        yield '[{"text": oops, "more": 1}, {"text": "and so on"}'
        pytest.fail("it should not come this far")

    with pytest.raises(DataError, match="line 1 is not JSON"):
        list(json_list_records(pieces(), "a.json", ["text"]))


def test_half_emojis_in_a_list():
    assert read(r'[{"text": "a \ud83d"}, {"text": "\uD83D\uDE00"}]') == [("a \ufffd",), ("😀",)]


def test_memory_does_not_grow_with_the_list():
    Path("a.json").write_text(json.dumps([{"text": "some words " * 20}] * 30_000))
    next(read_rows("a.json", Columns(), labeled=False))  # imports
    tracemalloc.start()
    rows = sum(1 for _ in read_rows("a.json", Columns(), labeled=False))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == 30_000
    assert peak < 2_000_000  # the file holds 7 MB


@pytest.mark.parametrize("frame", ["%s\n", "[%s]"])
def test_numbers_of_any_length_are_names_and_values(frame):
    digits = "9" * 5000
    Path("a.json").write_text(frame % f'{{"text": "a", "label": {digits}, "id": -{digits}}}')
    (row,) = read_rows("a.json", Columns(), labeled=True, keep=["id"])
    assert (row.label, row.kept) == (digits, (f"-{digits}",))
