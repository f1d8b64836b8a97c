"""A chain on a Ray cluster: every process has all of its models."""

import pytest

from helpers.chains import write_chain
from helpers.toys import single, write_jsonl
from offramp.engine import predict
from offramp.scale import Workers, pool

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.usefixtures("cluster"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
]


def test_the_file_is_that_of_one_process(tmp_path):
    chain = write_chain(tmp_path / "chain")
    source, options = write_jsonl(tmp_path / "in.jsonl", single(200)), {"threshold": 0.7, "probabilities": True}
    expected = predict(chain, input=source, output=tmp_path / "alone.jsonl", **options)
    with pool(chain, Workers(workers=2)) as found:
        assert predict(found, input=source, output=tmp_path / "out.jsonl", **options) == expected
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "alone.jsonl").read_bytes()
