"""Where texts leave that did not ask for anything: the operating point in force, and why."""

from dataclasses import dataclass
from enum import StrEnum

from offramp.calibration import Problem
from offramp.engine import Classifier
from offramp.errors import OptionError
from offramp.policy import Confidence, ExitRule, OperatingPoint, Threshold, rule_in_words
from offramp.serving.settings import is_threshold

# Load is over when the oldest text waits less than this share of what began it: a server at its limit shall not waver.
_RELAX = 0.25


class Mode(StrEnum):
    """Why the point in force is in force.

    Members:
        NORMAL: nothing happened.
        DEGRADED: the server is under load and may answer with less depth.
        SAFE: early answers were found to differ from full depth too often, so that the promise is at risk.
    """

    NORMAL = "normal"
    DEGRADED = "degraded"
    SAFE = "safe"


@dataclass(frozen=True, slots=True, eq=False)
class NamedRule:
    """A rule with a name to show.

    Attributes:
        name: of the operating point, or the threshold.
        rule: when texts leave.
        words: the rule in words.
        tuned: what was promised and seen, where it is an operating point of the model folder.
    """

    name: str
    rule: ExitRule
    words: str
    tuned: OperatingPoint | None = None


def default_point(classifier: Classifier, threshold: float | None, at: str | None) -> NamedRule:
    """The point that a server uses where nothing else is asked for; as :meth:`Classifier.exit_rule` chooses it.

    Raises:
        OptionError, ModelFolderError: as there.
    """
    rule = classifier.exit_rule(threshold, at)
    if (name := classifier.points.used(at, threshold)) is not None:
        tuned = classifier.operating_point(name)
        return NamedRule(name, tuned.rule, rule_in_words(tuned.rule, classifier.labels), tuned)
    value = classifier.default_threshold if threshold is None else threshold
    return NamedRule(f"{value:g}", rule, f"confidence at least {value:.4g}")


def named_point(classifier: Classifier, name: str) -> NamedRule:
    """The point that an option means: the name of an operating point, or a threshold.

    Raises:
        OptionError: it is neither.
        ModelFolderError: the operating point is out of date.
    """
    if is_threshold(name):
        return default_point(classifier, float(name), None)
    return default_point(classifier, None, name)


def full_depth(problem: Problem) -> NamedRule:
    """Where no text leaves early."""
    criterion = Confidence(problem)
    return NamedRule("full depth", Threshold(criterion.knob(1).full_depth, criterion), "full depth")


class InForce:
    """The operating point in force.

    Args:
        normal: without load or alarm.
        degraded: under load; None to refuse requests instead.
        above: the oldest text's waiting time, in seconds, that counts as load.
        safe: after an alarm, and then load changes nothing any more; None to go on.
    """

    def __init__(self, normal: NamedRule, degraded: NamedRule | None, above: float, safe: NamedRule | None) -> None:
        self._points = {Mode.NORMAL: normal}
        if degraded is not None:
            self._points[Mode.DEGRADED] = degraded
        if safe is not None:
            self._points[Mode.SAFE] = safe
        self._above = above
        self.normal = normal
        self.mode = Mode.NORMAL

    @property
    def point(self) -> NamedRule:
        """The point in force now."""
        return self._points[self.mode]

    def look(self, oldest: float, alarm: bool) -> Mode:
        """Decides anew, given how long the oldest text has waited, in seconds, and whether the promise is at risk."""
        if alarm and Mode.SAFE in self._points:
            self.mode = Mode.SAFE
        elif Mode.DEGRADED in self._points:
            limit = self._above * (_RELAX if self.mode is Mode.DEGRADED else 1.0)
            self.mode = Mode.DEGRADED if oldest > limit else Mode.NORMAL
        else:
            self.mode = Mode.NORMAL
        return self.mode


def check_floor(normal: NamedRule, degraded: NamedRule | None) -> None:
    """Refuses to degrade to where the server is already.

    Raises:
        OptionError: the degraded point is the normal one.
    """
    if degraded is not None and degraded.words == normal.words:
        raise OptionError(f"degrade_to is {degraded.name}, which is where texts leave without load; use a lower one")
