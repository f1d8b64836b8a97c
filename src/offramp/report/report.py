"""A report: all figures that the page and the model card are made from."""

from dataclasses import asdict, dataclass
from typing import Any

from offramp.evaluation import Evaluation
from offramp.report.advice import Advice, advise
from offramp.report.bench_file import BenchSpeeds
from offramp.report.monitored_file import MonitoredTexts
from offramp.report.summary import Summary, summarize

SCHEMA = 5


@dataclass(frozen=True, slots=True)
class Report:
    """Everything in ``report.json``; the page shows nothing else.

    Attributes:
        summary: the setting in focus in short.
        evaluation: the measurements.
        speeds: the figures of a benchmark; None without one.
        watched: what the monitor found of other texts; None if it was not asked.
        advice: conclusions drawn from both by rules.
    """

    schema: int
    summary: Summary
    evaluation: Evaluation
    speeds: BenchSpeeds | None
    watched: MonitoredTexts | None
    advice: Advice

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, ready for JSON."""
        return asdict(self)


def make_report(
    evaluation: Evaluation, speeds: BenchSpeeds | None = None, watched: MonitoredTexts | None = None
) -> Report:
    """Draws the conclusions from an evaluation, and from a benchmark and other texts if there are any."""
    return Report(SCHEMA, summarize(evaluation), evaluation, speeds, watched, advise(evaluation, speeds, watched))
