"""``offramp predict``."""

from typing import Annotated

import typer

from offramp.cli.options import SOURCE, At, Backend, ModelFolder, Precision, Resume, Threshold
from offramp.cli.terminal import progress, quiet_libraries, say
from offramp.data.columns import Columns


def command(
    model: ModelFolder,
    input: Annotated[str, typer.Option(help=f"Texts: {SOURCE}, or - for standard input.")],  # noqa: A002
    output: Annotated[str, typer.Option(help="csv, tsv, jsonl or parquet file, or - for jsonl on standard output.")],
    threshold: Threshold = None,
    at: At = None,
    text_column: Annotated[str, typer.Option(help="column that holds the text")] = "text",
    text_pair_column: Annotated[str | None, typer.Option(help="column that holds the second text of a pair")] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Write every label's probability.")] = False,
    keep: Annotated[str | None, typer.Option(help="Input columns to carry through, as id,text.")] = None,
    backend: Backend = "auto",
    precision: Precision = "auto",
    resume: Resume = False,
) -> None:
    """Classify every row of a file, in constant memory; the output appears when it is complete."""
    quiet_libraries()
    from offramp.engine import load, predict

    with progress("classifying", "rows") as update:
        scored = predict(
            load(model, backend=backend, precision=precision),
            input=input,
            output=output,
            columns=Columns(text=text_column, text_pair=text_pair_column),
            threshold=threshold,
            at=at,
            probabilities=probabilities,
            keep=keep.split(",") if keep else (),
            resume=resume,
            on_rows=update,
        )
    exits = ", ".join(f"{rows / max(1, scored.rows):.0%} after layer {layers}" for layers, rows in scored.exits.items())
    say(f"{scored.rows} rows classified; they left {exits}")
    if scored.blank:
        say(f"{scored.blank} texts were empty; they were classified as such")
    if scored.truncated:
        say(f"{scored.truncated} texts were longer than the model reads; their ends were cut")
