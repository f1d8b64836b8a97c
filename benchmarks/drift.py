"""How many texts the drift monitor needs to see a change, and how often it sees one that is not there.

    python -m benchmarks.drift MODEL HOME NAME=OTHER [NAME=OTHER ...] --name NAME --output FOLDER

HOME holds texts as the model was trained on, which it has not seen; each OTHER holds texts of another kind. In every
run a random part of HOME stands for the calibration rows: an operating point is tuned on them, with a promise (or,
where these rows are too few for any, a confidence of 0.9), and they are summed up as ``offramp tune`` does. Without a
change the rest of HOME follows, each text once. With one, 500 texts of the rest come first, and then the others. For
audits texts are drawn with replacement, and every hundredth is audited. All models in FOLDER make one table there.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import offramp
from offramp import environment
from offramp.data import Columns, read_texts
from offramp.drift import (
    ALPHA,
    CalibrationSummary,
    ChangeMonitor,
    Evidence,
    Observed,
    View,
    words_of_half,
)
from offramp.engine.watching import view_of
from offramp.files import write_json
from offramp.policy import AtMost, Chosen, Exactly, ExitAnswers, ExitRule, Limit, Risk, StageCosts, replay, select

_CALIBRATION = 1000
_BEFORE = 500
_RUNS, _CHANGED_RUNS = 200, 50
_AUDITS = 2000
_STEP = 10
# What a detector looks at, by a word in how it is called.
_KINDS = {
    "left after": "exits",
    "confident": "confidence",
    "of one mind": "disagreement",
    "unknown words": "unknown words",
    "tokens a word": "tokens a word",
    "er than": "length",
}


@dataclass(frozen=True)
class Texts:
    """Texts of one kind, with what all exits say of them."""

    name: str
    texts: list[str]
    answers: ExitAnswers

    def subset(self, rows: NDArray[np.int64]) -> "Texts":
        """The texts at some places."""
        return Texts(self.name, [self.texts[row] for row in rows.tolist()], self.answers.subset(rows))


@dataclass(frozen=True)
class Found:
    """What came of texts of one kind; numbers of texts are medians and the ninth of ten runs.

    Attributes:
        differ: share of early answers that differ from full depth, mean of the runs.
        alarms: share of runs with the alarm "texts have changed".
        texts: until that, from the change on; None where not all runs had one in the texts that there are.
        within: share of runs in which it came within 200 texts.
        alone: median number of texts by kind of detector, if it were alone; None where most runs had none.
        requests: until the alarm "promise at risk"; None where not nine of ten runs had one.
    """

    texts_of: str
    rows: int
    differ: float
    alarms: float
    texts: tuple[float, float] | None
    within: float
    alone: dict[str, float | None]
    requests: tuple[float, float] | None


@dataclass(frozen=True)
class Run:
    """One run: a rule, how texts are looked at, and a summary of the calibration rows."""

    rule: ExitRule
    view: View
    summary: CalibrationSummary

    @classmethod
    def on(cls, classifier: offramp.Classifier, rows: Texts, target: float, seed: int) -> "Run":
        """Tunes on some rows, for a disagreement of at most ``target``, and sums them up."""
        selected = select(AtMost((Limit(Risk.DISAGREEMENT, target),), None, 0.95), "gate", rows.answers, seed)
        if not isinstance(selected.choice, Chosen):
            selected = select(Exactly(0.9), "confidence", rows.answers, seed)
        assert isinstance(selected.choice, Chosen)
        vocabulary, others = words_of_half(rows.texts, None)
        rule = selected.choice.rule
        view = view_of(classifier.runner.cascade, rule, vocabulary)
        seen, _ = look(rows.subset(selected.places), rule, view)
        seen = replace(seen, unknown=np.where(others[selected.places], seen.unknown, np.nan))
        about = {"point": "safe", "engine": classifier.engine, "model": "", "data": ""}
        return cls(rule, view, CalibrationSummary.of(seen, len(classifier.exits), **about))


def look(rows: Texts, rule: ExitRule, view: View) -> tuple[Observed, NDArray[np.bool_]]:
    """What is seen of texts at a rule, and whether their early answers differ from full depth."""
    passed = rows.answers.probabilities
    left = replay(passed, rule)
    disagreement = np.full(len(rows.texts), np.nan)
    for taken in np.unique(left.exits).tolist():
        places = np.flatnonzero(left.exits == taken)
        disagreement[places] = view.disagreement(passed[: taken + 1, places])
    seen = view.observed(rows.texts, None, left.exits, left.probabilities, disagreement, rows.answers.tokens)
    return seen, ~rows.answers.agree(left.probabilities)


def part(seen: Observed, rows: NDArray[np.int64]) -> Observed:
    """What is seen of the texts at some places."""
    return Observed(**{name: getattr(seen, name)[rows] for name in Observed.__slots__})


def kind(detector: str) -> str:
    """What a detector looks at."""
    return next(name for word, name in _KINDS.items() if word in detector)


def until(monitor: ChangeMonitor, seen: Observed, order: NDArray[np.int64], step: int = _STEP) -> dict[str, float]:
    """Texts from the change on until each kind of detector would raise the alarm, and until one did."""
    before, found = monitor.alarm.looked, {name: float("inf") for name in _KINDS.values()}
    for start in range(0, len(order), step):
        monitor.add(part(seen, order[start : start + step]))
        for figures in monitor.alarm.figures():
            if figures.log_evidence >= figures.log_needed:
                name = kind(figures.detector)
                found[name] = min(found[name], start + step)
    raised = monitor.alarm.raised
    return found | {"alarm": float("inf") if raised is None else float(raised - before)}


def audited(differs: NDArray[np.bool_], expected: float, random: np.random.Generator) -> float:
    """Requests until audits raise the alarm "promise at risk"."""
    seen = random.choice(differs, (_AUDITS, 1))
    reached = np.flatnonzero(Evidence().add(seen, np.full(seen.shape, expected))[:, 0] >= -np.log(ALPHA))
    requests = np.cumsum(random.geometric(0.01, _AUDITS))
    return float(requests[reached[0]]) if len(reached) else float("inf")


def quantiles(numbers: Sequence[float]) -> tuple[float, float] | None:
    """The median and the ninth of ten, if that is a number."""
    middle, most = np.quantile(numbers, [0.5, 0.9], method="inverted_cdf").tolist()
    return (middle, most) if most < float("inf") else None


def median(numbers: Sequence[float]) -> float | None:
    """The median, if it is a number."""
    middle = float(np.quantile(numbers, 0.5, method="inverted_cdf"))
    return middle if middle < float("inf") else None


def measure(classifier: offramp.Classifier, home: Texts, others: Sequence[Texts], target: float) -> list[Found]:
    """All runs."""
    results: dict[str, list[tuple[float, dict[str, float], float]]] = {one.name: [] for one in (home, *others)}
    calibration = min(_CALIBRATION, len(home.texts) // 2)
    for seed in range(_RUNS):
        random = np.random.default_rng(seed)
        order = random.permutation(len(home.texts))
        run, rest = Run.on(classifier, home.subset(order[:calibration]), target, seed), home.subset(order[calibration:])
        seen, differs = look(rest, run.rule, run.view)
        everyone = np.arange(len(rest.texts))
        monitor = ChangeMonitor(run.summary, classifier.exit_names)
        results[home.name].append(
            (float(differs.mean()), until(monitor, seen, everyone, len(everyone)), audited(differs, target, random))
        )
        for other in others if seed < _CHANGED_RUNS else ():
            foreign, differing = look(other, run.rule, run.view)
            monitor = ChangeMonitor(run.summary, classifier.exit_names)
            monitor.add(part(seen, everyone[: min(_BEFORE, len(everyone))]))
            delays = until(monitor, foreign, random.permutation(len(other.texts)))
            results[other.name].append((float(differing.mean()), delays, audited(differing, target, random)))
    found = []
    for one in (home, *others):
        differ, delays, requests = zip(*results[one.name], strict=True)
        alarms = np.array([delay["alarm"] for delay in delays])
        found.append(
            Found(
                one.name,
                len(one.texts) - (calibration if one is home else 0),
                float(np.mean(differ)),
                float(np.isfinite(alarms).mean()),
                quantiles(alarms),
                float((alarms <= 200).mean()),
                {name: median([delay[name] for delay in delays]) for name in _KINDS.values()},
                quantiles(requests),
            )
        )
        print(json.dumps(asdict(found[-1])), flush=True)
    return found


def table(results: Sequence[dict[str, Any]]) -> str:
    """All models as one table in Markdown."""
    kinds = list(_KINDS.values())
    first = [
        "model",
        "promise",
        "texts",
        "differ from full depth",
        "runs with the alarm",
        "until it",
        "within 200 texts",
    ]
    header = [*first, *kinds, "until the promise is at risk"]
    lines = [
        f"Every run has {_CALIBRATION:,} calibration rows (or half of what there is) and a promise about "
        f"disagreement with full depth; there are {_RUNS} runs without a change, and {_CHANGED_RUNS} with one after "
        f'{_BEFORE} texts. Texts until the alarm "texts have changed", and requests until the alarm "promise at risk": '
        "median / ninth of ten runs. By kind of detector, if it were alone: median.\n",
        f"| {' | '.join(header)} |",
        "|" + "---|" * len(header),
    ]
    for result in results:
        for row in result["found"]:
            cells = [
                result["name"],
                f"{result['target']:.0%}",
                row["texts_of"],
                f"{row['differ']:.1%}",
                f"{row['alarms']:.1%}",
                _pair(row["texts"]),
                f"{row['within']:.0%}",
                *(_number(row["alone"][name]) for name in kinds),
                _pair(row["requests"]),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _pair(values: Sequence[float] | None) -> str:
    return "-" if values is None else " / ".join(map(_number, values))


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("home", help="file with a column text")
    parser.add_argument("others", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--name", required=True, help="of the model and its texts")
    parser.add_argument("--rows", type=int, default=3000, help="of HOME at most")
    parser.add_argument("--other-rows", type=int, default=1000, help="of each OTHER at most")
    parser.add_argument("--target", type=float, default=0.02, help="disagreement that is promised")
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    classifier, random = offramp.load(given.model), np.random.default_rng(0)

    def read(name: str, source: str, most: int) -> Texts:
        texts = read_texts(source, Columns()).texts
        texts = [texts[row] for row in random.permutation(len(texts))[:most].tolist()]
        answers = classifier.exit_answers(texts)
        stages = np.diff(answers.layers, prepend=0) + 0.01  # times would differ from run to run
        costs = StageCosts(tuple(stages.tolist()), float(answers.layers[-1]))
        return Texts(name, texts, replace(answers, costs=costs))

    home = read(f"{given.name}, no change", given.home, given.rows)
    others = [read(*one.split("=", 1), given.other_rows) for one in given.others]
    found = measure(classifier, home, others, given.target)
    given.output.mkdir(parents=True, exist_ok=True)
    result = {
        "environment": environment.describe(),
        "name": given.name,
        "target": given.target,
        "found": [asdict(one) for one in found],
    }
    write_json(given.output / f"{given.name}.json".lower().replace(" ", "-"), result)
    results = [json.loads(file.read_text()) for file in sorted(given.output.glob("*.json"))]
    (given.output / "drift.md").write_text(table(results))


if __name__ == "__main__":
    main()
