import subprocess
import sys
from typing import get_args, get_type_hints

import pytest

import offramp.data
from offramp.data import Columns
from offramp.errors import OptionError


def test_every_field_carries_its_help():
    hints = get_type_hints(Columns, include_extras=True)
    assert list(hints) == ["text", "text_pair", "label", "label_separator", "quoting"]
    assert all(isinstance(get_args(hint)[1], str) for hint in hints.values())


def test_an_empty_separator_is_refused():
    with pytest.raises(OptionError, match="label_separator is empty"):
        Columns(label_separator="")


def test_unknown_quoting_is_refused():
    with pytest.raises(OptionError, match="quoting is 'all'; use one of auto, minimal, none"):
        Columns(quoting="all")


def test_public_names_are_there_and_sorted():
    assert offramp.data.__all__ == sorted(offramp.data.__all__)
    assert all(hasattr(offramp.data, name) for name in offramp.data.__all__)


def test_the_import_is_light():
    heavy = "{'datasets', 'pyarrow', 'torch', 'sklearn', 'pandas', 'transformers', 'numpy'}"
    code = f"import sys, offramp.data; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
