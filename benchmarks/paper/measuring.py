"""What is kept of a trained model: the logits of all exits, and how long the parts of such a network take."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import offramp
from benchmarks.paper.place import Place
from benchmarks.paper.plan import Run
from benchmarks.paper.times import Cost, Lot, RealSpeed, Times
from offramp import environment
from offramp.data import LabelledTexts
from offramp.engine import Classifier
from offramp.evaluation import Request, interleave, measure_stages, ratio, targets_of
from offramp.files import read_json, replacing, write_json
from offramp.training.checks import TRAINING

# Thresholds at which early exit itself is timed, as a check of the sums over stages.
THRESHOLDS = (0.6, 0.8, 0.9, 0.97)
REPEATS = 3
# Rows of a lot: so many that full depth takes about this long, within bounds.
_SECONDS, _LEAST, _MOST = 15.0, 200, 600
_SINGLES = 150


def keep_logits(place: Place, run: Run) -> None:
    """Runs a model once over the dev and test rows and writes logits and record."""
    folder = place.model(run)
    classifier = offramp.load(folder, backend="torch", threads=1)
    arrays: dict[str, NDArray[Any]] = {
        "layers": np.array(classifier.exits),
        "temperatures": np.array(classifier.calibration.temperatures),
    }
    for part in ("dev", "test"):
        rows = place.rows(run.data, part)
        found = classifier.run_exits(rows.texts, rows.text_pairs)
        arrays[f"{part}_logits"] = found.logits
        arrays[f"{part}_targets"] = targets_of(classifier, rows)
        arrays[f"{part}_tokens"] = found.tokens
        arrays[f"{part}_truncated"] = found.truncated
    with replacing(place.logits(run)) as new, new.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def write_record(place: Place, run: Run, seconds: float | None) -> None:
    """Notes how a model came about, and what processor time it took, where that is known."""
    training = read_json(place.model(run) / TRAINING)
    write_json(
        place.record(run),
        {
            "settings": place.settings(run),
            "environment": environment.describe(),
            "processor_seconds": seconds,
            "parameters": training.get("parameters"),
        },
    )


def measure_times(place: Place, run: Run) -> None:
    """Times the parts of a run's network, which has several exits, on test texts of its data set.

    Times depend on the network's shape and the texts' lengths, not on what was learned, so that one model speaks for
    all regimes; cut off at an exit it is the efficient baseline of that depth.
    """
    classifier = offramp.load(place.model(run), backend="torch", threads=1)
    rows = place.rows(run.data, "test")
    order = np.random.default_rng(0).permutation(len(rows))
    lot = _request(rows, order[: _lot_size(classifier, rows, order)])
    singles = _request(rows, order[:_SINGLES])
    times = Times(
        environment=environment.describe(),
        fingerprint=rows.fingerprint,
        lot=_measure_lot(classifier, lot),
        single=_measure_singles(classifier, singles),
    )
    write_json(place.times(run.data, run.encoder), times.to_dict())


def _request(rows: LabelledTexts, places: NDArray[np.int64]) -> Request:
    return Request(rows.texts, rows.text_pairs).subset(np.sort(places))


def _lot_size(classifier: Classifier, rows: LabelledTexts, order: NDArray[np.int64]) -> int:
    trial = _request(rows, order[:64])
    full = interleave({"full": lambda: classifier.predict_full(trial.texts, trial.text_pairs)}, 1)["full"][0]
    return int(np.clip(_SECONDS * len(trial.texts) / full, _LEAST, _MOST))


def _measure_lot(classifier: Classifier, request: Request) -> Lot:
    """All texts at once, in length-sorted batches: time goes by tokens."""
    staged = measure_stages(classifier, request, REPEATS)
    tokens = int(classifier.encode(request.texts, request.text_pairs).lengths.sum())
    seconds = interleave(_actions(classifier, [request]), REPEATS)
    full = float(np.median(seconds["full"]))
    # Both timings have their full depth; relative to it they can be set side by side.
    stages = [full * stage / staged.full for stage in staged.stages]
    cut = [float(np.median(seconds[f"cut {index}"])) for index in range(len(classifier.exits) - 1)]
    costs = [Cost(0.0, one / tokens) for one in (full, *stages, *cut)]
    split = 1 + len(stages)
    return _lot(classifier, request, seconds, costs[0], tuple(costs[1:split]), tuple(costs[split:]))


def _measure_singles(classifier: Classifier, request: Request) -> Lot:
    """One text after the other, as the paper measured: time goes by tokens and by text."""
    singles = [request.subset(np.array([row])) for row in range(len(request.texts))]
    by_text = [measure_stages(classifier, single, REPEATS) for single in singles]
    tokens = classifier.encode(request.texts, request.text_pairs).lengths
    full = Cost.fitted(tokens, np.array([one.full for one in by_text]))
    stages = [Cost.fitted(tokens, values) for values in np.array([one.stages for one in by_text]).T]
    seconds = interleave(_actions(classifier, singles), REPEATS)
    shares = [float(np.median(seconds[f"cut {index}"] / seconds["full"])) for index in range(len(classifier.exits) - 1)]
    return _lot(classifier, request, seconds, full, tuple(stages), tuple(full.times(share) for share in shares))


def _actions(classifier: Classifier, requests: list[Request]) -> dict[str, Callable[[], object]]:
    """Full depth, cut networks and early exit, each over all requests."""

    def run(predict: Callable[..., object]) -> None:
        for request in requests:
            predict(request.texts, request.text_pairs)

    cuts = {
        f"cut {index}": partial(run, partial(classifier.predict_truncated, exit_index=index))
        for index in range(len(classifier.exits) - 1)
    }
    early = {
        f"threshold {threshold}": partial(run, partial(classifier.predict, threshold=threshold))
        for threshold in THRESHOLDS
    }
    return {"full": partial(run, classifier.predict_full), **cuts, **early}


def _lot(
    classifier: Classifier,
    request: Request,
    seconds: dict[str, NDArray[np.float64]],
    full: Cost,
    stages: tuple[Cost, ...],
    cut: tuple[Cost, ...],
) -> Lot:
    """Puts together what was measured, with early exit as it was and as the sum over stages says."""
    lot = Lot(len(request.texts), full, stages, cut, ())
    real = []
    for threshold in THRESHOLDS:
        taken = classifier.predict(request.texts, request.text_pairs, threshold=threshold)
        measured = ratio(seconds["full"], seconds[f"threshold {threshold}"])
        summed = 1 / float(np.take_along_axis(lot.shares(taken.tokens), taken.exits[None], axis=0).mean())
        real.append(RealSpeed(threshold, measured.median, measured.low, measured.high, summed))
    return Lot(lot.rows, full, stages, cut, tuple(real))


def read_times(file: Path) -> Times:
    """Reads what :func:`measure_times` wrote."""
    return Times.from_dict(read_json(file))
