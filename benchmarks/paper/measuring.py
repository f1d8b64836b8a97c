"""What is kept of a trained model: the logits of all exits, and how long the parts of such a network take."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import offramp
from benchmarks.paper.curves import read_answers, spread_thresholds
from benchmarks.paper.place import Place
from benchmarks.paper.plan import Run
from benchmarks.paper.times import Cost, Lot, RealSpeed, Times
from offramp import environment
from offramp.data import LabeledTexts
from offramp.engine import Classifier, answers_of
from offramp.engine.reads import tokens_of
from offramp.evaluation import Request, interleave, measure_stages, ratio
from offramp.files import read_json, replacing, write_json
from offramp.folder import TRAINING
from offramp.policy import StageCosts
from offramp.records import from_json, to_json

# Early exit itself is timed at so many thresholds.
THRESHOLDS = 6
REPEATS = 5
# Rows of a lot: so many that full depth takes about this long, within bounds.
_SECONDS, _LEAST, _MOST = 8.0, 150, 400
SINGLES = 60  # texts timed one by one


def keep_logits(place: Place, run: Run) -> None:
    """Runs a model once over the dev and test rows and writes logits, temperatures and what the rows are.

    In half precision, which moves a probability by less than a thousandth, so that all fits a repository.
    """
    folder = place.model(run)
    classifier = offramp.load(folder, backend="torch", threads=1)
    arrays: dict[str, NDArray[Any]] = {
        "layers": np.array(classifier.exits),
        "temperatures": np.array(classifier.calibration.temperatures),
    }
    for part in ("dev", "test"):
        rows = place.rows(run.data, part)
        found = answers_of(classifier, rows)
        arrays[f"{part}_logits"] = found.logits.astype(np.float16)
        arrays[f"{part}_targets"] = np.asarray(found.targets, np.uint8)
        arrays[f"{part}_tokens"] = found.tokens.astype(np.uint16)
        arrays[f"{part}_truncated"] = found.truncated
    with replacing(place.logits(run)) as new, new.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def write_record(place: Place, run: Run, seconds: float | None) -> None:
    """Notes how a model came about, and what processor time it took, where that is known."""
    training = read_json(place.model(run) / TRAINING.name)
    write_json(
        place.record(run),
        {
            "settings": place.settings(run),
            "environment": environment.describe(),
            "precision": _precision(place, run),
            "processor_seconds": seconds,
            "parameters": training.get("parameters"),
        },
    )


def _precision(place: Place, run: Run) -> str:
    """What the network was computed in while it was trained, where its recipe leaves that to the machine."""
    recipe = place.plan.encoders[run.encoder].recipe_for(run)
    return "bf16" if recipe.bf16 and run.targets is None else "fp32"


def measure_times(place: Place, run: Run) -> None:
    """Times the parts of a run's network, which has several exits, on test texts of its data set.

    Times depend on the network's shape and the texts' lengths, not on what was learned, so that one model speaks for
    all regimes; cut off at an exit it is the efficient baseline of that depth.
    """
    classifier = offramp.load(place.model(run), backend="torch", threads=1)
    rows = place.rows(run.data, "test")
    order = np.random.default_rng(0).permutation(len(rows))
    clock = _Clock(classifier, spread_thresholds(read_answers(place.logits(run), "test"), THRESHOLDS))
    times = Times(
        environment=environment.describe() | {"load": _load()},
        fingerprint=rows.fingerprint,
        lot=clock.lot(_request(rows, order[: _lot_size(classifier, rows, order)])),
        single=clock.single(_request(rows, order[:SINGLES])),
    )
    write_json(place.times(run.data, run.encoder), to_json(times))


def _load() -> float | None:
    """Programs that wanted a processor in the last five minutes, this one included; None where nobody counts them."""
    return os.getloadavg()[1] if hasattr(os, "getloadavg") else None


def _request(rows: LabeledTexts, places: NDArray[np.int64]) -> Request:
    return Request(rows.texts, rows.text_pairs).subset(np.sort(places))


def _lot_size(classifier: Classifier, rows: LabeledTexts, order: NDArray[np.int64]) -> int:
    trial = _request(rows, order[:64])
    full = interleave({"full": lambda: classifier.predict_full(trial.texts, trial.text_pairs)}, 1)["full"][0]
    return int(np.clip(_SECONDS * len(trial.texts) / full, _LEAST, _MOST))


@dataclass(frozen=True, slots=True)
class _Clock:
    """Times a network: whole, stage by stage, cut off, and leaving early at some thresholds."""

    classifier: Classifier
    thresholds: list[float]

    def lot(self, request: Request) -> Lot:
        """All texts at once, in length-sorted batches: time goes by tokens."""
        seconds = interleave(self._actions([request]), REPEATS)
        tokens = tokens_of(self.classifier.runner.cascade, request.texts, request.text_pairs)
        full = Cost(0.0, float(np.median(seconds["full"])) / int(tokens.sum()))
        return self._lot(request, full, measure_stages(self.classifier, [request], REPEATS), seconds)

    def single(self, request: Request) -> Lot:
        """One text after the other, as the paper measured: time goes by tokens and by text."""
        singles = [request.subset(np.array([row])) for row in range(len(request.texts))]
        by_text = [interleave({"full": partial(self._full, [single])}, REPEATS)["full"] for single in singles]
        tokens = tokens_of(self.classifier.runner.cascade, request.texts, request.text_pairs)
        full = Cost.fitted(tokens, np.median(by_text, axis=1))
        seconds = interleave(self._actions(singles), REPEATS)
        staged = measure_stages(self.classifier.with_token_budget(1), [request], REPEATS)  # batches of one text
        return self._lot(request, full, staged, seconds)

    def _full(self, requests: list[Request]) -> None:
        for request in requests:
            self.classifier.predict_full(request.texts, request.text_pairs)

    def _actions(self, requests: list[Request]) -> dict[str, Callable[[], object]]:
        """Everything that is timed, each over all requests."""

        def run(predict: Callable[..., object]) -> None:
            for request in requests:
                predict(request.texts, request.text_pairs)

        cut, early = self.classifier.predict_truncated, self.classifier.predict
        return {
            "full": partial(self._full, requests),
            **{f"cut {index}": partial(run, partial(cut, exit_index=index)) for index in self._early_exits},
            **{f"threshold {one}": partial(run, partial(early, threshold=one)) for one in self.thresholds},
        }

    @property
    def _early_exits(self) -> range:
        return range(len(self.classifier.exits) - 1)

    def _lot(self, request: Request, full: Cost, staged: StageCosts, seconds: dict[str, NDArray[np.float64]]) -> Lot:
        """Puts together what was timed: each part as a share of the full depth that it was timed beside."""
        cut = [float(np.median(seconds[f"cut {index}"] / seconds["full"])) for index in self._early_exits]
        lot = Lot(
            rows=len(request.texts),
            full=full,
            stages=tuple(full.times(stage / staged.full) for stage in staged.stages),
            cut=tuple(full.times(share) for share in cut),
            real=(),
        )
        real = []
        for threshold in self.thresholds:
            taken = self.classifier.predict(request.texts, request.text_pairs, threshold=threshold)
            measured = ratio(seconds["full"], seconds[f"threshold {threshold}"])
            summed = 1 / float(np.take_along_axis(lot.shares(taken.tokens), taken.exits[None], axis=0).mean())
            real.append(RealSpeed(threshold, measured.median, measured.low, measured.high, summed))
        return replace(lot, real=tuple(real))


def read_times(file: Path) -> Times:
    """Reads what :func:`measure_times` wrote."""
    return from_json(Times, read_json(file))
