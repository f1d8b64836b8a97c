"""Counts that say whether the package stays simple: prints them, and fails where one is over its limit.

python tools/counts.py [SOURCE]

SOURCE is the folder of the package, ``src/offramp`` by default. Nothing is imported, only read.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

# A function whose body is longer than this, docstring, comments and blank lines aside, is long; so many may be.
LONG, MOST_LONG = 60, 3
# No function may take more parameters than this; verbs, whose parameters are keywords, have the most.
PARAMETERS = 15
# Public classes of one name that mean the same thing in every module.
SAME_MEANING: frozenset[str] = frozenset()
# So many names of public classes may mean two things; the aim is 0, and until it is near they are only told.
MOST_DOUBLE_NAMES = 0
# Lines of the files that CONTRIBUTING.md names for following one predict().
MAIN_PATH = 1200

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One file: its name within the package, such as ``engine.run``, its text and what it parses to."""

    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The top-level package or module that it belongs to; empty for the package itself."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Count:
    """A number with its limit, and what it counts, by name; without a limit it is only told."""

    what: str
    number: int
    most: int | None = None
    found: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether the limit is kept."""
        return self.most is None or self.number <= self.most

    def __str__(self) -> str:
        limit = "" if self.most is None else f" (at most {self.most})"
        lines = [f"{'' if self.kept else 'TOO MANY: '}{self.what}: {self.number:,}{limit}"]
        return "\n".join([*lines, *(f"    {one}" for one in self.found)])


def read(source: Path) -> list[Module]:
    """All modules of a package, by name."""
    modules = []
    for file in sorted(source.rglob("*.py")):
        parts = file.relative_to(source).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        text = file.read_text(encoding="utf-8")
        modules.append(Module(name, text, ast.parse(text, str(file))))
    return modules


def counts(modules: list[Module], package: str, guide: str = "") -> list[Count]:
    """Everything that is counted.

    Args:
        guide: the text whose paragraph "To follow one ``predict()``" names the files of the main path.
    """
    imports = room_imports(modules, package)
    pairs = sorted((room, other) for room, others in imports.items() for other in others)
    mutual = tuple(f"{one} and {other}" for one, other in pairs if one < other and (other, one) in pairs)
    circle, doubles = circle_of(imports), double_names(modules)
    long = long_functions(modules)
    many = sorted(((number, name) for name, number in parameters(modules)), reverse=True)
    above = tuple(f"{name}: {number}" for number, name in many if number > PARAMETERS)
    return [
        Count("lines", sum(len(module.text.splitlines()) for module in modules)),
        Count("modules", len(modules)),
        Count("pairs of rooms of which one imports the other", len(pairs)),
        Count("pairs of rooms that import each other", len(mutual), 0, mutual),
        Count("circles of rooms", len(circle), 0, circle),
        Count("names that several modules have for public classes", len(doubles), MOST_DOUBLE_NAMES, doubles),
        Count(f"functions with more than {LONG} lines of code", len(long), MOST_LONG, long),
        Count(f"functions with more than {PARAMETERS} parameters", len(above), 0, above),
        main_path(modules, guide),
    ]


def main_path(modules: list[Module], guide: str) -> Count:
    """Lines of the files that a guide names for following one ``predict()``."""
    sentence = re.search(r"To follow one `predict\(\)`.*?\.(?=\s+`)", guide, re.DOTALL)
    files = re.findall(r"`([\w/]+)\.py`", sentence[0] if sentence else "")
    lengths = {module.name: len(module.text.splitlines()) for module in modules}
    names = [name.replace("/", ".") for name in files]
    if missing := [name for name in names if name not in lengths]:
        sys.exit(f"the guide names files that are not there: {', '.join(missing)}")
    told = tuple(f"{name}: {lengths[name]}" for name in names)
    return Count("lines to read to follow one predict()", sum(lengths[name] for name in names), MAIN_PATH, told)


def room_imports(modules: list[Module], package: str) -> dict[str, set[str]]:
    """What rooms each room imports, wherever in a file."""
    rooms = {module.room for module in modules if module.room}
    found: dict[str, set[str]] = {room: set() for room in rooms}
    for module in modules:
        if module.room:
            found[module.room] |= {name for name in _imported(module.tree, package) if name in rooms - {module.room}}
    return found


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """First names below the package that a file imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (one.name.split(".")[1] for one in names if one.name.startswith(f"{package}."))
            case ast.ImportFrom(module=str(source), names=names, level=0):
                if source == package:
                    yield from (one.name for one in names)
                elif source.startswith(f"{package}."):
                    yield source.split(".")[1]


def circle_of(imports: Mapping[str, set[str]]) -> tuple[str, ...]:
    """One circle of rooms, if there is any."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return (" <- ".join(error.args[1]),)
    return ()


def double_names(modules: list[Module]) -> tuple[str, ...]:
    """Public classes whose name another module has for a class of its own."""
    places = defaultdict(list)
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in SAME_MEANING:
                places[node.name].append(module.name)
    return tuple(f"{name}: {', '.join(where)}" for name, where in sorted(places.items()) if len(where) > 1)


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """All functions and methods with their full names, those within others, too."""

    def visit(node: ast.AST, name: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function | ast.ClassDef):
                inner = f"{name}.{child.name}"
                if isinstance(child, Function):
                    yield inner, child
                yield from visit(child, inner)
            else:
                yield from visit(child, name)

    return visit(module.tree, module.name)


def long_functions(modules: list[Module]) -> tuple[str, ...]:
    """Functions that are long, the longest first."""
    found = [
        (length, name)
        for module in modules
        for name, function in functions(module)
        if (length := lines_of_code(function, module.text.splitlines())) > LONG
    ]
    return tuple(f"{name}: {length}" for length, name in sorted(found, reverse=True))


def lines_of_code(function: Function, lines: list[str]) -> int:
    """Lines of a function's body without its docstring, comments and blank lines."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if not body:
        return 0
    code = (one.strip() for one in lines[body[0].lineno - 1 : function.end_lineno])
    return sum(bool(one) and not one.startswith("#") for one in code)


def parameters(modules: list[Module]) -> Iterator[tuple[str, int]]:
    """How many parameters each function has, itself aside in a method."""
    for module in modules:
        for name, function in functions(module):
            given = function.args
            names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            yield name, len(names) - (names[:1] in (["self"], ["cls"]))


def main() -> None:
    """Prints everything; exit code 1 where a limit is not kept."""
    source = Path(*sys.argv[1:2] or ["src/offramp"])
    guide = source.parent.parent / "CONTRIBUTING.md"
    told = counts(read(source), source.name, guide.read_text(encoding="utf-8") if guide.is_file() else "")
    print("\n".join(map(str, told)))
    if not all(count.kept for count in told):
        sys.exit(1)


if __name__ == "__main__":
    main()
