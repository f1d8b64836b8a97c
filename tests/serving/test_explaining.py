"""What clients are told of bodies that the server does not understand."""

import json

import pytest

from offramp.serving.keys import Keys

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"texts": "café"}'.encode("latin-1"), "it is not UTF-8: byte 0xe9 at position 14; send it as UTF-8"),
        (b'{"texts": "a", "top_k": ' + b"1" * 5000 + b"}", "a whole number of more than 4300 digits"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{'texts': 3}", "Expecting property name enclosed in double quotes (character 1)"),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/classify", "/"])
def test_what_is_no_json_is_refused_with_the_reason(classifier, serve, path, body, reason):
    answer = serve(classifier).post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error_type"]) == (400, "invalid_json")
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/predict", {"texts": "a", "top-k": 1}, '"top-k"'),
        ("/predict", {"texts": "a", "": 1}, '""'),
        ("/predict", {"texts": "a", "\ud800": 1}, '"\\ud800"'),
        ("/predict", {"texts": "a", "x" * 1000: 1}, "x" * 60),
        ("/", {"inputs": "a", "parameters": {"top k": 1}}, 'parameters."top k"'),
        ("/", {"inputs": [{"text": "a", "text_pair": "b", "texts": "c"}]}, "inputs[0].texts"),
        ("/classify", {"input": "a", "str": 1}, "str"),
    ],
)
def test_unknown_fields_are_named_beside_those_that_there_are(classifier, serve, path, body, field):
    answer = serve(classifier).post(path, content=json.dumps(body), headers=JSON)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert "there is no field of this name; there are " in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/", {"inputs": ["a", 3]}, "inputs[1]"),
        ("/", {"inputs": [{"text": "a"}]}, "inputs[0].text_pair"),
        ("/", {"inputs": {"text": 1, "text_pair": "b"}}, "inputs.text"),
        ("/predict", {"inputs": [["a", "b"], ["c", 3]]}, "inputs[1][1]"),
    ],
)
def test_of_several_forms_the_one_is_meant_that_was_followed_furthest(classifier, serve, path, body, field):
    answer = serve(classifier).post(path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize(
    ("path", "field"), [("/predict", "texts"), ("/predict", "inputs"), ("/", "inputs"), ("/classify", "input")]
)
def test_a_million_wrong_values_are_one_error(classifier, serve, path, field, monkeypatch):
    """An error for each would hold everybody up for a minute."""
    from fastapi.exceptions import RequestValidationError

    found, errors = [], RequestValidationError.errors
    monkeypatch.setattr(RequestValidationError, "errors", lambda self: found.extend(errors(self)) or found)
    answer = serve(classifier).post(path, json={field: [1] * 100_000})
    assert answer.status_code == 422
    assert len(found) < 10
    answer = serve(classifier).post(path, json={field: "a"} | {f"x{number}": 0 for number in range(100_000)})
    assert answer.status_code == 422
    assert len(found) < 20


def test_a_body_that_is_not_there(classifier, serve):
    answer = serve(classifier).post("/predict", headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (422, "there is no body; send JSON")


def test_errors_beneath_v1_have_the_form_that_openai_clients_read(classifier, serve, tmp_path):
    (tmp_path / "keys").write_text("secret\n")
    client = serve(classifier, keys=Keys(tmp_path / "keys"))
    key = {"authorization": "Bearer secret"}
    for answer, status, kind, field in (
        (client.get("/v1/models"), 401, "unauthorized", None),
        (client.get("/v1/models/another", headers=key), 404, "not_found", "name"),
        (client.get("/v1/nowhere", headers=key), 404, "not_found", None),
        (client.post("/v1/classify", json={"input": 3}, headers=key), 422, "validation", "input"),
    ):
        assert answer.status_code == status
        assert answer.json()["error"].pop("message")
        assert answer.json()["error"] | {"message": ""} == {
            "message": "",
            "type": kind,
            "param": field,
            "code": status,
        }
    assert set(client.get("/v2", headers={}).json()) == {"error", "error_type", "field"}
