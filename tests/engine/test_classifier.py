import functools
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import offramp.engine.classifier as classifier_module
from conftest import FAMILIES, LAYERS, WORDS, tiny_model
from offramp.calibration import Calibration, Problem
from offramp.engine import Prediction, load, torch_classifier
from offramp.errors import DataError, ModelFolderError, OptionError
from offramp.model import save
from offramp.policy import Confidence, Threshold, replay

EXITS = (1, 2, LAYERS)
TEMPERATURES = (2.5, 0.8, 1.3)
CALIBRATION = Calibration(temperatures=TEMPERATURES, fitted_on="", rows=0, exits=())
MULTI = "multi_label_classification"


def texts_of(count, longest=30, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, length)) for length in random.integers(0, longest, count)]


TEXTS = texts_of(40)
PAIRS = texts_of(40, longest=12, seed=1)


def classifier_of(family="bert", token_budget=4096, **config):
    return torch_classifier(tiny_model(family, **config), CALIBRATION, token_budget=token_budget, device="cpu")


@functools.cache
def shared(family="bert", **config):
    return classifier_of(family, **config)


@pytest.fixture
def bert():
    return shared()


@pytest.fixture
def pairs():
    return shared(text_pair=True)


def calm_threshold(classifier, texts, *pairs, quantile=0.5):
    """A threshold far from every confidence, so that rounding decides nothing, at which rows leave everywhere."""
    logits = classifier.exit_answers(texts, *pairs).logits
    problem = classifier.problem
    confidences = np.sort(problem.confidence(problem.probabilities(logits, temperatures()), 0)[:-1].ravel())
    middle = confidences[int(len(confidences) * (quantile - 0.2)) : int(len(confidences) * (quantile + 0.2))]
    widest = np.diff(middle).argmax()
    assert middle[widest + 1] - middle[widest] > 5e-4
    return float(middle[widest : widest + 2].mean())


def temperatures():
    return np.array(TEMPERATURES)[:, None, None]


def assert_same(found, expected, order=slice(None)):
    """Labels and exits equal, probabilities nearly."""
    np.testing.assert_array_equal(found.exits, expected.exits[order])
    np.testing.assert_allclose(found.probabilities, expected.probabilities[order], atol=1e-4)
    np.testing.assert_array_equal(found.layers, expected.layers[order])
    np.testing.assert_array_equal(found.truncated, expected.truncated[order])
    np.testing.assert_array_equal(found.tokens, expected.tokens[order])
    labels = expected.labels
    assert found.labels == [labels[row] for row in np.arange(len(labels))[order]]


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_budget_order_and_company_do_not_matter(family, pooling):
    classifier = shared(family, pooling=pooling)
    threshold = calm_threshold(classifier, TEXTS)
    expected = classifier.predict(TEXTS, threshold=threshold)
    assert len(set(expected.exits)) == 3
    for budget in (1, 64, 500):
        assert_same(classifier.with_token_budget(budget).predict(TEXTS, threshold=threshold), expected)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    assert_same(classifier.predict([TEXTS[row] for row in order], threshold=threshold), expected, order)
    few = order[:7]
    assert_same(classifier.predict([TEXTS[row] for row in few], threshold=threshold), expected, few)
    for row in few:
        assert_same(classifier.predict([TEXTS[row]], threshold=threshold), expected, slice(row, row + 1))


@pytest.mark.parametrize("family", FAMILIES)
def test_replay_over_cached_logits_tells_what_happens(family):
    classifier = shared(family)
    threshold = calm_threshold(classifier, TEXTS)
    logits = classifier.exit_answers(TEXTS).logits
    assert logits.shape == (3, len(TEXTS), 3)
    assert logits.dtype == np.float32
    expected = replay(
        classifier.problem.probabilities(logits, temperatures()), Threshold(threshold, Confidence(classifier.problem))
    )
    found = classifier.predict(TEXTS, threshold=threshold)
    np.testing.assert_array_equal(found.exits, expected.exits)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    assert found.layers.tolist() == [EXITS[index] for index in expected.exits]


@settings(max_examples=25)
@given(st.floats(0, 1.2), st.lists(st.sampled_from(TEXTS), max_size=12), st.integers(1, 300))
def test_replay_for_any_threshold_and_texts(threshold, texts, budget):
    classifier = shared()
    problem = classifier.problem
    probabilities = problem.probabilities(classifier.exit_answers(texts).logits, temperatures())
    close = np.abs(problem.confidence(probabilities, 0) - threshold).min(initial=1) < 1e-5
    found = classifier.with_token_budget(budget).predict(texts, threshold=threshold, top_k=None)
    if not close:
        expected = replay(probabilities, Threshold(threshold, Confidence(problem)))
        np.testing.assert_array_equal(found.exits, expected.exits)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    assert len(found) == len(texts)
    for prediction in found:
        assert sum(prediction.probabilities.values()) == pytest.approx(1)
        assert prediction.confidence == max(prediction.probabilities.values())
        assert prediction.probabilities[prediction.label] == prediction.confidence


def test_threshold_zero_takes_the_first_exit(bert):
    found = bert.predict(TEXTS, threshold=0)
    assert set(found.exits) == {0}
    assert set(found.layers) == {1}
    expected = bert.problem.probabilities(bert.exit_answers(TEXTS).logits[0], TEMPERATURES[0])
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_above_one_is_the_whole_network(family):
    classifier = shared(family)
    found, full = classifier.predict(TEXTS, threshold=1.01), classifier.predict_full(TEXTS)
    assert set(found.exits) == {2}
    assert_same(found, full)
    inputs = classifier.tokenizer(TEXTS, padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        logits = classifier.stages._network(**inputs).logits
    expected = (logits.double() / TEMPERATURES[-1]).softmax(1)
    np.testing.assert_allclose(full.probabilities, expected, atol=1e-4)


def test_a_higher_threshold_never_leaves_earlier(bert):
    runs = [bert.predict(TEXTS, threshold=threshold).exits for threshold in np.linspace(0, 1.1, 12)]
    for lower, higher in itertools.pairwise(runs):
        assert (lower <= higher).all()
    assert (runs[0] < runs[-1]).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_that_left_compute_nothing(family):
    classifier = classifier_of(family, token_budget=100)
    threshold = calm_threshold(classifier, TEXTS, quantile=0.4)
    computed = []
    for layer in classifier.stages._network.stack.layers:
        layer.register_forward_pre_hook(lambda module, args: computed.append(args[0].shape[0] * args[0].shape[1]))
    found = classifier.predict(TEXTS, threshold=threshold)
    needed = int((found.tokens * found.layers).sum())
    # Rows pad each other, as they do at full depth; nothing else is computed.
    assert needed <= sum(computed) <= 1.2 * needed
    assert sum(computed) < 0.9 * found.tokens.sum() * LAYERS


def test_windows_make_no_difference(bert, monkeypatch):
    threshold = calm_threshold(bert, TEXTS)
    expected, logits, full = (
        bert.predict(TEXTS, threshold=threshold),
        bert.exit_answers(TEXTS).logits,
        bert.predict_full(TEXTS),
    )
    monkeypatch.setattr(classifier_module, "WINDOW", 7)
    assert_same(bert.predict(TEXTS, threshold=threshold), expected)
    assert_same(bert.predict_full(TEXTS), full)
    np.testing.assert_allclose(bert.exit_answers(TEXTS).logits, logits, atol=1e-4)


@pytest.mark.parametrize("window", [1, 7, 40, 1000])
def test_stream_equals_list(bert, window):
    threshold = calm_threshold(bert, TEXTS)
    expected = bert.predict(TEXTS, threshold=threshold, top_k=2)
    found = list(bert.predict_iter(iter(TEXTS), threshold=threshold, top_k=2, window=window))
    assert [prediction.labels for prediction in found] == expected.labels
    assert [prediction.exit_index for prediction in found] == expected.exits.tolist()
    assert [list(prediction.probabilities) for prediction in found] == [list(p.probabilities) for p in expected]


def test_stream_is_read_window_by_window(bert):
    read = []

    def stream():
        for number in itertools.count():
            read.append(number)
            yield f"w{number}"

    predictions = bert.predict_iter(stream(), window=5)
    assert read == []
    assert isinstance(next(predictions), Prediction)
    assert read == [0, 1, 2, 3, 4]
    assert len(list(itertools.islice(predictions, 4))) == 4
    assert read == [0, 1, 2, 3, 4]
    next(predictions)
    assert read[-1] == 9


def test_empty_stream(bert):
    assert list(bert.predict_iter([])) == []


def test_nothing_to_classify(bert):
    for found in (bert.predict([]), bert.predict([], top_k=None), bert.predict_full([])):
        assert (len(found), found.labels, found.probabilities.shape) == (0, [], (0, 3))
    assert bert.exit_answers([]).logits.shape == (3, 0, 3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("threshold", [0, 0.6, 2])
def test_the_empty_text(family, threshold):
    (prediction,) = shared(family, pooling="mean").predict([""], threshold=threshold, top_k=None)
    assert prediction.label in "abc"
    assert not prediction.truncated
    assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_top_k(bert):
    probabilities = bert.predict(TEXTS, top_k=None)
    for top_k in (1, 2, 3, 10):
        for cut, whole in zip(bert.predict(TEXTS, top_k=top_k), probabilities, strict=True):
            assert cut.probabilities == dict(list(whole.probabilities.items())[:top_k])
            assert list(cut.probabilities.values()) == sorted(cut.probabilities.values(), reverse=True)
    assert {len(prediction.probabilities) for prediction in bert.predict(TEXTS)} == {1}


def test_long_texts_are_cut_and_say_so(bert):
    long, fits = " ".join(WORDS[:50]), " ".join(WORDS[:46])
    found = bert.predict([long, "w1", fits], threshold=2)
    assert found.truncated.tolist() == [True, False, False]
    assert found.tokens.tolist() == [48, 3, 48]
    np.testing.assert_allclose(found.probabilities[0], found.probabilities[2], atol=1e-6)


def test_multi_label():
    classifier = shared(problem_type=MULTI)
    assert classifier.problem == Problem.MULTI_LABEL
    threshold = calm_threshold(classifier, TEXTS)
    found = classifier.predict(TEXTS, threshold=threshold, top_k=None)
    probabilities = classifier.problem.probabilities(classifier.exit_answers(TEXTS).logits, temperatures())
    expected = replay(probabilities, Threshold(threshold, Confidence(Problem.MULTI_LABEL)))
    np.testing.assert_array_equal(found.exits, expected.exits)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    assert found.multi_label
    assert {len(labels) for labels in found.labels} >= {1, 2, 3}
    for prediction in found:
        assert set(prediction.labels) == {label for label, value in prediction.probabilities.items() if value > 0.5}
        sure = [max(value, 1 - value) for value in prediction.probabilities.values()]
        assert prediction.confidence == pytest.approx(np.prod(sure))
    assert_same(classifier.predict(TEXTS, threshold=2), classifier.predict_full(TEXTS))


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs(family):
    classifier = shared(family, text_pair=True)
    threshold = calm_threshold(classifier, TEXTS, PAIRS)
    expected = classifier.predict(TEXTS, PAIRS, threshold=threshold)
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = [[column[row] for row in order] for column in (TEXTS, PAIRS)]
    assert_same(classifier.predict(*shuffled, threshold=threshold), expected, order)
    streamed = list(classifier.predict_iter(zip(TEXTS, PAIRS, strict=True), threshold=threshold, window=9))
    assert [prediction.labels for prediction in streamed] == expected.labels
    assert_same(classifier.predict(TEXTS, PAIRS, threshold=2), classifier.predict_full(TEXTS, PAIRS))
    swapped = classifier.predict_full(PAIRS, TEXTS)
    assert not np.allclose(swapped.probabilities, classifier.predict_full(TEXTS, PAIRS).probabilities, atol=1e-3)


def test_token_types_reach_the_network(pairs):
    probabilities = pairs.predict_full(["w1 w2"], ["w3"]).probabilities
    ids = torch.tensor([[2, 6, 7, 3, 8, 3]])
    with torch.no_grad():
        typed = pairs.stages._network(ids, token_type_ids=torch.tensor([[0, 0, 0, 0, 1, 1]])).logits
        plain = pairs.stages._network(ids).logits
    np.testing.assert_allclose(probabilities, pairs.problem.probabilities(typed.numpy(), TEMPERATURES[2]), atol=1e-6)
    assert not torch.allclose(typed, plain, atol=1e-3)


def test_arrays_and_other_sequences(bert, pairs):
    expected = bert.predict(TEXTS)
    assert_same(bert.predict(tuple(TEXTS)), expected)
    assert_same(bert.predict(np.array(TEXTS)), expected)
    assert_same(pairs.predict(np.array(TEXTS), np.array(PAIRS)), pairs.predict(TEXTS, PAIRS))


def test_lone_surrogates_do_not_stop_a_batch(bert):
    assert len(bert.predict(["w1", "\ud83d broken", "w2"])) == 3


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", r"one string was given where a list of texts is wanted; write predict\(\[text\]\)"),
        (["a", None], r"texts\[1\] is None, not a string"),
        ([b"a"], r"texts\[0\] is b'a', not a string"),
        (["a", "b", 3], r"texts\[2\] is 3, not a string"),
        ([float("nan")], r"texts\[0\] is nan, not a string"),
        ([("a", "b")], r"texts\[0\] is \('a', 'b'\), not a string"),
    ],
)
def test_not_texts(texts, message, bert):
    for method in (bert.predict, bert.predict_full, bert.exit_answers, lambda texts: list(bert.predict_iter(texts))):
        with pytest.raises(DataError, match=message):
            method(texts)


@pytest.mark.parametrize("wrong", [None, 3, 0.5])
def test_neither_a_list_nor_a_stream(wrong, bert):
    for method in (bert.predict, bert.predict_full, bert.exit_answers, bert.predict_iter):
        with pytest.raises(DataError, match=f"texts is {wrong}, not a list"):
            method(wrong)


@pytest.mark.parametrize("wrong", [(text for text in "ab"), {"a", "b"}, {"a": "b"}], ids=["stream", "set", "dict"])
def test_what_has_no_length_or_no_order_is_no_list(wrong, bert, pairs):
    for method in (bert.predict, bert.predict_full, bert.exit_answers):
        with pytest.raises(DataError, match=r"^texts is .* not a list of strings; turn it .* with predict_iter"):
            method(wrong)
        with pytest.raises(DataError, match=r"^text_pairs is .* not a list of strings"):
            getattr(pairs, method.__name__)(["a", "b"], wrong)


@pytest.mark.parametrize(
    ("texts", "text_pairs", "message"),
    [
        (["a"], None, "this model was trained on pairs of texts; add `text_pairs` for the second"),
        (["a", "b"], ["c"], "there are 2 texts but 1 text_pairs; give one for each"),
        (["a"], [], "there are 1 texts but 0 text_pairs"),
        (["a"], [None], r"text_pairs\[0\] is None, not a string"),
        (["a"], "b", "one string was given"),
    ],
)
def test_not_pairs(texts, text_pairs, message, pairs):
    for method in (pairs.predict, pairs.predict_full, pairs.exit_answers):
        with pytest.raises(DataError, match=message):
            method(texts, text_pairs)


def test_pairs_for_a_model_of_single_texts(bert):
    with pytest.raises(DataError, match="this model was trained on single texts; leave `text_pairs` out"):
        bert.predict(["a"], ["b"])


@pytest.mark.parametrize("item", ["ab", ("a",), ("a", "b", "c"), None, 3, {"a": 1, "b": 2}, {"a", "b"}])
def test_streams_of_no_pairs(item, pairs):
    """A string of two characters is no pair either."""
    stream = pairs.predict_iter([("a", "b"), ("c", "d"), ("e", "f"), item], window=3)
    assert len(list(itertools.islice(stream, 3))) == 3
    with pytest.raises(DataError, match=r"texts\[3\] is .*, not a pair; this model takes tuples of two texts"):
        next(stream)


def test_errors_in_a_stream_count_from_its_start(bert, pairs):
    with pytest.raises(DataError, match=r"texts\[5\] is None"):
        list(bert.predict_iter(["a"] * 5 + [None], window=2))
    with pytest.raises(DataError, match=r"text_pairs\[5\] is None"):
        list(pairs.predict_iter([("a", "b")] * 5 + [("a", None)], window=2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": -0.1}, "threshold is -0.1"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"top_k": 0}, "top_k is 0; use a number from 1 to 3, or None"),
        ({"threshold": "x"}, "threshold is 'x'; use a number from 0"),
        ({"top_k": "two"}, "top_k is 'two'; use a number"),
        ({"at": 5}, "there is no operating point 5"),
        ({"at": ["safe"]}, r"there is no operating point \['safe'\]"),
    ],
)
def test_options_out_of_range(options, message, bert):
    for method in (bert.predict, bert.predict_iter):  # the stream too says so at once
        with pytest.raises(OptionError, match=message):
            method(["a"], **options)


@pytest.mark.parametrize("window", [0, -1, 2.5])
def test_window_out_of_range(window, bert):
    with pytest.raises(OptionError, match=f"window is {window}; it must be at least 1"):
        bert.predict_iter(["a"], window=window)


def test_token_budget_out_of_range():
    with pytest.raises(OptionError, match="token_budget is 0; it must be at least 1"):
        classifier_of(token_budget=0)


def test_a_device_is_for_pytorch(tmp_path):
    with pytest.raises(OptionError, match="device is 'cuda', but openvino takes none; leave it out"):
        load(tmp_path, backend="openvino", device="cuda")


def test_what_it_says_of_itself(bert):
    assert bert.labels == ("a", "b", "c")
    assert bert.exits == EXITS
    assert bert.problem == Problem.SINGLE_LABEL


def test_load(tmp_path, bert):
    save(tiny_model(), tmp_path)
    with pytest.raises(ModelFolderError, match=r"has no calibration\.json"):
        load(tmp_path)
    CALIBRATION.save(tmp_path)
    classifier = load(str(tmp_path), token_budget=77, device="cpu")
    assert classifier.token_budget == 77
    assert classifier.calibration == CALIBRATION
    assert_same(classifier.predict(TEXTS, threshold=2), bert.predict(TEXTS, threshold=2))
    Calibration.neutral((1, 2)).save(tmp_path)
    with pytest.raises(ModelFolderError, match="holds 2 temperatures for 3 exits; run 'offramp calibrate' again"):
        load(tmp_path)


def test_a_model_is_the_same_while_its_answers_are():
    model = tiny_model()
    before = torch_classifier(model, CALIBRATION, token_budget=7).fingerprint
    assert before == classifier_of().fingerprint
    assert before != classifier_of(labels=("a", "b", "d")).fingerprint
    assert before != classifier_of(max_length=40).fingerprint
    cooler = Calibration(temperatures=(2.5, 0.8, 1.2), fitted_on="", rows=0, exits=())
    assert before != torch_classifier(model, cooler).fingerprint
    with torch.no_grad():
        next(model.network.parameters()).view(-1)[7] += 1
    assert before != torch_classifier(model, CALIBRATION).fingerprint


@pytest.mark.parametrize("index", [0, 1, 2])
def test_truncated_predictions_are_those_of_one_exit(bert, index):
    found = bert.predict_truncated(TEXTS, exit_index=index)
    logits = bert.exit_answers(TEXTS).logits[index]
    np.testing.assert_allclose(found.probabilities, bert.problem.probabilities(logits, TEMPERATURES[index]), atol=1e-4)
    assert set(found.layers.tolist()) == {EXITS[index]}
    assert_same(bert.predict_truncated(TEXTS[:1], exit_index=index), found, slice(1))
    assert len(bert.predict_truncated([], exit_index=index)) == 0


def test_a_truncated_network_asks_no_rule_and_runs_no_layer_behind(bert, monkeypatch):
    monkeypatch.setattr(Threshold, "decide", lambda *_: pytest.fail("asked"))
    stages = []
    later = type(bert.stages).later
    monkeypatch.setattr(
        type(bert.stages), "later", lambda self, stage, *more: stages.append(stage) or later(self, stage, *more)
    )
    bert.predict_truncated(TEXTS, exit_index=0)
    assert stages == []
    bert.predict_truncated(TEXTS, exit_index=1)
    assert set(stages) == {1}


@pytest.mark.parametrize("index", [-1, 3])
def test_an_exit_that_is_not_there_is_refused(bert, index):
    with pytest.raises(OptionError, match=f"exit_index is {index}; this model's exits go from 0 to 2"):
        bert.predict_truncated(TEXTS, exit_index=index)
