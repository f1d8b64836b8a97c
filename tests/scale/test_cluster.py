import pytest

from offramp.errors import OptionError
from offramp.scale import Workers

ray = pytest.importorskip("ray")
from offramp.scale.cluster import connected  # noqa: E402


def test_an_address_without_a_cluster_is_told_of(monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")

    def refuse(address, **_):
        assert address == "127.0.0.1:1"
        raise ConnectionError

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(OptionError, match=r"no Ray cluster at 127\.0\.0\.1:1.*unset RAY_ADDRESS"), connected(Workers()):
        pass


@pytest.mark.parametrize("running", [False, True])
def test_a_cluster_is_made_of_this_machine_unless_there_is_one(monkeypatch, running):
    asked, ended = [], []

    def init(address, **options):
        asked.append((address, options.get("num_cpus")))
        if address == "auto" and not running:
            raise ConnectionError

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    with connected(Workers(workers=50, worker_threads=4)):
        assert not ended
    assert asked == [("auto", None)] if running else [("auto", None), ("local", 200)]
    assert ended
