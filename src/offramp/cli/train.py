"""``offramp train``."""

from functools import partial
from typing import Annotated, Any, Literal

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
    Resume,
    Seed,
    expand,
    panels,
)
from offramp.cli.progress import progress
from offramp.cli.terminal import EpochTable, quiet_libraries, say, say_made
from offramp.data.columns import Columns
from offramp.training.recipe import Recipe, recipe_named
from offramp.training.regimes import Regime

MOST_LABELS = 50

EXAMPLES = (
    "offramp train reviews.csv --model google-bert/bert-base-uncased --output reviews-model",
    "offramp train train.csv --dev dev.csv --model microsoft/MiniLM-L12-H384-uncased --exits 2,4,8,12 --output model",
)


@panels(
    Data=("dev", "dev_fraction", "unlabeled", "columns"),
    Network=("exits", "layers", "pooling", "head", "max_length"),
    Teaching=("regime", "teacher"),
    Recipe=("recipe", "changes", "trials", "seed", "report_to"),
)
@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("regime", Regime, names={"name": "regime"})
@expand("changes", Recipe, optional=True, names={"learning_rates": "learning-rate"})
def command(
    data: Annotated[str, typer.Argument(metavar="TRAIN", help=f"Labelled texts: {SOURCE}.")],
    model: Annotated[str, typer.Option(help="The encoder, or a model to take it from: a folder or a hub id.")],
    output: OutputFolder,
    columns: Columns,
    changes: dict[str, Any],
    regime: Regime,
    dev: Annotated[
        str | None, typer.Option(help="Labelled texts to choose the epoch and calibrate on; default: split off TRAIN.")
    ] = None,
    dev_fraction: Annotated[float, typer.Option(help="Share of TRAIN split off where no --dev is given.")] = 0.1,
    unlabeled: Annotated[str | None, typer.Option(help=f"More texts, which teach through --distill: {SOURCE}.")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="A fine-tuned classifier, which teaches through --distill: a folder or a hub id.")
    ] = None,
    exits: Exits = None,
    layers: Annotated[
        int | None, typer.Option(help="Cut the encoder off after so many layers; then with one exit by default.")
    ] = None,
    pooling: Annotated[
        Pooling | None,
        typer.Option(metavar="POOLING", help="pooler, cls or mean; default: what the encoder was pre-trained with."),
    ] = None,
    head: Annotated[Head, typer.Option(metavar="HEAD", help=f"{HEAD}.")] = "linear",
    max_length: MaxLength = None,
    recipe: Annotated[
        Literal["default", "paper"], typer.Option(metavar="RECIPE", help="Settings to start from: default or paper.")
    ] = "default",
    trials: Annotated[int, typer.Option(help="Runs with other seeds and learning rates; the best is kept.")] = 1,
    seed: Seed = 0,
    resume: Resume = False,
    overwrite: Overwrite = False,
    report_to: Annotated[str, typer.Option(help="Experiment trackers, as in transformers' Trainer.")] = "none",
) -> None:
    """Fine-tune an encoder with exits on labelled texts, and calibrate it.

    The options --epochs to --precision change single values of the recipe; the defaults given there are those of the
    recipe 'default'. In regime frozen they apply to the encoder alone, not to the exits fitted after it.
    """
    if "learning_rates" in changes:
        changes["learning_rates"] = tuple(changes["learning_rates"]) or None
    settings = recipe_named(recipe, **changes)
    quiet_libraries()
    from offramp.training import Listener, train

    with progress() as update:

        def on_labels(rows: dict[str, int]) -> None:
            shown = [f"{label} {count:,}" for label, count in list(rows.items())[:MOST_LABELS]]
            more = f", ... ({len(rows)} in all)" if len(rows) > MOST_LABELS else ""
            say(f"training rows of each label: {', '.join(shown)}{more}")

        def on_trial(number: int, of: int, learning_rate: float) -> None:
            if of > 1:
                say(f"trial {number + 1} of {of}: learning rate {learning_rate:g}")

        summary = train(
            data,
            model=model,
            output=output,
            dev=dev,
            dev_fraction=dev_fraction,
            columns=columns,
            unlabeled=unlabeled,
            teacher=teacher,
            exits=exits,
            layers=layers,
            pooling=pooling,
            head=head,
            max_length=max_length,
            recipe=settings,
            regime=regime,
            trials=trials,
            seed=seed,
            resume=resume,
            overwrite=overwrite,
            report_to=report_to,
            listener=Listener(
                on_labels=on_labels,
                on_trial=on_trial,
                on_step=partial(update, "training"),
                on_epoch=EpochTable(),
                on_progress=update,
            ),
        )
    best = "each exit at its best epoch" if regime.name == "frozen" else f"best epoch {summary.best.number:g}"
    say(f"\n{best}, {summary.seconds:.0f} s of training; on the dev data:\n")
    say_made(summary, exits="exits", text="training text")
