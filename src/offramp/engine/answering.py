"""Rows or texts and a classifier: whether they fit, what is true of the rows, and what every exit answers to them."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from offramp.data import LabeledTexts, Texts, encode_labels
from offramp.errors import DataError, OptionError, is_count
from offramp.model.folder import ModelFacts
from offramp.policy import ExitAnswers

if TYPE_CHECKING:
    from offramp.engine.classifier import Classifier

# What transformers calls outputs that nobody named.
_NUMBERED = re.compile(r"LABEL_\d+")
_ONE_STRING = "one string was given where a list of texts is wanted; write predict([text])"


def answers_of(classifier: "Classifier", rows: LabeledTexts | Texts) -> ExitAnswers:
    """Runs every row to full depth; where the rows have labels, the answers know them.

    Raises:
        DataError: the rows do not fit the model, see :func:`targets_of`.
    """
    check_pairs(classifier, rows.text_pairs, option="text_pair")
    targets = targets_of(classifier, rows) if isinstance(rows, LabeledTexts) else None
    answers = classifier.exit_answers(rows.texts, rows.text_pairs)
    return replace(answers, targets=targets, labels=tuple(classifier.labels))


def check_rows(model: "Classifier | ModelFacts", rows: LabeledTexts | Texts) -> None:
    """Makes sure, before a model is loaded, that rows fit it.

    Raises:
        DataError: a label is not the model's, or second texts are missing or there without need.
    """
    check_pairs(model, rows.text_pairs, option="text_pair")
    if isinstance(rows, LabeledTexts) and model.labels:
        targets_of(model, rows)


def targets_of(model: "Classifier | ModelFacts", rows: LabeledTexts) -> NDArray[Any]:
    """The rows' labels as the model counts them: int (rows,), or 0/1 (rows, labels) for a multi-label model.

    Raises:
        DataError: a label is not the model's, or there are several for a row where the model gives one, or vice versa.
    """
    try:
        return encode_labels(rows, model.labels, multi_label=model.multi_label)
    except DataError as error:
        if all(_NUMBERED.fullmatch(label) for label in model.labels):
            error.add_note("or run  offramp attach  again with labels that name the outputs in their order")
        raise


def check_pairs(model: "Classifier | ModelFacts", given: object, *, option: str) -> None:
    """Makes sure that second texts are given to a model of pairs, and to no other.

    Args:
        given: the second texts, or the name of their column; None where there are none.
        option: the argument that takes them.

    Raises:
        DataError: they are missing or there without need.
    """
    if model.takes_pairs and given is None:
        raise DataError(f"this model was trained on pairs of texts; add `{option}` for the second ones", option=option)
    if not model.takes_pairs and given is not None:
        raise DataError(f"this model was trained on single texts; leave `{option}` out", option=option)


def check_texts(
    classifier: "Classifier", texts: Sequence[str], text_pairs: Sequence[str] | None, start: int = 0
) -> None:
    """Refuses what cannot be classified; ``start`` is the number of the first text.

    Raises:
        DataError: pairs are missing, not wanted or not as many as texts; or something is not a string.
    """
    _check_listed("texts", texts)
    if text_pairs is not None:
        _check_listed("text_pairs", text_pairs)
    check_pairs(classifier, text_pairs, option="text_pairs")
    if text_pairs is not None and len(text_pairs) != len(texts):
        raise DataError(
            f"there are {len(texts)} texts but {len(text_pairs)} text_pairs; give one for each", option="text_pairs"
        )
    for name, column in (("texts", texts), ("text_pairs", () if text_pairs is None else text_pairs)):
        for row, text in enumerate(column, start):
            if not isinstance(text, str):
                raise DataError(
                    f"{name}[{row}] is {text!r:.60}, not a string; turn it into one first",
                    option=name,
                    value=text,
                    row=row,
                )


def check_top_k(classifier: "Classifier", top_k: int | None) -> None:
    """Refuses a number of labels below 1.

    Raises:
        OptionError: it is.
    """
    if top_k is not None and not is_count(top_k):
        raise OptionError(
            f"top_k is {top_k!r}; use a number from 1 to {len(classifier.labels)}, or None for all labels",
            option="top_k",
            value=top_k,
        )


def check_stream(texts: object) -> None:
    """Refuses what is no stream of texts.

    Raises:
        DataError: it is one string, or cannot be iterated over.
    """
    if isinstance(texts, str):
        raise DataError(_ONE_STRING, option="texts", value=texts)
    if not isinstance(texts, Iterable):
        raise DataError(
            f"texts is {texts!r:.60}, not a list or a stream of strings; give one", option="texts", value=texts
        )


def _check_listed(name: str, texts: object) -> None:
    if isinstance(texts, str):
        raise DataError(_ONE_STRING, option=name, value=texts)
    if not isinstance(texts, Sized) or isinstance(texts, Mapping | Set):
        raise DataError(
            f"{name} is {texts!r:.60}, not a list of strings; turn it into one, or read a stream with predict_iter",
            option=name,
            value=texts,
        )


def unzipped(pairs: Sequence[Any], start: int) -> tuple[list[Any], list[Any]]:
    """The first and the second texts of pairs; ``start`` is the number of the first pair.

    Raises:
        DataError: something is no pair.
    """
    for row, pair in enumerate(pairs, start):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(
                f"texts[{row}] is {pair!r:.60}, not a pair; this model takes tuples of two texts",
                option="texts",
                value=pair,
                row=row,
            )
    return [first for first, _ in pairs], [second for _, second in pairs]
