"""Options that several verbs share, and options made from the fields of a dataclass."""

import copy
import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType, NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import OptionInfo

from offramp.backends import AUTO, TORCH, backend_names, backends, precisions_of
from offramp.data.columns import Columns
from offramp.errors import OptionError


def either(names: Sequence[object]) -> str:
    """Names in a sentence that offers a choice of them."""
    *others, last = map(str, names)
    return f"{', '.join(others)} or {last}" if others else last


COLUMN_OPTIONS = {
    "text": "text-column",
    "text_pair": "text-pair-column",
    "label": "label-column",
    "label_separator": "label-separator",
    "quoting": "quoting",
}

TeacherColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Column with what another system said, which exits learn in place of labels: labels, or probabilities of "
        "each label.",
    ),
]

ModelFolder = Annotated[str, typer.Argument(metavar="MODEL", help="Model folder, as 'offramp train' writes it.")]
JsonFile = Annotated[str | None, typer.Option("--json", metavar="FILE", help="Also write the result as JSON.")]
Threshold = Annotated[
    float | None,
    typer.Option(
        help="Leave at the first exit at least this confident: 0 = first exit, above 1 = full depth.",
        show_default=False,
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Leave as at this operating point, such as safe, of those that 'offramp tune' stored.",
        show_default=False,
    ),
]
if TYPE_CHECKING:
    ExportBackend: TypeAlias = str
    ExportPrecision: TypeAlias = str
else:  # what can be chosen stands in the table of backends
    ExportBackend = Literal[*backends()]
    ExportPrecision = Literal[*precisions_of(AUTO)]
OutputFolder = Annotated[str, typer.Option(help="Model folder to write.")]
Seed = Annotated[int, typer.Option(help="Makes everything random repeatable.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the model in the output folder.")]
Wide = Annotated[bool, typer.Option("--wide", help="Show all columns of tables, also beyond 100 characters.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run of the same command.")]
LabelThresholds = Annotated[
    str | None,
    typer.Option(
        metavar="f1|half|COST",
        help="For sets of labels, from which probability each holds: f1 = that of its best F1 on labeled dev texts, "
        "half = 0.5, COST = that where errors cost least if a missed label costs so many times what a wrong one does.",
        show_default=False,
    ),
]
IgnoreLabels = Annotated[bool, typer.Option("--ignore-labels", help="Leave labels alone, also where there are any.")]
SELF = "self (or self:8-64 tokens), texts that the model makes itself"
SOURCE = "csv, tsv, jsonl or parquet file (also .gz), folder, hub id (owner/name[:config]:split)"


def without_labels(columns: Columns) -> Columns:
    """The columns without that of the labels.

    Raises:
        OptionError: it was named.
    """
    if columns.label != Columns().label:
        raise OptionError(f"the labels in column {columns.label!r} are named and to be ignored; do one of the two")
    return replace(columns, label=None)


_Command = Callable[..., None]
_UNIONS = (Union, UnionType)


def panels(**groups: Sequence[str]) -> Callable[[_Command], _Command]:
    """Puts a command's options into panels of its help; those not named stay under "Options".

    Args:
        groups: for each panel its parameters, by their names or by that of the dataclass they were made from.
    """
    titles = {name: title.replace("_", " ") for title, names in groups.items() for name in names}

    def moved(parameter: inspect.Parameter) -> inspect.Parameter:
        name = parameter.name
        title = next((titles[part] for part in (name, name.partition("_")[0]) if part in titles), None)
        if title is None:
            return parameter
        kind, option, *field = get_args(parameter.annotation)
        option = copy.copy(option)  # other commands have it, too
        option.rich_help_panel = title
        return parameter.replace(annotation=Annotated[kind, option, *field])

    def decorate(command: _Command) -> _Command:
        signature = inspect.signature(command)
        parameters = [moved(parameter) for parameter in signature.parameters.values()]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return command

    return decorate


def _plain(value: Any) -> str:
    """A default as people write it."""
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def flags_of(command: _Command) -> dict[str, str]:
    """How the options of a command are written, by their names in Python.

    What a field or parameter and its flag are called apart from dashes may differ; both names are known.
    """
    flags: dict[str, str] = {}
    for parameter in inspect.signature(command).parameters.values():
        match get_args(parameter.annotation):
            case (_, OptionInfo() as option, *field):
                # In Annotated the first of an option's flags stands where its default would.
                given = option.default if isinstance(option.default, str) else "--" + parameter.name.replace("_", "-")
                flag = given.partition("/")[0]
                names = field or [parameter.name]
                flags |= dict.fromkeys((*names, flag.removeprefix("--").replace("-", "_")), flag)
    return flags


def _option(
    parameter: str, flag: str, annotation: Any, default: Any, *, optional: bool, field: str
) -> inspect.Parameter:
    """A field as a command-line option; one that is ``optional`` is None where it is left out.

    Args:
        field: its name, by which :func:`flags_of` knows the option.
        annotation: ``Annotated[type, "help"]``, perhaps with what stands for the value in the help, and with a function
            that checks it.
    """
    kind, text, *more = get_args(annotation)
    shown, checks = [extra for extra in more if isinstance(extra, str)], [extra for extra in more if callable(extra)]
    members = [member for member in get_args(kind) if member is not NoneType] if get_origin(kind) in _UNIONS else [kind]
    if len(members) > 1:
        kind = str | None  # a value of several types is written as text here
    elif get_origin(members[0]) is tuple:
        kind = list[get_args(members[0])[0]]  # type: ignore[misc]
    # The choices stand in the help text; in the table they would take the place of the options' names.
    choices = get_args(members[0]) if get_origin(members[0]) is Literal else ()
    if choices and not any(str(choice) in text for choice in choices):
        text += f": {either(choices)}"
    if optional and default is not None:
        text += f"; default: {_plain(default)}"
    metavar = next(iter(shown), flag.removeprefix("--").replace("-", "_").upper() if choices else None)
    option = typer.Option(flag, help=text, metavar=metavar, parser=next(iter(checks), None))
    return inspect.Parameter(
        parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if optional else default,
        annotation=Annotated[kind | None if optional else kind, option, field],
    )


def _with_options(
    command: _Command, parameter: str, options: Sequence[inspect.Parameter], make: Callable[[list[Any]], Any]
) -> _Command:
    """The command with options in the place of a parameter, which gets what ``make`` makes of their values."""
    signature = inspect.signature(command)
    others = [
        option.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, option in signature.parameters.items()
        if name != parameter
    ]

    @functools.wraps(command)
    def expanded(**given: Any) -> None:
        values = [given.pop(option.name) for option in options]
        command(**given, **{parameter: make([tuple(value) if isinstance(value, list) else value for value in values])})

    expanded.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=sorted([*others, *options], key=lambda option: option.default is not inspect.Parameter.empty)
    )
    expanded.__annotations__ = {option.name: option.annotation for option in [*others, *options]}
    return expanded


def expand(
    parameter: str,
    group: type,
    *,
    optional: bool = False,
    presets: Mapping[str, Any] | None = None,
    names: dict[str, str] | None = None,
    without: Collection[str] = (),
    annotations: Mapping[str, Any] = MappingProxyType({}),
) -> Callable[[_Command], _Command]:
    """Replaces one parameter of a command by an option for each field of a dataclass.

    Each field must be annotated as ``Annotated[type, "help"]``; so an option is declared once, where it is used.

    Args:
        parameter: the parameter that takes the dataclass.
        group: the dataclass.
        optional: every option may be left out, and the parameter gets a dict of those given: for dataclasses whose
            defaults depend on another option. The help shows those of the fields.
        presets: dataclasses by name, to start from: one more option, called as the parameter, chooses, and the others
            change single values. The first is the default, and the help shows its values.
        names: option names of the fields, where they differ from the field's.
        without: fields that the command has no use for; they keep their defaults.
        annotations: of fields whose choices only the command line knows, in the place of their own.
    """
    hints = get_type_hints(group, include_extras=True) | dict(annotations)
    shown = [field for field in fields(group) if field.name not in without]
    options = [
        _option(
            f"{parameter}_{field.name}",
            "--" + (names or {}).get(field.name, field.name.replace("_", "-")),
            hints[field.name],
            field.default,
            optional=optional or presets is not None,
            field=field.name,
        )
        for field in shown
    ]

    def given(values: list[Any]) -> dict[str, Any]:
        return {field.name: value for field, value in zip(shown, values, strict=True) if value not in (None, ())}

    if presets is not None:
        chosen, text = next(iter(presets)), f"{parameter} to start from: {either(tuple(presets))}"
        choices = Annotated[Literal[*presets], text]  # type: ignore[valid-type]
        choice = _option(parameter, f"--{parameter}", choices, chosen, optional=False, field=parameter)
        return lambda command: _with_options(
            command, parameter, [choice, *options], lambda values: replace(presets[values[0]], **given(values[1:]))
        )
    make: Callable[[list[Any]], Any] = (
        given
        if optional
        else lambda values: group(**{field.name: value for field, value in zip(shown, values, strict=True)})
    )
    return lambda command: _with_options(command, parameter, options, make)


def _of(choices: Sequence[str]) -> Callable[[str], str]:
    """Checks that something is one of some names, or several with commas in between: one for each model of a chain."""

    def check(value: str) -> str:
        for name in value.split(","):
            if name not in choices:
                raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, choices))}.")
        return value

    return check


# What can be chosen of a :class:`offramp.backends.Runtime` stands in the table of backends.
RUNTIME_HELP = {
    "backend": Annotated[
        str,
        f"{TORCH}, or an exported one: {', '.join(backends())}; auto = the fastest; of a chain also one for each "
        f"model, as {next(iter(backends()))},{TORCH}",
        "BACKEND",
        _of((AUTO, *backend_names())),
    ],
    "precision": Annotated[
        str,
        f"{either(precisions_of(AUTO))}, as far as the backend has it; auto = the fastest",
        "PRECISION",
        _of((AUTO, *precisions_of(AUTO))),
    ],
}


@dataclass(frozen=True, slots=True)
class Dev:
    """Where the texts come from that choose the epoch and fit the temperatures."""

    source: Annotated[str | None, "texts to choose the epoch and calibrate on; default: split off the others"] = None
    fraction: Annotated[float | None, "share of the others that is split off where no --dev is given; default: 0.1"] = (
        None
    )

    def __post_init__(self) -> None:
        if self.source is not None and self.fraction is not None:
            raise OptionError(
                f"fraction is {self.fraction:g}, but nothing is split off where `source` names the dev texts; give one "
                "of the two",
                option="fraction",
                value=self.fraction,
            )

    @property
    def given(self) -> str | float:
        """As the verbs take it."""
        return self.source or (0.1 if self.fraction is None else self.fraction)


DEV_OPTIONS = {"source": "dev", "fraction": "dev-fraction"}
