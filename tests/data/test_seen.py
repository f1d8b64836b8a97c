import json
import random

import pytest

from helpers.toys import names
from offramp.backends import REFERENCE, Engine
from offramp.data import (
    LabeledTexts,
    Texts,
    check_disjoint,
    check_unseen,
    check_untrained,
    distinct,
    is_point,
    point_of,
    remember,
    seen,
    temperatures_of,
    uses_for,
    uses_of,
)
from offramp.data.seen import FITTING, fitted_rows, share_among
from offramp.errors import DataError, ModelFolderError


def rows_of(numbers, labels=True, pairs=False):
    texts = [f"text {number}" for number in numbers]
    seconds = [f"pair {number}" for number in numbers] if pairs else None
    if labels:
        return LabeledTexts(texts, seconds, ["a"] * len(texts), 0, "here")
    return Texts(texts, seconds, 0, "there")


def test_rows_are_known_again_in_any_order_and_without_labels(tmp_path):
    remember(tmp_path, rows_of(range(100)), FITTING)
    mixed = [*range(100)]
    random.Random(0).shuffle(mixed)
    assert uses_of(tmp_path, rows_of(mixed, labels=False)) == {FITTING: 1.0}
    assert uses_of(tmp_path, rows_of(range(75, 175))) == {FITTING: 0.25}
    assert uses_of(tmp_path, rows_of(range(200, 300))) == {}
    assert names(tmp_path) == ["seen_rows.json"]


def test_a_text_that_repeats_counts_once(tmp_path):
    remember(tmp_path, rows_of([1, 1, 1, 2]), FITTING)
    assert uses_of(tmp_path, rows_of([1] * 97 + [7, 8, 9])) == {FITTING: 0.25}


def test_a_pair_is_not_its_first_text(tmp_path):
    remember(tmp_path, rows_of(range(9), pairs=True), FITTING)
    assert uses_of(tmp_path, rows_of(range(9))) == {}
    assert uses_of(tmp_path, rows_of(range(9), pairs=True)) == {FITTING: 1.0}


def test_a_new_use_takes_the_place_of_the_old_and_forgets_what_is_of_no_use(tmp_path):
    temperatures = temperatures_of(Engine("openvino", "int8"))
    remember(tmp_path, rows_of(range(10)), FITTING)
    remember(tmp_path, rows_of(range(10, 20)), "epoch", temperatures)
    remember(tmp_path, rows_of(range(20, 30)), temperatures)
    assert uses_of(tmp_path, rows_of(range(10, 20))) == {"epoch": 1.0}
    assert uses_of(tmp_path, rows_of(range(20, 30))) == {temperatures: 1.0}
    remember(tmp_path, rows_of(range(20, 30)), "epoch")
    assert uses_of(tmp_path, rows_of(range(20, 30))) == {temperatures: 1.0, "epoch": 1.0}
    assert uses_of(tmp_path, rows_of(range(10, 20))) == {}
    assert len(json.loads((tmp_path / "seen_rows.json").read_text())["data"]) == 2


def test_all_that_a_model_was_fitted_to_adds_up(tmp_path):
    remember(tmp_path, rows_of(range(100)), FITTING)
    remember(tmp_path, rows_of(range(50, 200), labels=False), FITTING)
    remember(tmp_path, rows_of(range(200, 210)), "epoch")
    assert uses_of(tmp_path, rows_of(range(50))) == uses_of(tmp_path, rows_of(range(50, 200))) == {FITTING: 1.0}
    assert uses_of(tmp_path, rows_of(range(200))) == {FITTING: 1.0}
    assert uses_of(tmp_path, rows_of(range(80, 240))) == {FITTING: 0.75, "epoch": 0.0625}


def test_what_a_model_was_fitted_to_is_handed_on(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    assert fitted_rows(first) == []
    remember(first, rows_of(range(100)), FITTING, "epoch")
    remember(first, rows_of(range(100, 120)), "epoch")
    (handed_on,) = fitted_rows(first)
    remember(second, rows_of(range(50, 150)), FITTING)
    remember(second, handed_on, FITTING)
    assert uses_of(second, rows_of(range(200))) == {FITTING: 0.75}
    fresh, half, known = (rows_of(range(start, start + 10)) for start in (100, 95, 0))
    assert [share_among([handed_on], rows, beside=fresh) for rows in (fresh, half, known)] == [0, 0.5, 1]
    assert share_among([handed_on], known, beside=known) == 0
    assert share_among([handed_on], rows_of([]), beside=known) == 0


@pytest.mark.parametrize("kept", [(500, 500), (500, 5000)])
def test_parts_of_large_data_add_up_too(tmp_path, monkeypatch, kept):
    for number, there in zip((0, 2000), kept, strict=True):
        monkeypatch.setattr(seen, "KEPT", there)
        remember(tmp_path, rows_of(range(number, number + 3000)), FITTING)
    assert uses_of(tmp_path, rows_of(range(5000))) == {FITTING: pytest.approx(1.0, abs=0.15)}
    assert uses_of(tmp_path, rows_of(range(2500, 7500))) == {FITTING: pytest.approx(0.5, abs=0.15)}


def test_a_part_stands_for_large_data(tmp_path, monkeypatch):
    monkeypatch.setattr(seen, "KEPT", 500)
    remember(tmp_path, rows_of(range(5000)), FITTING)
    (entry,) = json.loads((tmp_path / "seen_rows.json").read_text())["data"]
    assert entry["rows"] == 5000
    assert len(entry["hashes"]) < 500 * 8 * 4 / 3 + 4
    assert uses_of(tmp_path, rows_of(range(1000))) == {FITTING: 1.0}
    assert uses_of(tmp_path, rows_of(range(4000, 6000)))[FITTING] == pytest.approx(0.5, abs=0.15)
    assert uses_of(tmp_path, rows_of(range(6000, 8000))) == {}
    # Of so few rows hardly any falls into the part that is known.
    assert uses_of(tmp_path, rows_of(range(20))) == {}


def test_names_of_uses():
    assert temperatures_of(REFERENCE) == temperatures_of(Engine("torch", "bf16"))
    assert is_point(point_of("safe", REFERENCE))
    assert not is_point(FITTING)


def test_only_uses_for_what_a_model_still_has_count():
    uses = {
        FITTING: 1.0,
        "epoch": 0.5,
        temperatures_of(REFERENCE): 0.4,
        temperatures_of(Engine("openvino", "int8")): 0.3,
        point_of("safe", REFERENCE): 0.2,
        point_of("gone", REFERENCE): 0.2,
        point_of("safe", Engine("openvino", "int8")): 0.2,
    }
    kept = [FITTING, "epoch", temperatures_of(REFERENCE), point_of("safe", REFERENCE)]
    assert list(uses_for(uses, REFERENCE, ["safe"])) == kept


def test_nothing_is_known_of_a_folder_without_notes(tmp_path):
    assert uses_of(tmp_path, rows_of([1])) == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [("hashes", "no base 64!"), ("hashes", "AAAA"), ("hashes", None), ("rows", 0), ("rows", "2"), ("uses", 3)],
)
def test_a_damaged_file_is_one_clear_error(tmp_path, key, value):
    remember(tmp_path, rows_of([1, 2]), FITTING)
    file = tmp_path / "seen_rows.json"
    content = json.loads(file.read_text())
    content["data"][0][key] = value
    file.write_text(json.dumps(content))
    with pytest.raises(ModelFolderError, match=r"seen_rows.json is damaged .* delete it to forget"):
        uses_of(tmp_path, rows_of([1]))


def test_rows_that_a_model_was_fitted_to_are_refused_for_anything_that_they_would_flatter(tmp_path):
    remember(tmp_path, rows_of(range(100)), FITTING)
    remember(tmp_path, rows_of(range(100, 200)), "epoch")
    for fresh in (rows_of(range(100, 200)), rows_of(range(80, 180), labels=False)):
        check_untrained(tmp_path, fresh, "it would flatter")
    with pytest.raises(DataError, match=r"^21% .* in there were used to make this model \(for training\): it fl.*;"):
        check_untrained(tmp_path, rows_of(range(79, 179), labels=False), "it flatters")


def test_the_use_of_most_rows_is_named():
    check_unseen(rows_of([1]), {}, "", "")
    with pytest.raises(DataError, match=r"^90% .* in here were used to make this model \(for epoch\): alas; go"):
        check_unseen(rows_of([1]), {FITTING: 0.5, "epoch": 0.9}, "alas", "go away")


def test_dev_rows_are_not_among_those_that_a_model_is_fitted_to():
    check_disjoint(rows_of(range(100)), [])
    check_disjoint(rows_of([]), [rows_of(range(3))])
    check_disjoint(rows_of(range(100)), [rows_of(range(80, 200)), rows_of(range(1000, 1200), labels=False)])
    with pytest.raises(DataError, match=r"^100% of the dev rows in here are among the rows in there that"):
        check_disjoint(rows_of(range(20)), [rows_of(range(50, 60)), rows_of(range(100_000), labels=False)])


def test_rows_of_the_same_texts_are_one():
    assert distinct(rows_of([1, 2, 1, 3, 2])).tolist() == [0, 1, 3]
    assert distinct(rows_of([1, 1, 2], labels=False, pairs=True)).tolist() == [0, 2]
    assert distinct(rows_of([])).tolist() == []
