"""The forms of other servers, each against the classifier itself."""

import json
import struct

import numpy as np
import pytest

from helpers.serving_models import TEXTS, classifier_of
from offramp.policy import Confidence, Threshold
from offramp.serving.operating import InForce, NamedRule


@pytest.fixture
def client(classifier, serve):
    return serve(classifier, threshold=0.7)


@pytest.fixture
def expected(classifier):
    return list(classifier.predict(TEXTS, threshold=0.7, top_k=None))


def ranked(prediction):
    return [
        {"label": label, "score": pytest.approx(score, abs=1e-4)} for label, score in prediction.probabilities.items()
    ]


def as_logits(prediction):
    """Calibrated logits of a model with one label a text, as clients get them: logarithms of probabilities."""
    return [
        {"label": label, "score": pytest.approx(np.log(score), abs=1e-3)}
        for label, score in prediction.probabilities.items()
    ]


def test_hugging_face(client, expected):
    """A list of labels for each text, also for one text: its clients take the first of them."""
    every = [ranked(one) for one in expected]
    assert client.post("/", json={"inputs": TEXTS[0]}).json() == every[:1]
    assert client.post("/", json={"inputs": TEXTS}).json() == every
    assert client.post("/", json={"inputs": TEXTS, "parameters": {"top_k": None}, "options": None}).json() == every
    several = client.post(
        "/", json={"inputs": TEXTS, "parameters": {"top_k": 2}, "options": {"use_cache": False}}
    ).json()
    assert several == [one[:2] for one in every]
    old = {"return_all_scores": False, "padding": True, "batch_size": 8, "truncation": "longest_first"}
    assert client.post("/", json={"inputs": TEXTS[0], "parameters": old}).json() == [every[0][:1]]


def test_hugging_face_scores_without_an_activation(client, expected, serve):
    asked = {"inputs": TEXTS, "parameters": {"function_to_apply": "none"}}
    assert client.post("/", json=asked).json() == [as_logits(one) for one in expected]
    assert client.post("/predict", json={"inputs": TEXTS[0], "raw_scores": True}).json() == as_logits(expected[0])
    wrong = client.post("/", json={"inputs": "a", "parameters": {"function_to_apply": "sigmoid"}})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "parameters.function_to_apply")

    several = classifier_of(problem_type="multi_label_classification")
    (answer,) = serve(several).post("/", json={"inputs": TEXTS[0], "parameters": {"function_to_apply": "none"}}).json()
    probabilities = next(iter(several.predict(TEXTS[:1], top_k=None))).probabilities
    for one in answer:
        assert 1 / (1 + np.exp(-one["score"])) == pytest.approx(probabilities[one["label"]], abs=1e-4)


@pytest.mark.parametrize("truncation", [False, "do_not_truncate"])
def test_hugging_face_refuses_to_cut_texts_where_that_is_wanted(client, truncation):
    asked = {"inputs": ["a", "w1 " * 99], "parameters": {"truncation": truncation}}
    answer = client.post("/", json=asked)
    assert (answer.status_code, answer.json()["field"]) == (413, "inputs[1]")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/", {"inputs": "a", "parameters": {"max_length": 7}}, "parameters.max_length"),
        ("/classify", {"input": "a", "truncate_prompt_tokens": 7}, "truncate_prompt_tokens"),
    ],
)
def test_texts_are_not_cut_to_fewer_tokens_than_the_model_reads(client, path, body, field):
    answer = client.post(path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert "48 tokens" in answer.json()["error"]


def test_text_embeddings_inference(client, expected):
    assert client.post("/predict", json={"inputs": TEXTS[0]}).json() == ranked(expected[0])
    batch = client.post("/predict", json={"inputs": [[text] for text in TEXTS]}).json()
    assert batch == [ranked(one) for one in expected]
    assert client.post("/predict", json={"inputs": []}).json() == []
    long = client.post("/predict", json={"inputs": [["a"], ["w1 " * 99]], "truncate": False})
    assert (long.status_code, long.json()["field"]) == (413, "inputs[1]")
    assert (
        client.post("/predict", json={"inputs": ["a", "b"]}).status_code == 422
    )  # a pair, for a model of single texts


def test_vllm(client, classifier):
    answer = client.post("/classify", json={"input": TEXTS, "model": "tiny"}).json()
    expected = classifier.predict(TEXTS, threshold=0.7)
    assert [one["label"] for one in answer["data"]] == [one.label for one in expected]
    for one, probabilities in zip(answer["data"], expected.probabilities, strict=True):
        assert one["probs"] == pytest.approx(probabilities, abs=1e-4)
        assert one["num_classes"] == 3
    assert answer["usage"]["total_tokens"] == expected.tokens.sum()
    assert client.post("/v1/classify", json={"input": "a"}).status_code == 200
    assert client.post("/classify", json={"input": "a", "model": "another"}).status_code == 404


def test_vllm_fields(client, classifier):
    asked = {
        "input": TEXTS,
        "truncate_prompt_tokens": -1,
        "priority": 3,
        "request_id": "seven",
        "user": "me",
        "add_special_tokens": True,
        "truncation_side": "right",
    }
    answer = client.post("/classify", json=asked | {"use_activation": False}).json()
    assert answer["id"] == "classify-seven"
    expected = np.log(classifier.predict(TEXTS, threshold=0.7).probabilities)
    np.testing.assert_allclose([one["probs"] for one in answer["data"]], expected, atol=1e-3)
    for older in ("activation", "softmax"):
        again = client.post("/classify", json=asked | {older: False}).json()
        np.testing.assert_allclose([one["probs"] for one in again["data"]], expected, atol=1e-3)
    assert client.post("/classify", json=asked | {"truncate_prompt_tokens": 48}).status_code == 200


def decide(client, *questions, **more):
    return client.post("/v1/decisions", json={"input": TEXTS[0], "questions": list(questions), **more})


def choice(*labels, **more):
    return {"type": "choice", "choices": [{"value": label} for label in labels], "instructions": "Which?", **more}


def test_decisions(client, classifier, expected):
    parts = [{"type": "input_text", "text": TEXTS[0]}]
    asked = (choice("c", "a", "b", name="which"), {"type": "predicate", "name": "b", "instructions": "Is it b?"})
    answer = decide(client, *asked).json()
    known = classifier.predict(TEXTS[:1], threshold=0.7, top_k=None)[0].probabilities
    first, second = answer["answers"]
    assert (first["type"], first["name"], first["choice"]) == ("choice", "which", expected[0].label)
    assert first["confidence"] == pytest.approx(expected[0].confidence, abs=1e-5)
    assert [one["value"] for one in first["probabilities"]] == ["c", "a", "b"]
    for one in first["probabilities"]:
        assert one["probability"] == pytest.approx(known[one["value"]], abs=1e-5)
    assert second == {"type": "predicate", "name": "b", "probability": pytest.approx(known["b"], abs=1e-5)}
    assert answer["usage"]["input_tokens"] == answer["usage"]["total_tokens"] == 5
    said = decide(client, *asked, input=[{"role": "user", "content": parts}]).json()
    assert said["answers"] == answer["answers"]
    full = decide(client, *asked, full_depth=True).json()["answers"][0]["confidence"]
    assert full == pytest.approx(classifier.predict_full(TEXTS[:1])[0].confidence, abs=1e-5)


@pytest.mark.parametrize(
    ("question", "field", "reason"),
    [
        (choice("a", "b"), "questions[0].choices", "chooses among all of its labels: a, b, c"),
        (choice("a", "b", "d"), "questions[0].choices", "among all"),
        ({"type": "predicate", "name": "d"}, "questions[0].name", "no label 'd'; valid: a, b, c"),
    ],
)
def test_a_question_that_the_model_does_not_know_is_refused(client, question, field, reason):
    answer = decide(client, question)
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == field
    assert reason in answer.json()["error"]["message"]


def test_questions_of_other_kinds_are_refused(client):
    assert decide(client, {"type": "score", "levels": []}).status_code == 422
    assert decide(client).status_code == 422
    assert decide(client, choice("a", "b", "c"), model="another").status_code == 404


def test_of_several_labels_each_is_asked_for(serve):
    client = serve(classifier_of(problem_type="multi_label_classification"), threshold=0.7)
    assert "with a predicate" in decide(client, choice("a", "b", "c")).json()["error"]["message"]
    answer = decide(client, {"type": "predicate", "name": "c"}, {"type": "predicate", "name": "a"}).json()
    assert [one["name"] for one in answer["answers"]] == ["c", "a"]


def test_models_are_listed(client):
    (model,) = client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"], model["max_model_len"]) == ("tiny", "model", 48)
    assert client.get("/v1/models/tiny").json() == model
    missing = client.get("/v1/models/another")
    assert (missing.status_code, missing.json()["error"]["message"]) == (
        404,
        "there is no model 'another'; this is tiny",
    )


def test_open_inference_protocol(client, classifier):
    tensor = {"name": "text", "shape": [len(TEXTS)], "datatype": "BYTES", "data": TEXTS}
    answer = client.post(
        "/v2/models/tiny/infer", json={"id": "7", "inputs": [tensor], "parameters": {"threshold": 0.5}}
    )
    outputs = {one["name"]: one for one in answer.json()["outputs"]}
    expected = classifier.predict(TEXTS, threshold=0.5)
    assert answer.json()["id"] == "7"
    assert outputs["label"]["data"] == [one.label for one in expected]
    assert outputs["exit"]["data"] == expected.exit
    assert outputs["score"]["data"] == pytest.approx(expected.confidence, abs=1e-4)
    assert outputs["probabilities"]["shape"] == [len(TEXTS), 3]
    assert outputs["probabilities"]["data"] == pytest.approx(expected.probabilities.ravel(), abs=1e-4)

    assert client.post("/v2/models/tiny/infer", json={"inputs": [tensor | {"shape": [1]}]}).status_code == 422
    assert client.post("/v2/models/another/infer", json={"inputs": [tensor]}).status_code == 404
    assert client.get("/v2/models/tiny").json()["inputs"][0]["name"] == "text"
    assert client.get("/v2/models/another").status_code == 404
    assert client.get("/v2").json()["name"] == "offramp"
    assert client.get("/v2/health/live").json() == {"live": True}


def test_the_addresses_of_the_open_inference_protocol(client):
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2/models/tiny/ready").json() == {"name": "tiny", "ready": True}
    assert client.get("/v2/models/tiny/versions/1").json() == client.get("/v2/models/tiny").json()
    assert client.get("/v2/models/tiny/versions/1/ready").json()["ready"] is True
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    assert client.post("/v2/models/tiny/versions/1/infer", json={"inputs": [tensor]}).status_code == 200
    for path in ("/v2/models/tiny/versions/2", "/v2/models/tiny/versions/2/ready", "/v2/models/another/ready"):
        assert client.get(path).status_code == 404
    assert client.post("/v2/models/tiny/versions/2/infer", json={"inputs": [tensor]}).status_code == 404
    client.service.core.draining = True
    assert client.get("/v2/models/tiny/ready").status_code == 503


def test_outputs_come_as_they_are_asked_for(client):
    tensor = {"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": [["a"], ["b"]]}
    wanted = [{"name": "score"}, {"name": "label"}]
    answer = client.post("/v2/models/tiny/infer", json={"inputs": [tensor], "outputs": wanted}).json()
    assert [one["name"] for one in answer["outputs"]] == ["score", "label"]
    assert "id" not in answer


def binary(*texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def infer(client, tensors, after=b"", length=None, **more):
    body = json.dumps({"inputs": tensors, **more}).encode()
    headers = {"Inference-Header-Content-Length": str(len(body)) if length is None else length}
    return client.post("/v2/models/tiny/infer", content=body + after, headers=headers)


def test_tensors_in_binary(client, classifier):
    """Texts come after the JSON, and outputs go so, without a Content-Type."""
    after = binary(*(text.encode() for text in TEXTS))
    tensor = {"name": "text", "datatype": "BYTES", "parameters": {"binary_data_size": len(after)}}
    answer = infer(
        client, [tensor | {"shape": [len(TEXTS)]}], after, parameters={"binary_data_output": True, "threshold": 0.5}
    )
    length = int(answer.headers["Inference-Header-Content-Length"])
    outputs = json.loads(answer.content[:length])["outputs"]
    sizes = [one["parameters"]["binary_data_size"] for one in outputs]
    assert sum(sizes) == len(answer.content) - length
    expected = classifier.predict(TEXTS, threshold=0.5)
    labels = answer.content[length : length + sizes[0]]
    assert labels == binary(*(one.label.encode() for one in expected))
    scores = answer.content[length + sizes[0] : length + sizes[0] + sizes[1]]
    np.testing.assert_allclose(np.frombuffer(scores, "<f8"), expected.confidence, atol=1e-4)


def tensor_of(size, **more):
    return {"name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": size}} | more


@pytest.mark.parametrize(
    ("tensors", "after", "status", "field", "reason"),
    [
        ([tensor_of(5)], b"\x01\0\0\0\xff", 422, "inputs[0]", "text 0 is not UTF-8"),
        ([tensor_of(5)], b"\x02\0\0\0a", 422, "inputs[0]", "text 0 is longer than the bytes"),
        ([tensor_of(2)], b"\x02\0", 422, "inputs[0]", "text 0 is longer than the bytes"),
        ([tensor_of(5)], b"\x01\0\0\0ab", 422, "inputs", "5 bytes after the JSON, but 6 were sent"),
        ([tensor_of(9)], b"\x01\0\0\0a", 422, "inputs", "9 bytes after the JSON, but 5 were sent"),
        ([tensor_of(5, data=["a"])], b"\x01\0\0\0a", 422, "inputs[0]", "send either data or binary_data_size"),
        ([tensor_of(None)], b"", 422, "inputs[0]", "send either data or binary_data_size"),
        ([tensor_of(-1)], b"", 422, "inputs[0].parameters.binary_data_size", "greater than or equal to 0"),
        ([tensor_of(5, shape=[2])], b"\x01\0\0\0a", 422, "inputs[0].shape", "there are 1 texts"),
        ([tensor_of(5), tensor_of(5)], b"\x01\0\0\0a" * 2, 422, "inputs[1].name", "two tensors named text"),
        ([tensor_of(4 * 21, shape=[21])], bytes(4 * 21), 413, "inputs[0]", "more than 20 texts"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(classifier, serve, tensors, after, status, field, reason):
    answer = infer(serve(classifier, max_texts=20), tensors, after)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert reason in answer.json()["error"]


@pytest.mark.parametrize("length", ["9999", "-1", "x", "", "\u00b2".encode(), "1" * 5000])
def test_a_wrong_length_of_the_json_is_refused(client, length):
    answer = infer(client, [tensor_of(0)], length=length)
    assert (answer.status_code, answer.json()["error_type"]) == (400, "invalid_length")


def test_pairs(serve):
    model = classifier_of(text_pair=True)
    client = serve(model, threshold=0.7)
    expected = [one.label for one in model.predict(TEXTS[:3], TEXTS[3:6], threshold=0.7)]
    pairs = list(zip(TEXTS[:3], TEXTS[3:6], strict=True))
    hugging_face = client.post("/", json={"inputs": [{"text": first, "text_pair": second} for first, second in pairs]})
    assert [one[0]["label"] for one in hugging_face.json()] == expected
    tei = client.post("/predict", json={"inputs": [list(pair) for pair in pairs]})
    assert [one[0]["label"] for one in tei.json()] == expected
    assert client.post("/predict", json={"inputs": list(pairs[0])}).json()[0]["label"] == expected[0]
    tensors = [
        {"name": name, "shape": [3, 1], "datatype": "BYTES", "data": [[pair[place]] for pair in pairs]}
        for place, name in enumerate(("text", "text_pair"))
    ]
    oip = client.post("/v2/models/tiny/infer", json={"inputs": tensors}).json()
    assert oip["outputs"][0]["data"] == expected


@pytest.fixture
def handing_over(classifier, serve):
    """A client of a server that hands texts over, and what the classifier makes of them by the same rule."""
    rule = Threshold(0.7, Confidence(classifier.problem), answer_from=0.7)
    expected = classifier.predict(TEXTS, rule=rule, top_k=None)
    assert 0 < expected.handed_over.sum() < len(TEXTS)
    client = serve(classifier)
    client.service.core.desk.in_force = InForce(NamedRule("sure", rule, "sure"), None, 1.0, None)
    return client, expected


def test_a_text_that_is_handed_over_is_told_of_in_the_form_that_each_allows(handing_over):
    client, expected = handing_over
    over, guesses = expected.handed_over.tolist(), expected.best_guess
    native = client.post("/predict", json={"texts": TEXTS})
    assert [one["label"] for one in native.json()["predictions"]] == expected.label
    assert [one["labels"] for one in native.json()["predictions"]] == [list(labels) for labels in expected.labels]
    assert [one["handed_over"] for one in native.json()["predictions"]] == over
    assert [one["best_guess"] for one in native.json()["predictions"]] == guesses
    vllm = client.post("/classify", json={"input": TEXTS})
    assert [(one["label"], one["handed_over"]) for one in vllm.json()["data"]] == list(zip(guesses, over, strict=True))
    open_inference = client.post(
        "/v2/models/tiny/infer",
        json={"inputs": [{"name": "text", "shape": [len(TEXTS)], "datatype": "BYTES", "data": TEXTS}]},
    )
    outputs = {one["name"]: (one["datatype"], one["data"]) for one in open_inference.json()["outputs"]}
    assert outputs["label"] == ("BYTES", guesses)
    assert outputs["handed_over"] == ("BOOL", over)
    # The others have no field for it.
    hugging_face = client.post("/", json={"inputs": TEXTS})
    assert [one[0]["label"] for one in hugging_face.json()] == guesses
    places = ",".join(str(place) for place, one in enumerate(over) if one)
    assert {answer.headers["x-handed-over"] for answer in (native, vllm, open_inference, hugging_face)} == {places}
    assert f"offramp_handed_over_total {4.0 * sum(over)}" in client.get("/metrics").text
    for place in (over.index(True), over.index(False)):
        (decided,) = decide(client, choice("a", "b", "c", name="which"), input=TEXTS[place]).json()["answers"]
        assert (decided["type"], decided["name"]) == ("refusal" if over[place] else "choice", "which")


def test_nothing_is_said_of_handing_over_where_nothing_could_be(client):
    native = client.post("/predict", json={"texts": TEXTS})
    assert "handed_over" not in native.json()["predictions"][0]
    assert "x-handed-over" not in native.headers
    assert "handed_over" not in client.post("/classify", json={"input": TEXTS}).json()["data"][0]


def system_one(client, **body):
    return client.post("/v1/systemone", json={"state": TEXTS[0], **body})


def any_of(*labels):
    return {"type": "choice", "instructions": "Which?", "criteria": dict.fromkeys(labels)}


def test_system_one(client, classifier, expected):
    levels = {"type": "score", "instructions": {"task": "How far?"}, "criteria": ["b", "c", "a"]}
    questions = {"which": any_of("c", "a", "b"), "b": {"type": "noul", "instructions": "Is it b?"}, "far": levels}
    answer = system_one(client, questions=questions).json()
    known = classifier.predict(TEXTS[:1], threshold=0.7, top_k=None)[0].probabilities
    near = {label: pytest.approx(value, abs=1e-5) for label, value in known.items()}
    best = expected[0].label
    which, noul, far = (answer["answers"][name] for name in ("which", "b", "far"))
    assert which == {"type": "choice", "choice": best, "confidence": near[best], "probabilities": near}
    assert list(which["probabilities"]) == ["c", "a", "b"]
    assert noul == {"type": "noul", "noul": near["b"]}
    assert far["legend"] == {"0": "b", "1": "c", "2": "a"}
    assert far["probabilities"] == {"0": near["b"], "1": near["c"], "2": near["a"]}
    assert far["score"] == pytest.approx(known["c"] + 2 * known["a"], abs=1e-5)
    assert far["confidence"] == near[best]
    assert (answer["model"], answer["usage"]) == ("tiny", {"input_tokens": 5, "output_tokens": 0})
    assert system_one(client, state=TEXTS[0].split(" "), questions=questions).json()["answers"] == answer["answers"]
    full = system_one(client, questions=questions, full_depth=True).json()["answers"]["which"]["confidence"]
    assert full == pytest.approx(classifier.predict_full(TEXTS[:1])[0].confidence, abs=1e-5)


@pytest.mark.parametrize(
    ("question", "field", "reason"),
    [
        ({"which": any_of("a", "b")}, "questions.which.criteria", "chooses among all of its labels: a, b, c"),
        ({"far": {"type": "score", "criteria": ["a", "b", "c", "d"]}}, "questions.far.criteria", "among all"),
        ({"is_it_b": {"type": "noul", "instructions": "b"}}, "questions.is_it_b", "no label 'is_it_b'; valid: a, b, c"),
    ],
)
def test_a_question_of_system_one_that_the_model_does_not_know_is_refused(client, question, field, reason):
    answer = system_one(client, questions=question)
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == field
    assert reason in answer.json()["error"]["message"]


def test_what_system_one_has_and_a_classifier_does_not_is_refused(client):
    questions = {"which": any_of("a", "b", "c")}
    assert system_one(client, questions={}).status_code == 422
    assert system_one(client, questions={"where": {"type": "box"}}).status_code == 422
    assert system_one(client, questions=questions, state=[]).status_code == 422
    assert system_one(client, questions=questions, state={"message": "a"}).status_code == 422
    assert system_one(client, questions=questions, state={"text": "a", "text_pair": "b"}).status_code == 422
    assert system_one(client, questions=questions, model="jev-latest").status_code == 404


def test_labels_of_which_several_are_right_are_asked_for_each(serve):
    several = classifier_of(problem_type="multi_label_classification")
    client, (expected,) = serve(several), several.predict(TEXTS[:1], top_k=None)
    answers = system_one(client, questions={"a": {"type": "noul"}, "c": {"type": "noul"}}).json()["answers"]
    for label in "ac":
        assert answers[label]["noul"] == pytest.approx(expected.probabilities[label], abs=1e-5)
    refused = system_one(client, questions={"which": any_of("a", "b", "c")})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "questions.which.type")
    assert "ask for each with a noul" in refused.json()["error"]["message"]


def test_a_state_of_two_texts(serve):
    pairs = classifier_of(text_pair=True)
    client, state = serve(pairs), {"text": TEXTS[0], "text_pair": TEXTS[1]}
    (expected,) = pairs.predict([TEXTS[0]], [TEXTS[1]])
    answer = system_one(client, state=state, questions={"which": any_of("a", "b", "c")}).json()["answers"]["which"]
    assert answer["confidence"] == pytest.approx(expected.confidence, abs=1e-5)
    refused = system_one(client, questions={"which": any_of("a", "b", "c")})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "state")
