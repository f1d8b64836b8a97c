"""The server over HTTP, without a network in between."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from helpers.serving_models import TEXTS, classifier_of, tuned
from offramp.engine.reads import tokens_of
from offramp.serving.app import create_app
from offramp.serving.keys import Keys

JSON = {"content-type": "application/json"}
PROBLEMS = {400, 401, 404, 405, 413, 422, 429, 503}


def predict(client, texts, **more):
    return client.post("/predict", json={"texts": texts, **more})


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.7, 0.9, 1.01])
def test_predictions_are_those_of_the_classifier(classifier, serve, threshold):
    client = serve(classifier)
    answer = predict(client, TEXTS, threshold=threshold, top_k=None)
    assert answer.status_code == 200
    expected = classifier.predict(TEXTS, threshold=threshold, top_k=None)
    found = answer.json()["predictions"]
    assert [one["label"] for one in found] == [one.label for one in expected]
    assert [one["exit"] for one in found] == expected.exit
    assert [one["truncated"] for one in found] == expected.truncated.tolist()
    for one, other in zip(found, expected, strict=True):
        assert one["probabilities"] == pytest.approx(other.probabilities, abs=1e-4)
        assert one["score"] == pytest.approx(other.confidence, abs=1e-4)


def test_many_clients_with_their_own_knobs(classifier, serve):
    """Requests that run in the same batches do not see each other."""
    client = serve(classifier)
    asked = [
        ([TEXTS[number % len(TEXTS)]] * (1 + number % 3), [0.0, 0.5, 0.8, 1.01][number % 4]) for number in range(60)
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: predict(client, one[0], threshold=one[1]).json(), asked))
    for (texts, threshold), answer in zip(asked, answers, strict=True):
        expected = classifier.predict(texts, threshold=threshold)
        assert [one["exit"] for one in answer["predictions"]] == expected.exit
        assert [one["label"] for one in answer["predictions"]] == [one.label for one in expected]


def test_the_reply(classifier, serve):
    answer = predict(serve(classifier, threshold=0.8), TEXTS[0])
    assert set(answer.json()) == {"model", "predictions", "point", "rule", "degraded"}
    assert answer.json() | {"predictions": []} == {
        "model": "tiny",
        "predictions": [],
        "point": "0.8",
        "rule": "confidence at least 0.8",
        "degraded": False,
    }
    assert len(answer.json()["predictions"][0]["probabilities"]) == 1
    assert float(answer.headers["x-total-time"]) > 0
    assert int(answer.headers["x-compute-tokens"]) == tokens_of(classifier.runner.cascade, TEXTS[:1], None)[0]


def test_full_depth(classifier, serve):
    answer = predict(serve(classifier, threshold=0.0), TEXTS, full_depth=True).json()
    assert answer["point"] == "full depth"
    assert {one["exit"] for one in answer["predictions"]} == {"layer 4"}


def test_half_characters_are_no_failure(classifier, serve):
    answer = serve(classifier).post("/predict", content=b'{"texts": "w1 \\ud800"}', headers=JSON)
    assert answer.status_code == 200


def test_nothing_to_classify(classifier, serve):
    assert predict(serve(classifier), []).json()["predictions"] == []


def test_pairs_are_asked_for(serve):
    pairs = classifier_of(text_pair=True)
    client = serve(pairs)
    answer = predict(client, TEXTS, text_pairs=TEXTS[::-1], threshold=0.7).json()
    expected = pairs.predict(TEXTS, TEXTS[::-1], threshold=0.7)
    assert [one["exit"] for one in answer["predictions"]] == expected.exit
    missing = predict(client, TEXTS)
    assert (missing.status_code, missing.json()["field"]) == (422, "text_pairs")
    assert predict(client, TEXTS, text_pairs=["a"]).status_code == 422


def test_several_labels_a_text(serve):
    model = classifier_of(problem_type="multi_label_classification")
    client = serve(model)
    found = predict(client, TEXTS, threshold=0.4, top_k=None).json()["predictions"]
    expected = model.predict(TEXTS, threshold=0.4)
    assert [tuple(one["labels"]) for one in found] == expected.labels
    assert [one["label"] for one in found] == [labels[0] if len(labels) == 1 else None for labels in expected.labels]
    assert client.post("/classify", json={"input": TEXTS}).status_code == 200
    assert client.post("/", json={"inputs": TEXTS[0], "parameters": {"top_k": 3}}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"", 422, None),
        (b"\xff\xfe", 400, None),
        ({}, 422, "texts"),
        ({"texts": 3}, 422, "texts"),
        ({"texts": ["a", None]}, 422, "texts[1]"),
        ({"texts": ["a", "b" * 101]}, 413, "texts[1]"),
        ({"texts": ["a"] * 21}, 413, "texts"),
        ({"texts": ["a"], "text_pairs": ["b"]}, 422, "text_pairs"),
        ({"texts": "a", "threshold": -1}, 422, "threshold"),
        ({"texts": "a", "threshold": "0.5"}, 422, "threshold"),
        ({"texts": "a", "threshold": 0.5, "full_depth": True}, 422, "full_depth"),
        ({"texts": "a", "at": "nowhere"}, 422, "at"),
        ({"texts": "a", "top_k": 0}, 422, "top_k"),
        ({"texts": "a", "timeout_ms": 0}, 422, "timeout_ms"),
        ({"texts": "a", "treshold": 0.5}, 422, "treshold"),
        (b'{"texts": "a", "threshold": NaN}', 422, "threshold"),
        (b"[" * 100_000, 400, None),
        ({"texts": "a" * 3000}, 413, None),
    ],
)
def test_errors_have_one_form(classifier, serve, body, status, field):
    client = serve(
        classifier, max_texts=20, max_characters=100, max_body_bytes=200_000 if body == b"[" * 100_000 else 2000
    )
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/predict", content=content, headers=JSON)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "error_type", "field"}
    assert answer.json()["field"] == field


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/x-www-form-urlencoded"}])
@pytest.mark.parametrize("path", ["/predict", "/classify", "/"])
def test_a_body_that_is_not_sent_as_json(classifier, serve, path, headers):
    answer = serve(classifier).post(path, content=b'{"texts": ["a"]}', headers=headers)
    assert answer.status_code == 422
    assert answer.json()["error"] == "the body was not sent as JSON; send Content-Type: application/json"


def test_what_is_not_there(classifier, serve):
    client = serve(classifier)
    for answer, status in ((client.get("/nowhere"), 404), (client.get("/predict"), 405)):
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "error_type", "field"}


def test_too_large_a_body_is_not_read(classifier, serve):
    client = serve(classifier, max_body_bytes=1000)
    assert predict(client, "a" * 2000).status_code == 413

    chunks = iter([b"a" * 100] * 20)  # without a length ahead
    assert client.post("/predict", content=chunks).status_code == 413


def test_keys(classifier, serve, tmp_path):
    (tmp_path / "keys").write_text("right\n")
    client = serve(classifier, keys=Keys(tmp_path / "keys"))
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Bearer " + "x" * 5000}):
        answer = client.post("/predict", json={"texts": "a"}, headers=header)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert client.get("/metrics", headers=header).status_code == 401
    assert client.post("/predict", json={"texts": "a"}, headers={"authorization": "Bearer right"}).status_code == 200
    assert client.get("/health").status_code == client.get("/ready").status_code == client.get("/").status_code == 200
    assert client.post("/", json={"inputs": "a"}).status_code == 401


def test_other_origins_are_let_in_only_if_named(classifier, serve):
    origin = {"origin": "https://page.example"}
    assert "access-control-allow-origin" not in serve(classifier).get("/health", headers=origin).headers
    named = serve(classifier, allow_origin=("https://page.example",))
    assert named.get("/health", headers=origin).headers["access-control-allow-origin"] == "https://page.example"


class Held:
    """Stages that wait until they may go on."""

    def __init__(self, stages):
        self._stages = stages
        self.began, self.may_go_on = threading.Event(), threading.Event()

    def __getattr__(self, name):
        return getattr(self._stages, name)

    def first(self, batch):
        self.began.set()
        assert self.may_go_on.wait(20)
        return self._stages.first(batch)


@pytest.fixture
def held():
    model = classifier_of()
    model.runner.cascade.last.stages = Held(model.stages)
    yield model
    model.stages.may_go_on.set()


def test_a_full_queue_refuses(held, serve):
    client = serve(held, max_queue=3, max_texts=3)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(predict, client, TEXTS[:2])
        assert held.stages.began.wait(20)
        answer = predict(client, TEXTS[:2])
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        held.stages.may_go_on.set()
        assert waiting.result().status_code == 200
    assert predict(client, TEXTS[:2]).status_code == 200


def test_no_answer_in_time(held, serve):
    client = serve(held)
    answer = predict(client, TEXTS[:2], timeout_ms=30)
    assert (answer.status_code, answer.json()["error_type"]) == (503, "timeout")
    assert client.service.core.texts == 0
    held.stages.may_go_on.set()
    assert predict(client, TEXTS[:2]).status_code == 200


def test_a_stopping_server_refuses_and_is_not_ready(classifier, serve):
    client = serve(classifier)
    client.service.core.draining = True
    assert predict(client, "a").status_code == 503
    assert client.get("/ready").status_code == 503
    assert client.get("/v2/health/ready").status_code == 503
    assert client.get("/health").status_code == 200


def test_a_failure_is_one_error_and_the_server_goes_on(serve):
    """A text that fails gets an error, and those that ran in its batch their answers."""
    model = classifier_of()
    first = model.stages.first
    culprit = model.runner.cascade.last.read(["w59"]).input_ids[0][1]
    held, may_go_on = threading.Event(), threading.Event()

    def fails(batch):
        held.set()
        assert may_go_on.wait(20)
        if (batch.input_ids == culprit).any():
            raise RuntimeError("broken")
        return first(batch)

    model.stages.first = fails
    client = serve(model)
    with ThreadPoolExecutor(12) as pool:
        ahead = pool.submit(predict, client, TEXTS[:1])
        assert held.wait(20)
        asked = [TEXTS[2], "w1 w59", TEXTS[0], ["w1", "w59 w2"], TEXTS[4], *TEXTS[5:10]]
        answers = [pool.submit(predict, client, texts) for texts in asked]
        while client.service.core.look().depth < 11:
            pass
        may_go_on.set()
        assert ahead.result().status_code == 200
        statuses = [answer.result().status_code for answer in answers]
    assert statuses == [500 if "w59" in str(texts) else 200 for texts in asked]
    assert "broken" not in answers[1].result().text
    assert predict(client, TEXTS).status_code == 200


def test_a_network_that_cannot_be_run_is_not_ready(serve, monkeypatch):
    monkeypatch.setattr("offramp.serving.threads._AGAIN", 0.01)
    model = classifier_of()
    first, broken = model.stages.first, True

    def fails(batch):
        if broken:
            raise RuntimeError("broken")
        return first(batch)

    model.stages.first = fails
    client = serve(model)
    assert client.get("/ready").status_code == 200
    assert predict(client, TEXTS).status_code == 500
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200
    refused = predict(client, TEXTS)
    assert (refused.status_code, refused.json()["error_type"]) == (503, "not_computing")
    broken = False
    while client.get("/ready").status_code != 200:
        pass
    assert predict(client, TEXTS).status_code == 200


def test_metrics(classifier, serve):
    client = serve(classifier, threshold=0.7)
    predict(client, TEXTS)
    predict(client, 3)
    lines = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if not line.startswith("#"))
    exits = classifier.predict(TEXTS, threshold=0.7).exits
    for index, name in enumerate(classifier.exit_names):
        assert float(lines[f'offramp_exits_total{{exit="{name}"}}']) == np.count_nonzero(exits == index)
    assert float(lines['offramp_requests_total{route="/predict",status="200"}']) == 1
    assert float(lines['offramp_requests_total{route="/predict",status="422"}']) == 1
    assert float(lines["offramp_queue_depth"]) == 0
    assert float(lines["offramp_threshold"]) == 0.7
    assert float(lines['offramp_drift_alarm{alarm="promise at risk"}']) == 0
    assert float(lines['offramp_drift_alarm{alarm="texts have changed"}']) == 0
    assert float(lines['offramp_request_seconds_count{route="/predict"}']) == 2


def test_refused_requests_count_under_their_route(classifier, serve, tmp_path):
    (tmp_path / "keys").write_text("right\n")
    client = serve(classifier, keys=Keys(tmp_path / "keys"), max_body_bytes=1000)
    right = {"authorization": "Bearer right"}
    predict(client, "a")
    client.post("/predict", json={"texts": "a" * 2000}, headers=right)
    client.post("/v2/models/tiny/infer", json={})
    client.get("/nowhere")
    page = client.get("/metrics", headers=right).text
    assert 'offramp_requests_total{route="/predict",status="401"} 1.0' in page
    assert 'offramp_requests_total{route="/predict",status="413"} 1.0' in page
    assert 'offramp_requests_total{route="/v2/models/{name}/infer",status="401"} 1.0' in page
    assert 'offramp_requests_total{route="other",status="401"} 1.0' in page


def test_metrics_tell_of_the_process_and_of_the_model(classifier, serve):
    page = serve(classifier, threshold=0.7).get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
    assert float(lines["process_resident_memory_bytes"]) > 1e7
    assert float(lines["process_open_fds"]) >= 3
    (model,) = (line for line in lines if line.startswith("offramp_model_info{"))
    assert lines[model] == "1.0"
    for label in ('name="tiny"', 'point="0.7"', 'backend="torch"', f'fingerprint="{classifier.fingerprint}"'):
        assert label in model


def test_info_and_points(serve):
    model = tuned(classifier_of(), safe=0.95, fast=0.5)
    client = serve(model, degrade_to="fast", fall_back_to="safe")
    info = client.get("/info").json()
    assert (info["model"], info["point"], info["mode"]) == ("tiny", "safe", "normal")
    assert [point["name"] for point in info["points"]] == ["safe", "fast"]
    assert info["exits"] == list(model.exits)
    assert info["drift"]["promise_at_risk"]["expected"] > 0.01
    assert info["drift"]["texts_have_changed"] is None
    assert info["drift"]["standing"] == "nothing was promised; whether texts have changed is not watched here"
    answer = predict(client, TEXTS, at="fast").json()
    assert (answer["point"], answer["rule"]) == ("fast", "confidence at least 0.5")
    assert [one["exit"] for one in answer["predictions"]] == model.predict(TEXTS, threshold=0.5).exit


def test_drift_is_found_over_http(serve):
    """A network whose first exit is made to contradict its last: audits see it, and texts then leave at full depth."""
    model = classifier_of()
    first = model.stages.first

    def confused(batch):
        ran = first(batch)
        return type(ran)(
            ran.state, np.full_like(ran.logits, -9) + 18 * np.eye(3, dtype=np.float32)[[2] * len(ran.logits)]
        )

    model.stages.first = confused
    client = serve(model, threshold=0.9, audit_share=1.0, expected_disagreement=0.05, fall_back_to="1.01")
    for _ in range(40):
        answer = predict(client, TEXTS).json()
        if client.get("/info").json()["drift"]["promise_at_risk"]["alarm"]:
            break
    answer = predict(client, TEXTS).json()
    assert {one["exit"] for one in answer["predictions"]} == {"layer 4"}
    assert answer["point"] == "1.01"
    assert client.get("/info").json()["mode"] == "safe"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
FIELDS = (
    "texts",
    "text_pairs",
    "inputs",
    "input",
    "parameters",
    "threshold",
    "at",
    "top_k",
    "timeout_ms",
    "id",
    "model",
)


def test_whatever_comes_gets_an_answer_in_form(classifier, serve):
    client = serve(classifier)
    paths = ("/predict", "/", "/classify", "/v2/models/tiny/infer")

    @settings(max_examples=150)
    @given(st.sampled_from(paths), ANYTHING | st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=5))
    def ask(path, body):
        answer = client.post(path, content=json.dumps(body), headers=JSON)
        assert answer.status_code in PROBLEMS | {200}
        if answer.status_code != 200:
            assert set(answer.json()) == {"error", "error_type", "field"}

    ask()


def test_the_schema_names_every_route(classifier, serve):
    schema = serve(classifier).get("/openapi.json").json()
    routes = {"/predict", "/", "/classify", "/v2/models/{name}/infer", "/health", "/ready", "/info", "/metrics"}
    assert routes <= set(schema["paths"])
    for route in ("/predict", "/", "/classify"):
        replies = schema["paths"][route]["post"]["responses"]
        assert {"200", "400", "401", "413", "422", "429", "503"} <= set(replies)
        assert replies["422"]["content"]["application/json"]["schema"]["$ref"].endswith("ErrorReply")


def test_too_many_connections_are_told_of_in_the_common_form(classifier, serve):
    service = serve(classifier, max_connections=10).service
    connections = 10
    client = TestClient(create_app(service, connections=lambda: connections))
    assert predict(client, "w1").status_code == 200
    connections = 11
    refused = predict(client, "w1")
    assert (refused.status_code, refused.json()["error_type"]) == (503, "too_many_connections")
    assert refused.headers["retry-after"] == "1"
    assert client.get("/health").status_code == 200
