"""The ``offramp`` command."""

import importlib
from typing import Annotated

import typer

from offramp.cli.terminal import guarded, replace_unprintable

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


for verb in ("train", "attach", "calibrate", "tune", "evaluate", "predict", "export", "bench", "serve", "demo"):
    command = importlib.import_module(f"offramp.cli.{verb}").command
    app.command(verb)(guarded(command))


def main() -> None:
    """Runs the command line."""
    replace_unprintable()
    app()
