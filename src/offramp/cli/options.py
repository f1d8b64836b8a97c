"""Options that several verbs share, and options made from the fields of a dataclass."""

import copy
import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import typer

from offramp.backends import AUTO, TORCH, backend_names, backends, precisions_of


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
Pooling = Literal["pooler", "cls", "mean"]
Head = Literal["linear", "mlp"]
if TYPE_CHECKING:
    BackendChoice: TypeAlias = str
    PrecisionChoice: TypeAlias = str
    ExportBackend: TypeAlias = str
    ExportPrecision: TypeAlias = str
else:  # what can be chosen stands in the table of backends
    BackendChoice = Literal[AUTO, *backend_names()]
    PrecisionChoice = Literal[AUTO, *precisions_of(AUTO)]
    ExportBackend = Literal[*backends()]
    ExportPrecision = Literal[*precisions_of(AUTO)]
Backend = Annotated[
    BackendChoice,
    typer.Option(metavar="BACKEND", help=f"{TORCH}, or an exported one: {', '.join(backends())}; auto = the fastest."),
]
Precision = Annotated[
    PrecisionChoice,
    typer.Option(
        metavar="PRECISION",
        help=f"{either(precisions_of(AUTO))}, as far as the backend has it; auto = the fastest.",
    ),
]
Threads = Annotated[int | None, typer.Option(help="Processor threads; default: the backend's choice.")]
OutputFolder = Annotated[str, typer.Option(help="Model folder to write.")]
Exits = Annotated[
    str | None, typer.Option(help="Layers after which exits sit, as 1,2,4, or 'all'; default: four, spread.")
]
HEAD = "linear, or mlp: with a hidden layer"
MaxLength = Annotated[int | None, typer.Option(help="Tokens at which texts are cut; default: what the encoder takes.")]
Seed = Annotated[int, typer.Option(help="Makes everything random repeatable.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the model in the output folder.")]
Wide = Annotated[bool, typer.Option("--wide", help="Show all columns of tables, also beyond 100 characters.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run of the same command.")]
SOURCE = "csv, tsv, jsonl or parquet file (also .gz), folder, hub id (owner/name[:config]:split)"


_Command = Callable[..., None]


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
        kind, option = get_args(parameter.annotation)
        option = copy.copy(option)  # other commands have it, too
        option.rich_help_panel = title
        return parameter.replace(annotation=Annotated[kind, option])

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


def expand(
    parameter: str,
    group: type,
    *,
    optional: bool = False,
    names: dict[str, str] | None = None,
    without: Collection[str] = (),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replaces one parameter of a command by an option for each field of a dataclass.

    Each field must be annotated as ``Annotated[type, "help"]``; so an option is declared once, where it is used.

    Args:
        parameter: the parameter that takes the dataclass.
        group: the dataclass.
        optional: every option may be left out, and the parameter gets a dict of those given: for dataclasses whose
            defaults depend on another option. The help shows those of the fields.
        names: option names of the fields, where they differ from the field's.
        without: fields that the command has no use for; they keep their defaults.
    """
    hints = get_type_hints(group, include_extras=True)
    options: dict[str, inspect.Parameter] = {}
    for field in fields(group):
        if field.name in without:
            continue
        kind, text = get_args(hints[field.name])[:2]
        flag = "--" + (names or {}).get(field.name, field.name.replace("_", "-"))
        if get_origin(kind) is tuple:
            kind = list[get_args(kind)[0]]  # type: ignore[misc]
        default = None if optional else field.default
        # The choices stand in the help text; in the table they would take the place of the options' names.
        metavar = field.name.upper() if get_origin(kind) is Literal else None
        if metavar is not None and not any(str(choice) in text for choice in get_args(kind)):
            text += f": {either(get_args(kind))}"
        if optional and field.default is not None:
            text += f"; default: {_plain(field.default)}"
        options[field.name] = inspect.Parameter(
            f"{parameter}_{field.name}",
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[kind | None if optional else kind, typer.Option(flag, help=text, metavar=metavar)],
        )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        others = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, one in signature.parameters.items()
            if name != parameter
        ]

        @functools.wraps(command)
        def expanded(**given: Any) -> None:
            values = {name: given.pop(option.name) for name, option in options.items()}
            if optional:
                command(**given, **{parameter: {name: value for name, value in values.items() if value is not None}})
            else:
                command(**given, **{parameter: group(**values)})

        expanded.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=sorted([*others, *options.values()], key=lambda one: one.default is not inspect.Parameter.empty)
        )
        expanded.__annotations__ = {one.name: one.annotation for one in [*others, *options.values()]}
        return expanded

    return decorate
