"""Which rows train, which serve temperatures, which choose operating points, and which judge the result."""

import math
from dataclasses import dataclass
from typing import TypeAlias

from offramp.data import Columns, Data, LabeledTexts, Texts, check_disjoint, read_any, read_labeled
from offramp.data.unlabeled import split_off
from offramp.errors import DataError
from offramp.policy import Method, Risk
from offramp.policy.risk import rows_needed

Rows: TypeAlias = LabeledTexts | Texts

TEST_SHARE = 0.2
# Of the rows that nothing is tested on, for temperatures and, at least and at most, for operating points.
DEV_SHARE, LEAST_SHARE, MOST_SHARE = 0.1, 0.2, 0.4
# On fewer an export in int8 cannot be shown to answer as the network does, see :mod:`offramp.exporting`.
LEAST_DEV = 40
# More rows than that make a promise or a test hardly sharper.
MOST_ROWS = 5_000
# A setting that changes nothing on the rows needed passes; on this many times as many, some answers may change.
_ROOM = 2.0


@dataclass(frozen=True, slots=True)
class Parts:
    """The rows of a model in the making; none is in two parts.

    Attributes:
        train: what is learned from.
        dev: what chooses the best epoch and fits temperatures.
        tune: what operating points are chosen on.
        test: what the result is judged by; None where nothing has labels.
    """

    train: Rows
    dev: Rows
    tune: Rows
    test: LabeledTexts | None

    @property
    def fingerprints(self) -> dict[str, str]:
        """What each part holds."""
        named = {"train": self.train, "dev": self.dev, "tune": self.tune, "test": self.test}
        return {name: rows.fingerprint for name, rows in named.items() if rows is not None}


def divide(
    data: Data, test: Data | float, columns: Columns, *, labeled: bool, limit: float, confidence: float, seed: int
) -> Parts:
    """Reads rows and divides them; the same rows for the same seed, in their old order.

    Args:
        data: the rows.
        test: labeled rows that judge the result, or the share of ``data`` to split off for that.
        columns: of all rows.
        labeled: whether labels are needed; otherwise they are used if there are any.
        limit: share of answers that may change, with this confidence: it decides how many rows choose.
        seed: of the division.

    Raises:
        DataError: the rows cannot be read, are too few to promise that, or those of ``test`` are among the others.
        OptionError: a share is not between 0 and 1.
    """
    rows: Rows = read_labeled(data, columns) if labeled else read_any(data, columns)
    judging: LabeledTexts | None = None
    share = 0.0
    if not isinstance(test, float | int):
        judging = read_labeled(test, columns)
        check_disjoint(judging, [rows])
    elif isinstance(rows, LabeledTexts):
        share = min(float(test), MOST_ROWS / len(rows)) if test < 1 else float(test)
    # Before anything is split off: rows too few to be divided are too few for the promise.
    tuning = _tuning_rows(len(rows) - round(share * len(rows)), rows.source, limit, confidence)
    if share and isinstance(rows, LabeledTexts):
        rows, judging = split_off(rows, share, seed)
    rest, tune = split_off(rows, min(tuning / len(rows), MOST_SHARE), seed + 1)
    train, dev = split_off(rest, min(max(DEV_SHARE, LEAST_DEV / len(rest)), 0.5), seed + 2)
    return Parts(train, dev, tune, judging)


def _tuning_rows(rows: int, source: str, limit: float, confidence: float) -> int:
    """How many of the rows that nothing is tested on choose operating points.

    Raises:
        DataError: as many as a promise takes are too large a part of the rows.
    """
    needed = rows_needed(limit, Method.LTT, Risk.DISAGREEMENT.loss, confidence)
    most = int(MOST_SHARE * rows)
    if needed is None or needed > most:
        raise DataError(_too_few(rows, source, needed, limit, confidence), path=source, value=rows)
    return min(most, MOST_ROWS, max(int(LEAST_SHARE * rows), math.ceil(_ROOM * needed)))


def _too_few(rows: int, source: str, needed: int | None, limit: float, confidence: float) -> str:
    asked = f"at most {limit:.4g} of the answers changed with {confidence:.4g} confidence"
    takes = "more rows than there will ever be" if needed is None else f"{math.ceil(needed / MOST_SHARE):,} rows"
    possible = next(
        (
            percent / 100
            for percent in range(1, 51)
            if (least := rows_needed(percent / 100, Method.LTT, Risk.DISAGREEMENT.loss, confidence))
            and least <= MOST_SHARE * rows
        ),
        None,
    )
    cure = "give more rows" if possible is None else f"give more rows, or allow {possible:g} (`max_disagreement`)"
    return (
        f"{source} has {max(0, rows):,} rows beside those of the test, which are too few to promise {asked}: that "
        f"takes {takes}, since {MOST_SHARE:.0%} of them may choose the operating point and no others may; {cure}"
    )
