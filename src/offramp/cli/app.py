"""The ``offramp`` command."""

import importlib
from typing import Annotated

import rich.markup
import typer

from offramp.cli.terminal import guarded

VERBS = (
    "make",
    "train",
    "attach",
    "calibrate",
    "tune",
    "points",
    "evaluate",
    "predict",
    "export",
    "bench",
    "serve",
    "monitor",
    "chain",
    "compress",
    "demo",
)

app = typer.Typer(
    name="offramp",
    help="Early-exit text classifiers: easy inputs leave early, one threshold trades speed for accuracy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import offramp

        typer.echo(f"offramp {offramp.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _add(verb: str) -> None:
    """Adds a verb: its module's command, with examples under its help."""
    module = importlib.import_module(f"offramp.cli.{verb}")
    examples = "\n\n".join(["Examples:", *(rich.markup.escape(example) for example in module.EXAMPLES)])
    # Lines of a docstring end where the source's do; a terminal has a width of its own.
    paragraphs = [" ".join(part.split()) for part in module.command.__doc__.split("\n\n")]
    app.command(verb, help="\n\n".join(paragraphs), epilog=examples)(guarded(module.command))


for verb in VERBS:
    _add(verb)
