"""From numbers to pictures and pages.

A report is made in three steps. ``report.py`` puts an evaluation, a benchmark and the advice that follows from both
(``advice.py``) into one object: ``report.json``. ``tables.py`` and the charts select what is shown; charts build on
``frame.py``, ``labels.py`` and ``svg.py``. ``page.py`` fills the templates, and ``card.py`` the model card;
``pictures.py`` writes charts to files of their own.
"""

from offramp.report.advice import warning
from offramp.report.bench_file import BenchSpeeds, read_speeds
from offramp.report.card import card_section
from offramp.report.curve import curve_picture
from offramp.report.monitored_file import MonitoredTexts, read_monitored
from offramp.report.page import render
from offramp.report.pictures import check_picture
from offramp.report.report import Report, make_report
from offramp.report.speed import speed_picture
from offramp.report.verdict import recommended, useless
from offramp.report.writing import check_report, write_report

__all__ = [
    "BenchSpeeds",
    "MonitoredTexts",
    "Report",
    "card_section",
    "check_picture",
    "check_report",
    "curve_picture",
    "make_report",
    "read_monitored",
    "read_speeds",
    "recommended",
    "render",
    "speed_picture",
    "useless",
    "warning",
    "write_report",
]
