"""``offramp make``."""

from typing import Annotated

import typer

from offramp.cli.options import COLUMN_OPTIONS, SOURCE, OutputFolder, Overwrite, Seed, expand, panels
from offramp.cli.progress import progress
from offramp.cli.terminal import EpochTable, quiet_libraries, say, show
from offramp.data.columns import Columns

EXAMPLES = (
    "offramp make reviews.csv --output reviews-model",
    "offramp make my-classifier --data texts.csv --output fast-classifier --max-disagreement 0.01",
)


@panels(
    Data=("data", "test", "columns"),
    Promise=("max_disagreement", "confidence"),
)
@expand("columns", Columns, names=COLUMN_OPTIONS)
def command(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help=f"Labeled texts ({SOURCE}), or, with --data, a fine-tuned classifier."),
    ],
    output: OutputFolder,
    columns: Columns,
    data: Annotated[
        str | None, typer.Option(help="Texts for the classifier, with or without labels; best new to it.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Encoder to train on labeled texts; default: the small one of 'offramp demo'.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Labeled texts that judge the result; default: a fifth of the others.")
    ] = None,
    max_disagreement: Annotated[
        float, typer.Option(metavar="E", help="Share of the answers that may differ from full depth.")
    ] = 0.02,
    confidence: Annotated[float, typer.Option(help="Probability with which the promise is kept.")] = 0.95,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Make a fast model with a promise, from a labeled file or a classifier: everything in one command.

    Divides the rows, trains or attaches, exports to the fastest backend installed, chooses an operating point, judges
    it and writes a report. Interrupted, the same command goes on. Where nothing could be promised at a gain, the model
    is there nevertheless, and the exit code is 1.
    """
    quiet_libraries()
    from offramp.making import TEST_SHARE, make

    with progress() as update:
        made = make(
            source,
            data,
            output=output,
            model=model,
            test=TEST_SHARE if test is None else test,
            columns=columns,
            max_disagreement=max_disagreement,
            confidence=confidence,
            seed=seed,
            overwrite=overwrite,
            say=say,
            on_epoch=EpochTable(),
            on_progress=update,
        )
    show("\n".join(made.summary))
    if made.point is None:
        raise typer.Exit(1)
