"""The pages at / and /docs, and the description that the second one shows."""

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from helpers.serving_models import classifier_of, tuned
from offramp.policy import OperatingPoints
from offramp.policy.limits import Limit, Risk
from offramp.policy.points import Promise
from offramp.policy.risk import Method
from offramp.serving.keys import Keys


@pytest.fixture
def keys(tmp_path):
    (tmp_path / "keys").write_text("secret\n")
    return Keys(tmp_path / "keys")


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_run_their_own_script_and_need_no_network(classifier, serve, keys, path):
    page = serve(classifier, keys=keys).get(path)
    assert page.status_code == 200
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    for tag in ("script", "style"):
        (inner,) = re.findall(f"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    # Neither another host nor markup that the policy would stop.
    assert not re.search(r"https?://|\bon\w+=\"|style=\"|<script src|<link", page.text)


def test_the_page_asks_for_the_key_where_one_is_wanted(classifier, serve, keys):
    page = serve(classifier, keys=keys).get("/").text
    assert re.search(r'<form id="door" hidden>.*<input id="key" type="password"', page, re.DOTALL)
    assert re.search(r'<form id="form" hidden>', page)  # until the server has let it in


def test_what_the_page_tells_of_points_and_savings(serve):
    """Points by their promise, and what each exit costs against full depth."""
    model = tuned(classifier_of(), safe=0.95, fast=0.5)
    safe, fast = model.points.points
    promise = Promise(Limit(Risk.DISAGREEMENT, 0.01), Method.LTT, 0.95, 0.005, 0.009, 1000)
    model.points = OperatingPoints((replace(safe, promises=(promise,)), fast), "safe")
    info = serve(model).get("/info").json()
    assert [point["promises"] for point in info["points"]] == [
        [
            {
                "risk": "disagreement",
                "target": 0.01,
                "label": None,
                "exit": None,
                "reference": None,
                "answered": False,
                "confidence": 0.95,
            }
        ],
        [],
    ]
    assert len(info["costs"]) == len(model.exits)
    assert info["costs"] == sorted(info["costs"])
    assert 0 < info["costs"][0] < info["costs"][-1] == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_the_description_tells_of_keys(classifier, serve, keys, wanted):
    schema = serve(classifier, keys=keys if wanted else None).get("/openapi.json").json()
    (name,) = schema["components"]["securitySchemes"]
    assert schema["components"]["securitySchemes"][name] | {"description": ""} == {
        "type": "http",
        "scheme": "bearer",
        "description": "",
    }
    assert schema["security"] == ([{name: []}] if wanted else [{}, {name: []}])
    for path in ("/", "/docs", "/health", "/ready", "/v2/health/live", "/v2/health/ready"):
        assert schema["paths"][path]["get"]["security"] == []
    for path, method in (("/", "post"), ("/predict", "post"), ("/info", "get"), ("/v1/models", "get")):
        assert "security" not in schema["paths"][path][method]


def test_the_description_has_readable_summaries_and_names(classifier, serve):
    schema = serve(classifier).get("/openapi.json").json()
    every = [operation for operations in schema["paths"].values() for operation in operations.values()]
    assert all(" " in operation["summary"] and "`" not in operation["summary"] for operation in every)
    names = [operation["operationId"] for operation in every]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z_]+", name) for name in names)


def test_head_is_known_wherever_get_is(classifier, serve, keys):
    client = serve(classifier, keys=keys)
    secret = {"authorization": "Bearer secret"}
    for path in client.get("/openapi.json").json()["paths"]:
        address = path.replace("{name}", "tiny")
        got, head = client.get(address, headers=secret), client.head(address, headers=secret)
        assert head.status_code == got.status_code
        assert head.content == b""
        if got.status_code == 405:
            assert "GET" not in got.headers["allow"]
    assert client.put("/", headers=secret).headers["allow"] == "GET, HEAD, POST"
    assert client.post("/info", headers=secret).headers["allow"] == "GET, HEAD"
    assert client.head("/info").status_code == 401
