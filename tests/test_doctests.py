"""The examples in the docstrings of what a user calls first say what happens, in a folder with the files they name."""

import doctest
import re
import shutil
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

import offramp
from conftest import tiny_backbone, tiny_classifier, tiny_tokenizer
from helpers.reviews import VOCABULARY, reviews
from helpers.toys import QUICK, write_csv
from offramp import policy
from offramp.engine import TextStage
from offramp.policy import CRITERIA

LONGER = replace(QUICK, epochs=8)
LAYERS = offramp.Architecture(exits=(1, 2, 3, 4))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that examples name: labeled reviews, an encoder, a classifier that is fine-tuned already, and a model."""
    folder = tmp_path_factory.mktemp("files")
    for seed, (name, rows) in enumerate({"reviews.csv": 480, "fresh.csv": 240, "test.csv": 240}.items()):
        write_csv(folder / name, reviews(rows, seed))
    networks = {"encoder": tiny_backbone(), "classifier": tiny_classifier(labels=("bad", "good"))}
    for name, network in networks.items():
        network.save_pretrained(folder / name)
        tiny_tokenizer(words=VOCABULARY).save_pretrained(folder / name)
    options = {"dev": 0.25, "recipe": LONGER, "architecture": LAYERS}
    offramp.train(folder / "encoder", str(folder / "reviews.csv"), output=folder / "model", **options)
    shutil.copytree(folder / "model", folder / "small-model")  # what it says does not depend on how small it is
    return folder


def _examples() -> list[doctest.DocTest]:
    """Those of all that ``offramp`` and the rules offer by name, of a stage of one's own, and of their methods."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    offered = [getattr(room, name) for room in (offramp, policy) for name in room.__all__]
    named = [one for one in (*offered, TextStage) if hasattr(one, "__qualname__")]
    globs = {"offramp": offramp, "__name__": "__main__"}
    found = {one.name: one for thing in named for one in finder.find(thing, globs=globs) if one.examples}
    return list(found.values())


@pytest.mark.parametrize("example", _examples(), ids=lambda example: example.name)
def test_an_example_in_a_docstring_prints_what_it_says(
    example: doctest.DocTest, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shutil.copytree(files, tmp_path / "files"))
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    with mock.patch.dict(CRITERIA):
        runner.run(example, out=said.append)
    assert not runner.failures, "".join(said)


def test_the_page_on_other_libraries_runs(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shutil.copytree(files, tmp_path / "files"))
    shutil.copytree("model", "reviews-model")
    page = (Path(__file__).parents[1] / "docs" / "ecosystem.md").read_text(encoding="utf-8")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    namespace: dict[str, object] = {}
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)):
        exec(compile(block, f"block {number}", "exec"), namespace)
    assert number == 5
    predict = namespace["classify_texts"]
    assert callable(predict)
    assert [one["label"] for one in predict(["a wonderful story", "the plot was dull"])] == ["good", "bad"]


def test_every_verb_that_takes_a_moment_has_an_example() -> None:
    verbs = {"load", "train", "attach", "chain", "calibrate", "tune", "evaluate", "predict"}
    assert verbs <= {example.name for example in _examples()}
