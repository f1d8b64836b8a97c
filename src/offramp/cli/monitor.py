"""``offramp monitor``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offramp.backends import Runtime
from offramp.cli.options import COLUMN_OPTIONS, RUNTIME_HELP, SOURCE, At, JsonFile, ModelFolder, Seed, expand, panels
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say, show, table
from offramp.data.columns import Columns
from offramp.data.wording import count

if TYPE_CHECKING:
    from offramp.drift import Figures
    from offramp.monitoring import Monitored, WatchedAlarm

EXAMPLES = (
    "offramp monitor reviews-model --data this-week.jsonl",
    "offramp monitor reviews-model --data this-week.csv --at safe --json monitored.json",
)

# Detectors of an alarm that are shown.
_SHOWN = 5


@panels(Data=("data", "columns"), Setting=("at", "audit_share", "seed"), Runtime=("runtime",), Results=("json",))
@expand("runtime", Runtime, annotations=RUNTIME_HELP)
@expand("columns", Columns, names=COLUMN_OPTIONS, without=("label", "label_separator"))
def command(
    model: ModelFolder,
    data: Annotated[str, typer.Option(help=f"Texts, with or without labels: {SOURCE}, or - for standard input.")],
    columns: Columns,
    runtime: Runtime,
    at: At = None,
    audit_share: Annotated[float, typer.Option(help="Share of rows that are run to full depth as well.")] = 0.01,
    seed: Seed = 0,
    json: JsonFile = None,
) -> None:
    """Tell whether texts are unlike those the model was tuned on, or its promise is at risk; exit code 1 if so.

    It classifies the rows in their order at an operating point, and needs no labels. Each of the two alarms is ever
    raised falsely with a chance of at most 1 %.
    """
    quiet_libraries()
    from offramp.files import check_writable, write_json
    from offramp.monitoring import check, monitor

    if json is not None:
        check_writable(Path(json))
    with progress() as update:
        monitored = monitor(
            model,
            data,
            columns=columns,
            at=at,
            audit_share=audit_share,
            runtime=runtime,
            seed=seed,
            on_progress=update,
        )
    if json is not None:
        write_json(Path(json), monitored.to_dict())
    print_monitored(monitored)
    if json is not None:
        say(f"wrote {json}")
    check(monitored)


def print_monitored(monitored: "Monitored") -> None:
    """Prints what was found."""
    exits = ", ".join(f"{rows / max(1, monitored.rows):.0%} after {name}" for name, rows in monitored.exits.items())
    left = count(monitored.rows, f"row at {monitored.point}; it left", f"rows at {monitored.point}; they left")
    show(f"{left} {exits}")
    for alarm in monitored.alarms:
        show(f"\n{_headline(alarm)}")
        most = sorted(alarm.figures, key=lambda figures: -figures.log_evidence)[:_SHOWN]
        header = ["detector", "seen", "at most", "evidence", "needed"]
        show(table(header, [_cells(figures) for figures in most]))
    show(f"\n{monitored.standing}")


def _headline(alarm: "WatchedAlarm") -> str:
    looked = count(alarm.looked, "text looked at", "texts looked at")
    return f"{alarm.name}: {'no alarm' if alarm.row is None else f'alarm at row {alarm.row}'}; {looked}"


def _cells(figures: "Figures") -> list[str]:
    return [
        figures.detector,
        "-" if figures.seen is None else f"{figures.seen:.1%}",
        "-" if figures.expected is None else f"{figures.expected:.1%}",
        f"{figures.log_evidence:.1f}",
        f"{figures.log_needed:.1f}",
    ]
