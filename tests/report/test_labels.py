from hypothesis import given
from hypothesis import strategies as st

from offramp.report.labels import Box, Label, place

BOUNDS = Box(0, 0, 400, 300)
places = st.floats(0, 400)
words = st.text("abcdefgh", min_size=1, max_size=12)
labels = st.lists(st.builds(Label, words, places, st.floats(0, 300), st.booleans()), max_size=12)
obstacles = st.lists(st.tuples(places, st.floats(0, 300)).map(lambda at: Box(*at, *at).around(5)), max_size=12)


@given(labels, obstacles)
def test_nothing_covers_anything(wanted, taken):
    placed = place(wanted, taken, BOUNDS)
    boxes = [one.box for one in placed]
    assert not any(one.overlaps(other) for index, one in enumerate(boxes) for other in [*boxes[:index], *taken])
    assert all(BOUNDS.holds(box) for box in boxes)
    assert all(one.box.left == one.baseline[0] and one.box.top < one.baseline[1] < one.box.bottom for one in placed)
    assert all(one.label.important or not one.far for one in placed)


@given(labels)
def test_the_order_is_kept(wanted):
    named = [one.label for one in place(wanted, [], BOUNDS)]
    rest = iter(wanted)
    assert all(label in rest for label in named)


def test_an_open_place_is_used_at_once():
    (placed,) = place([Label("abc", 100, 100)], [Box(100, 100, 100, 100).around(5)], BOUNDS)
    assert not placed.far
    assert placed.box.left > 105


def test_important_labels_go_further():
    crowd = [Box(100, 100, 100, 100).around(20)]
    assert place([Label("abc", 100, 100)], crowd, BOUNDS) == []
    (placed,) = place([Label("abc", 100, 100, important=True)], crowd, BOUNDS)
    assert placed.far
    assert placed.slants


def test_labels_of_points_side_by_side_keep_apart_and_no_line_crosses_one():
    crowd = [Label(name, 100 + 9 * index, 100, important=True) for index, name in enumerate(["safe", "promised"] * 6)]
    placed = place(crowd, [], BOUNDS)
    boxes = [one.box.around(1) for one in placed]
    assert len(placed) > 4
    for index, one in enumerate(placed):
        others = [*boxes[:index], *boxes[index + 1 :]]
        assert not any(box.overlaps(other) for box in [boxes[index], *one.leader] for other in others)


def test_boxes_that_touch_do_not_overlap():
    assert not Box(0, 0, 1, 1).overlaps(Box(1, 0, 2, 1))
    assert Box(0, 0, 1, 1).overlaps(Box(0.9, 0.9, 2, 2))
    assert Box(0, 0, 3, 3).holds(Box(0, 1, 3, 2))
    assert not Box(0, 0, 3, 3).holds(Box(-1, 1, 3, 2))
