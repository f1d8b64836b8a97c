import os

import pytest

from helpers.toys import write_model


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("scaled") / "model")


@pytest.fixture(scope="package")
def cluster():
    """A Ray cluster of this machine, with processors for two workers and for reading."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("PYTHONPATH", os.pathsep.join(["src", "tests"]))
        ray.init("local", num_cpus=3, include_dashboard=False, logging_level="error", log_to_driver=False)
        yield
        ray.shutdown()
