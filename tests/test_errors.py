import inspect
import re

import pytest

from offramp import errors
from offramp.errors import CheckFailed, InputError, MissingExtraError, OfframpError, StorageError

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value)]


def test_the_tree_in_the_text_is_the_tree():
    drawn, parents = {}, []
    for line in errors.__doc__.splitlines():
        found = re.match(r"    ([│├└─ ]*)(\w+)(?:  |$)", line)
        if found:
            depth = len(found[1]) // 4
            parents[depth:] = [found[2]]
            drawn[found[2]] = parents[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in CLASSES}


def test_exit_codes():
    assert {kind.__name__: kind.exit_code for kind in CLASSES if kind.exit_code != 2} == {"CheckFailed": 1}


@pytest.mark.parametrize("kind", CLASSES)
def test_all_are_ours(kind):
    assert issubclass(kind, OfframpError)
    assert kind.__doc__
    assert not issubclass(kind, OSError | ValueError)


def test_what_the_user_did_is_apart_from_what_the_machine_did():
    assert not issubclass(StorageError, InputError)
    assert not issubclass(CheckFailed, InputError)


def test_a_missing_extra_says_how_to_get_it():
    assert str(MissingExtraError("the server", "serve")) == (
        "the server needs an optional dependency: run  pip install 'offramp[serve]'"
    )
