"""``offramp train``."""

from typing import Annotated

import typer

from offramp.cli.options import (
    COLUMN_OPTIONS,
    DEV_OPTIONS,
    SOURCE,
    Dev,
    LabelThresholds,
    OutputFolder,
    Overwrite,
    Resume,
    Seed,
    TeacherColumn,
    expand,
    panels,
)
from offramp.cli.progress import progress
from offramp.cli.terminal import EpochTable, quiet_libraries, say, say_made
from offramp.data.columns import Columns
from offramp.model.windows import LongTexts
from offramp.training.architecture import Architecture
from offramp.training.recipe import RECIPES, Recipe
from offramp.training.regimes import Regime

MOST_LABELS = 50

EXAMPLES = (
    "offramp train reviews.csv --model google-bert/bert-base-uncased --output reviews-model",
    "offramp train train.csv --dev dev.csv --model microsoft/MiniLM-L12-H384-uncased --exits 2,4,8,12 --output model",
)


@panels(
    Data=("dev", "regime_unlabeled", "columns"),
    Network=("architecture", "long"),
    Teaching=("teacher_column", "regime", "label_thresholds"),
    Recipe=("recipe", "seed", "report_to"),
)
@expand("dev", Dev, names=DEV_OPTIONS)
@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("architecture", Architecture)
@expand("long", LongTexts)
@expand("regime", Regime, names={"name": "regime"})
@expand("recipe", Recipe, presets=RECIPES, names={"learning_rates": "learning-rate"})
def command(
    data: Annotated[str, typer.Argument(metavar="TRAIN", help=f"Labeled texts: {SOURCE}.")],
    model: Annotated[str, typer.Option(help="The encoder, or a model to take it from: a folder or a hub id.")],
    output: OutputFolder,
    dev: Dev,
    columns: Columns,
    architecture: Architecture,
    long: LongTexts,
    regime: Regime,
    recipe: Recipe,
    label_thresholds: LabelThresholds = None,
    seed: Seed = 0,
    resume: Resume = False,
    overwrite: Overwrite = False,
    teacher_column: TeacherColumn = None,
    report_to: Annotated[str, typer.Option(help="Experiment trackers, as in transformers' Trainer.")] = "none",
) -> None:
    """Fine-tune an encoder with exits on labeled texts, and calibrate it.

    The options --epochs to --precision change single values of the recipe; the defaults given there are those of the
    recipe 'default'. In regime frozen they apply to the encoder alone, not to the exits fitted after it.
    """
    quiet_libraries()
    from offramp.training import Listener, train

    with progress() as update:
        summary = train(
            model,
            data,
            output=output,
            dev=dev.given,
            columns=columns,
            teacher_column=teacher_column,
            architecture=architecture,
            long=long,
            regime=regime,
            recipe=recipe,
            label_thresholds=label_thresholds or "auto",
            seed=seed,
            resume=resume,
            overwrite=overwrite,
            listener=Listener(
                on_labels=_say_labels,
                on_trial=_say_trial,
                on_epoch=EpochTable(),
                on_progress=update,
                report_to=report_to,
            ),
        )
    best = "each exit at its best epoch" if regime.name == "frozen" else f"best epoch {summary.best.number:g}"
    say(f"\n{best}, {summary.seconds:.0f} s of training; on the dev data:\n")
    say_made(summary, exits="exits", text="training text")


def _say_labels(rows: dict[str, int]) -> None:
    shown = [f"{label} {count:,}" for label, count in list(rows.items())[:MOST_LABELS]]
    rest = f", ... ({len(rows)} in all)" if len(rows) > MOST_LABELS else ""
    say(f"training rows of each label: {', '.join(shown)}{rest}")


def _say_trial(number: int, trials: int, learning_rate: float) -> None:
    if trials > 1:
        say(f"trial {number + 1} of {trials}: learning rate {learning_rate:g}")
