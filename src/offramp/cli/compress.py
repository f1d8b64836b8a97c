"""``offramp compress``."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from offramp.cli.options import (
    COLUMN_OPTIONS,
    SOURCE,
    At,
    IgnoreLabels,
    ModelFolder,
    OutputFolder,
    Overwrite,
    Seed,
    expand,
    panels,
    without_labels,
)
from offramp.cli.progress import progress
from offramp.cli.terminal import exit_table, quiet_libraries, say, table
from offramp.data.columns import Columns
from offramp.data.wording import count

if TYPE_CHECKING:
    from offramp.compressing import Compressed

EXAMPLES = (
    "offramp compress my-model --data texts.csv --output narrow-model --flops 0.6",
    "offramp compress my-model --data texts.csv --output narrow-model --max-disagreement 0.02",
)


@panels(
    Data=("data", "dev", "dev_fraction", "columns", "ignore_labels"),
    Goal=("flops", "speedup", "max_disagreement", "experts", "at"),
)
@expand("columns", Columns, names=COLUMN_OPTIONS)
def command(
    model: ModelFolder,
    data: Annotated[str, typer.Option(help=f"Texts, a thousand or more that MODEL was not trained on: {SOURCE}.")],
    output: OutputFolder,
    columns: Columns,
    flops: Annotated[
        float | None,
        typer.Option(
            help="Share of the multiply-adds of the encoder's layers that is left; 0.75 where no goal is given.",
            show_default=False,
        ),
    ] = None,
    speedup: Annotated[
        float | None,
        typer.Option(help="At least this many times as fast at full depth, as measured here.", show_default=False),
    ] = None,
    max_disagreement: Annotated[
        float | None,
        typer.Option(
            help="As narrow as possible with at most this share of answers at full depth that differ from MODEL's.",
            show_default=False,
        ),
    ] = None,
    experts: Annotated[
        int | None,
        typer.Option(
            help="Several blocks in each layer, of which a token runs through one; 4, say. Only PyTorch runs them.",
            show_default=False,
        ),
    ] = None,
    at: At = None,
    dev: Annotated[
        str | None, typer.Option(help="Texts to compare and calibrate the result on; default: split off the others.")
    ] = None,
    dev_fraction: Annotated[
        float, typer.Option(help="Share of the others that is split off where no --dev is given.")
    ] = 0.2,
    ignore_labels: IgnoreLabels = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Make the layers of a model narrower, without labels: neurons that matter least are taken out, the rest refitted.

    The new folder is a model folder like any other; export and tune it again.
    """
    quiet_libraries()
    from offramp.compressing import compress

    with progress() as update:
        made = compress(
            model,
            data,
            output=output,
            flops=flops,
            speedup=speedup,
            max_disagreement=max_disagreement,
            experts=experts,
            dev=dev_fraction if dev is None else dev,
            columns=without_labels(columns) if ignore_labels else columns,
            at=at,
            seed=seed,
            overwrite=overwrite,
            on_progress=update,
        )
    _tell(made, model)


def _tell(made: "Compressed", original: str) -> None:
    compared, speed, limit = made.compared, made.speedup, _limit(made.compared.disagreement)
    layers = zip(made.widths, made.widths_before, made.reached, strict=True)
    say(
        table(
            ["layer", "neurons", "before", "reached by"],
            [
                [str(number), str(width), str(before), f"{share:.1%}"]
                for number, (width, before, share) in enumerate(layers, 1)
            ],
        )
    )
    if made.experts is not None:
        say(f"\neach layer has {made.experts} experts of so many neurons, of which a token runs through one")
    say(
        f"\n{made.flops:.1%} of the multiply-adds are left; full depth is {speed.median:.2f} times as fast as before "
        f"({speed.low:.2f} to {speed.high:.2f}, PyTorch, this machine)\n"
        f"on {count(compared.rows, 'held-out text')} {compared.disagreement:.2%} of the answers at full depth differ "
        f"from the original's; at most {compared.bound:.2%} of such texts do, with 95 % confidence"
    )
    if compared.accuracy is not None and compared.accuracy_before is not None:
        say(f"{compared.accuracy:.2%} are right, and {compared.accuracy_before:.2%} were before")
    say(f"\n{exit_table(made.calibration)}\n")
    if doubt := made.calibration.doubt:
        say(f"warning: {doubt}")
    say(
        f"fitted to {count(made.rows, 'text')} in {made.seconds:.0f} s; wrote {made.folder}\n"
        "next, choose when texts leave, with a promise about the original's answers:  "
        f"offramp tune {made.folder} --data UNSEEN-TEXTS --reference {original} --max-disagreement {limit}"
    )


def _limit(disagreement: float) -> str:
    """A limit for ``tune``: 2 %, or some more than full depth itself differs by."""
    return f"{max(2, math.ceil(100 * disagreement) + 1) / 100:g}"
