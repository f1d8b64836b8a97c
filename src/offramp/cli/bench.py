"""``offramp bench``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offramp.benchmark.options import Contenders
from offramp.cli.options import (
    COLUMN_OPTIONS,
    SOURCE,
    IgnoreLabels,
    JsonFile,
    ModelFolder,
    Wide,
    expand,
    panels,
    without_labels,
)
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say, show, table
from offramp.data.columns import Columns
from offramp.data.wording import count

if TYPE_CHECKING:
    from offramp.benchmark import Benchmark

EXAMPLES = (
    "offramp bench reviews-model --data test.csv --autotune --json bench.json",
    "offramp bench reviews-model --data test.csv --check bench.json",
)


CONTENDERS = {
    "thresholds": "threshold",
    "points": "at",
    "backends": "backend",
    "precisions": "precision",
    "token_budgets": "token-budget",
}


@panels(
    Data=("data", "columns", "ignore_labels"),
    Contenders=("contenders",),
    Measurement=("seconds", "seed"),
    Results=("autotune", "json", "picture", "check", "wide"),
)
@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("contenders", Contenders, optional=True, names=CONTENDERS)
def command(
    model: ModelFolder,
    data: Annotated[str, typer.Option(help=f"Texts, with or without labels; accuracy takes labels: {SOURCE}.")],
    columns: Columns,
    contenders: dict[str, Any],
    ignore_labels: IgnoreLabels = False,
    seconds: Annotated[
        float, typer.Option(help="How long the timed runs may take; sets the sample and the rounds.")
    ] = 300.0,
    seed: Annotated[int, typer.Option(help="Seed of the sample of rows that is timed.")] = 0,
    autotune: Annotated[
        bool, typer.Option("--autotune", help="Store the best token budgets in the model folder, for this machine.")
    ] = False,
    json: JsonFile = None,
    picture: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw throughput and latency: an .svg file.")
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(metavar="BASELINE", help="Compare with an earlier --json; exit code 1 if something got slower."),
    ] = None,
    wide: Wide = False,
) -> None:
    """Measure the throughput and latency of early exit and of the alternatives to it."""
    quiet_libraries()
    from offramp.benchmark import bench, read_baseline
    from offramp.benchmark import check as compare
    from offramp.files import check_writable
    from offramp.folder import TUNING
    from offramp.report import check_picture

    if picture is not None:
        check_picture(Path(picture))
    for target in (json, picture):
        if target is not None:
            check_writable(Path(target))
    baseline = None if check is None else read_baseline(Path(check))
    with progress() as update:
        result = bench(
            model,
            data,
            columns=without_labels(columns) if ignore_labels else columns,
            contenders=Contenders(**contenders),
            seconds=seconds,
            seed=seed,
            autotune=autotune,
            baseline=baseline,
            on_progress=update,
        )
    _write(result, json, picture)
    print_benchmark(result.to_dict(), wide=wide)
    _say_written(result, json, picture, str(Path(model) / TUNING.name) if autotune else None)
    if baseline is not None:
        compare(result, baseline)
        say(f"nothing is slower than {check}")


def _say_written(result: "Benchmark", json: str | None, picture: str | None, budgets: str | None) -> None:
    for written in (json, picture, None if result.doubts else budgets):
        if written is not None:
            say(f"wrote {written}")
    if result.doubts:
        say(
            f"warning: too rough for token budgets or a baseline: {'; '.join(result.doubts)}; measure again on a quiet "
            "machine, or with more --seconds"
        )


def _write(result: "Benchmark", json: str | None, picture: str | None) -> None:
    from offramp.files import write_json
    from offramp.report import speed_picture

    if json is not None:
        write_json(Path(json), result.to_dict())
    if picture is not None:
        speed_picture(result, Path(picture))


_HEADER = (
    "configuration",
    "accuracy",
    "as PyTorch",
    "texts/s",
    "quartiles",
    "tokens/s",
    "budget",
    "over pipeline",
    "over full",
    "efficiency",
    "p50 ms",
    "p90 ms",
    "p99 ms",
    "p50 over full",
    "p50 efficiency",
)
_FIRST = ("configuration", "accuracy", "as PyTorch", "texts/s", "over full", "p50 ms", "p99 ms", "quartiles")


def print_benchmark(result: dict, *, wide: bool = False) -> None:  # type: ignore[type-arg]
    """Prints the content of a benchmark's JSON as tables, with all columns where they may be ``wide``."""
    data, environment = result["data"], result["environment"]
    show(
        f"{count(data['rows'], 'row')}, {data['mean_tokens']:.0f} tokens each; times on {data['timed_rows']} of them "
        f"at once and {data['single_rows']} one by one (p50, p90, p99), {count(data['repeats'], 'round')}; "
        f"{environment['gpu'] or environment['cpu']}"
    )
    for use, share in data["used_before"].items():
        if not use.startswith("operating point"):
            show(f"{share:.1%} of the texts were used to make this model (for {use})")
    for threads in dict.fromkeys(row["threads"] for row in result["rows"]):
        show(f"\n{count(threads, 'thread')}")
        rows = [_cells(row) for row in result["rows"] if row["threads"] == threads]
        show(table(_HEADER, rows, first=_FIRST, wide=wide))


def _cells(row: dict) -> list[str]:  # type: ignore[type-arg]
    offline, single = row["offline"], row["single_stream"]
    speed = offline["texts_per_second"]
    return [
        row["name"],
        _or_none("{:.2%}", row["accuracy"]),
        f"{row['agreement']:.2%}",
        f"{speed['median']:.1f}",
        f"{speed['low']:.1f}-{speed['high']:.1f}",
        f"{offline['tokens_per_second']:.0f}",
        _or_none("{}", offline["token_budget"]),
        f"{offline['over_pipeline']['median']:.2f}x",
        f"{offline['over_full']['median']:.2f}x",
        _or_none("{:.2f}", offline["efficiency"]),
        f"{single['p50']:.2f}",
        f"{single['p90']:.2f}",
        _or_none("{:.2f}", single["p99"]),
        f"{single['over_full']['median']:.2f}x",
        _or_none("{:.2f}", single["efficiency"]),
    ]


def _or_none(form: str, value: float | None) -> str:
    return "-" if value is None else form.format(value)
