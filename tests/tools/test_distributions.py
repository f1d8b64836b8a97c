import pytest

from tools.distributions import TOLD, flaws_of_sources, flaws_of_wheel

GOOD = ["offramp/__init__.py", "offramp/py.typed", *(f"offramp-0.1.0.dist-info/{name}" for name in TOLD)]
SOURCES = ["pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt"]


def test_a_wheel_of_the_package_alone_is_good():
    assert flaws_of_wheel(GOOD) == []


@pytest.mark.parametrize("name", ["tests/conftest.py", "offramp/test_x.py", "benchmarks/results/front.json", "x.py"])
def test_what_belongs_elsewhere_is_named(name):
    assert flaws_of_wheel([*GOOD, name]) == [f"{name} belongs elsewhere"]


def test_what_is_missing_is_named():
    without = [name for name in GOOD if not name.endswith(".cdx.json")]
    assert flaws_of_wheel(without) == ["sboms/offramp.cdx.json is missing"]
    assert flaws_of_sources(f"offramp-0.1.0/{name}" for name in SOURCES[1:]) == ["pyproject.toml is missing"]
    built = [f"offramp-0.1.0/{name}" for name in (*SOURCES, "docs/_build/x.html")]
    assert flaws_of_sources(built) == ["docs/_build/x.html belongs elsewhere"]
