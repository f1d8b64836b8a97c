import ast
import importlib
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import offramp
import offramp.model

ROOT = Path(__file__).parents[1]


def python(code):
    """Runs code in an interpreter of its own, where nothing is imported yet."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_import_brings_neither_torch_nor_transformers():
    heavy = ["torch", "transformers", "datasets", "sklearn", "scipy", "numpy", "pyarrow", "typer", "rich"]
    code = f"import sys, offramp, offramp.errors; print(*[name for name in {heavy} if name in sys.modules])"
    assert python(code) == []


def test_command_line_starts_without_torch():
    heavy = ["torch", "transformers", "datasets", "sklearn"]
    code = f"import sys, offramp.cli; print(*[name for name in {heavy} if name in sys.modules])"
    assert python(code) == []


@pytest.mark.parametrize("package", [offramp, offramp.model])
def test_every_public_name_is_there(package):
    for name in package.__all__:
        assert getattr(package, name) is not None, name
    assert sorted(package.__all__) == sorted(set(package.__all__))
    assert "nothing" not in package.__all__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing


@pytest.mark.parametrize("package", [offramp, offramp.model])
def test_type_checkers_see_the_same_names(package):
    tree = ast.parse(inspect.getsource(package))
    (typing_only,) = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {
        alias.asname: node.module.removeprefix(package.__name__ + ".")
        for node in typing_only.body
        for alias in node.names
    }
    assert homes == package._HOMES


def test_verbs_are_functions_not_modules():
    for verb in ("train", "attach", "calibrate", "evaluate", "predict", "bench", "demo", "load"):
        assert inspect.isfunction(getattr(offramp, verb)), verb


def test_names_stay_after_their_submodules_are_imported():
    for module in ("offramp.evaluation", "offramp.engine.predict_file", "offramp.benchmark", "offramp.training"):
        importlib.import_module(module)
    assert inspect.isfunction(offramp.predict)
    assert inspect.isfunction(offramp.evaluate)
    assert inspect.isfunction(offramp.train)
    assert inspect.isfunction(offramp.bench)


def test_dir_lists_what_is_public():
    assert dir(offramp) == sorted(offramp.__all__)


def test_version_is_the_packages():
    assert offramp.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_nothing_unpickles():
    """Models come from strangers; no file of theirs may run code."""
    forbidden = ("import pickle", "pickle.load", "torch.load(", "joblib", "trust_remote_code=True")
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text()
        assert not any(word in text for word in forbidden), path
