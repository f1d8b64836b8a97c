"""``offramp attach``."""

from typing import Annotated

import typer

from offramp.cli.options import COLUMN_OPTIONS, SOURCE, expand
from offramp.cli.terminal import exit_table, progress, quiet_libraries, say
from offramp.data.columns import Columns
from offramp.training.recipe import ExitFit


@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("fit", ExitFit)
def command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A fine-tuned Hugging Face classifier: a folder or a hub id.")
    ],
    data: Annotated[str, typer.Option(help=f"Texts, best ones that MODEL was not trained on: {SOURCE}.")],
    output: Annotated[str, typer.Option(help="Model folder to write.")],
    columns: Columns,
    fit: ExitFit,
    dev: Annotated[
        str | None, typer.Option(help="Texts to choose the epoch and calibrate on; default: split off DATA.")
    ] = None,
    dev_fraction: Annotated[float, typer.Option(help="Share of DATA split off where no --dev is given.")] = 0.1,
    targets: Annotated[
        str, typer.Option(help="What the exits learn: model (what MODEL says; needs no labels), labels or both.")
    ] = "model",
    labels: Annotated[
        str | None, typer.Option(help="Label names in the order of MODEL's outputs, as no,yes; default: MODEL's own.")
    ] = None,
    exits: Annotated[
        str | None, typer.Option(help="Layers after which exits sit, as 1,2,4, or 'all'; default: four, spread.")
    ] = None,
    pooling: Annotated[str | None, typer.Option(help="pooler, cls or mean, for the new exits.")] = None,
    head: Annotated[str, typer.Option(help="linear, or mlp: with a hidden layer.")] = "linear",
    max_length: Annotated[
        int | None, typer.Option(help="Tokens at which texts are cut; default: what the encoder takes.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes everything random repeatable.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the model in the output folder.")] = False,
) -> None:
    """Put exits on a classifier that is fine-tuned already; its predictions at full depth stay the same."""
    quiet_libraries()
    from offramp.training import attach

    with progress("running texts") as update:
        summary = attach(
            model,
            data=data,
            output=output,
            dev=dev,
            dev_fraction=dev_fraction,
            columns=columns,
            targets=targets,  # type: ignore[arg-type]  # checked there
            labels=None if labels is None else labels.split(","),
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
        f"ran {summary.rows + summary.dev_rows} texts in {summary.encoder_seconds:.0f} s and fitted the exits in "
        f"{summary.exit_seconds:.0f} s; on the dev texts:\n"
    )
    say(exit_table(summary.calibration))
    share = summary.exit_parameters / summary.total_parameters
    say(f"\nthe new exits hold {summary.exit_parameters:,} of {summary.total_parameters:,} parameters ({share:.4%})")
    if summary.blank:
        say(f"{summary.blank} texts were empty")
    if summary.truncated:
        say(f"{summary.truncated} texts were cut at the longest length the model reads")
    say(f"wrote {summary.folder}")
