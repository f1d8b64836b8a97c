from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from offramp.cli.options import COLUMN_OPTIONS, expand
from offramp.data import Columns


@dataclass(frozen=True, kw_only=True)
class Group:
    rate: Annotated[float, "how fast"] = 0.5
    sizes: Annotated[tuple[int, ...], "how large"] = (1,)
    name_of_it: Annotated[str | None, "what it is called"] = None


def run(arguments, **options):
    got = []
    app = typer.Typer()

    @app.command()
    @expand("group", Group, **options)
    def command(what: str, group: Group, flag: Annotated[bool, typer.Option("--flag")] = False) -> None:
        """Does it."""
        got.append((what, group, flag))

    result = CliRunner().invoke(app, arguments)
    return result, got[0] if got else None


def test_fields_become_options():
    result, got = run(["x", "--rate", "2", "--sizes", "3", "--sizes", "4", "--name-of-it", "it", "--flag"])
    assert result.exit_code == 0
    assert got == ("x", Group(rate=2.0, sizes=[3, 4], name_of_it="it"), True)


def test_defaults_are_the_fields_own():
    _, (_, group, flag) = run(["x"])
    assert (group.rate, tuple(group.sizes), group.name_of_it, flag) == (0.5, (1,), None, False)


def test_the_help_text_comes_from_the_field():
    result, _ = run(["--help"])
    for text in ("--rate", "how fast", "[default: 0.5]", "--name-of-it", "what it is called"):
        assert text in result.stdout


def test_optional_groups_hold_only_what_was_given():
    _, (_, group, _) = run(["x", "--name-of-it", "it"], optional=True)
    assert group == {"name_of_it": "it"}
    _, (_, group, _) = run(["x"], optional=True)
    assert {name: value for name, value in group.items() if value} == {}


def test_the_help_of_an_optional_group_shows_the_fields_defaults():
    result, _ = run(["--help"], optional=True)
    shown = " ".join(result.stdout.replace("│", " ").split())
    for text in ("how fast; default: 0.5", "how large; default: 1", "what it is called"):
        assert text in shown
    assert "called; default" not in shown


def test_options_can_have_other_names():
    _, (_, group, _) = run(["x", "--speed", "3"], names={"rate": "speed"})
    assert group.rate == 3


def test_fields_without_a_use_are_no_options():
    _, (_, group, _) = run(["x", "--rate", "3"], without=("sizes",))
    assert (group.rate, group.sizes) == (3, (1,))
    assert run(["x", "--sizes", "3"], without=("sizes",))[0].exit_code == 2


def test_a_value_of_the_wrong_type_is_refused():
    result, got = run(["x", "--rate", "fast"])
    assert (result.exit_code, got) == (2, None)


@pytest.mark.parametrize("verb", ["train", "evaluate", "calibrate", "bench"])
def test_labelled_verbs_take_every_column(offramp, verb):
    shown = offramp(verb, "--help").stdout
    assert set(COLUMN_OPTIONS) == set(Columns.__dataclass_fields__)
    for name in COLUMN_OPTIONS.values():
        assert f"--{name}" in shown
