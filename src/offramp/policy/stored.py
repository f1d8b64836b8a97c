"""Criteria by the names used in files and commands."""

from collections.abc import Sequence

from offramp.errors import OptionError
from offramp.policy.criteria import Certainty, Confidence, Criterion, Lead, Patience, PatientCertainty
from offramp.policy.ensembles import Agreement, GeometricMean
from offramp.policy.frontier import PerExit
from offramp.policy.gate import Gate
from offramp.policy.rules import Threshold
from offramp.records import family, member_name

CRITERIA: dict[str, type[Criterion]] = {
    "confidence": Confidence,
    "certainty": Certainty,
    "lead": Lead,
    "patience": Patience,
    "patient-certainty": PatientCertainty,
    "geometric-mean": GeometricMean,
    "agreement": Agreement,
    "gate": Gate,
    "per-exit": PerExit,
}
"""All criteria by the names used in files and commands; see :func:`register`."""

family(Criterion, CRITERIA)


def register(name: str, criterion: type[Criterion]) -> None:
    """Registers your own criterion under a name, so that it can be tuned, stored in a model folder and read again.

    Programs that read the folder have to register it first, since a folder never names code to import.

    Args:
        name: used by ``tune`` and in files; lower case, words joined by hyphens.
        criterion: a frozen dataclass.

    Raises:
        OptionError: the name is taken by another criterion, or the class is not a dataclass.

    Example:
        >>> from dataclasses import dataclass
        >>> from offramp.calibration import Problem
        >>> from offramp.policy import Criterion, Threshold, register, rule_in_words
        >>> @dataclass(frozen=True)
        ... class Squared(Criterion):
        ...     problem: Problem
        ...     def score(self, probabilities, history):
        ...         return self.problem.confidence(probabilities, len(history)) ** 2
        >>> register("squared", Squared)
        >>> rule_in_words(Threshold(0.81, Squared(Problem.SINGLE_LABEL)))
        'squared at least 0.81'
    """
    if CRITERIA.get(name, criterion) is not criterion:
        raise OptionError(f"the name {name!r} is taken by {CRITERIA[name].__name__}; choose another")
    if not hasattr(criterion, "__dataclass_fields__"):
        raise OptionError(f"{criterion.__name__} is not a dataclass, so it cannot be stored; make it a frozen one")
    CRITERIA[name] = criterion


def criterion_name(criterion: Criterion) -> str:
    """The name used in files and commands.

    Raises:
        OptionError: the criterion is not one of :data:`CRITERIA`.
    """
    return member_name(Criterion, criterion)


def rule_in_words(rule: Threshold, labels: Sequence[str] = ()) -> str:
    """When a row leaves, such as ``confidence at least 0.9``; per-exit thresholds are listed in order.

    Args:
        rule: the rule.
        labels: names of the model's labels, for a rule that does not treat all alike.
    """
    criterion = rule.criterion
    if isinstance(criterion, PerExit) and len(criterion.thresholds) == rule.threshold == 1:
        thresholds = ", ".join(f"{threshold:.4g}" for threshold in criterion.thresholds[0])
        return f"{_in_words(criterion.criterion)} at least {thresholds}"
    if rule.answer_from is None:
        return f"{_in_words(criterion)} at least {rule.threshold:.4g}{_for_labels(rule, labels)}"
    scored = "chance of being right" if isinstance(criterion, Gate) else _in_words(criterion)
    at_last = "" if rule.answer_from == rule.threshold else f" (at full depth {rule.answer_from:.4g})"
    return f"{scored} at least {rule.threshold:.4g}{at_last}, else handed over"


def _for_labels(rule: Threshold, labels: Sequence[str]) -> str:
    """The thresholds of labels that have one of their own."""
    gate = rule.criterion
    if not isinstance(gate, Gate) or not 0 < rule.threshold < 1:
        return ""
    return "".join(
        f", {gate.least(rule.threshold, label):.4g} for {repr(labels[label]) if labels else f'label {label}'}"
        for label, doubt in enumerate(gate.doubts)
        if doubt
    )


def _in_words(criterion: Criterion) -> str:
    if isinstance(criterion, Gate):
        return "expected agreement with full depth"
    return criterion_name(criterion).replace("-", " ")
