"""README and quick start to the letter: what they say is done in order, in a folder with the files that they name."""

import re
import shlex
import shutil
from pathlib import Path

import pandas
import pytest
from typer.testing import CliRunner

import offramp
from conftest import tiny_backbone, tiny_classifier, tiny_tokenizer
from helpers.making import make_quickly
from helpers.reviews import VOCABULARY, reviews
from helpers.toys import QUICK, write_csv, write_jsonl
from offramp.cli.app import app
from offramp.training import Architecture

ROOT = Path(__file__).parents[1]
# A server does not end, an export takes half a minute: both have tests of their own.
LEFT_OUT = ("serve", "export")
ENCODER = "sentence-transformers/all-MiniLM-L6-v2"


def parts_of(page):
    """Blocks of Python with what they print, and commands, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.finditer(
        r"^```python\n(.*?)^```\n\n((?: {4}[^\n]*\n)*)|^ {4}offramp ([^\n]+)$", text, re.DOTALL | re.MULTILINE
    )
    return [(one[1], one[2], one[3]) for one in found]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """All that a reader has, with an encoder that knows a little already."""
    folder = tmp_path_factory.mktemp("reader")
    tokenizer = tiny_tokenizer(words=VOCABULARY)
    tiny_backbone().save_pretrained(folder / "random")
    tokenizer.save_pretrained(folder / "random")
    columns = pandas.DataFrame(reviews(480, seed=9))
    architecture = Architecture(exits=(1, 2, 4))
    offramp.train(folder / "random", columns, output=folder / "taught", architecture=architecture, recipe=QUICK)
    network = offramp.EarlyExitForSequenceClassification.from_pretrained(folder / "taught")
    networks = {ENCODER: network.backbone, "my-classifier": tiny_classifier(labels=("bad", "good"))}
    for name, one in networks.items():
        one.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    for seed, (name, size) in enumerate({"reviews": 1000, "texts": 900, "train": 500, "dev": 100, "test": 100}.items()):
        write_csv(folder / f"{name}.csv", reviews(size, seed))
    new = [{"id": place, "text": row["text"]} for place, row in enumerate(reviews(50, seed=8))]
    write_jsonl(folder / "new.jsonl", new)
    write_csv(folder / "new.csv", new)
    pandas.DataFrame(new).to_parquet(folder / "new.parquet")
    return folder


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_what_a_page_says_can_be_done_in_order(files, tmp_path, monkeypatch, capsys, page):
    monkeypatch.chdir(shutil.copytree(files, tmp_path / "files"))
    make_quickly(monkeypatch)
    runner, done = CliRunner(), []
    for code, printed, command in parts_of(page):
        if command is None:
            exec(compile(code, page, "exec"), {})
            assert capsys.readouterr().out.endswith("".join(re.findall(r"^ {4}(.*\n)", printed, re.MULTILINE)))
        elif (words := shlex.split(command, comments=True))[0] not in LEFT_OUT:
            result = runner.invoke(app, words)
            assert result.exit_code == 0, (command, result.stderr)
            done.append(words[0])
    assert {"make", "predict"} <= set(done)
