import json
import os

import numpy as np
import pytest

from conftest import WORDS
from helpers.scaling import ROWS
from helpers.toys import write_model
from offramp.engine import load


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


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    random = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("texts") / "in.jsonl"
    with file.open("w") as stream:
        for row in range(ROWS):
            text = " ".join(random.choice(WORDS, random.integers(1, 30)))
            stream.write(json.dumps({"id": row, "text": text if row % 100 else ""}) + "\n")
    return str(file)


@pytest.fixture(scope="session")
def classifier(folder):
    return load(folder)
