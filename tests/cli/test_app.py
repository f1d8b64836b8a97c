import subprocess
import sys

import pytest

import offramp as package

VERBS = ("train", "calibrate", "evaluate", "predict", "demo")


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_help_lists_every_verb(offramp):
    result = offramp("--help")
    assert result.exit_code == 0
    for verb in VERBS:
        assert f" {verb} " in result.stdout
    assert offramp("-h").stdout == result.stdout


def test_the_version_is_the_packages(offramp):
    result = offramp("--version")
    assert (result.exit_code, result.stdout) == (0, f"offramp {package.__version__}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(offramp, verb):
    result = offramp(verb, "--help")
    assert result.exit_code == 0
    assert f"offramp {verb} [OPTIONS]" in result.stdout


@pytest.mark.parametrize("arguments", [["frobnicate"], ["predict", "--frobnicate"], ["predict"], ["train", "x.csv"]])
def test_wrong_usage_is_told(offramp, arguments):
    result = offramp(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_help_imports_nothing_heavy():
    code = """
import sys
import offramp.cli
from typer.testing import CliRunner
from offramp.cli.app import app
for arguments in (["--help"], ["--version"], ["train", "--help"], ["evaluate", "--help"]):
    assert CliRunner().invoke(app, arguments).exit_code == 0
print(sorted({"torch", "transformers", "sklearn", "scipy", "datasets", "pyarrow"} & set(sys.modules)))
"""
    assert python(code) == "[]\n"


def test_the_package_is_a_command_too():
    result = subprocess.run([sys.executable, "-m", "offramp", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"offramp {package.__version__}\n"


def test_an_interruption_while_commands_are_imported_is_no_traceback():
    code = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from offramp.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
