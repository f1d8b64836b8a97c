from dataclasses import replace

import numpy as np
import pytest

from helpers.toys import single
from offramp.backends import REFERENCE, Engine
from offramp.benchmark.contenders import Contender, Kind
from offramp.benchmark.quality import Judge
from offramp.benchmark.running import open_engine
from offramp.calibration import Problem
from offramp.policy import Confidence, ExitAnswers, StageCosts, Threshold

OTHER = Engine("openvino", "int8")
RULE = Threshold(0.8, Confidence(Problem.SINGLE_LABEL))
TARGETS = np.array([0, 1, 0, 1])

# Two exits, four rows, two labels. The reference's first exit is sure of two rows; the other engine is wrong in one.
REFERENCE_PROBABILITIES = np.array(
    [[[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.6, 0.4]], [[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]]
)
OTHER_PROBABILITIES = np.array(
    [[[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.6, 0.4]], [[0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.7, 0.3]]]
)


def judge(targets=TARGETS):
    return Judge(
        {REFERENCE: answers(REFERENCE_PROBABILITIES, targets, 2.0), OTHER: answers(OTHER_PROBABILITIES, targets, 1.0)}
    )


def answers(probabilities, targets, seconds):
    return ExitAnswers(
        logits=np.log(probabilities),
        temperatures=(1.0, 1.0),
        problem=Problem.SINGLE_LABEL,
        targets=targets,
        tokens=np.array([5, 5, 5, 5]),
        truncated=np.zeros(4, bool),
        layers=(0, 0),
        names=("words", "layer 6"),
        costs=StageCosts((seconds / 2, seconds / 2), seconds),
    )


@pytest.mark.parametrize(
    ("contender", "accuracy", "agreement"),
    [
        (Contender(Kind.PIPELINE, REFERENCE), 1, 1),
        (Contender(Kind.FULL, OTHER), 0.75, 0.75),
        (Contender(Kind.ALONE, REFERENCE, end="words"), 0.25, 1),
        (Contender(Kind.ALONE, OTHER, end="words"), 0.25, 1),
        (Contender(Kind.EARLY_EXIT, REFERENCE, rule=RULE), 0.75, 1),
        (Contender(Kind.EARLY_EXIT, OTHER, rule=RULE), 0.5, 0.75),
    ],
)
def test_accuracy_and_agreement_with_the_reference_in_the_same_use(contender, accuracy, agreement):
    quality = judge().quality(contender)
    assert (quality.accuracy, quality.agreement) == (accuracy, agreement)


def test_the_pipeline_does_not_hear_what_words_add_to_full_depth():
    adding = replace(judge().reference, evidence=(0.0, 4.0), sources=(-1, 0))
    quality = {
        kind: Judge({REFERENCE: adding}).quality(Contender(kind, REFERENCE)) for kind in (Kind.PIPELINE, Kind.FULL)
    }
    assert quality[Kind.PIPELINE].accuracy == 1
    assert quality[Kind.FULL].accuracy < 1


def test_without_labels_there_is_agreement_only():
    quality = judge(targets=None).quality(Contender(Kind.FULL, OTHER))
    assert (quality.accuracy, quality.agreement) == (None, 0.75)


def test_the_guess_of_time_follows_the_stages():
    assert judge().seconds_per_text(Contender(Kind.FULL, OTHER)) == pytest.approx(1)
    assert judge().seconds_per_text(Contender(Kind.TRUNCATED, REFERENCE, end="words")) == pytest.approx(1)
    assert judge().seconds_per_text(Contender(Kind.EARLY_EXIT, OTHER, rule=RULE)) == pytest.approx(0.75)


def test_answers_are_those_of_the_classifier(folder):
    classifier = open_engine(folder, REFERENCE)
    texts = [row["text"] for row in single(30)]
    answers = classifier.exit_answers(texts)
    for index in range(3):
        truncated = classifier.predict_truncated(texts, exit_index=index)
        np.testing.assert_allclose(answers.probabilities[index], truncated.probabilities, atol=1e-5)
    assert min(answers.costs.stages) > 0
