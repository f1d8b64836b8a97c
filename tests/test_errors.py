import ast
import inspect
import pickle
import re
from pathlib import Path

import pytest

import offramp
from offramp import errors
from offramp.errors import CheckFailed, InputError, MissingExtraError, OfframpError, StorageError

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__]


def test_the_tree_in_the_text_is_the_tree():
    drawn, parents = {}, []
    for line in errors.__doc__.splitlines():
        found = re.match(r"    ([│├└─ ]*)(\w+)(?:  |$)", line)
        if found:
            depth = len(found[1]) // 4
            parents[depth:] = [found[2]]
            drawn[found[2]] = parents[depth - 1] if depth else "Exception"
    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in CLASSES}


def test_exit_codes():
    assert {kind.__name__: kind.exit_code for kind in CLASSES if kind.exit_code != 2} == {"CheckFailed": 1}


@pytest.mark.parametrize("kind", CLASSES)
def test_all_are_ours(kind):
    assert issubclass(kind, OfframpError)
    assert kind.__doc__
    assert not issubclass(kind, OSError | ValueError)


def test_what_the_user_did_is_apart_from_what_the_machine_did():
    assert not issubclass(StorageError, InputError)
    assert not issubclass(CheckFailed, InputError)


def test_a_missing_extra_says_how_to_get_it():
    assert str(MissingExtraError("the server", "serve")) == (
        "the server needs an optional dependency: run  pip install 'offramp[serve]'"
    )


def test_programs_can_read_what_is_wrong():
    error = OfframpError("rows", option="data", value="x", path="a.csv", row=3)
    assert (str(error), error.option, error.value, error.path, error.row) == ("rows", "data", "x", "a.csv", 3)
    assert vars(OfframpError("rows")) == dict.fromkeys(("option", "value", "path", "row"))


def test_errors_pass_between_processes():
    error = OfframpError("rows", option="data", value="x", path=Path("a.csv"), row=3)
    error.add_note("look there")
    for one in (error, MissingExtraError("the server", "serve")):
        back = pickle.loads(pickle.dumps(one))
        assert (type(back), str(back), vars(back)) == (type(one), str(one), vars(one))


# Commands that messages name hold flags, and strings that are nothing but flags are parts of such commands.
COMMAND = re.compile(r"\b(offramp|pip|ray) [a-z]+( [^'\";,)]*)?")
ARGUMENTS = re.compile(r"( ?--[a-z-]+ \{\})+|--[a-z-]+ [\d.]+")


def strings_of(path):
    """The strings of a file, without those that document it; values in f-strings are ``{}``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | documented:
            yield node.value


def test_the_library_names_no_flags_of_the_command_line():
    source = Path(offramp.__file__).parent
    found = [
        f"{path.relative_to(source)}: {text}"
        for path in sorted(source.rglob("*.py"))
        if "cli" not in path.parts
        for text in strings_of(path)
        if re.search(r"--[a-z]", COMMAND.sub("", text)) and not ARGUMENTS.fullmatch(text)
    ]
    assert found == []
