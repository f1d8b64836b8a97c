"""A report: all its figures, from which page and model card are made."""

from dataclasses import asdict, dataclass
from typing import Any

from offramp.evaluation import Evaluation
from offramp.report.advice import Advice, advise
from offramp.report.bench_file import BenchSpeeds
from offramp.report.summary import Summary, summarize

SCHEMA = 3


@dataclass(frozen=True, slots=True)
class Report:
    """Everything in ``report.json``; the page shows nothing else.

    Attributes:
        summary: what stands first, of the setting in focus.
        evaluation: what was measured.
        speeds: of a benchmark, if there was one.
        advice: by rules from the two.
    """

    schema: int
    summary: Summary
    evaluation: Evaluation
    speeds: BenchSpeeds | None
    advice: Advice

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts and numbers, ready for JSON."""
        return asdict(self)


def make_report(evaluation: Evaluation, speeds: BenchSpeeds | None = None) -> Report:
    """Draws the conclusions from an evaluation, and from a benchmark if there is one."""
    return Report(SCHEMA, summarize(evaluation), evaluation, speeds, advise(evaluation, speeds))
