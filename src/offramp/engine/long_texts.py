"""Whether and how a model should read on where texts are longer than it reads at once: what labeled rows say."""

from dataclasses import replace

import numpy as np

from offramp.calibration import Calibration
from offramp.data import LabeledTexts, Texts
from offramp.engine.answering import targets_of
from offramp.engine.classifier import Classifier
from offramp.engine.full_pass import together, window_answers
from offramp.engine.windows import windows_of
from offramp.errors import OptionError
from offramp.model.windows import COMBINATIONS, LongTexts, LongTrial, ReadOn
from offramp.policy import ExitAnswers

_CUT = 0.05
"""From this share of cut rows on it is worth asking whether reading on helps."""


def reading(classifier: Classifier, read_on: ReadOn | None) -> Classifier:
    """The same classifier that reads long texts in another way; it is not calibrated.

    Raises:
        OptionError: it is a chain, or it cannot read them so.
    """
    cascade = classifier.runner.cascade
    if len(cascade.encoders) > 1:
        raise OptionError(
            "a chain reads long texts as its models do; set `long` for its last model, and chain them again",
            option="long",
        )
    others = [member for member in cascade.members if member not in windows_of(cascade.members)]
    windows = cascade.last.reading(read_on).windows()
    exits = sum(len(member.layers) for member in (*others, *windows))
    # Whether full depth adds what words say is a matter of its own.
    evidence = (0.0,) * (exits - 1) + cascade.evidence[-1:] if cascade.evidence else ()
    neutral = Calibration(temperatures=(1.0,) * exits, fitted_on="", rows=0, exits=(), evidence=evidence)
    other = replace(cascade, members=(*others, *windows), temperatures=neutral.temperatures, evidence=neutral.evidence)
    return Classifier(other, neutral, token_budget=classifier.token_budget)


def chosen(classifier: Classifier, rows: LabeledTexts | Texts) -> tuple[ReadOn, ExitAnswers]:
    """Combines windows in the way that is best on some rows: with labels the likeliest, without them the mean.

    Args:
        classifier: reads long texts window by window.

    Returns:
        The way, and the answers of all exits to the rows in it.
    """
    read_on = classifier.runner.cascade.read_on
    assert read_on is not None
    targets = targets_of(classifier, rows) if isinstance(rows, LabeledTexts) else None
    alone = replace(window_answers(classifier.runner, rows.texts, rows.text_pairs), targets=targets)
    return best(alone, read_on, rows.fingerprint)


def best(alone: ExitAnswers, read_on: ReadOn, fingerprint: str) -> tuple[ReadOn, ExitAnswers]:
    """:func:`chosen`, given what each window says of the rows by itself, and their fingerprint."""
    ways = [replace(read_on, combination=combination) for combination in COMBINATIONS]
    answers = [together(alone, way) for way in ways]
    if alone.targets is None:
        return ways[0], answers[0]
    place = int(np.argmin([_loss(one, fingerprint) for one in answers]))
    return ways[place], answers[place]


def tried(classifier: Classifier, rows: LabeledTexts | Texts, answers: ExitAnswers) -> LongTrial | None:
    """Asks labeled rows whether reading on would help a model that cuts them.

    Args:
        answers: of the model to the rows, with their labels.

    Returns:
        None where there are no labels, hardly any row is cut, or the model cannot read on.
    """
    share = float(answers.truncated.mean())
    if answers.targets is None or answers.reads is not None or share < _CUT:
        return None
    try:
        longer = reading(classifier, LongTexts(long="read-on").reading(classifier.tokenizer))
    except OptionError:
        return None
    cut = np.flatnonzero(answers.truncated)
    _, onward = chosen(longer, rows.subset(cut))
    right = answers.right(answers.full)
    read = right.copy()
    read[cut] = onward.right(onward.full)
    return LongTrial(len(rows), share, float(right.mean()), float(read.mean()))


def _loss(answers: ExitAnswers, fingerprint: str) -> float:
    """Mean negative log-likelihood at full depth, calibrated."""
    calibration = answers.calibration(fingerprint)
    fitted = replace(answers, temperatures=calibration.temperatures, evidence=calibration.evidence)
    problem = answers.problem
    return problem.negative_log_likelihood(problem.logits(fitted.full), answers.truth)
