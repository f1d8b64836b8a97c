"""The examples in the docstrings of what a user calls first say what happens, in a folder with the files they name."""

import ast
import doctest
import re
import shutil
from collections.abc import Iterable
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


@pytest.fixture
def sections(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The blocks of the page on other libraries, section by section, where they find what they speak of."""
    monkeypatch.chdir(shutil.copytree(files, tmp_path / "files"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    shutil.copytree("model", "reviews-model")
    page = (Path(__file__).parents[1] / "docs" / "ecosystem.md").read_text(encoding="utf-8")
    titles = re.split(r"^## (.*)$", page, flags=re.MULTILINE)[1:]
    return {
        title: re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
        for title, section in zip(titles[::2], titles[1::2], strict=True)
    }


def run(blocks: Iterable[str], namespace: dict[str, object]) -> object:
    """Runs blocks of code; gives the value of the last block's last line, as an interpreter shows it."""
    shown: object = None
    for block in blocks:
        tree = ast.parse(block)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "block", "exec"), namespace)
        shown = None if last is None else eval(compile(ast.Expression(last.value), "block", "eval"), namespace)
    return shown


def test_the_page_on_other_libraries_runs(sections: dict[str, list[str]]) -> None:
    namespace: dict[str, object] = {}
    assert [len(blocks) for blocks in sections.values()] == [1, 2, 1, 1, 2, 1, 2]
    *libraries, functions = list(sections.values())[:5]
    for blocks in libraries:
        run(blocks, namespace)
    shown = run(functions[:1], namespace)
    assert isinstance(shown, list)
    assert [one["label"] for one in shown] == ["good", "bad"]


@pytest.mark.filterwarnings("ignore")  # those of other libraries
@pytest.mark.parametrize("title", ["Pipelines", "spaCy", "MLflow"])
def test_a_component_for_another_library_answers(sections: dict[str, list[str]], title: str) -> None:
    needed = {"Pipelines": "langchain_core", "spaCy": "spacy", "MLflow": "mlflow"}[title]
    pytest.importorskip(needed, reason=f"{needed} is not installed")
    namespace: dict[str, object] = {}
    run([block for name in ("datasets", "pandas and polars") for block in sections[name][:1]], namespace)
    (own,) = (blocks for name, blocks in sections.items() if name.startswith(title))
    shown = run(own, namespace)
    if title == "Pipelines":
        (found,) = namespace["classify_texts"](["a wonderful story"])  # type: ignore[operator]
        assert found["score"] > 0.9
        assert shown == f"good, as read after exit {found['exit']}"
    elif title == "spaCy":
        assert isinstance(shown, list)
        assert [max(cats, key=cats.get) for cats in shown] == ["good", "bad"]
    else:
        rows, classifier = namespace["rows"], namespace["classifier"]
        expected = classifier.predict(rows["text"].head(3).tolist())  # type: ignore[attr-defined,index]
        assert shown["label"].tolist() == expected.label  # type: ignore[index]


def test_every_verb_that_takes_a_moment_has_an_example() -> None:
    verbs = {"load", "train", "attach", "chain", "calibrate", "tune", "evaluate", "predict"}
    assert verbs <= {example.name for example in _examples()}
