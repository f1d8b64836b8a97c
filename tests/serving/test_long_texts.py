"""The server reads long texts window by window, as the classifier does."""

import pytest

from helpers.long_texts import TEXTS, long_classifier


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.8, 1.01])
def test_answers_are_those_of_the_classifier(serve, threshold, words):
    classifier = long_classifier(words=words, token_budget=2048)
    expected = classifier.predict(TEXTS, threshold=threshold)
    body = {"texts": TEXTS, "threshold": threshold}
    answer = serve(classifier).post("/predict", json=body)
    found = answer.json()["predictions"]
    assert [one["exit"] for one in found] == expected.exit
    assert [one["label"] for one in found] == expected.label
    assert [one["truncated"] for one in found] == expected.truncated.tolist()
