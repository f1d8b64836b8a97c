import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp.data import Columns
from offramp.errors import DataError
from offramp.making.parts import MOST_SHARE, divide


def rows(number: int, labels: int = 3) -> dict[str, list[str]]:
    return {
        "text": [f"text {index}" for index in range(number)],
        "label": [f"label {index % labels}" for index in range(number)],
    }


@settings(max_examples=20, deadline=None)
@given(number=st.integers(500, 3000), seed=st.integers(0, 99), labeled=st.booleans())
def test_every_row_is_in_one_part_and_the_same_with_the_same_seed(number, seed, labeled):
    data = rows(number) if labeled else {"text": rows(number)["text"]}
    options = {"labeled": labeled, "limit": 0.05, "confidence": 0.95, "seed": seed}
    parts = divide(data, 0.2, Columns(), **options)
    each = [part.texts for part in (parts.train, parts.dev, parts.tune, parts.test) if part is not None]
    assert sorted(text for texts in each for text in texts) == sorted(data["text"])
    assert (parts.test is None) == (not labeled)
    assert len(parts.tune) <= MOST_SHARE * number
    assert divide(data, 0.2, Columns(), **options).fingerprints == parts.fingerprints


def test_test_rows_among_the_others_are_refused():
    options = {"labeled": True, "limit": 0.05, "confidence": 0.95, "seed": 0}
    with pytest.raises(DataError):
        divide(rows(500), rows(100), Columns(), **options)
