"""``offramp evaluate``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offramp.backends import Runtime
from offramp.cli.options import COLUMN_OPTIONS, RUNTIME_HELP, SOURCE, At, ModelFolder, Threshold, Wide, expand, panels
from offramp.cli.progress import progress
from offramp.cli.terminal import quiet_libraries, say, show, table
from offramp.data.columns import Columns
from offramp.data.wording import count
from offramp.exit_names import in_column

if TYPE_CHECKING:
    from offramp.evaluation import Evaluation, Point
    from offramp.report import Report

EXAMPLES = (
    "offramp evaluate reviews-model --data test.csv --report report",
    "offramp evaluate reviews-model --data test.csv --at safe --json evaluation.json",
)


@dataclass(frozen=True, slots=True)
class Results:
    """Where the result goes, beside the terminal."""

    report: Annotated[str | None, "write report.html and report.json, and a section of the model card", "DIR"] = None
    bench: Annotated[str | None, "what 'offramp bench --json' wrote, for the report", "FILE"] = None
    monitored: Annotated[str | None, "what 'offramp monitor --json' wrote, for the report", "FILE"] = None
    show_texts: Annotated[bool, "show texts in the report, not only their row numbers"] = False
    card: Annotated[bool, "whether the report goes into the model card"] = True
    picture: Annotated[str | None, "draw accuracy against measured speed-up: an .svg file", "FILE"] = None
    json: Annotated[str | None, "also write the result as JSON", "FILE"] = None


@panels(
    Data=("data", "columns", "reference", "reference_column"),
    Setting=("threshold", "at"),
    Measurement=("seconds", "runtime", "seed"),
    Results=("results", "wide"),
)
@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("runtime", Runtime, annotations=RUNTIME_HELP)
@expand("results", Results, names={"card": "card/--no-card"})
def command(
    model: ModelFolder,
    data: Annotated[str, typer.Option(help=f"Labeled texts: {SOURCE}.")],
    columns: Columns,
    runtime: Runtime,
    results: Results,
    threshold: Threshold = None,
    at: At = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Model that promises compare with, as 'offramp tune --reference' got it.",
            show_default=False,
        ),
    ] = None,
    reference_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column that promises compare with.", show_default=False)
    ] = None,
    seconds: Annotated[float, typer.Option(help="About how long the timed runs may take; sets the sample.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Seed of the sample of rows that is timed.")] = 0,
    wide: Wide = False,
) -> None:
    """Measure accuracy, calibration, exits and time on labeled texts, at every threshold."""
    quiet_libraries()
    from offramp.errors import OptionError
    from offramp.evaluation import evaluate
    from offramp.report import make_report, read_monitored, read_speeds

    if threshold is not None and at is not None:
        raise OptionError(f"threshold is {threshold} and at is {at!r}; give only one of them")
    if results.report is None and (results.bench, results.monitored, results.show_texts) != (None, None, False):
        raise OptionError("--bench, --monitored and --show-texts are for the report; add --report DIR")
    outputs = _Outputs(
        _path(results.json), _path(results.picture), _path(results.report), _card_of(model) if results.card else None
    )
    outputs.check()
    speeds = None if results.bench is None else read_speeds(Path(results.bench), Path(model))
    watched = None if results.monitored is None else read_monitored(Path(results.monitored), Path(model), runtime)
    with progress() as update:
        evaluation = evaluate(
            model,
            data,
            columns=columns,
            thresholds=None if threshold is None or results.report is not None else (threshold,),
            focus=threshold if at is None else at,
            show_texts=results.show_texts,
            reference=reference,
            reference_column=reference_column,
            seconds=seconds,
            runtime=runtime,
            seed=seed,
            on_progress=update,
        )
    report = make_report(evaluation, speeds, watched)
    written = outputs.write(report)
    print_report(report, wide=wide)
    for path in written:
        say(f"wrote {path}")


@dataclass(frozen=True, slots=True)
class _Outputs:
    """The files that are asked for; ``model`` is the folder whose card gets a section of the report."""

    json: Path | None
    picture: Path | None
    report: Path | None
    model: Path | None

    def check(self) -> None:
        """Makes sure, before anything is measured, that they can be written."""
        from offramp.errors import OfframpError
        from offramp.files import check_writable
        from offramp.report import check_picture, check_report

        if self.picture is not None:
            check_picture(self.picture)
        for target in (self.json, self.picture):
            if target is not None:
                check_writable(target)
        if self.report is None:
            return
        check_report(self.report, None)
        try:
            check_report(self.report, self.model)
        except OfframpError as error:
            error.add_note("or leave the model card alone with --no-card")
            raise

    def write(self, report: "Report") -> list[Path]:
        """Writes them; gives their names."""
        from offramp.files import write_json
        from offramp.report import curve_picture, write_report

        written = [target for target in (self.json, self.picture) if target is not None]
        if self.json is not None:
            write_json(self.json, report.evaluation.to_dict())
        if self.picture is not None:
            curve_picture(report.evaluation, self.picture)
        if self.report is not None:
            written += write_report(report, self.report, self.model)
        return written


def _card_of(model: str) -> Path | None:
    """The folder whose card gets a section; None for a model on the hub, whose copy in the cache is not ours."""
    from offramp.engine.hub import is_hub_id

    return None if is_hub_id(model) and not Path(model).exists() else Path(model)


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def print_report(report: "Report", *, wide: bool = False) -> None:
    """Prints an evaluation as tables, with all columns where they may be ``wide``, and the verdict on it."""
    from offramp.report import useless, warning
    from offramp.report.tables import promises

    evaluation = report.evaluation
    model, data, full, machine = evaluation.model, evaluation.data, evaluation.full, evaluation.environment
    show(
        f"{count(data.rows, 'row')}, {data.mean_tokens:.0f} tokens each; {model.backend} {model.precision}, times on "
        f"{data.timed_rows} of them, {count(machine['threads'], 'thread')}, {machine['gpu'] or machine['cpu']}"
    )
    if data.blank:
        show(count(data.blank, "text is empty", "texts are empty"))
    if data.truncated:
        longer = count(data.truncated, "text is longer", "texts are longer")
        show(f"{longer} than the {model.max_tokens} tokens the model reads")
    if told := warning(evaluation):
        show(told)
    nothing = useless(evaluation)
    opening = _opening(report)
    if opening is not None:
        show(f"\n{opening}")
    speed = f"{full.texts_per_second:.1f} texts/s"
    show(f"\nfull depth: accuracy {full.accuracy:.2%}, macro-F1 {full.macro_f1:.2%}, {speed}\n")
    show(_settings_table(evaluation, wide))
    for promised in promises(evaluation):
        show(f"{promised.name}: {promised.stated}")
    show(f"\n{_exits_table(evaluation)}")
    if len(evaluation.points) > 1 and nothing is None:
        verdict = report.advice.verdict
        show("\n" + "\n".join(said for said in (verdict.advice, verdict.figures) if said != opening))
        if report.summary.recommended and report.summary.command is not None:
            show(f"\n    {report.summary.command}")


def _opening(report: "Report") -> str | None:
    """What is to be read before any table: that the model, or most of it, is not needed."""
    from offramp.evaluation import Way
    from offramp.report import recommended, useless
    from offramp.report.advice import words_left_out

    evaluation, trial = report.evaluation, report.evaluation.model.words
    left_out = words_left_out(evaluation)
    if (nothing := useless(evaluation)) is not None:
        return nothing
    if recommended(evaluation).point.way is Way.ALONE:
        return report.advice.verdict.advice
    if trial is None or trial.kept:
        return None
    return f"when the model was made, {left_out.figures}{f'. {left_out.advice}' if left_out.applies else ''}"


def _settings_table(evaluation: "Evaluation", wide: bool) -> str:
    """Thresholds, operating points and the network cut off at each exit."""
    handing = any(entry.handing_over is not None for entry in evaluation.operating_points)
    answered = ["answered"] if handing else []
    header = ["setting", *answered, "accuracy", "macro-F1", "agreement", "bound", "speed-up", "quartiles", "efficiency"]
    named = (tuned.point for tuned in evaluation.operating_points)
    early = [
        [
            f"{point.threshold:g}" if point.name is None else point.name,
            *_quality(point, evaluation, answered),
            f"{point.bound_speedup:.2f}x",
            *_speed(point),
            f"{point.efficiency:.2f}",
            *(f"{share:.0%}" for share in point.exits),
        ]
        for point in (*evaluation.points, *named)
    ]
    blank = [""] * (1 + len(evaluation.model.exits))
    cut = [
        [point.setting.replace("layer ", ""), *_quality(point, evaluation, answered), "", *_speed(point), *blank]
        for point in reversed(evaluation.truncated)
    ]
    exits = [f"exit {name}" for name in in_column(evaluation.model.exit_names)[1]]
    first = ["setting", *answered, "accuracy", "agreement", "speed-up", "quartiles", "bound", *exits]
    shown = table([*header, *exits], [*early, *cut], first=first, wide=wide)
    note = "\nwhere not all texts are answered, accuracy and agreement are of those that are" if handing else ""
    return f"{shown}{note}"


def _quality(point: "Point", evaluation: "Evaluation", answered: list[str]) -> list[str]:
    """The figures of answers; of those that are given, where some texts are handed over."""
    handing = evaluation.handing_over(point)
    if handing is None:
        return [*("100%" for _ in answered), f"{point.accuracy:.2%}", f"{point.macro_f1:.2%}", f"{point.agreement:.2%}"]
    if handing.accuracy is None:
        return ["0%", "-", "-", "-"]
    return [f"{handing.coverage:.2%}", f"{handing.accuracy.value:.2%}", "-", f"{handing.agreement:.2%}"]


def _speed(point: "Point") -> list[str]:
    quartiles = "{:.2f}-{:.2f}".format(*point.speedup_spread)
    return [f"{point.speedup:.2f}x", "computed" if point.computed else quartiles]


def _exits_table(evaluation: "Evaluation") -> str:
    after, exits = in_column(evaluation.model.exit_names)
    header = [f"exit {after}", "accuracy", "T", "NLL at T=1", "NLL", "ECE at T=1", "ECE", "AUROC of right"]
    rows = [
        [
            exits[fitted.exit],
            f"{fitted.accuracy:.2%}",
            f"{fitted.temperature:.3f}",
            f"{fitted.nll_before:.4f}",
            f"{fitted.nll_after:.4f}",
            f"{fitted.ece_before:.4f}",
            f"{fitted.ece_after:.4f}",
            "-" if fitted.auroc is None else f"{fitted.auroc:.4f}",
        ]
        for fitted in evaluation.calibration
    ]
    return table(header, rows)
