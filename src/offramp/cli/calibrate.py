"""``offramp calibrate``."""

from typing import Annotated

import typer

from offramp.cli.options import COLUMN_OPTIONS, SOURCE, JsonFile, ModelFolder, expand, panels
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say, table
from offramp.data.columns import Columns
from offramp.data.wording import count
from offramp.exit_names import in_column

EXAMPLES = (
    "offramp calibrate reviews-model --data fresh-labels.csv",
    "offramp calibrate reviews-model --data fresh-labels.jsonl --label-column topic --json calibration.json",
)


@panels(Data=("data", "columns"))
@expand("columns", Columns, names=COLUMN_OPTIONS)
def command(
    model: ModelFolder,
    data: Annotated[str, typer.Option(help=f"Labeled texts the model was not trained on: {SOURCE}.")],
    columns: Columns,
    json: JsonFile = None,
) -> None:
    """Refit the exits' temperatures on other data and write them into the model folder."""
    quiet_libraries()
    from pathlib import Path

    from offramp.evaluation import calibrate
    from offramp.files import check_writable, write_json
    from offramp.folder import CALIBRATION, models_of

    if json is not None:
        check_writable(Path(json))
    with progress() as update:
        result = calibrate(model, data, columns=columns, on_progress=update)
    if json is not None:
        write_json(Path(json), CALIBRATION.content(result.after))
    after, exits = in_column([fitted.name for fitted in result.after.exits])
    rows = [
        [
            name,
            f"{before:.3f}",
            f"{fitted.temperature:.3f}",
            f"{fitted.nll_before:.4f}",
            f"{fitted.nll_after:.4f}",
            f"{fitted.ece_before:.4f}",
            f"{fitted.ece_after:.4f}",
        ]
        for name, before, fitted in zip(exits, result.before.temperatures, result.after.exits, strict=True)
    ]
    header = [f"exit {after}", "old T", "new T", "NLL at T=1", "NLL now", "ECE at T=1", "ECE now"]
    say(table(header, rows))
    written = " and ".join(str(folder / CALIBRATION.name) for folder in models_of(Path(model)))
    say(f"\nfitted on {count(result.after.rows, 'row')}; wrote {written}")
    if doubt := result.after.doubt:
        say(f"warning: {doubt}")
    if result.void:
        void = ", ".join(f"{point.name} ({point.engine})" for point in result.void)
        say(
            f"operating points that were tuned for other temperatures and are void now: {void}; choose them again with"
            f"  offramp tune {model} --data UNSEEN-TEXTS"
        )
