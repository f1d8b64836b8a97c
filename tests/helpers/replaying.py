"""What has to hold wherever rows leave: the engine does what replay does."""

import numpy as np

from offramp.policy import Confidence, Patience, Threshold, replay


def assert_replayed(classifier, texts, rule, probabilities):
    """The engine lets texts leave by a rule where replay does, given the probabilities of all exits; same answers."""
    found, expected = classifier.predict(texts, rule=rule, top_k=None), replay(probabilities, rule)
    np.testing.assert_array_equal(found.exits, expected.exits)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5)
    return found


def assert_replayed_at(classifier, texts, threshold, budget):
    """So it does by confidence and by patience, unless rounding could decide whether a threshold is reached."""
    problem, probabilities = classifier.problem, classifier.exit_answers(texts).probabilities
    if (
        np.abs(problem.confidence(probabilities, np.arange(len(probabilities))[:, None]) - threshold).min(initial=1)
        < 1e-5
    ):
        return
    for rule in (Threshold(threshold, Confidence(problem)), Threshold(2, Patience(problem))):
        assert_replayed(classifier.with_token_budget(budget), texts, rule, probabilities)
