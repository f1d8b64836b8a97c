"""``offramp export``."""

from typing import TYPE_CHECKING, Annotated

import typer

from offramp.backends import AUTO, backends, precisions_of
from offramp.cli.options import (
    COLUMN_OPTIONS,
    SELF,
    SOURCE,
    ExportBackend,
    ExportPrecision,
    IgnoreLabels,
    JsonFile,
    ModelFolder,
    either,
    expand,
    panels,
    without_labels,
)
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say, table
from offramp.data.columns import Columns
from offramp.data.wording import count
from offramp.exit_names import in_column

if TYPE_CHECKING:
    from offramp.exporting.run import Exported

EXAMPLES = (
    "offramp export reviews-model --backend onnxruntime --data dev.csv",
    "offramp export reviews-model --backend openvino --precision int8 --data dev.csv",
)


def _only_in(precision: str) -> str:
    """The backends that have a precision, in brackets; nothing where all do."""
    having = [name for name, backend in backends().items() if precision in backend.precisions]
    return "" if len(having) == len(backends()) else f" ({', '.join(having)})"


@panels(Data=("data", "columns", "ignore_labels"))
@expand("columns", Columns, names=COLUMN_OPTIONS)
def command(
    model: ModelFolder,
    backend: Annotated[ExportBackend, typer.Option(metavar="BACKEND", help=either(tuple(backends())))],
    columns: Columns,
    precision: Annotated[
        ExportPrecision,
        typer.Option(
            metavar="PRECISION",
            help=either([f"{name}{_only_in(name)}" for name in precisions_of(AUTO)]),
        ),
    ] = "fp32",
    data: Annotated[
        str | None,
        typer.Option(
            help=f"Texts to check and calibrate with, best with labels, such as the dev data: {SOURCE}; or {SELF}, for "
            "ranges alone."
        ),
    ] = None,
    ignore_labels: IgnoreLabels = False,
    threads: Annotated[int | None, typer.Option(help="Processor threads to measure with; default: all.")] = None,
    json: JsonFile = None,
) -> None:
    """Write the model for a faster runtime into its folder; predict and evaluate then use the fastest."""
    quiet_libraries()
    from pathlib import Path

    from offramp.exporting import export
    from offramp.files import check_writable, write_json
    from offramp.folder import EXPORT

    if json is not None:
        check_writable(Path(json))
    with progress() as update:
        done = export(
            model,
            data,
            backend=backend,
            precision=precision,
            columns=without_labels(columns) if ignore_labels else columns,
            threads=threads,
            on_progress=update,
        )
    each = [*done.before, done]
    if json is not None:
        contents = [EXPORT.content(one.export) for one in each]
        write_json(Path(json), {"models": contents} if done.before else contents[0])
    for number, one in enumerate(each, 1):
        if done.before:
            say(f"model {number} of {len(each)}:")
        _say_done(one)
    if done.untuned:
        engine = done.export.engine
        say(
            f"operating points that do not hold in {engine}: {', '.join(done.untuned)}; choose them for it "
            f"with  offramp tune {model} --backend {engine.backend} --precision {engine.precision} --data UNSEEN-TEXTS"
        )


def _say_done(done: "Exported") -> None:
    """Tells what was written, and how far it can be trusted."""
    written, engine = done.export, done.export.engine
    if done.accuracy_before:
        header, exits = in_column(done.exits)
        rows = [
            [name, f"{before:.2%}", f"{after:.2%}", f"{temperature:.3f}"]
            for name, before, after, temperature in zip(
                exits, done.accuracy_before, done.accuracy_after, written.calibration.temperatures, strict=True
            )
        ]
        say(table([f"exit {header}", "torch fp32", f"{engine}", "temperature"], rows))
    (speed,) = written.speeds
    say(
        f"\n{written.agreement:.2%} of the labels agree with PyTorch on {count(written.rows, 'text')}, logits differ "
        f"by up to {written.difference:.2g}\n"
        f"at full depth, {count(speed.threads, 'thread')}: {speed.texts_per_second:.0f} texts/s, "
        f"{speed.texts_per_second / speed.torch_texts_per_second:.1f} times as fast as PyTorch in fp32\n"
        f"temperatures: {_temperatures(done)}\n"
        f"wrote {done.folder}"
    )
    if written.doubt is not None:
        say(
            f"warning: {engine} is used only where --backend and --precision ask for it: {written.doubt}; "
            "export it again with more --data"
        )
    elif doubt := written.calibration.doubt:
        say(f"warning: {doubt}")


def _temperatures(done: "Exported") -> str:
    if done.refitted:
        return f"fitted anew to these {done.export.rows} texts"
    return "those of PyTorch" + (", for the logits are the same" if done.export.engine.precision == "fp32" else "")
