"""What a promise is worth, in words, given what was found."""

from offramp.drift.alarms import PROMISE_AT_RISK, TEXTS_HAVE_CHANGED, Alarm
from offramp.drift.audits import Audits
from offramp.policy import OperatingPoint


def standing(point: OperatingPoint | None, audits: Audits, changed: Alarm | None) -> str:
    """What the promise of an operating point is worth now.

    Args:
        point: None for a threshold that nobody has tuned.
        audits: whether the promise is at risk.
        changed: whether the texts have changed; None where nothing is known of the calibration texts.
    """
    alarms = [f"{PROMISE_AT_RISK}: {audits}"] if audits.raised is not None else []
    if changed is not None and changed.raised is not None:
        alarms.append(f"{TEXTS_HAVE_CHANGED}: {changed.cause}")
    if point is None or not point.promises:
        held = "nothing was promised"
    else:
        promised = f"{point.name} promises {', '.join(map(str, point.promises))}"
        held = f"suspended: {promised}" if alarms else f"{promised}, and no alarm was raised"
    unknown = [] if changed is not None else ["whether texts have changed is not watched here"]
    return "; ".join([held, *alarms, *unknown])
