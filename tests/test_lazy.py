import sys
import types

import pytest

from offramp._lazy import lazy


@pytest.fixture
def package(monkeypatch):
    """A package "toy" whose submodule "home" defines "name", "home" and "wrong" is promised in vain."""
    toy, home = types.ModuleType("toy"), types.ModuleType("toy.home")
    toy.__path__ = []
    home.name, home.home = object(), object()
    toy.__getattr__ = lazy("toy", {"name": "home", "home": "home", "wrong": "home", "lost": "nowhere"})
    monkeypatch.setitem(sys.modules, "toy", toy)
    monkeypatch.setitem(sys.modules, "toy.home", home)
    return toy


def test_a_name_is_looked_up_once(package):
    found = package.name
    assert found is sys.modules["toy.home"].name
    sys.modules["toy.home"].name = object()
    assert package.name is found


def test_a_name_wins_over_the_submodule_of_that_name(package):
    assert package.home is sys.modules["toy.home"].home
    assert vars(package)["home"] is package.home


def test_names_that_are_not_there(package):
    with pytest.raises(AttributeError, match="module 'toy' has no attribute 'nothing'"):
        _ = package.nothing
    assert not hasattr(package, "nothing")
    with pytest.raises(AttributeError):
        _ = package.wrong
    with pytest.raises(ModuleNotFoundError):
        _ = package.lost
