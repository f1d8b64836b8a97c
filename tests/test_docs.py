"""What README and the documentation say can be followed: commands are ones that can be given, links lead on."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from offramp.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")], key=str)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def commands_of(page):
    """The commands of a page: lines of code that begin with the name of the program, perhaps going on after them."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.findall(r"^ {4,}(offramp [a-z].*)$", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_can_be_given(page):
    known = typer.main.get_command(app).commands
    for line in commands_of(page):
        words = shlex.split(line, comments=True)
        known[words[1]].make_context(words[1], words[2:])


def test_there_are_commands():
    assert sum(len(commands_of(page)) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files_that_are_there(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_page_is_in_the_contents():
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^[a-z/-]+$", contents, re.MULTILINE)
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES if page.parent != ROOT}
    assert pages - {"index"} == set(listed)
