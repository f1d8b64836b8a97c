"""Compressed bodies, within the limit on bodies."""

import gzip
import zlib

import pytest

from helpers.serving_models import TEXTS
from offramp.serving.decoding import decoded
from offramp.serving.refusals import Refusal

JSON = {"content-type": "application/json"}


def test_bodies_that_are_not_compressed_stay_as_they_are():
    assert decoded(b"{}", "", 10) == decoded(b"{}", "identity", 10) == b"{}"


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("GZip", gzip.compress), ("deflate", zlib.compress)]
)
def test_compressed_bodies_are_decoded_up_to_the_limit(coding, pack):
    assert decoded(pack(b"a" * 1000), coding, 1000) == b"a" * 1000
    with pytest.raises(Refusal, match="longer than 999 bytes when decoded") as refused:
        decoded(pack(b"a" * 1000), coding, 999)
    assert refused.value.status == 413


def test_no_more_than_the_limit_is_decoded():
    with pytest.raises(Refusal, match="longer than 1000 bytes") as refused:
        decoded(gzip.compress(b" " * 10**8), "gzip", 1000)
    assert refused.value.status == 413


PACKED = gzip.compress(b"{}", mtime=0)  # the name of a test holds no time of day


@pytest.mark.parametrize("body", [b"{}", PACKED[:-1], PACKED + b"more"])
def test_what_is_not_whole_is_refused(body):
    with pytest.raises(Refusal, match="the body is not gzip") as refused:
        decoded(body, "gzip", 1000)
    assert refused.value.status == 400


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "é"])
def test_unknown_codings_are_refused_with_those_that_are_known(coding):
    with pytest.raises(Refusal, match="send gzip, deflate or none") as refused:
        decoded(b"{}", coding, 1000)
    assert refused.value.status == 415
    assert refused.value.headers == {"Accept-Encoding": "gzip, deflate"}


def test_the_server_reads_compressed_bodies(classifier, serve):
    client = serve(classifier, max_body_bytes=1000)
    body = b'{"texts": "%s"}' % TEXTS[0].encode()
    plain = client.post("/predict", content=body, headers=JSON).json()
    assert client.post("/predict", content=gzip.compress(body), headers=JSON | {"content-encoding": "gzip"}).json() == (
        plain
    )
    refused = client.post("/predict", content=gzip.compress(b" " * 5000), headers=JSON | {"content-encoding": "gzip"})
    assert (refused.status_code, refused.json()["error_type"]) == (413, "too_large")
    refused = client.post("/predict", content=body, headers=JSON | {"content-encoding": "br"})
    assert (refused.status_code, refused.json()["error_type"]) == (415, "unsupported_encoding")
