"""The examples in the docstrings of what a user calls first say what happens, in a folder with the files they name."""

import ast
import doctest
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
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


@pytest.fixture
def component(sections: dict[str, list[str]]) -> Callable[[str, str], tuple[object, dict[str, Any]]]:
    """Runs a section that needs a package of its own; gives what it shows, and the names that it has then."""

    def shown(title: str, package: str) -> tuple[object, dict[str, Any]]:
        pytest.importorskip(package, reason=f"{package} is not installed")
        names: dict[str, Any] = {}
        run([sections["datasets"][0], sections["pandas and polars"][0]], names)  # the classifier, and rows
        return run(sections[title], names), names

    return shown


# With the other libraries come their warnings.
@pytest.mark.filterwarnings("ignore")
def test_a_component_of_langchain_sends_on_what_it_is_sure_of(component: Any) -> None:
    shown, names = component("Pipelines of functions (LangChain, Haystack)", "langchain_core")
    (found,) = names["classify_texts"](["a wonderful story"])
    assert found["score"] > 0.9
    assert shown == f"good, as read after exit {found['exit']}"


@pytest.mark.filterwarnings("ignore")
def test_a_component_of_spacy_fills_categories(component: Any) -> None:
    shown, _ = component("spaCy", "spacy")
    assert [max(categories, key=categories.get) for categories in shown] == ["good", "bad"]


@pytest.mark.filterwarnings("ignore")
def test_a_component_of_mlflow_answers_as_the_classifier(component: Any) -> None:
    shown, names = component("MLflow", "mlflow")
    expected = names["classifier"].predict(names["rows"]["text"].head(3).tolist())
    assert shown["label"].tolist() == expected.label


def test_every_verb_that_takes_a_moment_has_an_example() -> None:
    verbs = {"load", "train", "attach", "chain", "calibrate", "tune", "evaluate", "predict"}
    assert verbs <= {example.name for example in _examples()}
