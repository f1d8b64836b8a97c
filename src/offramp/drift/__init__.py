"""Tests, valid at any time, for whether a promise is at risk and whether texts have changed; arithmetic on arrays."""

from offramp.drift.alarms import PROMISE_AT_RISK, TEXTS_HAVE_CHANGED, Alarm, Figures
from offramp.drift.audits import Audits, expected_disagreement
from offramp.drift.evidence import ALPHA, Evidence, Share, share
from offramp.drift.monitor import ChangeMonitor
from offramp.drift.observing import Observed, View, exit_disagreement
from offramp.drift.standing import standing
from offramp.drift.summaries import (
    CalibrationSummaries,
    CalibrationSummary,
    read_summaries,
    save_summaries,
    words_of_half,
)
from offramp.drift.vocabulary import Vocabulary

__all__ = [
    "ALPHA",
    "PROMISE_AT_RISK",
    "TEXTS_HAVE_CHANGED",
    "Alarm",
    "Audits",
    "CalibrationSummaries",
    "CalibrationSummary",
    "ChangeMonitor",
    "Evidence",
    "Figures",
    "Observed",
    "Share",
    "View",
    "Vocabulary",
    "exit_disagreement",
    "expected_disagreement",
    "read_summaries",
    "save_summaries",
    "share",
    "standing",
    "words_of_half",
]
