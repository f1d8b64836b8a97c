import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum, StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.toys import names
from offramp.errors import ModelFolderError, OptionError
from offramp.records import Flaw, RecordFile, family, from_json, member_name, to_json


class Color(StrEnum):
    RED = "red"
    GREEN = "light green"


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Shape:
    pass


@dataclass(frozen=True)
class Circle(Shape):
    radius: float


@dataclass(frozen=True)
class Frame(Shape):
    within: Shape
    corners: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Own(Shape):
    pass


family(Shape, {"circle": Circle, "in-frame": Frame})


@dataclass(frozen=True, slots=True)
class Inner:
    share: float | None
    side: Literal["left", "right"]

    def __post_init__(self) -> None:
        if self.share is not None and self.share < 0:
            raise OptionError(f"share is {self.share}; use a number from 0 on")


@dataclass(frozen=True, slots=True)
class Outer:
    count: int
    number: float
    sure: bool
    text: str
    color: Color
    inner: Inner | None
    several: tuple[Inner, ...]
    by_name: dict[str, Inner]
    lists: list[int]
    shape: Shape
    anything: Any = None
    size: Size = Size.SMALL
    more: Mapping[str, float] = field(default_factory=dict)
    sequence: Sequence[str] = ()


numbers = st.floats(allow_nan=False, allow_infinity=False)
inners = st.builds(Inner, st.none() | st.floats(0, allow_infinity=False), st.sampled_from(["left", "right"]))
shapes = st.recursive(
    st.builds(Circle, numbers),
    lambda shapes: st.builds(Frame, shapes, st.lists(st.lists(numbers).map(tuple)).map(tuple)),
    max_leaves=3,
)
outers = st.builds(
    Outer,
    count=st.integers(),
    number=numbers,
    sure=st.booleans(),
    text=st.text(),
    color=st.sampled_from(Color),
    inner=st.none() | inners,
    several=st.lists(inners, max_size=3).map(tuple),
    by_name=st.dictionaries(st.text(), inners, max_size=3),
    lists=st.lists(st.integers(), max_size=3),
    shape=shapes,
    size=st.sampled_from(Size),
    anything=st.none() | st.lists(st.integers()) | st.text(),
    more=st.dictionaries(st.text(), numbers, max_size=3),
    sequence=st.lists(st.text(), max_size=3).map(tuple),
)

INNER = Inner(0.5, "left")
OUTER = Outer(3, 0.25, True, "t", Color.RED, INNER, (INNER, INNER), {"k": INNER}, [1, 2], Frame(Circle(1.0), ((0.5,),)))
FILE = RecordFile("record.json", 3, "delete it")


@given(outers)
def test_what_is_read_is_what_was_written_to_the_last_bit(outer):
    assert from_json(Outer, json.loads(json.dumps(to_json(outer), allow_nan=False))) == outer
    several = json.loads(json.dumps(to_json([outer])))
    assert from_json(tuple[Outer, ...], several) == (outer,)


def test_the_form_in_json():
    assert to_json(INNER) == {"share": 0.5, "side": "left"}
    assert to_json(OUTER)["shape"] == {
        "name": "in-frame",
        "within": {"name": "circle", "radius": 1.0},
        "corners": [[0.5]],
    }
    assert type(to_json(Color.RED)) is str


def spoilt(value, *path):
    """What ``OUTER`` is in JSON, with another value at a place; ``...`` for none."""
    content = whole = to_json(OUTER)
    for key in path[:-1]:
        content = content[key]
    if value is ...:
        del content[path[-1]]
    else:
        content[path[-1]] = value
    return whole


@pytest.mark.parametrize(
    ("value", "path", "flaw"),
    [
        ("3", ["count"], "count is '3', not a whole number"),
        (3.0, ["count"], "count is 3.0, not a whole number"),
        (True, ["count"], "count is True, not a whole number"),
        ("x", ["number"], "number is 'x', not a finite number"),
        (False, ["number"], "number is False, not a finite number"),
        (math.nan, ["number"], "number is nan, not a finite number"),
        (-math.inf, ["number"], "number is -inf, not a finite number"),
        (10**400, ["number"], f"number is {10**39}, not a finite number"),
        (None, ["number"], "number is None, not a finite number"),
        (1, ["sure"], "sure is 1, not true or false"),
        (None, ["text"], "text is None, not text"),
        ("blue", ["color"], "color is 'blue', not one of red, light green"),
        (3, ["size"], "size is 3, not one of 1, 2"),
        (["red"], ["color"], "color is ['red'], not one of red, light green"),
        ([], ["inner"], "inner is [], not an object"),
        ("up", ["inner", "side"], "inner.side is 'up', not one of left, right"),
        ("0.5", ["several", 1, "share"], "several[1].share is '0.5', not a finite number"),
        (-1, ["several", 1, "share"], "several[1]: share is -1; use a number from 0 on"),
        (..., ["several", 1, "side"], "several[1].side is missing"),
        (2, ["several", 0, "shared"], "several[0].shared is not known"),
        ({}, ["several"], "several is {}, not a list"),
        ("ab", ["sequence"], "sequence is 'ab', not a list"),
        ([], ["by_name"], "by_name is [], not an object"),
        (7, ["by_name", "k", "side"], "by_name.k.side is 7, not one of left, right"),
        ([1, "2"], ["lists"], "lists[1] is '2', not a whole number"),
        ("y", ["more", "z"], "more.z is 'y', not a finite number"),
        (..., ["shape"], "shape is missing"),
        ("circle", ["shape"], "shape is 'circle', not an object"),
        ("os.system", ["shape", "name"], "shape.name is 'os.system', not one of circle, in-frame"),
        (["circle"], ["shape", "within", "name"], "shape.within.name is ['circle'], not one of circle, in-frame"),
        (..., ["shape", "name"], "shape.name is None, not one of circle, in-frame"),
        ([[0.5], ["x"]], ["shape", "corners"], "shape.corners[1][0] is 'x', not a finite number"),
        ("x" * 99, ["count"], f"count is '{'x' * 39}, not a whole number"),
    ],
)
def test_whatever_is_wrong_is_told_with_its_place(value, path, flaw):
    with pytest.raises(Flaw) as caught:
        from_json(Outer, spoilt(value, *path))
    assert str(caught.value) == flaw


@pytest.mark.parametrize("name", [one.name for one in fields(Outer)])
def test_every_field_has_to_be_there(name):
    with pytest.raises(Flaw, match=f"^{name} is missing$"):
        from_json(Outer, spoilt(..., name))


@pytest.mark.parametrize("content", [None, [], "text", 1])
def test_what_is_no_object_at_all(content):
    with pytest.raises(Flaw, match=r"^it is .*, not an object$"):
        from_json(Outer, content)


def test_a_part_of_a_file_is_read_beside_what_is_in_it(tmp_path):
    FILE.write(tmp_path, {"share": 0.5, "side": "left", "note": "for people"})
    assert FILE.read(tmp_path, Inner, whole=False) == INNER
    with pytest.raises(ModelFolderError, match="note is not known"):
        FILE.read(tmp_path, Inner)


def test_what_cannot_be_stored_is_refused():
    with pytest.raises(OptionError, match="the number nan cannot be stored"):
        to_json(replace(INNER, share=math.nan))
    with pytest.raises(OptionError, match="object cannot be stored"):
        to_json(object())
    with pytest.raises(OptionError, match="Own cannot be stored; register it under a name, or use circle, in-frame"):
        to_json([Frame(Own())])
    assert member_name(Shape, Circle(1.0)) == "circle"


def test_a_file_is_read_back(tmp_path):
    FILE.write(tmp_path, OUTER)
    assert names(tmp_path) == ["record.json"]
    assert json.loads((tmp_path / "record.json").read_text()) == FILE.content(OUTER) == {"schema": 3, **to_json(OUTER)}
    assert FILE.read(tmp_path, Outer) == FILE.read_if_there(tmp_path, replace(OUTER, count=0)) == OUTER


def test_what_was_never_written_is_told_or_replaced(tmp_path):
    assert FILE.read_if_there(tmp_path, OUTER) is OUTER
    with pytest.raises(ModelFolderError, match=r"has no record\.json"):
        FILE.read(tmp_path, Outer)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"record\.json is damaged \(.*\); delete it$"),
        ("[]", r"record\.json is damaged \(it holds list, not an object\); delete it$"),
        ("{}", r"record\.json is damaged \(schema is None, not a whole number\); delete it$"),
        ('{"schema": "3"}', r"record\.json is damaged \(schema is '3', not a whole number\); delete it$"),
        ('{"schema": true}', r"record\.json is damaged \(schema is True, not a whole number\); delete it$"),
        ('{"schema": 3, "share": 1}', r"record\.json is damaged \(side is missing\); delete it$"),
        ('{"schema": 3, "share": -1, "side": "left"}', r"record\.json is damaged \(share is -1; use a number "),
        ('{"schema": 2}', r"is of an older version of offramp \(its schema is 2, this one reads 3\); delete it$"),
        ('{"schema": 4}', r"is of a newer version .* is 4, this one reads 3\); upgrade offramp, or delete it$"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_cure(tmp_path, content, message):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(ModelFolderError, match=message) as caught:
        FILE.read(tmp_path, Inner)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelFolderError, match=message):
        FILE.read_if_there(tmp_path, INNER)
