"""``offramp tune``."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from offramp.backends import Runtime
from offramp.cli.options import (
    COLUMN_OPTIONS,
    RUNTIME_HELP,
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
from offramp.errors import OptionError
from offramp.exit_names import in_column
from offramp.tuning.selection import Selection

if TYPE_CHECKING:
    from offramp.policy import AtCost, OperatingPoint, Promise
    from offramp.tuning import Tuned

EXAMPLES = (
    "offramp tune reviews-model --data texts.csv",
    "offramp tune reviews-model --data labeled.csv --max-accuracy-drop 0.01 --name one-point",
)

# How much of accuracy a threshold for one label may cost before it is worth a word.
_MUCH_LOST = 0.01


# Those of the library; a rule of one's own is registered in Python, and tuned there.
RULE = Annotated[
    Literal[
        "confidence",
        "certainty",
        "lead",
        "patience",
        "patient-certainty",
        "geometric-mean",
        "agreement",
        "gate",
        "per-exit",
    ]
    | None,
    "what is compared with thresholds: gate (learns how likely an exit is to agree with full depth; the default), "
    "confidence (needs fewer rows), per-exit (confidence, with a threshold for each exit), certainty, lead, patience, "
    "patient-certainty, geometric-mean or agreement",
]


@dataclass(frozen=True, slots=True)
class Target:
    """What an operating point is to keep; the keywords of :func:`offramp.tune`."""

    max_disagreement: Annotated[float | None, "as fast as possible, at most this share of predictions changed", "E"] = (
        None
    )
    max_labels_changed: Annotated[
        float | None, "for sets of labels: as fast as possible, at most this share of labels changed", "E"
    ] = None
    max_accuracy_drop: Annotated[float | None, "as fast as possible, at most this share of accuracy lost", "E"] = None
    max_error: Annotated[float | None, "as fast as possible, at most this share of predictions wrong", "E"] = None
    min_precision: Annotated[
        tuple[str, ...], "as fast as possible, of the texts predicted as LABEL at least this share right", "LABEL=P"
    ] = ()
    min_recall: Annotated[
        tuple[str, ...], "as fast as possible, of the texts with this LABEL at least this share found", "LABEL=R"
    ] = ()
    each_exit: Annotated[bool, "also after every exit, of the texts that have left so far"] = False
    reference: Annotated[
        str | None, "folder of another model whose answers at full depth count, instead of the model's own", "MODEL"
    ] = None
    reference_column: Annotated[str | None, "column of predictions that count instead", "COLUMN"] = None
    abstain: Annotated[bool, "hand over what is not sure enough; limits are about the answered"] = False
    min_coverage: Annotated[float | None, "with --abstain: at least this share answered", "C"] = None
    speedup: Annotated[float | None, "as good as possible at S times the speed of full depth", "S"] = None
    threshold: Annotated[float | None, "take this threshold", "T"] = None
    confidence: Annotated[float, "probability with which the promise is kept"] = 0.95
    name: Annotated[str | None, "name of the point; default: tuned"] = None


@panels(
    Data=("data", "columns", "ignore_labels", "selection_split"),
    Target=("target", "selection_method", "selection_rule"),
    Point=("target_name", "selection_default"),
    Measurement=("runtime", "selection_seconds", "selection_seed"),
    Results=("selection_compare_rules", "json", "wide"),
)
@expand("columns", Columns, names=COLUMN_OPTIONS)
@expand("target", Target)
@expand("selection", Selection, annotations={"rule": RULE})
@expand("runtime", Runtime, annotations=RUNTIME_HELP)
def command(
    model: ModelFolder,
    *,
    data: Annotated[
        str | None,
        typer.Option(
            help=f"Texts the model has not seen, with or without labels: {SOURCE}; required.", show_default=False
        ),
    ] = None,
    columns: Columns,
    target: Target,
    selection: Selection,
    runtime: Runtime,
    ignore_labels: IgnoreLabels = False,
    json: JsonFile = None,
    wide: Wide = False,
) -> None:
    """Choose operating points on calibration texts, with a guarantee, and store them in the model folder.

    Without a target: fast, balanced and safe, at most 5 %, 2 % and 1 % other predictions than full depth.
    """
    quiet_libraries()
    from offramp.files import check_writable, write_json
    from offramp.tuning import check, tune

    if data is None:
        raise OptionError(_without_data(model, selection.default), option="data")
    if json is not None:
        check_writable(Path(json))
    with progress() as update:
        tuned = tune(
            model,
            data,
            columns=without_labels(columns) if ignore_labels else columns,
            **_keywords(target),
            selection=selection,
            runtime=runtime,
            on_progress=update,
        )
    if json is not None:
        write_json(Path(json), tuned.to_dict())
    print_tuned(tuned, wide=wide)
    if json is not None:
        say(f"wrote {json}")
    _say_stored(tuned, Path(model))
    check(tuned)


def _without_data(model: str, default: str | None) -> str:
    """What to do where no texts are named."""
    missing = "data is missing; name texts that the model has not seen"
    if default is None:
        return missing
    stored = shlex.join(["offramp", "points", model, "--default", default])
    return f"{missing}, or make a point that is stored the default with  {stored}"


def _keywords(target: Target) -> dict[str, Any]:
    """A target as :func:`offramp.tune` takes it."""
    values = asdict(target)
    return values | {option: _by_label(option, values[option]) for option in ("min_precision", "min_recall")}


def _by_label(option: str, given: Sequence[str]) -> dict[str, float]:
    """Shares by label, written as ``LABEL=SHARE``; a label may hold an equals sign.

    Raises:
        OptionError: one is written otherwise, or a label is there twice.
    """
    shares: dict[str, float] = {}
    for one in given:
        label, _, share = one.rpartition("=")
        try:
            number = float(share)
        except ValueError:
            label = ""
        if not label or label in shares:
            raise OptionError(
                f"{option} is {one!r}; write one label and its share, such as spam=0.98, and each label once",
                option=option,
                value=one,
            )
        shares[label] = number
    return shares


def _say_stored(tuned: "Tuned", model: Path) -> None:
    """Tells what has become of the operating points in the model folder."""
    from offramp.folder import POINTS

    if tuned.points:
        slower = [point.name for point in tuned.points if point.seen.speedup < 1 and not point.rule.may_hand_over]
        faster = [point.name for point in tuned.points if point.name not in slower]
        use = f"; use a point with --at {faster[-1]}" if faster else ""
        say(f"wrote {model / POINTS.name}{use}")
        if slower:
            say(f"warning: {', '.join(slower)}: expected to be slower than full depth, which is the better choice")
    if tuned.dropped:
        say(
            f"dropped {', '.join(tuned.dropped)} of {tuned.model['backend']} {tuned.model['precision']}: tuned for "
            "other weights or temperatures than the model has now"
        )


def print_tuned(tuned: "Tuned", *, wide: bool = False) -> None:
    """Prints what was tuned as tables, with all columns where they may be ``wide``."""
    from offramp.policy import Gate, rule_in_words

    data, model, machine = tuned.data, tuned.model, tuned.environment
    show(
        f"{count(data['rows'], 'row')}, {data['mean_tokens']:.0f} tokens each; {model['backend']} "
        f"{model['precision']}, stages timed on {tuned.costs['rows']} of them, {count(machine['threads'], 'thread')}, "
        f"{machine['gpu'] or machine['cpu']}"
    )
    for use, share in data["seen"].items():
        if not use.startswith("operating point"):
            show(f"{share:.1%} of the texts were used to make this model (for {use})")
    if tuned.doubt is not None:
        show(f"\n{tuned.doubt}")
    if tuned.points:
        header = ["point", "promise", "leave when", "rows", "seen", "bound", "accuracy", "full depth", "speed-up"]
        exits = [f"exit {name}" for name in in_column(model["exit_names"])[1]]
        first = ["point", "promise", "seen", "bound", "speed-up", "accuracy", "full depth"]
        cells = [_cells(point, model["labels"]) for point in tuned.points]
        if any(point.rule.may_hand_over for point in tuned.points):
            header, first = [*header, "answered"], [*first[:5], "answered", *first[5:]]
            cells = [
                [*line[: len(header) - 1], f"{1 - point.seen.handed_over:.1%}", *line[len(header) - 1 :]]
                for line, point in zip(cells, tuned.points, strict=True)
            ]
        show(f"\n{table([*header, *exits], cells, first=first, wide=wide)}")
        for point in tuned.points:
            if isinstance(gate := point.rule.criterion, Gate) and any(gate.doubts):
                show(f"{point.name}: texts leave at {rule_in_words(point.rule, model['labels'])}{_not_held(point)}")
    if several := [point for point in tuned.points if len(point.promises) > 1]:
        lines = [
            [point.name, _promise(promise), f"{promise.rows}", *_shares(promise)]
            for point in several
            for promise in point.promises
        ]
        show(f"\n{table(['point', 'promise', 'rows that count', 'seen', 'bound'], lines, wide=wide)}")
    if tuned.unfitted:
        show(f"by confidence: {', '.join(tuned.unfitted)}; the rows are too few to fit a gate and to judge it")
    if tuned.comparison:
        what = "accuracy" if data["labeled"] else "agreement with full depth"
        show(f"\n{_comparison(tuned.comparison, what, wide)}")


def _not_held(point: "OperatingPoint") -> str:
    """What a threshold of its own for one label costs elsewhere, if that is much."""
    now, full = point.seen.accuracy, point.seen.full_accuracy
    if now is None or full is None or now > full - _MUCH_LOST:
        return ""
    return f"; accuracy falls from {full:.2%} at full depth to {now:.2%}, which nothing limits here"


def _cells(point: "OperatingPoint", labels: list[str]) -> list[str]:
    from offramp.policy import rule_in_words

    seen = point.seen
    alone = point.promises[0] if len(point.promises) == 1 else None
    return [
        point.name,
        _promise(alone) if alone is not None else f"{len(point.promises)} at once, below" if point.promises else "-",
        rule_in_words(point.rule, labels),
        f"{seen.rows}",
        *(["-", "-"] if alone is None else _shares(alone)),
        "-" if seen.accuracy is None else f"{seen.accuracy:.2%}",
        "-" if seen.full_accuracy is None else f"{seen.full_accuracy:.2%}",
        f"{seen.speedup:.2f}x",
        *(f"{share:.0%}" for share in seen.exits),
    ]


def _shares(promise: "Promise") -> list[str]:
    """What is promised, as seen and as bounded."""
    stated = promise.limit.stated
    return [f"{stated(promise.seen):.2%}", "-" if promise.confidence is None else f"{stated(promise.bound):.2%}"]


def _promise(promise: "Promise") -> str:
    how = {"crc": "on average", "empirical": "on these rows"}.get(promise.method)
    sure = how or f"{100 * (promise.confidence or 0):.4g} % confidence"
    limit = promise.limit
    return f"{limit.what} {'>=' if limit.at_least else '<='} {100 * limit.stated(limit.target):.4g}%, {sure}"


def _comparison(lines: Sequence["AtCost"], what: str, wide: bool) -> str:
    """One line a rule, one column a cost."""
    costs = sorted({line.cost for line in lines}, reverse=True)
    cells = {(line.rule, line.cost): line for line in lines}
    rows: list[list[str]] = []
    for rule in dict.fromkeys(line.rule for line in lines):
        rows.append([rule, *(_against_first(cells[rule, cost], first=not rows) for cost in costs)])
    header = [f"{what} at", *(f"{1 / cost:.2f}x" for cost in costs)]
    return table(header, rows, wide=wide) + "\n(in brackets: points gained over the first rule, 95 % interval)"


def _against_first(line: "AtCost", *, first: bool) -> str:
    low, high = 100 * line.gain.low, 100 * line.gain.high
    return f"{line.value.value:.2%} {' ' * 18 if first else f'({low:+6.2f} to {high:+6.2f})'}"
