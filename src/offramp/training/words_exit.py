"""A model of words before the encoder: fitted to what the exits are fitted to, and kept where dev rows say it pays."""

import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Calibration
from offramp.data import LabeledTexts, Texts
from offramp.engine.loading import torch_classifier
from offramp.engine.long_texts import chosen, reading, tried
from offramp.model import LoadedModel
from offramp.model.windows import LongTrial
from offramp.policy import Confidence, ExitAnswers, Threshold, threshold_grid
from offramp.training.attaching import AttachJob
from offramp.training.job import TrainingJob
from offramp.training.rows import Rows
from offramp.words import Words, WordsTrial, fit

# What the words have to save of the time that exits alone take.
_LEAST_SAVED = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Front:
    """What stands before the encoder, if anything, and the temperatures of all exits.

    ``long`` tells whether reading on would help where long texts are cut; None where hardly any is.
    """

    words: Words | None
    calibration: Calibration
    trial: WordsTrial | None
    long: LongTrial | None


def calibrated(
    model: LoadedModel, job: TrainingJob | AttachJob, targets: NDArray[Any], dev: Rows, *, full_depth_may_change: bool
) -> Front:
    """Fits the temperatures of all exits, and a model of words before them if that is wanted or pays.

    Without labels the temperatures are those at which an exit's confidence says how likely the last exit is to agree.
    Exits answer the dev rows in the precision that the engine runs in, whatever they were trained in.

    Args:
        targets: what words learn of the training texts, as :func:`offramp.words.fit` takes it.
        dev: the dev rows. Words are judged on them, too: they were not fitted to these.
        full_depth_may_change: whether the last exit, too, may add what the words say.
    """
    texts, held_out, wanted = job.data.train, job.data.dev, job.architecture.words
    answers, long = _dev_answers(model, job, dev.targets if isinstance(held_out, LabeledTexts) else None)
    without = answers.calibration(held_out.fingerprint, decide=job.decide)
    if wanted is False:
        return Front(None, without, None, long)
    began = time.perf_counter()
    labels, problem = model.network.config.labels, answers.problem
    words = fit(texts.texts, targets, labels=labels, problem=problem, text_pairs=texts.text_pairs, seed=job.seed)
    seconds = time.perf_counter() - began
    longer = _longer(answers, words, held_out, full_depth_may_change=full_depth_may_change)
    calibration = longer.calibration(held_out.fingerprint, decide=job.decide)
    trial = _tried(
        answers.under(without),
        longer.under(calibration),
        seconds,
    )
    if wanted or trial.kept:
        return Front(words, calibration, replace(trial, kept=True), long)
    return Front(None, without, trial, long)


def _dev_answers(
    model: LoadedModel, job: TrainingJob | AttachJob, targets: NDArray[Any] | None
) -> tuple[ExitAnswers, LongTrial | None]:
    """What a network's exits answer to the dev rows, not calibrated; and whether it should read on where they are cut.

    Where it is to read on, its configuration says so from here on, and how windows are combined.

    Args:
        targets: None where the rows have no labels.
    """
    classifier, dev = torch_classifier(model, Calibration.neutral(model.network.config.exits)), job.data.dev
    if (read_on := job.long.reading(model.tokenizer)) is None:
        answers = replace(classifier.exit_answers(dev.texts, dev.text_pairs), targets=targets)
        return answers, tried(classifier, dev, answers) if isinstance(dev, LabeledTexts) else None
    read_on, answers = chosen(reading(classifier, read_on), dev)
    model.network.config.read_on = asdict(read_on)
    return answers, None


def _longer(
    answers: ExitAnswers, words: Words, dev: LabeledTexts | Texts, *, full_depth_may_change: bool
) -> ExitAnswers:
    """The answers of words, and after them those of the encoder's exits; with costs."""
    began = time.perf_counter()
    logits = words.logits(dev.texts, dev.text_pairs)
    seconds = (time.perf_counter() - began) / len(dev)
    assert answers.costs is not None  # a pass measures them
    return replace(
        answers,
        logits=np.concatenate([logits[None], answers.logits]),
        temperatures=(1.0, *answers.temperatures),
        layers=(0, *answers.layers),
        names=(words.name, *answers.names),
        evidence=(0.0,) * len(answers.names) + (float(full_depth_may_change),),
        sources=(-1,) + (0,) * len(answers.names),
        costs=replace(answers.costs, stages=(seconds, *answers.costs.stages)),
        reads=None if answers.reads is None else np.concatenate([answers.tokens[None], answers.reads]),
    )


def _tried(exits: ExitAnswers, words: ExitAnswers, seconds: float) -> WordsTrial:
    """Compares exits alone with exits after words; both with their costs.

    Thresholds are tried at the words, and at the exits after them.
    """
    taken = exits.replay(Threshold(exits.default_threshold().threshold, Confidence(exits.problem)))
    right, cost = float(exits.good(taken.probabilities, exits.best_risk).mean()), exits.cost(taken.exits)
    good = words.good(words.probabilities, words.best_risk)
    confidences = words.problem.confidence(words.probabilities, np.arange(len(good))[:, None])
    thresholds = threshold_grid(words.probabilities, words.problem)[1:-1]
    rows = np.arange(len(words))
    best = 1.0, float(good[-1].mean()), len(rows) * [len(good) - 1]
    for threshold in thresholds:
        for later in thresholds:
            sure = confidences >= np.array([threshold, *[later] * (len(good) - 2), -1.0])[:, None]
            leaving = sure.argmax(axis=0)
            accuracy, time_taken = float(good[leaving, rows].mean()), words.cost(leaving)
            if accuracy >= right and time_taken < best[0]:
                best = time_taken, accuracy, leaving
    return WordsTrial(
        kept=best[0] <= (1 - _LEAST_SAVED) * cost,
        against="model" if exits.targets is None else "labels",
        seconds=seconds,
        alone=float(good[0].mean()),
        full_right=float(exits.good(exits.full, exits.best_risk).mean()),
        exits_right=right,
        exits_speedup=1 / cost,
        words_right=best[1],
        words_speedup=1 / best[0],
    )
