"""The work of a compress job, which needs PyTorch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from offramp.backends import REFERENCE
from offramp.calibration import LEAST_ROWS, Calibration
from offramp.compressing.allotting import Floats, Work, allot, dealt_neurons, kept_neurons, reached_share
from offramp.compressing.compression import CompressJob
from offramp.compressing.dealing import Deal, deals_of, dealt
from offramp.compressing.narrowing import Lesson, importances_of, narrowed, repaired, work_of
from offramp.compressing.summary import BesideOriginal, Compressed
from offramp.compressing.writing import write_folder
from offramp.data import Columns, LabeledTexts, Texts, distinct, read_texts
from offramp.engine import Classifier, answers_of
from offramp.engine.loading import torch_classifier, words_of
from offramp.errors import BackboneError, CheckFailed
from offramp.evaluation.timing import Ratio, interleave, ratio
from offramp.exit_names import end_of_first_window, window_of
from offramp.files import replacing
from offramp.model import LoadedModel, load
from offramp.model.widths import feed_forwards
from offramp.policy import Confidence, ExitAnswers, ExitRule, Threshold, read_operating_points
from offramp.policy.risk import Loss, Method, bound_at
from offramp.training.rows import Rows, rows_of

CONFIDENCE = 0.95
_TIMED_TEXTS, _REPEATS = 128, 5
# Networks that are tried for a goal.
_TRIES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """The model that is narrowed, and what its neurons matter.

    Attributes:
        classifier: of the model, with its temperatures.
        answers: to the held-out texts.
        importances: of the neurons of each layer.
        deals: how the tokens of each layer go to experts; None where each layer keeps one block.
        reached: share of the texts that reach each layer.
        lesson: what a narrowed model is repaired on.
    """

    model: LoadedModel
    classifier: Classifier
    answers: ExitAnswers
    work: Work
    importances: list[Floats]
    deals: list[Deal] | None
    reached: Floats
    lesson: Lesson

    def narrowed(self, share: float) -> LoadedModel:
        """A copy with a share of the work, not repaired."""
        widths = allot(self.importances, self.work, share)
        if self.deals is None:
            return narrowed(self.model, kept_neurons(self.importances, widths))
        own = [deal.importances for deal in self.deals]
        return dealt(self.model, self.deals, dealt_neurons(self.importances, own, widths))

    def repaired(self, share: float) -> LoadedModel:
        """A copy with a share of the work that answers as the original does, as far as it can; all of it is a copy."""
        model = self.narrowed(share)
        if widths_of(model) != self.work.widths:
            repaired(self.model, model, self.lesson)
        return model

    def beside(self, model: LoadedModel) -> Classifier:
        """A classifier of a narrowed model with all else that the original has."""
        words = words_of(self.classifier.folder, model.network.config) if self.classifier.folder else None
        return torch_classifier(model, self.classifier.calibration, words=words)


@dataclass(frozen=True, slots=True, eq=False)
class Narrowed:
    """A narrowed model beside the original on the held-out texts, under temperatures of its own."""

    model: LoadedModel
    classifier: Classifier
    calibration: Calibration
    compared: BesideOriginal


def widths_of(model: LoadedModel) -> tuple[int, ...]:
    """Neurons of each layer."""
    return tuple(block.width for block in feed_forwards(model.network.stack))


def run(job: CompressJob, output: Path) -> Compressed:
    """Narrows the model as the goal says and leaves the new one in ``output``."""
    began = time.monotonic()
    with replacing(output) as new:
        new.mkdir()
        original = _looked_at(job, new.parent)
        found = _meeting(original, job)
        widths = widths_of(found.model)
        made = Compressed(
            folder=output,
            widths=widths,
            widths_before=original.work.widths,
            experts=job.experts,
            reached=tuple(original.reached.tolist()),
            flops=original.work.share(widths),
            compared=found.compared,
            speedup=_timed(original.classifier, found.classifier, job.held_out),
            calibration=found.calibration,
            rows=len(job.fitting),
            seconds=time.monotonic() - began,
        )
        write_folder(new, found.model, job, made)
    return made


def _looked_at(job: CompressJob, folder: Path) -> Original:
    """Opens the model and finds out which of its neurons matter."""
    model = load(job.model)
    _check_dense(model, job.model)
    words = words_of(job.model, model.network.config)
    classifier = torch_classifier(model, Calibration.load(job.model), words=words)
    classifier.folder, classifier.points = job.model, read_operating_points(job.model)
    job.on_progress("asking the original", 0, None)
    answers, held_out = answers_of(classifier, job.fitting), answers_of(classifier, job.held_out)
    rows = rows_of(model, read_texts(job.fitting, Columns()))  # labels are not learned
    beliefs = np.asarray(answers.logits[end_of_first_window(answers.names)], np.float32)
    reached = _reached(answers, _rule(classifier, job.at), model.network.stack.depth)
    return Original(
        model=model,
        classifier=classifier,
        answers=held_out,
        work=work_of(model.network, float(rows.encoded.lengths.mean()), job.experts),
        importances=importances_of(model, rows.encoded, reached, job.seed, job.on_progress),
        deals=None if job.experts is None else deals_of(model, rows.encoded, job.experts, job.seed, job.on_progress),
        reached=reached,
        lesson=Lesson(Rows(rows.encoded, rows.targets, beliefs), folder, job.seed, job.on_progress),
    )


def _check_dense(model: LoadedModel, folder: Path) -> None:
    """Makes sure, before any work, that there are blocks of which neurons can be taken out."""
    feed_forwards(model.network.stack)
    if model.network.config.experts is not None:
        raise BackboneError(
            f"the layers of {folder} have experts already, which are not made narrower once more; compress the model "
            "that it was made of",
            path=folder,
        )


def _rule(classifier: Classifier, at: str | None) -> ExitRule:
    """By which texts usually leave: a point that was named, or the default one if it is of this model and engine."""
    if at is not None:
        return classifier.operating_point(at).rule
    tuned = classifier.points.of(REFERENCE).get(classifier.points.default or "")
    if tuned is not None and tuned.model == classifier.fingerprint:
        return tuned.rule
    return Threshold(classifier.default_threshold, Confidence(classifier.problem))


def _reached(answers: ExitAnswers, rule: ExitRule, depth: int) -> Floats:
    """The share of rows that reach each layer; whatever reads on has been through all layers before."""
    pairs = zip(answers.layers, map(window_of, answers.names), strict=True)
    layers = [depth if (window or 1) > 1 else layers for layers, window in pairs]
    return reached_share(layers, answers.replay(rule).exits, depth)


def _meeting(original: Original, job: CompressJob) -> Narrowed:
    """A repaired model that meets the goal.

    Raises:
        CheckFailed: none does.
    """
    goal = job.goal
    if goal.flops is not None:
        return _judged(original, goal.flops, job)
    if goal.speedup is not None:
        wanted = goal.speedup

        def fast(share: float) -> bool:
            model = original.beside(original.narrowed(share))
            return _timed(original.classifier, model, job.held_out).median >= wanted

        job.on_progress("looking for the width", 0, None)
        if not fast(original.work.least):
            raise CheckFailed(
                f"with feed-forward blocks as narrow as they get, full depth is not {wanted:g} times as fast here; ask "
                "for less, or choose by `flops`"
            )
        return _judged(original, _bisected(original.work.least, 1.0, fast), job)
    return _within_disagreement(original, job, goal.max_disagreement or 0.0)


def _judged(original: Original, share: float, job: CompressJob) -> Narrowed:
    """A repaired model with a share of the work, and what it is worth on the held-out texts."""
    model = original.repaired(share)
    classifier = original.beside(model)
    job.on_progress("comparing with the original", 0, None)
    answers = answers_of(classifier, job.held_out)
    calibration = _calibrated(answers, job.held_out, classifier.calibration)
    return Narrowed(model, classifier, calibration, _compared(answers.under(calibration), original.answers))


def _within_disagreement(original: Original, job: CompressJob, most: float) -> Narrowed:
    """The narrowest of some models, the widest first, up to which none differs on too many texts.

    Their order is fixed and the first that fails ends the search, so that each is tested at the whole error that is
    allowed (fixed-sequence testing).

    Raises:
        CheckFailed: the widest does.
    """
    good, least = None, original.work.least
    for step in range(1, _TRIES + 1):
        tried = _judged(original, max(least, 1 - (1 - least) * step / _TRIES), job)
        if tried.compared.bound > most:
            break
        good = tried
    if good is None:
        raise CheckFailed(
            f"no width is shown to differ on at most {most:.2%} of texts: at the first that was tried "
            f"{tried.compared.disagreement:.2%} of {len(job.held_out)} held-out texts do; give more texts, allow more, "
            "or choose by `flops`"
        )
    return good


def _bisected(low: float, high: float, holds: Callable[[float], bool]) -> float:
    """About the greatest number in a range at which something holds that holds at its lower end."""
    for _ in range(_TRIES):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _calibrated(answers: ExitAnswers, rows: LabeledTexts | Texts, before: Calibration) -> Calibration:
    """Temperatures for the narrowed model: fitted to labels, or to its last exit; as they were with too few texts."""
    if len(distinct(rows)) < LEAST_ROWS:
        return before
    return answers.calibration(rows.fingerprint, otherwise=before.temperatures, miss_cost=before.miss_cost)


def _compared(answers: ExitAnswers, before: ExitAnswers) -> BesideOriginal:
    differ = (~before.agree(answers.full)).astype(np.float64)
    return BesideOriginal(
        rows=len(answers),
        disagreement=float(differ.mean()),
        bound=bound_at(differ[None], 0, Method.LTT, Loss.BINARY, CONFIDENCE),
        accuracy=answers.accuracy(answers.full),
        accuracy_before=before.accuracy(before.full),
    )


def _timed(original: Classifier, narrow: Classifier, rows: LabeledTexts | Texts) -> Ratio:
    some = np.linspace(0, len(rows) - 1, min(_TIMED_TEXTS, len(rows))).astype(np.int64)
    sample = rows.subset(some)
    actions = {
        name: partial(classifier.predict_full, sample.texts, sample.text_pairs)
        for name, classifier in {"original": original, "narrow": narrow}.items()
    }
    seconds = interleave(actions, _REPEATS)
    return ratio(seconds["original"], seconds["narrow"])
