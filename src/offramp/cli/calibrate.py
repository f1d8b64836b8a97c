"""``offramp calibrate``."""

from typing import Annotated

import typer

from offramp.cli.options import COLUMN_OPTIONS, SOURCE, JsonFile, LabelThresholds, ModelFolder, expand, panels
from offramp.cli.progress import progress
from offramp.cli.terminal import advice_on_long, quiet_libraries, say, table
from offramp.data.columns import Columns
from offramp.data.wording import count
from offramp.exit_names import in_column
from offramp.model.windows import LongTexts, ReadOn

EXAMPLES = (
    "offramp calibrate reviews-model --data fresh-labels.jsonl --label-column topic --json calibration.json",
    "offramp calibrate reviews-model --data labels-of-long-texts.csv --long read-on --windows 8",
)


@panels(Data=("data", "columns", "label_thresholds"), Long_texts=("long",))
@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("long", LongTexts)
def command(
    model: ModelFolder,
    data: Annotated[str, typer.Option(help=f"Labeled texts the model was not trained on: {SOURCE}.")],
    columns: Columns,
    long: LongTexts,
    label_thresholds: LabelThresholds = None,
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
        result = calibrate(
            model, data, columns=columns, long=long, label_thresholds=label_thresholds, on_progress=update
        )
    if json is not None:
        write_json(Path(json), CALIBRATION.content(result.after))
    after, exits = in_column([fitted.name for fitted in result.after.exits])
    before = dict(zip(result.names[0], result.before.temperatures, strict=True))
    rows = [
        [
            shown,
            f"{before[fitted.name]:.3f}" if fitted.name in before else "-",
            f"{fitted.temperature:.3f}",
            f"{fitted.nll_before:.4f}",
            f"{fitted.nll_after:.4f}",
            f"{fitted.ece_before:.4f}",
            f"{fitted.ece_after:.4f}",
        ]
        for shown, fitted in zip(exits, result.after.exits, strict=True)
    ]
    header = [f"exit {after}", "old T", "new T", "NLL at T=1", "NLL now", "ECE at T=1", "ECE now"]
    say(table(header, rows))
    written = " and ".join(str(folder / CALIBRATION.name) for folder in models_of(Path(model)))
    say(f"\nfitted on {count(result.after.rows, 'row')}; wrote {written}")
    if long.long is not None:
        say(_way_of(result.read_on))
    if result.long is not None and result.long.helps:
        say(advice_on_long(result.long, f"offramp calibrate {model} --data {data} --long read-on"))
    if doubt := result.after.doubt:
        say(f"warning: {doubt}")
    if result.void:
        void = ", ".join(f"{point.name} ({point.engine})" for point in result.void)
        say(
            f"operating points that were tuned for other temperatures and are void now: {void}; choose them again with"
            f"  offramp tune {model} --data UNSEEN-TEXTS"
        )


def _way_of(read_on: ReadOn | None) -> str:
    """How long texts are read from now on, in a sentence."""
    if read_on is None:
        return "long texts are cut from now on"
    return (
        f"long texts are read window by window from now on: up to {read_on.windows} windows, which overlap by "
        f"{count(read_on.overlap, 'token')}; what they say together is the {read_on.combination} of their logits"
    )
