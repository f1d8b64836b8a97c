"""``offramp attach``."""

from typing import Annotated, Literal

import typer

from offramp.cli.options import (
    COLUMN_OPTIONS,
    DEV_OPTIONS,
    SELF,
    SOURCE,
    Dev,
    LabelThresholds,
    OutputFolder,
    Overwrite,
    Seed,
    TeacherColumn,
    expand,
    panels,
)
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say, say_made
from offramp.data.columns import Columns
from offramp.data.wording import count
from offramp.model.windows import LongTexts
from offramp.training.architecture import Architecture
from offramp.training.recipe import ExitFit

EXAMPLES = (
    "offramp attach my-classifier --data texts.csv --output my-model",
    "offramp attach my-classifier --data labeled.csv --targets both --labels no,yes --output my-model",
)


@panels(
    Data=("data", "dev", "columns"),
    Network=("labels", "architecture", "long"),
    Teaching=("targets", "teacher_column", "fit", "label_thresholds", "seed"),
)
@expand("dev", Dev, names=DEV_OPTIONS)
@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("architecture", Architecture, without=["layers"])
@expand("long", LongTexts)
@expand("fit", ExitFit)
def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A fine-tuned Hugging Face classifier, or a model of ours: folder or hub id."
        ),
    ],
    data: Annotated[
        str, typer.Option(help=f"Texts, best ones that MODEL was not trained on: {SOURCE}; or {SELF}, with real --dev.")
    ],
    output: OutputFolder,
    dev: Dev,
    columns: Columns,
    architecture: Architecture,
    long: LongTexts,
    fit: ExitFit,
    targets: Annotated[
        Literal["model", "labels", "both"],
        typer.Option(
            metavar="TARGETS", help="What the exits learn: model (what MODEL says; needs no labels), labels or both."
        ),
    ] = "model",
    labels: Annotated[
        str | None, typer.Option(help="Label names in the order of MODEL's outputs, as no,yes; default: MODEL's own.")
    ] = None,
    label_thresholds: LabelThresholds = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    teacher_column: TeacherColumn = None,
) -> None:
    """Put exits on a classifier that is fine-tuned already; its predictions at full depth stay the same."""
    quiet_libraries()
    from offramp.training import attach

    with progress() as update:
        summary = attach(
            model,
            data,
            output=output,
            dev=dev.given,
            columns=columns,
            teacher_column=teacher_column,
            targets=targets,
            labels=None if labels is None else [label.strip() for label in labels.split(",")],
            architecture=architecture,
            long=long,
            fit=fit,
            label_thresholds=label_thresholds or "half",
            seed=seed,
            overwrite=overwrite,
            on_progress=update,
        )
    say(
        f"ran {count(summary.rows + summary.dev_rows, 'text')} in {summary.encoder_seconds:.0f} s and fitted the exits "
        f"in {summary.exit_seconds:.0f} s; on the dev texts:\n"
    )
    say_made(summary, exits="new exits", text="text")
