from decimal import Decimal

import pytest

from offramp.data.cells import label_of, text_of
from offramp.errors import DataError

NAN = float("nan")


@pytest.mark.parametrize("value", ["", "  \n\t", "\u00a0"])
def test_blank_texts_are_empty(value):
    assert text_of(value, "text", "a, row 1") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(" kept as it is ", " kept as it is "), (5, "5"), (1.5, "1.5"), (True, "true"), (Decimal("1.0"), "1.0")],
)
def test_texts(value, text):
    assert text_of(value, "text", "a, row 1") == text


@pytest.mark.parametrize("value", [None, NAN, Decimal("NaN")])
def test_missing_texts(value):
    with pytest.raises(DataError, match=r"a\.jsonl, line 3: the text in column 'body' is missing; .* remove the row"):
        text_of(value, "body", "a.jsonl, line 3")


@pytest.mark.parametrize("value", [["a"], {"a": 1}, b"a"])
def test_no_text(value):
    with pytest.raises(DataError, match=r"a\.jsonl, row 3: the text in column 'body' is a .*convert"):
        text_of(value, "body", "a.jsonl, row 3")


@pytest.mark.parametrize(
    ("value", "separator", "label"),
    [
        (" spam ", None, "spam"),
        (3, None, "3"),
        (-1.0, None, "-1"),
        (Decimal(2), None, "2"),
        (True, None, "true"),
        (["a", 1, 2.0], None, ("a", "1", "2")),
        ([], None, ()),
        ("a;b", None, "a;b"),
        ("a; b", ";", ("a", "b")),
        ("a;", ";", ("a",)),
        ("", ";", ()),
        (7, ";", ("7",)),
        (["a;b"], ";", ("a;b",)),
    ],
)
def test_labels(value, separator, label):
    assert label_of(value, separator, "label", "a, row 1") == label


@pytest.mark.parametrize("value", [None, NAN, "", " ", [None], [""]])
def test_missing_labels(value):
    with pytest.raises(DataError, match=r"a, row 2: the label in column 'y' is missing"):
        label_of(value, None, "y", "a, row 2")


@pytest.mark.parametrize("value", [0.5, float("inf"), {"a": 1}, [["a"]], b"a"])
def test_values_that_name_no_class(value):
    with pytest.raises(DataError, match="names no class"):
        label_of(value, None, "y", "a, row 2")


def test_a_missing_label_is_missing_with_a_separator_too():
    with pytest.raises(DataError, match="missing"):
        label_of(None, ";", "y", "a, row 2")
