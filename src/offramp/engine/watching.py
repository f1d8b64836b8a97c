"""A classifier's texts, watched for whether they have changed since an operating point was tuned."""

from dataclasses import dataclass

from offramp.drift import ChangeMonitor, View, Vocabulary
from offramp.engine.cascade import Cascade
from offramp.engine.classifier import Classifier
from offramp.policy import ExitRule, OperatingPoint


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """How the texts at an operating point are looked at, and what was found."""

    view: View
    monitor: ChangeMonitor


def view_of(cascade: Cascade, rule: ExitRule, vocabulary: Vocabulary) -> View:
    """How texts are looked at that pass a cascade and leave by a rule."""
    last = len(cascade.members) - 1  # other members count the tokens of other tokenizers, or have none
    return View.at(rule, cascade.problem, [member == last for member, _ in cascade.places], vocabulary)


def watched(classifier: Classifier, point: OperatingPoint) -> Watched | None:
    """Begins to watch the texts at an operating point; None where nothing is known of its calibration texts."""
    summary = classifier.summaries.at(point.name, point.engine, point.model)
    if summary is None:
        return None
    view = view_of(classifier.runner.cascade, point.rule, classifier.summaries.vocabulary(summary))
    return Watched(view, ChangeMonitor(summary, classifier.exit_names))
