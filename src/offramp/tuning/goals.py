"""The targets of a user, as named goals."""

from offramp.data import LabeledTexts, Texts
from offramp.errors import DataError, OptionError
from offramp.policy import AtLeast, AtMost, Exactly, Goal, Limit, Method, Risk

DEFAULT_POINTS = {"fast": 0.05, "balanced": 0.02, "safe": 0.01}
"""Greatest disagreement with full depth at the points that are made if no target is given."""

NAME = "tuned"


def goals_of(
    *,
    threshold: float | None,
    speedup: float | None,
    max_accuracy_drop: float | None,
    max_disagreement: float | None,
    confidence: float,
    method: str | None,
    name: str | None,
) -> dict[str, Goal]:
    """The goals by the names of their points; arguments as for :func:`offramp.tune`.

    Raises:
        OptionError: there are several targets, a name without a target, a name that is a number, or a value is out of
            range.
    """
    targets = {
        "threshold": threshold,
        "speedup": speedup,
        "max_accuracy_drop": max_accuracy_drop,
        "max_disagreement": max_disagreement,
    }
    chosen = [target for target, value in targets.items() if value is not None]
    if len(chosen) > 1:
        names = " and ".join(f"`{target}`" for target in chosen)
        raise OptionError(f"{names} are given; choose one target at a time", option=chosen[1], value=targets[chosen[1]])
    if name is not None and not name.strip():
        raise OptionError("the name is empty; give one such as 'safe'", option="name", value=name)
    if name is not None and _is_number(name):
        raise OptionError(
            f"the name {name!r} looks like a threshold; give one that is not a number, such as 'safe'",
            option="name",
            value=name,
        )

    def at_most(risk: Risk, target: float) -> AtMost:
        return AtMost((Limit(risk, target),), None if method is None else _method(method), confidence)

    if threshold is not None:
        return {name or NAME: Exactly(threshold)}
    if speedup is not None:
        return {name or NAME: AtLeast(speedup)}
    if max_accuracy_drop is not None:
        return {name or NAME: at_most(Risk.ACCURACY_DROP, max_accuracy_drop)}
    if max_disagreement is not None:
        return {name or NAME: at_most(Risk.DISAGREEMENT, max_disagreement)}
    if name is not None:
        raise OptionError(
            f"the name {name!r} needs a target; add one of {', '.join(f'`{target}`' for target in targets)}",
            option="name",
            value=name,
        )
    return {point: at_most(Risk.DISAGREEMENT, target) for point, target in DEFAULT_POINTS.items()}


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
            f"{rows.source} has no labels, which bounding an accuracy drop takes; name their column with `label`, or "
            "bound the disagreement with full depth instead"
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
