"""Rules as JSON: every criterion by its name, with the numbers it is made of, to the last bit."""

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, get_args, get_origin, get_type_hints

from offramp.calibration import Problem
from offramp.errors import ModelFolderError, OptionError
from offramp.policy.criteria import Certainty, Confidence, Criterion, Lead, Patience, PatientCertainty
from offramp.policy.ensembles import Agreement, GeometricMean
from offramp.policy.frontier import PerExit
from offramp.policy.gate import Gate
from offramp.policy.rules import Threshold

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
        >>> from offramp.policy import Criterion, register
        >>> @dataclass(frozen=True)
        ... class Squared(Criterion):
        ...     problem: Problem
        ...     def score(self, probabilities, history):
        ...         return self.problem.confidence(probabilities) ** 2
        >>> register("squared", Squared)
    """
    if CRITERIA.get(name, criterion) is not criterion:
        raise OptionError(f"the name {name!r} is that of {CRITERIA[name].__name__}; choose another")
    if not hasattr(criterion, "__dataclass_fields__"):
        raise OptionError(f"{criterion.__name__} is no dataclass, so its parts cannot be stored; make it a frozen one")
    CRITERIA[name] = criterion


def rule_to_dict(rule: Threshold) -> dict[str, Any]:
    """Gives a rule as plain lists, dicts and finite numbers, ready for JSON.

    Raises:
        OptionError: the criterion is not one of :data:`CRITERIA`, or a number is not finite.
    """
    return {"threshold": _plain(rule.threshold), "criterion": _criterion_to_dict(rule.criterion)}


def rule_from_dict(content: Any) -> Threshold:
    """Reads what :func:`rule_to_dict` gave; the rule decides exactly as the one that was written.

    Raises:
        ModelFolderError: the content is not a rule that this version of offramp knows.
    """
    try:
        return Threshold(finite(content["threshold"]), _criterion_from_dict(content["criterion"]))
    except (AttributeError, KeyError, TypeError, ValueError, OptionError) as error:
        raise ModelFolderError(f"it is no exit rule ({error!r:.80}); tune the model again") from None


def criterion_name(criterion: Criterion) -> str:
    """Gives the name that files and commands use.

    Raises:
        OptionError: the criterion is not one of :data:`CRITERIA`.
    """
    for name, kind in CRITERIA.items():
        if type(criterion) is kind:
            return name
    raise OptionError(
        f"{type(criterion).__name__} cannot be stored; use one of {', '.join(CRITERIA)}, or register it under a name"
    )


def rule_in_words(rule: Threshold) -> str:
    """Says when a row leaves, such as ``confidence at least 0.9``; thresholds of several exits in their order."""
    criterion = rule.criterion
    if isinstance(criterion, PerExit) and len(criterion.thresholds) == rule.threshold == 1:
        thresholds = ", ".join(f"{threshold:.4g}" for threshold in criterion.thresholds[0])
        return f"{_in_words(criterion.criterion)} at least {thresholds}"
    return f"{_in_words(criterion)} at least {rule.threshold:.4g}"


def _in_words(criterion: Criterion) -> str:
    return criterion_name(criterion).replace("-", " ")


def _criterion_to_dict(criterion: Any) -> dict[str, Any]:
    name = criterion_name(criterion)
    return {"name": name, **{field.name: _plain(getattr(criterion, field.name)) for field in fields(criterion)}}


def _plain(value: Any) -> Any:
    if isinstance(value, str):  # a Problem is one
        return str(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if not isinstance(value, int | float):
        return _criterion_to_dict(value)
    if not abs(value) <= sys.float_info.max:
        raise OptionError(f"a rule with the number {value} cannot be stored; use a finite one")
    return value


def _criterion_from_dict(content: Mapping[str, Any]) -> Criterion:
    kind = CRITERIA[content["name"]]
    annotations = get_type_hints(kind)
    return kind(**{name: _read(annotations[name], value) for name, value in content.items() if name != "name"})


def _read(annotation: Any, value: Any) -> Any:
    """A field's value, as its annotation wants it."""
    if annotation is Problem:
        return Problem(value)
    if annotation is Criterion:
        return _criterion_from_dict(value)
    if get_origin(annotation) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{value!r:.40} is not a list")
        return tuple(_read(get_args(annotation)[0], part) for part in value)
    if annotation in (bool, str):
        if not isinstance(value, annotation):
            raise ValueError(f"{value!r:.40} is not a {annotation.__name__}")
        return value
    return finite(value)


def finite(value: Any) -> float:
    """Gives a number that JSON held back as it is.

    Raises:
        ValueError: it is no number, or NaN, infinite or an integer that no float can hold.
    """
    # bool is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{value!r:.40} is not a finite number")
    return value
