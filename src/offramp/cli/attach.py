"""``offramp attach``."""

from typing import Annotated, Literal

import typer

from offramp.cli.options import (
    COLUMN_OPTIONS,
    HEAD,
    SOURCE,
    Exits,
    Head,
    MaxLength,
    OutputFolder,
    Overwrite,
    Pooling,
    Seed,
    expand,
    panels,
)
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say, say_made
from offramp.data.columns import Columns
from offramp.data.wording import count
from offramp.training.recipe import ExitFit

EXAMPLES = (
    "offramp attach my-classifier --data texts.csv --output my-model",
    "offramp attach my-classifier --data labelled.csv --targets both --labels no,yes --output my-model",
)


@panels(
    Data=("data", "dev", "dev_fraction", "columns"),
    Network=("labels", "exits", "pooling", "head", "max_length"),
    Teaching=("targets", "fit", "seed"),
)
@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("fit", ExitFit)
def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A fine-tuned Hugging Face classifier, or a model of ours: folder or hub id."
        ),
    ],
    data: Annotated[str, typer.Option(help=f"Texts, best ones that MODEL was not trained on: {SOURCE}.")],
    output: OutputFolder,
    columns: Columns,
    fit: ExitFit,
    dev: Annotated[
        str | None, typer.Option(help="Texts to choose the epoch and calibrate on; default: split off DATA.")
    ] = None,
    dev_fraction: Annotated[float, typer.Option(help="Share of DATA split off where no --dev is given.")] = 0.1,
    targets: Annotated[
        Literal["model", "labels", "both"],
        typer.Option(
            metavar="TARGETS", help="What the exits learn: model (what MODEL says; needs no labels), labels or both."
        ),
    ] = "model",
    labels: Annotated[
        str | None, typer.Option(help="Label names in the order of MODEL's outputs, as no,yes; default: MODEL's own.")
    ] = None,
    exits: Exits = None,
    pooling: Annotated[
        Pooling | None,
        typer.Option(
            metavar="POOLING", help="pooler, cls or mean, for the new exits; default: as MODEL's have, or mean."
        ),
    ] = None,
    head: Annotated[
        Head | None,
        typer.Option(metavar="HEAD", help=f"{HEAD}; default: as MODEL's exits have, or linear."),
    ] = None,
    max_length: MaxLength = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Put exits on a classifier that is fine-tuned already; its predictions at full depth stay the same."""
    quiet_libraries()
    from offramp.training import attach

    with progress() as update:
        summary = attach(
            model,
            data=data,
            output=output,
            dev=dev,
            dev_fraction=dev_fraction,
            columns=columns,
            targets=targets,
            labels=None if labels is None else [label.strip() for label in labels.split(",")],
            exits=exits,
            pooling=pooling,
            head=head,
            max_length=max_length,
            fit=fit,
            seed=seed,
            overwrite=overwrite,
            on_progress=update,
        )
    say(
        f"ran {count(summary.rows + summary.dev_rows, 'text')} in {summary.encoder_seconds:.0f} s and fitted the exits "
        f"in {summary.exit_seconds:.0f} s; on the dev texts:\n"
    )
    say_made(summary, exits="new exits", text="text")
