import pytest

from helpers.toys import EXIT_NAMES, single, write_model
from offramp.backends import REFERENCE
from offramp.benchmark.contenders import entries
from offramp.benchmark.measuring import Task
from offramp.calibration import Problem
from offramp.evaluation import Request
from offramp.policy import Confidence, Threshold

RULES = [Threshold(threshold, Confidence(Problem.SINGLE_LABEL)) for threshold in (0.5, 0.9)]
TEXTS = [row["text"] for row in single(12)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("benchmark") / "model")


@pytest.fixture
def task(folder):
    """A small task in PyTorch with two thresholds and two token budgets."""
    return Task(
        model=str(folder),
        contenders=tuple(entries([REFERENCE], EXIT_NAMES, RULES, {})),
        threads=1,
        token_budgets=(16, 4096),
        offline=Request(TEXTS, None),
        single=Request(TEXTS[:3], None),
        seconds=1e6,
    )
