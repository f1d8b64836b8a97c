import pytest

from offramp.data.wording import count


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (count(0, "text"), "0 texts"),
        (count(1, "text"), "1 text"),
        (count(2000, "text"), "2,000 texts"),
        (count(1, "text is empty", "texts are empty"), "1 text is empty"),
        (count(2, "text is empty", "texts are empty"), "2 texts are empty"),
    ],
)
def test_one_is_told_from_several(told, expected):
    assert told == expected
