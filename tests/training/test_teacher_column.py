"""Exits learn what another system said of the rows; their own labels, if there are any, judge."""

import json

import numpy as np
import pytest

import offramp
from conftest import write_classifier, write_encoder
from helpers.toys import LABELS, QUICK, grouped, single, write_csv, write_jsonl
from offramp.data import Columns, read_taught
from offramp.errors import DataError, OptionError
from offramp.training import Regime, train
from offramp.training.rows import beliefs_of_rows

ROWS = single(120, seed=1)
OTHER = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))


def said(answer, rows=ROWS, *, labeled=True):
    """Rows with what a teacher answers to their labels."""
    return [
        {name: value for name, value in row.items() if labeled or name != "label"} | {"llm": answer(row["label"])}
        for row in rows
    ]


def shares(label):
    return {name: 0.8 if name == OTHER[label] else 0.2 / (len(LABELS) - 1) for name in LABELS}


class Stop(Exception):
    """In the place of the training."""


@pytest.fixture
def job(monkeypatch):
    """The job that a training would run."""
    jobs = []

    def keep(job, *places):
        jobs.append(job)
        raise Stop

    monkeypatch.setattr("offramp.training.trials.run_trials", keep)
    monkeypatch.setattr("offramp.training.adopting.run", keep)
    return jobs.pop


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.mark.parametrize("answer", [OTHER.get, shares, lambda label: json.dumps(shares(label))])
def test_what_was_said_is_learnt_and_labels_judge(answer, encoder, tmp_path, job):
    data = write_jsonl(tmp_path / "data.jsonl", said(answer))
    with pytest.raises(Stop):
        train(encoder, data, output=tmp_path / "model", teacher_column="llm")
    made, true = job(), {row["text"]: row["label"] for row in ROWS}
    assert made.labels == LABELS
    assert made.data.train.labels == [OTHER[true[text]] for text in made.data.train.texts]
    assert made.data.dev.labels == [true[text] for text in made.data.dev.texts]
    assert len(made.data.train) + len(made.data.dev) == len(ROWS)
    assert made.to_dict()["teacher_column"] == "llm"
    beliefs = beliefs_of_rows(made.data.train, LABELS)
    if answer == OTHER.get:
        assert beliefs is None
    else:
        expected = [[shares(true[text])[name] for name in LABELS] for text in made.data.train.texts]
        np.testing.assert_allclose(np.exp(beliefs), expected, rtol=1e-5)


def test_without_labels_what_was_said_judges(encoder, tmp_path, job):
    data = write_csv(tmp_path / "data.csv", said(lambda label: json.dumps(shares(label)), labeled=False))
    dev = write_csv(tmp_path / "dev.csv", said(OTHER.get, single(40, seed=2), labeled=False))
    with pytest.raises(Stop):
        train(encoder, data, dev=dev, output=tmp_path / "model", teacher_column="llm")
    made = job()
    assert set(made.data.dev.labels) <= set(LABELS)
    assert made.data.dev.labels == [OTHER[row["label"]] for row in single(40, seed=2)]


def test_exits_put_on_a_classifier_learn_it_too(tmp_path, job):
    write_classifier(tmp_path / "classifier", labels=LABELS)
    data = write_jsonl(tmp_path / "data.jsonl", said(OTHER.get))
    with pytest.raises(OptionError, match="the targets are 'model', what the classifier itself says; choose 'labels'"):
        offramp.attach(tmp_path / "classifier", data, output=tmp_path / "model", teacher_column="llm")
    with pytest.raises(Stop):
        offramp.attach(tmp_path / "classifier", data, output=tmp_path / "model", teacher_column="llm", targets="labels")
    made, true = job(), {row["text"]: row["label"] for row in ROWS}
    assert made.data.train.labels == [OTHER[true[text]] for text in made.data.train.texts]
    assert made.data.dev.labels == [true[text] for text in made.data.dev.texts]


def test_probabilities_are_learnt(encoder, tmp_path):
    """Its answers judge, too: by labels that it never gives, the epoch that learnt least would be the best."""
    data = write_jsonl(tmp_path / "data.jsonl", said(shares, single(160, seed=1), labeled=False))
    made = train(
        encoder,
        data,
        output=tmp_path / "model",
        teacher_column="llm",
        **grouped(exits=(1, 4), pooling="mean", recipe=QUICK),
    )
    texts, expected = zip(*((row["text"], OTHER[row["label"]]) for row in single(100, seed=3)), strict=True)
    assert (
        np.mean(
            [
                one == other
                for one, other in zip(offramp.load(made.folder).predict_full(texts).label, expected, strict=True)
            ]
        )
        > 0.5
    )


@pytest.mark.parametrize(
    ("answer", "options", "error", "message"),
    [
        (lambda label: "d", {}, DataError, "the column 'label' has no label 'd'"),
        (lambda label: {**shares(label), "d": 0.0}, {}, DataError, "the column 'label' has no label 'd'"),
        (
            lambda label: None,
            {},
            DataError,
            "row 1: the label in column 'llm' is missing; fill it in or remove the row",
        ),
        (lambda label: {label: 1.5}, {}, DataError, "row 1: .* in column 'llm' are no probabilities; give numbers"),
        (lambda label: "{a", {}, DataError, "row 1: '{a' in column 'llm' is no JSON"),
        (lambda label: shares(label) if label == "a" else label, {}, DataError, "make all rows alike"),
        (lambda label: [label], {}, DataError, "make them alike"),
        (shares, {"distill": 1.0}, OptionError, "distill would teach them something else, so leave that out"),
        (shares, {"name": "frozen"}, OptionError, "regime 'frozen' would teach them something else"),
    ],
)
def test_what_cannot_be_learnt_is_told(answer, options, error, message, encoder, tmp_path):
    data = write_jsonl(tmp_path / "data.jsonl", said(answer))
    with pytest.raises(error, match=message):
        train(encoder, data, output=tmp_path / "model", teacher_column="llm", regime=Regime(**options))
    assert not (tmp_path / "model").exists()


def test_two_teachers_are_refused(encoder, tmp_path):
    write_classifier(tmp_path / "classifier", labels=LABELS)
    data = write_jsonl(tmp_path / "data.jsonl", said(OTHER.get))
    regime = Regime(distill=1, teacher=str(tmp_path / "classifier"))
    with pytest.raises(OptionError, match="are both given as teachers; choose one"):
        train(encoder, data, output=tmp_path / "model", teacher_column="llm", regime=regime)


@pytest.mark.parametrize("data", [offramp.LabeledTexts.of(["a", "b"], ["x", "y"]), offramp.Texts.of(["a"])])
def test_rows_in_memory_that_have_no_such_column_are_refused(data):
    with pytest.raises(OptionError, match="there is no column 'llm' beside texts and labels"):
        read_taught(data, Columns(), "llm")


def test_a_table_in_memory_has_one():
    found = read_taught({"text": ["a", "b"], "llm": ["x", "y"]}, Columns(), "llm")
    assert found.said.labels == found.judging.labels == ["x", "y"]
    with pytest.raises(OptionError, match="is named for what a teacher said and for something else"):
        read_taught({"text": ["a"], "label": ["x"]}, Columns(), "label")
