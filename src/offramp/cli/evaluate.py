"""``offramp evaluate``."""

from typing import Annotated

import typer

from offramp.cli.options import COLUMN_OPTIONS, SOURCE, Backend, JsonFile, ModelFolder, Precision, Threshold, expand
from offramp.cli.terminal import progress, quiet_libraries, say, show, table
from offramp.data.columns import Columns


@expand("columns", Columns, names=COLUMN_OPTIONS)
def command(
    model: ModelFolder,
    data: Annotated[str, typer.Option(help=f"Labelled texts: {SOURCE}.")],
    columns: Columns,
    threshold: Threshold = None,
    seconds: Annotated[float, typer.Option(help="About how long the timed runs may take; sets the sample.")] = 60.0,
    backend: Backend = "auto",
    precision: Precision = "auto",
    threads: Annotated[int | None, typer.Option(help="Processor threads; default: the backend's choice.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample of rows that is timed.")] = 0,
    picture: Annotated[
        str | None, typer.Option(metavar="FILE", help="Draw accuracy against measured speed-up: an .svg or .png file.")
    ] = None,
    json: JsonFile = None,
) -> None:
    """Measure accuracy, calibration, exits and time on labelled texts, at every threshold."""
    quiet_libraries()
    from pathlib import Path

    from offramp.evaluation import THRESHOLDS, evaluate
    from offramp.files import check_writable, write_json
    from offramp.report import check_picture, curve_picture

    if picture is not None:
        check_picture(Path(picture))
    for target in (json, picture):
        if target is not None:
            check_writable(Path(target))
    with progress("evaluating", "runs") as update:
        result = evaluate(
            model,
            data,
            columns=columns,
            thresholds=THRESHOLDS if threshold is None else (threshold,),
            seconds=seconds,
            backend=backend,
            precision=precision,
            threads=threads,
            seed=seed,
            on_progress=lambda what, done, total: update(done, total, what),
        )
    print_evaluation(result.to_dict())
    if json is not None:
        write_json(Path(json), result.to_dict())
        say(f"wrote {json}")
    if picture is not None:
        curve_picture(result, Path(picture))
        say(f"wrote {picture}")


def print_evaluation(result: dict) -> None:  # type: ignore[type-arg]
    """Prints the content of ``evaluation.json`` as tables."""
    data, full, layers = result["data"], result["full"], result["model"]["exits"]
    show(
        f"{data['rows']} rows, {data['mean_tokens']:.0f} tokens each; times on {data['timed_rows']} of them, "
        f"{result['environment']['threads']} threads, {result['environment']['gpu'] or result['environment']['cpu']}"
    )
    if data["blank"]:
        show(f"{data['blank']} texts are empty")
    if data["truncated"]:
        show(f"{data['truncated']} texts are longer than the {result['model']['max_tokens']} tokens the model reads")
    show(
        f"\nfull depth: accuracy {full['accuracy']:.2%}, macro-F1 {full['macro_f1']:.2%}, "
        f"{full['texts_per_second']:.1f} texts/s\n"
    )
    rows = [
        [
            f"{point['threshold']:g}",
            f"{point['accuracy']:.2%}",
            f"{point['macro_f1']:.2%}",
            f"{point['agreement']:.2%}",
            f"{point['layer_speedup']:.2f}x",
            f"{point['bound_speedup']:.2f}x",
            f"{point['measured_speedup']:.2f}x",
            "{:.2f}-{:.2f}".format(*point["measured_speedup_spread"]),
            f"{point['efficiency']:.2f}",
            *(f"{share:.0%}" for share in point["exits"]),
        ]
        for point in result["points"]
    ]
    exits = [f"exit {layer}" for layer in layers]
    header = [
        "threshold",
        "accuracy",
        "macro-F1",
        "agreement",
        "layers",
        "bound",
        "measured",
        "quartiles",
        "efficiency",
    ]
    show(table([*header, *exits], rows))
    show()
    rows = [
        [
            str(one["layers"]),
            f"{one['accuracy']:.2%}",
            f"{one['temperature']:.3f}",
            f"{one['nll_before']:.4f}",
            f"{one['nll_after']:.4f}",
            f"{one['ece_before']:.4f}",
            f"{one['ece_after']:.4f}",
            "-" if one["auroc"] is None else f"{one['auroc']:.4f}",
        ]
        for one in result["calibration"]
    ]
    header = ["exit after layer", "accuracy", "T", "NLL at T=1", "NLL", "ECE at T=1", "ECE", "AUROC of right"]
    show(table(header, rows))
