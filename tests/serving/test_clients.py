"""Clients that people have, calling a server over the network: what they send is taken, what they read is there."""

import asyncio
import importlib
import socket
import threading
import time
import warnings

import numpy as np
import pytest
import uvicorn

from helpers.serving_models import TEXTS, tuned
from offramp.serving import Settings, make_service
from offramp.serving.app import create_app
from offramp.serving.keys import Keys

KEY = "schlüssel"


def imported(name):
    """A client's package; the test is skipped without it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not ours to mend
            return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} is not there ({error}); `make install` brings it")


@pytest.fixture(scope="module")
def model(classifier):
    return tuned(classifier, safe=0.95, fast=0.5)


@pytest.fixture(scope="module")
def address(model, tmp_path_factory):
    """Host and port of a server that wants a key."""
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"secret\n{KEY}\n")
    service = make_service("tiny", [model], Settings())
    service.core.start()
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(service, Keys(keys)), log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([bound],))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    bound.close()
    service.core.stop()


@pytest.fixture(scope="module")
def expected(model):
    """The answers at full depth, with all labels."""
    return list(model.predict(TEXTS, threshold=model.operating_point("safe").rule.threshold, top_k=None))


def near(value):
    return pytest.approx(value, abs=1e-4)


def test_hugging_face_client(address, expected, monkeypatch):
    """Twenty calls of ``InferenceClient.text_classification``."""
    hub = imported("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", False)  # for this address only
    client = hub.InferenceClient(f"http://{address}", token="secret")

    for text, one in zip(TEXTS[:8], expected[:8], strict=True):
        found = client.text_classification(text)
        assert [(each.label, each.score) for each in found] == [
            (label, near(score)) for label, score in one.probabilities.items()
        ]
    for top_k in (1, 2, 3, 50):
        found = client.text_classification(TEXTS[0], top_k=top_k)
        assert [each.label for each in found] == list(expected[0].probabilities)[:top_k]
    for text, one in zip(TEXTS[:3], expected[:3], strict=True):
        found = client.text_classification(text, function_to_apply="none", top_k=2)
        assert [each.score for each in found] == [
            pytest.approx(np.log(score), abs=1e-3) for score in list(one.probabilities.values())[:2]
        ]
    found = client.text_classification(TEXTS[0], function_to_apply="softmax")
    assert sum(each.score for each in found) == near(1)
    assert len(client.text_classification("")) == 3
    assert len(client.text_classification("ключ 鍵 🔑 " * 100)) == 3
    with pytest.raises(hub.errors.HfHubHTTPError, match="probabilities come from softmax"):
        client.text_classification("a", function_to_apply="sigmoid")
    with pytest.raises(hub.errors.HfHubHTTPError, match="401"):
        hub.InferenceClient(f"http://{address}", token="wrong").text_classification("a")


def test_triton_client(address, model, expected):
    """Twenty calls of ``tritonclient.http``, in JSON and in binary, compressed or not."""
    triton = imported("tritonclient.http")
    exception = imported("tritonclient.utils").InferenceServerException
    labels = [one.label for one in expected]

    def key():
        return {"Authorization": "Bearer secret"}  # the client writes into it

    def tensor(name="text", binary=True):
        column = np.array(TEXTS, dtype=np.object_)
        made = triton.InferInput(name, list(column.shape), "BYTES")
        return made.set_data_from_numpy(column, binary_data=binary)

    with triton.InferenceServerClient(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("tiny", headers=key())
        assert client.is_model_ready("tiny", "1", headers=key())
        assert not client.is_model_ready("tiny", "2", headers=key())
        assert not client.is_model_ready("tiny")  # without the key
        assert "binary_tensor_data" in client.get_server_metadata(headers=key())["extensions"]
        assert client.get_model_metadata("tiny", headers=key())["inputs"][0]["name"] == "text"
        assert client.get_model_metadata("tiny", "1", headers=key())["versions"] == ["1"]
        with pytest.raises(exception, match="there is no model 'another'"):
            client.get_model_metadata("another", headers=key())
        with pytest.raises(exception, match="one of the server's keys"):
            client.get_server_metadata()

        for binary in (True, False):
            answer = client.infer("tiny", [tensor(binary=binary)], headers=key())
            assert [label.decode() for label in answer.as_numpy("label")] == labels
            assert [name.decode() for name in answer.as_numpy("exit")] == [one.exit for one in expected]
            np.testing.assert_allclose(answer.as_numpy("score"), [one.confidence for one in expected], atol=1e-4)
            assert answer.as_numpy("probabilities").shape == (len(TEXTS), 3)
        answer = client.infer(
            "tiny",
            [tensor()],
            model_version="1",
            request_id="7",
            outputs=[
                triton.InferRequestedOutput("score", binary_data=False),
                triton.InferRequestedOutput("label", binary_data=True),
            ],
            priority=3,
            timeout=5_000_000,
            sequence_id=5,
            sequence_start=True,
            headers=key(),
        )
        assert answer.get_response()["id"] == "7"
        assert [one["name"] for one in answer.get_response()["outputs"]] == ["score", "label"]
        assert [label.decode() for label in answer.as_numpy("label")] == labels
        for compression in ("gzip", "deflate"):
            answer = client.infer("tiny", [tensor()], request_compression_algorithm=compression, headers=key())
            assert [label.decode() for label in answer.as_numpy("label")] == labels
        answer = client.infer("tiny", [tensor()], parameters={"at": "fast"}, headers=key())
        fast = model.predict(TEXTS, threshold=0.5)
        assert [name.decode() for name in answer.as_numpy("exit")] == fast.exit
        answer = client.async_infer("tiny", [tensor()], headers=key()).get_result()
        assert [label.decode() for label in answer.as_numpy("label")] == labels
        with pytest.raises(exception, match="two tensors named text"):
            client.infer("tiny", [tensor(), tensor()], headers=key())
        with pytest.raises(exception, match="'text' or 'text_pair'"):
            client.infer("tiny", [tensor("input")], headers=key())


def test_kserve_client(address, model, expected):
    """Twenty calls of ``kserve.InferenceRESTClient``, in JSON and in binary."""
    kserve = imported("kserve")
    httpx = imported("httpx")
    url, key = f"http://{address}", {"authorization": "Bearer secret"}

    def request(texts=TEXTS, binary=False, name="text", **more):
        column = np.array(texts, dtype=np.object_)
        made = kserve.InferInput(name, list(column.shape), "BYTES")
        made.set_data_from_numpy(column, binary_data=binary)
        return kserve.InferRequest("tiny", [made], **more)

    def column(answer, name):
        (output,) = (one for one in answer.outputs if one.name == name)
        return output.as_numpy().tolist()

    async def script():
        async with kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2")) as client:
            assert await client.is_server_live(url) is True
            assert await client.is_server_ready(url) is True
            assert await client.is_model_ready(url, "tiny", headers=key) is True
            assert await client.is_model_ready(url, "another", headers=key) is False
            assert await client.is_model_ready(url, "tiny") is False  # without the key

            labels = [one.label for one in expected]
            for count in (1, 2, 3, len(TEXTS)):
                answer = await client.infer(url, request(TEXTS[:count]), "tiny", headers=key)
                assert column(answer, "label") == labels[:count]
            for text in TEXTS[:3]:
                answer = await client.infer(url, request([text], binary=True), "tiny", headers=dict(key))
                assert column(answer, "label") == [labels[TEXTS.index(text)]]
            answer = await client.infer(url, request(request_id="7"), "tiny", headers=key)
            assert (answer.id, answer.model_name, answer.model_version or "1") == ("7", "tiny", "1")
            answer = await client.infer(url, request(parameters={"threshold": 0.5}), "tiny", headers=key)
            assert column(answer, "exit") == model.predict(TEXTS, threshold=0.5).exit
            wanted = [kserve.protocol.infer_type.RequestedOutput("score", {"binary_data": True})]
            answer = await client.infer(url, request(request_outputs=wanted), "tiny", headers=key)
            assert column(answer, "score") == near([one.confidence for one in expected])
            answer = await client.infer(
                url, request(binary=True, parameters={"binary_data_output": True}), "tiny", headers=dict(key)
            )
            assert column(answer, "score") == near([one.confidence for one in expected])
            plain = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": TEXTS[:1]}]}
            answer = await client.infer(url, plain | {"content_type": "str"}, "tiny", headers=key)
            assert column(answer, "label") == labels[:1]
            for wrong, reason in (
                (request(name="input"), "'text' or 'text_pair'"),
                (request(parameters={"treshold": 1}), "there is no field of this name"),
                ({"inputs": plain["inputs"] * 2}, "two tensors named text"),
            ):
                with pytest.raises(httpx.HTTPStatusError, match=reason):
                    await client.infer(url, wrong, "tiny", headers=key)

    asyncio.run(script())


def test_openai_client(address, model, expected):
    """Twenty calls of ``openai``, as people call vLLM with it."""
    openai = imported("openai")
    probabilities = model.predict(TEXTS, threshold=0.95).probabilities

    with openai.OpenAI(base_url=f"http://{address}/v1", api_key="secret", max_retries=0) as client:

        def classify(path="/classify", **body):
            return client.post(path, cast_to=object, body={"input": TEXTS, "model": "tiny"} | body)

        listed = client.models.list()
        assert [one.id for one in listed] == ["tiny"]
        assert client.models.retrieve("tiny").owned_by == "offramp"
        with pytest.raises(openai.NotFoundError, match="this is tiny"):
            client.models.retrieve("another")

        answer = classify()
        assert [one["label"] for one in answer["data"]] == [one.label for one in expected]
        for one, row in zip(answer["data"], probabilities, strict=True):
            assert one["probs"] == near(row)
        for text in TEXTS[:4]:
            (one,) = classify(input=text)["data"]
            assert one["label"] == expected[TEXTS.index(text)].label
        for more in (
            {"truncate_prompt_tokens": -1},
            {"truncate_prompt_tokens": 48, "truncation_side": "right"},
            {"priority": 1, "user": "me"},
            {"use_activation": True, "add_special_tokens": True},
        ):
            assert classify(**more)["usage"] == answer["usage"]
        assert classify(request_id="7")["id"] == "classify-7"
        np.testing.assert_allclose(
            [one["probs"] for one in classify(use_activation=False)["data"]], np.log(probabilities), atol=1e-3
        )
        assert [one["label"] for one in classify(at="fast")["data"]] == [
            one.label for one in model.predict(TEXTS, threshold=0.5)
        ]
        for wrong, kind, reason in (
            ({"model": "another"}, openai.NotFoundError, "this is tiny"),
            ({"input": [[1, 2]]}, openai.UnprocessableEntityError, "valid string"),
            ({"truncate_prompt_tokens": 7}, openai.UnprocessableEntityError, "not to fewer"),
            ({"use-activation": False}, openai.UnprocessableEntityError, "there is no field of this name"),
        ):
            with pytest.raises(kind, match=reason):
                classify(**wrong)
        (question,) = client.decisions.create(
            model="tiny",
            input=TEXTS[0],
            questions=[{"type": "choice", "instructions": "", "choices": [{"value": one} for one in model.labels]}],
        ).answers
        assert (question.choice, question.confidence) == (expected[0].label, near(expected[0].confidence))
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "a"}])
        with pytest.raises(openai.AuthenticationError, match="one of the server's keys"):
            client.with_options(api_key="wrong").models.list()


def test_typesafe_client(address, model, expected):
    """Questions of every type, as ``typesafe-sdk`` asks them."""
    typesafe = imported("typesafe_sdk")
    which = typesafe.Choice(instructions="Which?", criteria=dict.fromkeys(model.labels))
    far = typesafe.Score(instructions="How far?", criteria=list(model.labels))
    label, own = expected[0].label, {"base_url": f"http://{address}", "api_key": "secret", "model": "tiny"}
    with typesafe.TypeSafeClient(**own, compression=False) as client:
        questions = {"which": which, label: typesafe.Noul(instructions="Is it?"), "far": far}
        answer = client.system_one(state=TEXTS[0], questions=questions)
        assert answer.choices["which"].choice == label
        assert answer.choices["which"].confidence == near(expected[0].confidence)
        assert answer.nouls[label].noul == near(expected[0].confidence)
        assert answer.scores["far"].legend == dict(enumerate(model.labels))
        with pytest.raises(typesafe.TypeSafeNotFoundError, match="this is tiny"):
            client.system_one(state=TEXTS[0], questions=questions, model="another")
        with pytest.raises(typesafe.TypeSafeUnprocessableEntityError, match="no label 'urgent'"):
            client.system_one(state=TEXTS[0], questions={"urgent": typesafe.Noul(instructions="Is it urgent?")})


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_keys_beyond_ascii_over_the_network(address, encoding):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), 20) as connection:
        key = KEY.encode(encoding)
        head = b"GET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: Bearer " + key + b"\r\n\r\n"
        connection.sendall(head)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("path", ["/", "/docs", "/health", "/ready", "/openapi.json", "/v2/health/live"])
def test_head_is_answered_as_get_without_the_body(address, path):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), 20) as connection:
        connection.sendall(f"HEAD {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) > 0
    assert body == b""
