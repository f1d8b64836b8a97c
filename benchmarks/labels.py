"""Limits on one label, with a threshold of its own for it and without, on kept answers.

python -m benchmarks.labels --output FOLDER [--draws 1000] [--only NAME ...]

Rows, draws and what counts as broken are those of ``benchmarks/promises.py``. For the two most frequent labels of each
data set there is a limit on precision, one on recall, both, and both with at most 2 points of accuracy lost; each is 5
points laxer than full depth. ``offramp tune`` gives the label a threshold of its own where the rows that fit the gate
say that this is faster; beside it stands what comes of it where all labels are treated alike. With several limits all
are treated alike in any case: in the figures kept here, which are older, they were not, and were slower for it.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.promises import CONFIDENCE, Line, check, named
from offramp import environment
from offramp.files import write_json
from offramp.policy import AtMost, ExitAnswers, Limit, Risk

SETS = ("r8 words+6", "ag_news words+6", "ag_news 6", "sst2 words+6", "sst2 6", "snli 6")
ROWS, LABELS, LAXER = 1000, 2, 0.05


@dataclass(frozen=True)
class Pair:
    """One promise, with a threshold of its own for the label, and without."""

    promise: str
    own: Line
    alike: Line


def goals_for(rows: ExitAnswers) -> Iterator[tuple[str, AtMost]]:
    """What is promised, by its name in the table."""
    full = np.stack([rows.full])
    for index in np.argsort(-np.bincount(rows.truth), kind="stable")[:LABELS]:
        label, limits = rows.labels[index], []
        for risk in (Risk.PRECISION, Risk.RECALL):
            lost = float(np.nanmean(rows.limited(full, Limit(risk, 0.5, label=label))))
            limits.append(Limit(risk, round(lost + LAXER, 3), label=label))
            yield f"{risk}", AtMost((limits[-1],), None, CONFIDENCE)
        yield "precision and recall", AtMost(tuple(limits), None, CONFIDENCE)
        yield "both, 2 points of accuracy", AtMost((*limits, Limit(Risk.ACCURACY_DROP, 0.02)), None, CONFIDENCE)


def table(pairs: list[Pair]) -> str:
    """The mean over labels, in Markdown."""
    text = (
        "| data | promise | all alike | a threshold of its own | faster by | promised | broken, at most |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    for data, promise in dict.fromkeys((pair.own.data, pair.promise) for pair in pairs):
        these = [pair for pair in pairs if (pair.own.data, pair.promise) == (data, promise)]
        own, alike = (
            float(np.exp(np.mean([np.log(line.speedup) for line in lines])))
            for lines in ([pair.own for pair in these], [pair.alike for pair in these])
        )
        promised, broken = np.mean([pair.own.promised for pair in these]), max(pair.own.broken for pair in these)
        text += (
            f"| {data} | {promise} | {alike:.2f}x | {own:.2f}x | {own / alike - 1:+.0%} "
            f"| {promised:.0%} | {broken:.1%} |\n"
        )
    return text


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", nargs="+", help="data sets")
    given = parser.parse_args()
    pairs = []
    for name in given.only or SETS:
        rows = named(name)
        for promise, goal in goals_for(rows):
            own = check(name, rows, promise, goal, ROWS, given.draws)
            with patch("offramp.policy.sequence._LABEL_DOUBTS", ()):
                alike = check(name, rows, promise, goal, ROWS, given.draws)
            pairs.append(Pair(promise, own, alike))
            print(json.dumps(asdict(pairs[-1])), flush=True)
    given.output.mkdir(parents=True, exist_ok=True)
    result = {"environment": environment.describe(), "confidence": CONFIDENCE, "draws": given.draws}
    write_json(given.output / "labels.json", {**result, "pairs": [asdict(pair) for pair in pairs]})
    (given.output / "labels.md").write_text(table(pairs), encoding="utf-8")


if __name__ == "__main__":
    main()
