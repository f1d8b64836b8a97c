"""A report's files."""

from pathlib import Path

from offramp.files import check_writable, replacing, write_json
from offramp.folder import CARD, CURVE
from offramp.report.card import check_card, read_card, write_card
from offramp.report.page import render
from offramp.report.report import Report

JSON, PAGE = "report.json", "report.html"


def check_report(folder: Path, model: Path | None) -> None:
    """Makes sure, before anything is measured, that a report can be written.

    Args:
        folder: of the report.
        model: the model folder whose card is to have a section; None for no card.

    Raises:
        OptionError: something other than a file is where one of the files goes.
        ModelFolderError: the card cannot take a section.
        StorageError: a place cannot be written.
    """
    for name in (JSON, PAGE):
        check_writable(folder / name)
    if model is None:
        return
    check_card(read_card(model))
    for name in (CARD, CURVE):
        check_writable(model / name)


def write_report(report: Report, folder: Path, model: Path | None) -> list[Path]:
    """Writes ``report.json`` and ``report.html`` into a folder, and the section of the model card with its picture.

    Args:
        report: the content.
        folder: created if it does not exist.
        model: the model folder with the card; None for no card.

    Returns:
        The files that were written.

    Raises:
        ModelFolderError, StorageError: see :func:`check_report`.
    """
    page = render(report)
    write_json(folder / JSON, report.to_dict())
    with replacing(folder / PAGE) as new:
        new.write_text(page, encoding="utf-8")
    written = [folder / PAGE, folder / JSON]
    if model is None:
        return written
    write_card(model, report)
    return [*written, model / CARD, model / CURVE]
