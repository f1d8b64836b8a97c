"""Typed questions to a classifier: it answers those that it was trained on, and refuses others."""

from collections.abc import Sequence

from offramp.engine import Classifier, Predictions
from offramp.serving.refusals import invalid


def check_label(classifier: Classifier, label: str, field: str) -> None:
    """Refuses a question about a label that the model does not have.

    Raises:
        Refusal: it has none of this name.
    """
    if label not in classifier.labels:
        raise invalid(f"the model has no label {label!r:.60}; valid: {', '.join(classifier.labels)}", field)


def check_choice(classifier: Classifier, choices: Sequence[str], field: str, *, part: str, single: str) -> None:
    """Refuses a choice among anything but all labels of a model that gives one label to a text.

    Args:
        field: path of the question.
        part: the field of the question that holds the choices, in the client's form.
        single: the type of question that asks for one label, in the client's form.

    Raises:
        Refusal: several labels may be right, or the choices are others.
    """
    if classifier.problem.multi_label:
        raise invalid(f"any number of this model's labels may be right; ask for each with a {single}", f"{field}.type")
    if sorted(choices) != sorted(classifier.labels):
        raise invalid(f"the model chooses among all of its labels: {', '.join(classifier.labels)}", f"{field}.{part}")


def label_probabilities(classifier: Classifier, predictions: Predictions) -> dict[str, float]:
    """The calibrated probability of each label for the only text."""
    return dict(zip(classifier.labels, predictions.probabilities[0].tolist(), strict=True))
