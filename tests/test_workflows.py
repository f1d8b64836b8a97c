"""Workflows do what the Makefile can, on the versions that the package declares."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import offramp

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def jobs_of(path):
    return yaml.safe_load(path.read_text())["jobs"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_targets_are_there_and_rights_are_few(path):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for job in jobs_of(path).values():
        for step in job["steps"]:
            assert set(re.findall(r"^make (\S+)", step.get("run", ""), re.MULTILINE)) <= set(targets)
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}


def test_the_versions_of_python_are_those_that_the_package_names():
    named = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]
    assert jobs_of(ROOT / ".github" / "workflows" / "tests.yml")["test"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_every_extra_for_users_is_installed_once():
    extras = {f"[{name}]" for name in PROJECT["optional-dependencies"] if name not in ("dev", "docs")}
    matrix = jobs_of(ROOT / ".github" / "workflows" / "tests.yml")["distributions"]["strategy"]["matrix"]
    assert set(matrix["extra"]) == {"", *extras}


def test_all_name_one_version():
    changes = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert offramp.__version__ == PROJECT["version"] == changes[0] == cited
