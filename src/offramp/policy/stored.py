"""Criteria by the names that files and commands use."""

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
"""What a rule can compare with its threshold, by the name that files and commands use; see :func:`register`."""

family(Criterion, CRITERIA)


def register(name: str, criterion: type[Criterion]) -> None:
    """Makes a criterion of your own known by a name: it can be tuned, stored in a model folder and read again.

    Whoever reads the folder has to register it first, as nothing in a folder names code to import.

    Args:
        name: as ``tune`` and files write it; lower case, words joined by hyphens.
        criterion: a frozen dataclass.

    Raises:
        OptionError: the name is taken by another criterion, or the class is no dataclass.

    Example:
        >>> from dataclasses import dataclass
        >>> from offramp.calibration import Problem
        >>> from offramp.policy import Criterion, Threshold, register, rule_in_words
        >>> @dataclass(frozen=True)
        ... class Squared(Criterion):
        ...     problem: Problem
        ...     def score(self, probabilities, history):
        ...         return self.problem.confidence(probabilities) ** 2
        >>> register("squared", Squared)
        >>> rule_in_words(Threshold(0.81, Squared(Problem.SINGLE_LABEL)))
        'squared at least 0.81'
    """
    if CRITERIA.get(name, criterion) is not criterion:
        raise OptionError(f"the name {name!r} is that of {CRITERIA[name].__name__}; choose another")
    if not hasattr(criterion, "__dataclass_fields__"):
        raise OptionError(f"{criterion.__name__} is no dataclass, so its parts cannot be stored; make it a frozen one")
    CRITERIA[name] = criterion


def criterion_name(criterion: Criterion) -> str:
    """Gives the name that files and commands use.

    Raises:
        OptionError: the criterion is not one of :data:`CRITERIA`.
    """
    return member_name(Criterion, criterion)


def rule_in_words(rule: Threshold) -> str:
    """Says when a row leaves, such as ``confidence at least 0.9``; thresholds of several exits in their order."""
    criterion = rule.criterion
    if isinstance(criterion, PerExit) and len(criterion.thresholds) == rule.threshold == 1:
        thresholds = ", ".join(f"{threshold:.4g}" for threshold in criterion.thresholds[0])
        return f"{_in_words(criterion.criterion)} at least {thresholds}"
    return f"{_in_words(criterion)} at least {rule.threshold:.4g}"


def _in_words(criterion: Criterion) -> str:
    return criterion_name(criterion).replace("-", " ")
