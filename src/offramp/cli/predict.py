"""``offramp predict``."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offramp.backends import AUTOMATIC, Runtime
from offramp.cli.options import COLUMN_OPTIONS, RUNTIME_HELP, SOURCE, At, ModelFolder, Resume, Threshold, expand, panels
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say
from offramp.data.columns import Columns
from offramp.data.wording import count
from offramp.errors import OptionError
from offramp.scale.workers import Workers

if TYPE_CHECKING:
    from offramp.engine import ScoredFile
    from offramp.scale.batch import WorkerPool

EXAMPLES = (
    "offramp predict reviews-model --input new.jsonl --output labeled.parquet --at safe --keep text",
    "tail -f log.jsonl | offramp predict reviews-model --input - --output -",
)


@panels(
    Data=("input", "output", "columns", "keep", "probabilities", "handed_over", "resume"),
    Setting=("threshold", "at"),
    Runtime=("runtime",),
    Cluster=("ray", "workers"),
)
@expand("workers", Workers, optional=True)
@expand("runtime", Runtime, annotations=RUNTIME_HELP)
@expand("columns", Columns, names=COLUMN_OPTIONS, without=("label", "label_separator"))
def command(
    model: ModelFolder,
    input: Annotated[str, typer.Option(help=f"Texts: {SOURCE}, or - for standard input.")],  # noqa: A002
    output: Annotated[str, typer.Option(help="csv, tsv, jsonl or parquet file, or - for jsonl on standard output.")],
    columns: Columns,
    workers: dict[str, Any],
    runtime: Runtime,
    threshold: Threshold = None,
    at: At = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="Write every label's probability.")] = False,
    keep: Annotated[
        str | None, typer.Option(help="Input columns to carry through, as id,text; label=gold renames one.")
    ] = None,
    handed_over: Annotated[
        str | None,
        typer.Option(help="File for the rows handed over, as they came, with a best guess; formats as of --output."),
    ] = None,
    resume: Resume = False,
    ray: Annotated[
        bool, typer.Option("--ray", help="Classify in processes of the Ray cluster in RAY_ADDRESS, or of this machine.")
    ] = False,
) -> None:
    """Classify every row of a file, in constant memory; the output appears when it is complete.

    Without --threshold and --at a row leaves as at the model folder's default operating point, and where there is none
    at a confidence of 0.9, or less where the model is seldom as sure at full depth.
    """
    quiet_libraries()
    if workers and not ray:
        raise OptionError(f"--{next(iter(workers)).replace('_', '-')} is an option of --ray; give that, too")
    if ray and runtime.threads is not None:
        raise OptionError("--threads is for this process alone; with --ray give --worker-threads")
    from offramp.engine import check_handing_over, check_model, open_rows, predict

    kept = _renamed(keep.split(",")) if keep else {}
    if ray:  # a cluster is not begun in vain
        check_model(model, runtime, threshold=threshold, at=at)
        if handed_over is not None:
            check_handing_over(model, runtime, threshold=threshold, at=at)
        open_rows(input, output, columns, list(kept), resume=resume, handed_over=handed_over)
    with (
        _pool(model, Workers(**workers), runtime) if ray else nullcontext(model) as runs,
        progress() as update,
    ):
        scored = predict(
            runs,
            input=input,
            output=output,
            columns=columns,
            threshold=threshold,
            at=at,
            probabilities=probabilities,
            keep=kept,
            handed_over=handed_over,
            resume=resume,
            on_progress=update,
            # On a cluster the pool has loaded the model already.
            runtime=AUTOMATIC if ray else runtime,
        )
    exits = ", ".join(f"{rows / max(1, scored.rows):.0%} after {name}" for name, rows in scored.exits.items())
    classified = count(scored.rows, "row classified; it left", "rows classified; they left")
    say(f"{classified} {exits}")
    say(_rule_used(scored, threshold, at))
    if scored.handed_over:
        say(f"{count(scored.handed_over, 'row was', 'rows were')} handed over: no label, but a best guess")
    if scored.blank:
        empty = count(scored.blank, "text was empty; it was", "texts were empty; they were")
        say(f"{empty} classified as such")
    if scored.truncated:
        longer = count(scored.truncated, "text was longer", "texts were longer")
        say(f"{longer} than the model reads, and cut at the end")


def _rule_used(scored: "ScoredFile", threshold: float | None, at: str | None) -> str:
    """The operating point or the threshold at which rows left, and whether it was asked for."""
    if threshold is not None:
        return f"at threshold {threshold:g}"
    if scored.point is None:
        return "at the model's default threshold"
    return f"at {scored.point}" if at is not None else f"at {scored.point}, the default operating point"


def _renamed(columns: Sequence[str]) -> dict[str, str]:
    """New names of columns by their old ones, from ``NAME`` or ``OLD=NEW``."""
    halves = [column.partition("=") for column in columns]
    return {old: new or old for old, _, new in halves}


def _pool(model: str, workers: Workers, runtime: Runtime) -> "AbstractContextManager[WorkerPool]":
    """The processes that classify with a model."""
    from offramp.scale import pool

    return pool(model, workers, backend=runtime.backend, precision=runtime.precision)
