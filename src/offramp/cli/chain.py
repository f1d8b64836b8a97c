"""``offramp chain``."""

from typing import Annotated

import typer

from offramp.cli.options import OutputFolder, Overwrite
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say
from offramp.data.wording import count

EXAMPLES = (
    "offramp chain small-model large-model --output chain",
    "offramp chain tiny-model small-model large-model --output chain --overwrite",
)


def command(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="SMALL LARGE",
            help="Two model folders or more, or hub ids; the cheapest first.",
            show_default=False,
        ),
    ],
    output: OutputFolder,
    overwrite: Overwrite = False,
) -> None:
    """Put models in a row as one: a text goes on to the next where the ones before were not sure of it.

    The folder holds a copy of each model and is used like any other model folder. Full depth is that of the last
    model; labels are matched by name.
    """
    quiet_libraries()
    from offramp.chaining import chain

    with progress() as update:
        made = chain(models, output=output, overwrite=overwrite, on_progress=update)
    say(
        f"wrote {made.folder}: {count(len(made.models), 'model')} in a row, {count(len(made.labels), 'label')}\n"
        f"next, choose when texts leave, with a guarantee:  offramp tune {made.folder} --data UNSEEN-TEXTS"
    )
