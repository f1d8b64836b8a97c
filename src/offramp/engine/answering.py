"""Rows and a classifier: whether they fit, what is true of the rows, and what every exit answers to them."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from offramp.data import LabeledTexts, Texts, encode_labels
from offramp.errors import DataError
from offramp.model.folder import ModelFacts
from offramp.policy import ExitAnswers

if TYPE_CHECKING:
    from offramp.engine.classifier import Classifier

# What transformers calls outputs that nobody named.
_NUMBERED = re.compile(r"LABEL_\d+")


def answers_of(classifier: "Classifier", rows: LabeledTexts | Texts) -> ExitAnswers:
    """Runs every row to full depth; where the rows have labels, the answers know them.

    Raises:
        DataError: the rows do not fit the model, see :func:`targets_of`.
    """
    check_pairs(classifier, rows.text_pairs, option="text_pair")
    targets = targets_of(classifier, rows) if isinstance(rows, LabeledTexts) else None
    return replace(classifier.exit_answers(rows.texts, rows.text_pairs), targets=targets)


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
