"""Registration with transformers, in interpreters of their own: the order of imports is what matters."""

import subprocess
import sys

import pytest

from conftest import tiny_model
from offramp.model import save


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save(tiny_model(), folder)
    return folder


OFFRAMP_FIRST = """
import importlib.util, sys
import offramp
from transformers import AutoConfig  # alone: it does not load the Auto classes of models
print(type(AutoConfig.from_pretrained(sys.argv[1])).__name__)

importlib.util.find_spec("transformers.models.auto.modeling_auto")  # somebody only looks
from transformers import AutoModelForSequenceClassification
print(type(AutoModelForSequenceClassification.from_pretrained(sys.argv[1])).__name__)

module = sys.modules["transformers.models.auto.modeling_auto"]
print(type(module.__loader__).__name__, module.__spec__.loader is module.__loader__)
"""

TRANSFORMERS_FIRST = """
import sys
from transformers import AutoConfig, AutoModelForSequenceClassification
import offramp
print(type(AutoConfig.from_pretrained(sys.argv[1])).__name__)
print(type(AutoModelForSequenceClassification.from_pretrained(sys.argv[1])).__name__)
print("SourceFileLoader", True)
"""


@pytest.mark.parametrize("code", [OFFRAMP_FIRST, TRANSFORMERS_FIRST], ids=["offramp first", "transformers first"])
def test_order_of_imports(code, folder):
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "EarlyExitConfig",
        "EarlyExitForSequenceClassification",
        *["SourceFileLoader", "True"],
    ]
    assert "instantiate a model of type" not in done.stderr  # transformers would not know the type
