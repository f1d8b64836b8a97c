"""The forms of other servers, each against the classifier itself."""

import pytest

from serving_models import TEXTS, classifier_of


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


def test_hugging_face(client, expected):
    one = client.post("/", json={"inputs": TEXTS[0]}).json()
    assert one == ranked(expected[0])[:1]
    all_labels = client.post("/", json={"inputs": TEXTS[0], "parameters": {"top_k": 3}}).json()
    assert all_labels == ranked(expected[0])
    assert client.post("/", json={"inputs": TEXTS}).json() == [ranked(one)[0] for one in expected]
    several = client.post(
        "/", json={"inputs": TEXTS, "parameters": {"top_k": 2}, "options": {"use_cache": False}}
    ).json()
    assert several == [ranked(one)[:2] for one in expected]
    wrong = client.post("/", json={"inputs": "a", "parameters": {"function_to_apply": "none"}})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "parameters.function_to_apply")


def test_text_embeddings_inference(client, expected):
    assert client.post("/predict", json={"inputs": TEXTS[0]}).json() == ranked(expected[0])
    batch = client.post("/predict", json={"inputs": [[text] for text in TEXTS]}).json()
    assert batch == [ranked(one) for one in expected]
    assert client.post("/predict", json={"inputs": []}).json() == []
    long = client.post("/predict", json={"inputs": [["a"], ["w1 " * 99]], "truncate": False})
    assert (long.status_code, long.json()["field"]) == (413, "inputs[1]")
    assert client.post("/predict", json={"inputs": "a", "raw_scores": True}).status_code == 422
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


def test_open_inference_protocol(client, classifier):
    tensor = {"name": "text", "shape": [len(TEXTS)], "datatype": "BYTES", "data": TEXTS}
    answer = client.post(
        "/v2/models/tiny/infer", json={"id": "7", "inputs": [tensor], "parameters": {"threshold": 0.5}}
    )
    outputs = {one["name"]: one for one in answer.json()["outputs"]}
    expected = classifier.predict(TEXTS, threshold=0.5)
    assert answer.json()["id"] == "7"
    assert outputs["label"]["data"] == [one.label for one in expected]
    assert outputs["exit_layer"]["data"] == expected.layers.tolist()
    assert outputs["score"]["data"] == pytest.approx(expected.confidence, abs=1e-4)
    assert outputs["probabilities"]["shape"] == [len(TEXTS), 3]
    assert outputs["probabilities"]["data"] == pytest.approx(expected.probabilities.ravel(), abs=1e-4)

    assert client.post("/v2/models/tiny/infer", json={"inputs": [tensor | {"shape": [1]}]}).status_code == 422
    assert client.post("/v2/models/another/infer", json={"inputs": [tensor]}).status_code == 404
    assert client.get("/v2/models/tiny").json()["inputs"][0]["name"] == "text"
    assert client.get("/v2/models/another").status_code == 404
    assert client.get("/v2").json()["name"] == "offramp"
    assert client.get("/v2/health/live").json() == {"live": True}


def test_pairs(serve):
    model = classifier_of(text_pair=True)
    client = serve(model, threshold=0.7)
    expected = [one.label for one in model.predict(TEXTS[:3], TEXTS[3:6], threshold=0.7)]
    pairs = list(zip(TEXTS[:3], TEXTS[3:6], strict=True))
    hugging_face = client.post("/", json={"inputs": [{"text": first, "text_pair": second} for first, second in pairs]})
    assert [one["label"] for one in hugging_face.json()] == expected
    tei = client.post("/predict", json={"inputs": [list(pair) for pair in pairs]})
    assert [one[0]["label"] for one in tei.json()] == expected
    assert client.post("/predict", json={"inputs": list(pairs[0])}).json()[0]["label"] == expected[0]
    tensors = [
        {"name": name, "shape": [3, 1], "datatype": "BYTES", "data": [[pair[place]] for pair in pairs]}
        for place, name in enumerate(("text", "text_pair"))
    ]
    oip = client.post("/v2/models/tiny/infer", json={"inputs": tensors}).json()
    assert oip["outputs"][0]["data"] == expected
