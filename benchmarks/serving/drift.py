"""How many requests the drift monitor needs to see a shift, and how often it sees one that is not there.

    python -m benchmarks.serving.drift MODEL HOME OTHER [OTHER ...] --threshold 0.9 --json FILE

HOME holds texts as the model was trained on; its first half stands for calibration and says what disagreement with full
depth to expect, its second half is what the server gets. Each OTHER holds texts of another kind. Texts are drawn at
random, again and again; every hundredth is audited, as ``offramp serve`` does by default.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import offramp
from offramp import environment
from offramp.data import Columns, read_texts
from offramp.files import write_json
from offramp.serving.drift import ALPHA, Drift, share

_SHARE = 0.01
_RUNS = 200
_QUIET = 100_000  # requests of a run without shift
_MOST = 1_000_000


@dataclass(frozen=True)
class Stream:
    """Texts of one kind.

    Attributes:
        disagreement: share of early answers that differ from full depth.
        alarms: share of runs with an alarm.
        requests: until the alarm, in half and in nine of ten of the runs that had one.
    """

    texts: str
    rows: int
    disagreement: float
    alarms: float
    requests: tuple[float, float] | None


def differing(classifier: offramp.Classifier, texts: list[str], threshold: float) -> NDArray[np.bool_]:
    """Whether each text's early answer is another than that of full depth."""
    early = classifier.predict(texts, threshold=threshold)
    full = classifier.predict_full(texts)
    return ~classifier.problem.agree(early.probabilities, full.probabilities)


def until_alarm(
    differs: NDArray[np.bool_], expected: float, most: int, random: np.random.Generator, before: NDArray[np.bool_]
) -> float:
    """Requests until the alarm, after 20,000 without shift; infinite where there is none."""
    drift = Drift(expected)
    for seen in random.choice(before, int(20_000 * _SHARE)).tolist():
        if drift.add(seen):
            return 0.0
    requests = 0
    while requests < most:
        requests += int(random.geometric(_SHARE))
        if drift.add(bool(random.choice(differs))):
            return float(requests)
    return float("inf")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("home", help="file with a column text")
    parser.add_argument("others", nargs="+")
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    classifier, random = offramp.load(given.model), np.random.default_rng(0)
    home = differing(classifier, read_texts(given.home, Columns()).texts, given.threshold)
    half = len(home) // 2
    seen, rest = home[:half], home[half:]
    expected = share(int(seen.sum()), half, 1 - ALPHA).high
    streams = []
    for name, differs in [
        (given.home, rest),
        *(
            (other, differing(classifier, read_texts(other, Columns()).texts, given.threshold))
            for other in given.others
        ),
    ]:
        most = _QUIET if name == given.home else _MOST
        runs = np.array([until_alarm(differs, expected, most, random, rest) for _ in range(_RUNS)])
        alarmed = runs[np.isfinite(runs)]
        quantiles = tuple(np.quantile(alarmed, [0.5, 0.9]).tolist()) if len(alarmed) else None
        streams.append(Stream(Path(name).stem, len(differs), float(differs.mean()), len(alarmed) / _RUNS, quantiles))
        print(json.dumps(asdict(streams[-1])), flush=True)
    if given.json is not None:
        settings = {"model": Path(given.model).name, "threshold": given.threshold, "expected": expected, "runs": _RUNS}
        write_json(
            given.json,
            {"environment": environment.describe(), **settings, "streams": [asdict(one) for one in streams]},
        )


if __name__ == "__main__":
    main()
