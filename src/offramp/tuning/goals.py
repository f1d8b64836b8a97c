"""The targets of a user, as named goals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from offramp.data import LabeledTexts, Texts
from offramp.data.wording import did_you_mean, listing
from offramp.errors import DataError, OptionError
from offramp.policy import AtLeast, AtMost, Exactly, Goal, Limit, Method, Reference, Risk

if TYPE_CHECKING:
    from offramp.engine import Classifier

DEFAULT_POINTS = {"fast": 0.05, "balanced": 0.02, "safe": 0.01}
"""Greatest disagreement with full depth at the points that are made if no target is given."""

NAME = "tuned"
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a point is to keep, all of it at once; see :func:`offramp.tune`."""

    max_disagreement: float | None = None
    max_labels_changed: float | None = None
    max_accuracy_drop: float | None = None
    max_error: float | None = None
    min_precision: Mapping[str, float] = field(default_factory=dict)
    min_recall: Mapping[str, float] = field(default_factory=dict)
    each_exit: bool = False
    reference: Reference | None = None
    abstain: bool = False
    min_coverage: float | None = None

    @property
    def coverage(self) -> float | None:
        """Least share of the texts to answer; None for all of them.

        Raises:
            OptionError: it is given although no text may be handed over.
        """
        if self.min_coverage is not None and not self.abstain:
            raise OptionError(
                "`min_coverage` is about how many texts are answered where others are handed over; add `abstain`",
                option="min_coverage",
                value=self.min_coverage,
            )
        return (self.min_coverage or 0.0) if self.abstain else None

    def all_of(self) -> tuple[Limit, ...]:
        """The limits, one by one.

        Raises:
            OptionError: a value is out of range, or something is missing that another option is about.
        """
        compared = [
            *_given(self.max_disagreement, lambda most: Limit(Risk.DISAGREEMENT, most, reference=self.reference)),
            *_given(self.max_labels_changed, lambda most: Limit(Risk.LABELS_CHANGED, most, reference=self.reference)),
            *_given(self.max_accuracy_drop, lambda most: Limit(Risk.ACCURACY_DROP, most, reference=self.reference)),
        ]
        of_labels = _given(self.max_error, lambda most: Limit(Risk.ERROR, most))
        of_labels += [
            Limit(risk, _shortfall(option, label, least), label=label)
            for risk, option, least_of in (
                (Risk.PRECISION, "min_precision", self.min_precision),
                (Risk.RECALL, "min_recall", self.min_recall),
            )
            for label, least in least_of.items()
        ]
        if of_labels and self.each_exit and not compared:
            raise OptionError(
                "`each_exit` is about disagreement or a drop of accuracy, and neither is limited; add "
                "`max_disagreement` or `max_accuracy_drop`",
                option="each_exit",
                value=True,
            )
        return tuple(replace(limit, answered=self.abstain) for limit in (*compared, *of_labels))


class PointTarget(TypedDict, total=False):
    """What a point is chosen for: the keywords of :func:`offramp.tune` that say so."""

    max_disagreement: float | None
    max_labels_changed: float | None
    max_accuracy_drop: float | None
    max_error: float | None
    min_precision: Mapping[str, float] | None
    min_recall: Mapping[str, float] | None
    each_exit: bool
    reference: "str | Path | Classifier | None"
    reference_column: str | None
    abstain: bool
    min_coverage: float | None
    speedup: float | None
    threshold: float | None
    confidence: float
    name: str | None


def goals_of(target: PointTarget, method: str | None, reference: Reference | None) -> dict[str, Goal]:
    """The goals by the names of their points.

    Args:
        target: as for :func:`offramp.tune`.
        method: how limits are judged; None for the best one of each.
        reference: what answers are compared with; None for full depth.

    Raises:
        TypeError: the target has a keyword that is not known.
        OptionError: targets exclude each other, there is a name without a target or one that is a number, or a value
            is out of range.
    """
    if unknown := target.keys() - PointTarget.__annotations__.keys():
        raise TypeError(f"tune() got an unexpected keyword argument {min(unknown)!r}")
    threshold, speedup, name = target.get("threshold"), target.get("speedup"), target.get("name")
    confidence, limits = target.get("confidence", CONFIDENCE), _limits_of(target, reference)
    judged_by = None if method is None else _method(method)
    asked = [option for option in ("reference", "reference_column") if target.get(option) is not None]
    others = [option for option, value in asdict(limits).items() if value or (value == 0.0 and value is not False)]
    others = [*(option for option in others if option != "reference"), *asked]
    targets = {"threshold": threshold, "speedup": speedup}
    chosen = [*(target for target, value in targets.items() if value is not None), *others]
    if len(chosen) > 1 and chosen[0] in targets:
        names = " and ".join(f"`{target}`" for target in chosen)
        raise OptionError(
            f"{names} are given; choose one target at a time, or several limits",
            option=chosen[1],
            value=(asdict(limits) | targets | target)[chosen[1]],
        )
    if name is not None and not name.strip():
        raise OptionError("the name is empty; give one such as 'safe'", option="name", value=name)
    if name is not None and _is_number(name):
        raise OptionError(
            f"the name {name!r} looks like a threshold; give one that is not a number, such as 'safe'",
            option="name",
            value=name,
        )
    if threshold is not None:
        return {name or NAME: Exactly(threshold)}
    if speedup is not None:
        return {name or NAME: AtLeast(speedup)}
    coverage = limits.coverage
    wanted = limits.all_of()
    if wanted and reference is not None and not any(limit.reference for limit in wanted):
        raise OptionError(
            f"the reference {reference.name!r} is given, but nothing is compared with it; add `max_disagreement`, "
            "`max_labels_changed` or `max_accuracy_drop`",
            option=asked[0],
            value=reference.name,
        )
    if wanted:
        return {name or NAME: AtMost(wanted, judged_by, confidence, limits.each_exit, coverage)}
    if limits.abstain:
        raise OptionError(
            "`abstain` needs to know what is allowed among the answered texts; add `max_error`, which takes labels, or "
            "`max_disagreement` with a `reference` or a `reference_column`",
            option="abstain",
            value=True,
        )
    if name is not None:
        raise OptionError(
            f"the name {name!r} needs a target; add one of `threshold`, `speedup`, `max_disagreement`, "
            "`max_accuracy_drop`, `max_error`, `min_precision` or `min_recall`",
            option="name",
            value=name,
        )
    return {
        point: AtMost(replace(limits, max_disagreement=most).all_of(), judged_by, confidence, limits.each_exit)
        for point, most in DEFAULT_POINTS.items()
    }


def _limits_of(target: PointTarget, reference: Reference | None) -> Limits:
    return Limits(
        max_disagreement=target.get("max_disagreement"),
        max_labels_changed=target.get("max_labels_changed"),
        max_accuracy_drop=target.get("max_accuracy_drop"),
        max_error=target.get("max_error"),
        min_precision=_by_label("min_precision", target.get("min_precision")),
        min_recall=_by_label("min_recall", target.get("min_recall")),
        each_exit=target.get("each_exit", False),
        reference=reference,
        abstain=target.get("abstain", False),
        min_coverage=target.get("min_coverage"),
    )


def _by_label(option: str, given: Mapping[str, float] | None) -> Mapping[str, float]:
    if given is not None and not isinstance(given, Mapping):
        raise OptionError(
            f"{option} is {given!r}; use a mapping from labels to shares, such as {{'spam': 0.98}}",
            option=option,
            value=given,
        )
    return given or {}


def _given(value: float | None, make: Callable[[float], Limit]) -> list[Limit]:
    return [] if value is None else [make(value)]


def _shortfall(option: str, label: str, least: float) -> float:
    if not 0 < least < 1:
        raise OptionError(
            f"{option} of {label!r} is {least}; use a share above 0 and below 1, such as 0.98",
            option=option,
            value=least,
        )
    return 1.0 - least


def check_known(goals: dict[str, Goal], labels: Sequence[str]) -> None:
    """Makes sure that limits are about labels of the model.

    Raises:
        OptionError: one is not.
    """
    for limit in (limit for goal in goals.values() if isinstance(goal, AtMost) for limit in goal.limits):
        if limit.label is not None and limit.label not in labels:
            raise OptionError(
                f"the model has no label {limit.label!r}{did_you_mean(limit.label, labels)}, whose {limit.risk} is to "
                f"be kept; its labels are {listing(list(labels))}",
                option=f"min_{limit.risk}",
                value=limit.label,
            )


def check_sets(goals: dict[str, Goal], *, multi_label: bool) -> None:
    """Makes sure that a model gives sets of labels if a limit is about them.

    Raises:
        OptionError: it gives one label.
    """
    limits = [limit for goal in goals.values() if isinstance(goal, AtMost) for limit in goal.limits]
    if not multi_label and any(limit.risk is Risk.LABELS_CHANGED for limit in limits):
        raise OptionError(
            "max_labels_changed is for models that give any number of labels, and this one gives one; bound the "
            "disagreement with full depth instead",
            option="max_labels_changed",
        )


def check_labels(goals: dict[str, Goal], rows: LabeledTexts | Texts) -> None:
    """Makes sure that there are labels if a goal needs them.

    Raises:
        DataError: there are none.
    """
    needed = any(
        limit.risk.needs_labels for goal in goals.values() if isinstance(goal, AtMost) for limit in goal.limits
    )
    if needed and isinstance(rows, Texts):
        raise DataError(
            f"{rows.source} has no labels, which bounding an accuracy drop, an error, a precision or a recall takes; "
            "name their column with `label`, or bound the disagreement with full depth instead"
        )


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _method(method: str) -> Method:
    try:
        return Method(method)
    except ValueError:
        raise OptionError(
            f"method {method!r} is not known; valid: {', '.join(Method)}", option="method", value=method
        ) from None
