import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offramp.data import (
    Columns,
    DataWarning,
    LabeledTexts,
    check_trainable,
    encode_labels,
    fingerprint,
    read_labeled,
    split_off_dev,
)
from offramp.errors import DataError, OptionError


def labeled(*labels, pairs=False):
    texts = [f"text {number}" for number in range(len(labels))]
    return LabeledTexts(texts, texts[::-1] if pairs else None, list(labels), 0, "memory")


def test_reading(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,other,label\na,,x\n,d,y\n")
    data = read_labeled(str(path), Columns(text_pair="other"))
    assert data == LabeledTexts(["a", ""], ["", "d"], ["x", "y"], 1, str(path))
    assert len(data) == 2
    assert not data.multi_label


def test_one_label_and_lists_do_not_mix(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": ["x"]}\n')
    with pytest.raises(DataError, match="row 1 has one label and row 2 a list of labels in column 'label'"):
        read_labeled(str(path), Columns())


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b"], ["a", "b"]),
        (["10", "9", "-1"], ["-1", "9", "10"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        ([("b", "a"), (), ("c",)], ["a", "b", "c"]),
        ([], []),
    ],
)
def test_label_names(labels, names):
    assert labeled(*labels).label_names() == names


def test_subset_keeps_rows_together():
    data = LabeledTexts(["a", "", "c"], ["x", "y", "z"], [("1",), (), ("2",)], 1, "memory")
    assert data.subset([2, 1]) == LabeledTexts(["c", ""], ["z", "y"], [("2",), ()], 1, "memory")
    assert data.subset(np.array([0])).blank == 0


def test_encoding_one_label():
    encoded = encode_labels(labeled("b", "a"), ["a", "b"], multi_label=False)
    assert encoded.dtype == np.int64
    assert encoded.tolist() == [1, 0]


def test_encoding_several_labels():
    encoded = encode_labels(labeled(("b", "a"), (), ("c",)), ["a", "b", "c"], multi_label=True)
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_unknown_labels_are_named():
    with pytest.raises(
        DataError, match=r"memory, row 2: .* 'spma' \(did you mean 'spam'\?\); its labels are 'ham', 'spam'"
    ):
        encode_labels(labeled("ham", "spma"), ["ham", "spam"], multi_label=False)
    with pytest.raises(DataError, match=r"'name 9', \.\.\. \(12 in all\)"):
        encode_labels(labeled(("q",)), [f"name {number}" for number in range(12)], multi_label=True)


def test_the_kind_of_labels_must_fit_the_model():
    with pytest.raises(DataError, match="has one label in each row, but the model gives a list of labels"):
        encode_labels(labeled("a"), ["a"], multi_label=True)
    with pytest.raises(DataError, match="has a list of labels in each row, but the model gives one label"):
        encode_labels(labeled(("a",)), ["a"], multi_label=False)


@pytest.mark.parametrize("labels", [["a", "a"], [("a", "b"), ("b", "a")], [(), ()]])
def test_nothing_to_tell_apart(labels):
    with pytest.raises(DataError, match="all 2 rows have the same label"):
        check_trainable(labeled(*labels))


@pytest.mark.parametrize("labels", [["a", "b"], [("a",), ()]])
def test_something_to_tell_apart(labels):
    check_trainable(labeled(*labels))


LABELS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=60)
FRACTIONS = st.floats(0.01, 0.99)


@given(LABELS, FRACTIONS, st.integers(0, 3))
@settings(deadline=None)
def test_a_split_is_a_stratified_partition(labels, fraction, seed):
    data = labeled(*labels, pairs=True)
    counts = Counter(labels)
    if max(counts.values()) < 2:
        with pytest.raises(DataError, match="no label has two rows"):
            split_off_dev(data, fraction, seed)
        return
    split = split_off_dev(data, fraction, seed)
    assert split == split_off_dev(data, fraction, seed)
    assert sorted(split.train.texts + split.dev.texts) == sorted(data.texts)
    assert len(split.dev) >= 1
    in_dev, in_train = Counter(split.dev.labels), Counter(split.train.labels)
    for label, count in counts.items():
        assert in_train[label] >= 1
        assert count == 1 or abs(in_dev[label] - count * fraction) <= 1
    rows = dict(zip(data.texts, zip(data.text_pairs, data.labels, strict=True), strict=True))
    for part in (split.train, split.dev):
        assert [rows[text] for text in part.texts] == list(zip(part.text_pairs, part.labels, strict=True))


@given(st.integers(2, 200), FRACTIONS)
@settings(deadline=None)
def test_the_size_of_the_dev_part(rows, fraction):
    split = split_off_dev(labeled(*[("a",)] * rows), fraction, 0)
    assert len(split.dev) == min(max(round(rows * fraction), 1), rows - 1)


def test_rows_of_each_label_are_counted():
    assert labeled("b", "a", "b").label_counts() == {"a": 1, "b": 2}
    assert list(labeled("10", "9", "10").label_counts().items()) == [("9", 1), ("10", 2)]
    assert labeled(("a", "b", "a"), (), ("b",)).label_counts() == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "names",
    [
        ("caf\u00e9", "cafe\u0301"),
        ("spam", "sp\u200bam"),
        ("\ufeffspam", "spam"),
        ("not spam", "not\u00a0spam"),
        ("e\u0301\u200d", "e\u200d\u0301", "\u00e9"),
    ],
)
def test_labels_that_look_the_same_are_warned_of(names):
    with pytest.warns(DataWarning, match="memory: the labels .* look the same") as caught:
        check_trainable(labeled(*names, "other"))
    (warning,) = caught
    for name in names:
        assert ascii(name) in str(warning.message)


@pytest.mark.parametrize("names", [("Spam", "spam"), ("e", "\u00e9"), ("2", "\u00b2"), ("a b", "ab")])
def test_labels_that_look_different_are_not(names):
    check_trainable(labeled(*names))


def test_whole_numbers_of_any_length_are_sorted_by_value(tmp_path):
    names = ["-" + "9" * 5000, "-1", "7", "9" * 4301, "1" + "0" * 5000]
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"a,{name}\n" for name in names[::-1]))
    data = read_labeled(str(path), Columns())
    assert data.label_names() == names
    assert encode_labels(data, names, multi_label=False).tolist() == [4, 3, 2, 1, 0]


def test_seeds_differ():
    data = labeled(*"ab" * 50)
    assert split_off_dev(data, 0.2, 1) != split_off_dev(data, 0.2, 2)


def test_the_split_is_the_same_in_every_process():
    code = (
        "from offramp.data import LabeledTexts, split_off_dev\n"
        "data = LabeledTexts([str(n) for n in range(40)], None, list('abcd') * 10, 0, '')\n"
        "print(split_off_dev(data, 0.3, 7).dev.fingerprint)"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2, float("nan")])
def test_bad_fractions(fraction):
    with pytest.raises(OptionError, match="between 0 and 1"):
        split_off_dev(labeled("a", "a"), fraction, 0)


def test_an_empty_set_cannot_be_split():
    with pytest.raises(DataError, match="no label has two rows"):
        split_off_dev(labeled(), 0.5, 0)


TEXTS = st.lists(st.text(max_size=4), max_size=4)
CONTENT = st.tuples(TEXTS, st.none() | TEXTS, st.none() | TEXTS | st.lists(TEXTS.map(tuple), min_size=1, max_size=3))


@given(CONTENT, CONTENT)
def test_only_the_same_content_has_the_same_fingerprint(one, other):
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


@given(TEXTS, TEXTS)
def test_rows_do_not_run_into_each_other(texts, pairs):
    assert fingerprint([*texts, "a"], pairs) != fingerprint(texts, ["a", *pairs])
    assert fingerprint(["".join(texts)]) != fingerprint(texts) or len(texts) == 1


def test_the_form_of_a_fingerprint():
    data = labeled("a", "b", pairs=True)
    assert data.fingerprint == fingerprint(data.texts, data.text_pairs, data.labels)
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint(["a"], labels=["b"]) != fingerprint(["a"], labels=[("b",)])
    assert fingerprint(["half \ud83d"]).startswith("sha256:")
    assert len(fingerprint([])) == len("sha256:") + 16
