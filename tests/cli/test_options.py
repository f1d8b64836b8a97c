import importlib
import re
import shlex
from dataclasses import dataclass
from typing import Annotated, get_args

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from offramp.backends import backend_names, backends
from offramp.cli.app import VERBS, app
from offramp.cli.options import COLUMN_OPTIONS, expand, flags_of, panels, without_labels
from offramp.data import Columns
from offramp.errors import OptionError
from offramp.model.config import HEADS, POOLINGS
from offramp.policy import CRITERIA, Method
from offramp.training import RECIPES
from offramp.training.recipe import Targets
from offramp.training.regimes import Name


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
    assert got == ("x", Group(rate=2.0, sizes=(3, 4), name_of_it="it"), True)


def test_defaults_are_the_fields_own():
    _, (_, group, flag) = run(["x"])
    assert (group.rate, group.sizes, group.name_of_it, flag) == (0.5, (1,), None, False)


def test_the_help_text_comes_from_the_field():
    result, _ = run(["--help"])
    for text in ("--rate", "how fast", "[default: 0.5]", "--name-of-it", "what it is called"):
        assert text in result.stdout


def test_optional_groups_hold_only_what_was_given():
    _, (_, group, _) = run(["x", "--name-of-it", "it"], optional=True)
    assert group == {"name_of_it": "it"}
    _, (_, group, _) = run(["x"], optional=True)
    assert group == {}


def test_the_help_of_an_optional_group_shows_the_fields_defaults():
    result, _ = run(["--help"], optional=True)
    shown = " ".join(result.stdout.replace("│", " ").split())
    for text in ("how fast; default: 0.5", "how large; default: 1", "what it is called"):
        assert text in shown
    assert "called; default" not in shown


@pytest.mark.parametrize(
    ("arguments", "group"),
    [
        ([], Group(rate=2)),
        (["--group", "slow"], Group(rate=0.1, sizes=(7,))),
        (["--group", "slow", "--rate", "3", "--name-of-it", "it"], Group(rate=3, sizes=(7,), name_of_it="it")),
        (["--sizes", "1", "--sizes", "2"], Group(rate=2, sizes=(1, 2))),
    ],
)
def test_single_values_change_the_preset_that_is_chosen(arguments, group):
    presets = {"usual": Group(rate=2), "slow": Group(rate=0.1, sizes=(7,))}
    assert run(["x", *arguments], presets=presets)[1] == ("x", group, False)
    assert run(["x", "--group", "fast"], presets=presets)[0].exit_code == 2


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
def test_labeled_verbs_take_every_column(offramp, verb):
    shown = offramp(verb, "--help").stdout
    assert set(COLUMN_OPTIONS) == set(Columns.__dataclass_fields__)
    for name in COLUMN_OPTIONS.values():
        assert f"--{name}" in shown


def test_options_stand_in_the_panels_that_name_them():
    app = typer.Typer()

    @app.command()
    @panels(Speed=("group",), Odds=("flag",))
    @expand("group", Group)
    def command(what: str, group: Group, flag: Annotated[bool, typer.Option("--flag")] = False) -> None:
        """Does it."""

    found = {one.name: one.rich_help_panel for one in typer.main.get_command(app).params}
    speed = dict.fromkeys(("group_rate", "group_sizes", "group_name_of_it"), "Speed")
    assert {name: panel for name, panel in found.items() if panel is not None} == {**speed, "flag": "Odds"}


CHOICES = [
    (["train", "x.csv", "--model", "m", "--output", "o", "--recipe"], tuple(RECIPES)),
    (["train", "x.csv", "--model", "m", "--output", "o", "--pooling"], POOLINGS),
    (["train", "x.csv", "--model", "m", "--output", "o", "--head"], HEADS),
    (["train", "x.csv", "--model", "m", "--output", "o", "--regime"], get_args(Name)),
    (["attach", "m", "--data", "x", "--output", "o", "--targets"], get_args(Targets)),
    (["tune", "m", "--data", "x", "--method"], tuple(Method)),
    (["tune", "m", "--data", "x", "--rule"], tuple(CRITERIA)),
    (["predict", "m", "--input", "x", "--output", "y", "--backend"], ("auto", *backend_names())),
    (["export", "m", "--backend"], tuple(backends())),
]


@pytest.mark.parametrize(("command", "choices"), CHOICES, ids=lambda part: part[-1])
def test_choices_are_those_of_the_library_and_told_where_another_is_given(offramp, command, choices):
    result = offramp(*command, "luck")
    assert result.exit_code == 2
    told = re.sub(r"\s+", " ", result.stderr.replace("│", " "))
    assert "'luck' is not one of" in told
    assert set(re.findall(r"'([\w-]+)'", told.partition("is not one of")[2])) == set(choices)


@pytest.mark.parametrize("verb", VERBS)
def test_examples_are_commands_that_can_be_given(verb):
    module = importlib.import_module(f"offramp.cli.{verb}")
    commands = typer.main.get_command(app).commands
    assert len(module.EXAMPLES) == 2
    for example in module.EXAMPLES:
        words = shlex.split(example.rpartition("| ")[2])
        assert words[:2] == ["offramp", verb]
        commands[verb].make_context(verb, words[2:])


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_a_terminal_and_ends_with_the_examples(offramp, verb):
    shown = offramp(verb, "--help").stdout
    assert "Examples:" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_labels_are_left_alone_or_named():
    assert without_labels(Columns(text="body")) == Columns(text="body", label=None)
    with pytest.raises(OptionError, match="the labels in column 'topic' are named and to be ignored"):
        without_labels(Columns(label="topic"))


def test_the_flag_of_an_option_is_known_by_its_names():
    presets = {"usual": Group(rate=2)}

    @panels(Odds=("group", "flag"))
    @expand("group", Group, presets=presets, names={"name_of_it": "called", "rate": "rate/--no-rate"})
    def command(
        what: str,
        group: Group,
        flag: Annotated[bool, typer.Option("--a-flag")] = False,
        more_of_it: Annotated[int, typer.Option(help="More.")] = 0,
    ) -> None:
        """Does it."""

    assert flags_of(command) == {
        "flag": "--a-flag",
        "a_flag": "--a-flag",
        "more_of_it": "--more-of-it",
        "group": "--group",
        "rate": "--rate",
        "sizes": "--sizes",
        "name_of_it": "--called",
        "called": "--called",
    }


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_of_a_verb_is_known(verb):
    command = importlib.import_module(f"offramp.cli.{verb}").command
    shown = typer.main.get_command(app).commands[verb].params
    options = {param.opts[0] for param in shown if param.param_type_name == "option" and param.name != "help"}
    assert set(flags_of(command).values()) == options
