"""Rules as JSON: every criterion by its name, with the numbers it is made of, to the last bit."""

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from offramp.calibration import Problem
from offramp.errors import ModelFolderError, OptionError
from offramp.policy.criteria import Certainty, Confidence, Criterion, Lead, Patience, PatientCertainty
from offramp.policy.ensembles import Agreement, GeometricMean
from offramp.policy.frontier import PerExit
from offramp.policy.gate import Gate
from offramp.policy.rules import Threshold

CRITERIA: dict[str, type[Any]] = {
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
"""What a rule can compare with its threshold, by the name that files and commands use."""

_NAMES = {kind: name for name, kind in CRITERIA.items()}


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
    if type(criterion) not in _NAMES:
        raise OptionError(f"{type(criterion).__name__} cannot be stored; use one of {', '.join(CRITERIA)}")
    return _NAMES[type(criterion)]


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
    if isinstance(value, Problem):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if not isinstance(value, int | float):
        return _criterion_to_dict(value)
    if not abs(value) <= sys.float_info.max:
        raise OptionError(f"a rule with the number {value} cannot be stored; use a finite one")
    return value


def _criterion_from_dict(content: Mapping[str, Any]) -> Criterion:
    values = {name: _value(name, value) for name, value in content.items() if name != "name"}
    criterion: Criterion = CRITERIA[content["name"]](**values)
    return criterion


def _value(name: str, value: Any) -> Any:
    if name == "problem":
        return Problem(value)
    return _criterion_from_dict(value) if name == "criterion" else _numbers(value)


def _numbers(value: Any) -> Any:
    """A number, or tuples of them."""
    return tuple(_numbers(part) for part in value) if isinstance(value, list) else finite(value)


def finite(value: Any) -> float:
    """Gives a number that JSON held back as it is.

    Raises:
        ValueError: it is no number, or NaN, infinite or an integer that no float can hold.
    """
    # bool is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{value!r:.40} is not a finite number")
    return value
