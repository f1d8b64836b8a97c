"""The application of Ray Serve on this machine: the routes, limits and answers of the server."""

import json
import socket
import urllib.error
import urllib.request

import pytest

from helpers.serving_models import TEXTS
from offramp.engine import load
from offramp.serving import Settings

ray = pytest.importorskip("ray")
pytestmark = [
    pytest.mark.usefixtures("cluster"),
    # Ray warns of its own options.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
]

KEY = {"authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def url(folder, cluster, tmp_path_factory):
    from ray import serve

    from offramp.scale import Application, app

    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("secret\n")
    settings = Settings(warm_up_seconds=0.1, max_texts=100, api_keys=str(keys), log_requests=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve.start(http_options={"port": port})
    serve.run(app(Application(model=str(folder), threshold=0.7, settings=settings)), name="offramp")
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def get(url, path, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"content-type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_answers_are_those_of_the_model(url, folder):
    status, answer = get(url, "/predict", {"texts": TEXTS}, **KEY)
    assert status == 200
    expected = load(folder).predict(TEXTS, threshold=0.7)
    assert [one["label"] for one in json.loads(answer)["predictions"]] == [one.label for one in expected]


@pytest.mark.parametrize("path", ["/health", "/ready", "/info", "/metrics", "/openapi.json", "/"])
def test_the_other_routes_are_there(url, path):
    assert get(url, path, **KEY)[0] == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({"texts": TEXTS}, {}, 401),
        ({"texts": 3}, KEY, 422),
        ({"texts": ["w1"] * 101}, KEY, 413),
    ],
)
def test_refusals_have_their_status_and_form(url, body, headers, status):
    found, answer = get(url, "/predict", body, **headers)
    assert found == status
    assert json.loads(answer)["error_type"]
