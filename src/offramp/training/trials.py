"""The trials of a training run: each makes and calibrates one model, which needs PyTorch."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import set_seed

from offramp import environment
from offramp.calibration import Problem, fit_calibration
from offramp.data import LabelledTexts, Split, Texts, encode_labels
from offramp.data.seen import SeenRows
from offramp.files import replacing, storage_errors, write_json
from offramp.folder import TRAINING
from offramp.model import LoadedModel
from offramp.model.encoding import encode
from offramp.records import from_json
from offramp.training.card import model_card
from offramp.training.checks import check_layers
from offramp.training.course import Course, run
from offramp.training.folder import write_folder
from offramp.training.listening import Epoch, Listener
from offramp.training.phases import phases_of
from offramp.training.recipe import ExitFit, Recipe
from offramp.training.regimes import Regime
from offramp.training.rows import Rows, with_unlabelled
from offramp.training.teacher import Teacher
from offramp.training.trainer import Fit
from offramp.training.unfinished import SETTINGS, discard, kept

BELIEFS = "teacher.npy"

# For the slowest teacher of the most texts; PyTorch would give up after 10 minutes on GPUs.
LONGEST_WAIT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of training, with its own seed and learning rate."""

    number: int
    learning_rate: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What all trials of a run share.

    Attributes:
        build: makes a network that is not trained yet.
        before: what the model that training starts from, and the teacher, were fitted to.
        settings: what has to be the same for a run to be resumed.
    """

    build: Callable[[], LoadedModel]
    split: Split
    unlabelled: Texts | None
    before: list[SeenRows]
    teacher: Teacher | None
    names: list[str]
    recipe: Recipe
    regime: Regime
    settings: dict[str, Any]
    resume: bool
    report_to: str
    listener: Listener

    @property
    def fitted(self) -> list[LabelledTexts | Texts]:
        """What the network is fitted to: the labelled rows, and then those without labels."""
        return [self.split.train, *([] if self.unlabelled is None else [self.unlabelled])]


def begin() -> None:
    """Lets several processes find each other. The first to ask says how long they wait: here for a teacher."""
    PartialState(timeout=LONGEST_WAIT)


def run_trials(planned: Sequence[Trial], work: Work, workplace: Path, folder: Path) -> None:
    """Runs all trials that are not finished yet in ``workplace``, and leaves the best model in ``folder``."""
    with kept(workplace):
        finished = [_finished(trial, workplace / f"trial-{trial.number}", work) for trial in planned]
    if environment.is_main_process():
        _keep_best(finished, folder)
        discard(workplace)
    PartialState().wait_for_everyone()


def _finished(trial: Trial, place: Path, work: Work) -> Path:
    """The model folder of a trial, which is run unless it was before an interruption."""
    made = place / "model"
    if not (made / TRAINING.name).is_file():
        _run_trial(trial, place, work)
    return made


def _keep_best(finished: list[Path], folder: Path) -> None:
    def accuracy(made: Path) -> float:
        return from_json(Epoch, TRAINING.read(made, dict[str, Any])["best"]).mean_accuracy

    best = max(finished, key=accuracy)
    with replacing(folder) as new:
        best.replace(new)


def _run_trial(trial: Trial, place: Path, work: Work) -> None:
    """Trains and calibrates one model and leaves it as a whole model folder in ``place / "model"``."""
    set_seed(trial.seed)
    work.listener.on_progress("loading the encoder", 0, None)
    model = work.build()
    check_layers(model, work.regime)
    phases = phases_of(work.regime, model.network.config.exits, taught=work.teacher is not None)
    work.listener.on_trial(trial.number, work.settings["trials"], trial.learning_rate)
    work.listener.on_progress("tokenizing", 0, None)
    course = _course(trial, model, place, work)
    if trial.number == 0:
        counts = work.split.train.label_counts()
        work.listener.on_labels({name: counts.get(name, 0) for name in work.names})
    if environment.is_main_process():
        # Not before all input has been checked: what is refused leaves nothing behind.
        write_json(place.parent / SETTINGS, work.settings)
    config, dev = model.network.config, work.split.dev
    with storage_errors(place):
        if work.teacher is not None:
            # All trials share it, also after a resumption.
            beliefs = work.teacher.kept_logits(
                work.fitted,
                place.parent / BELIEFS,
                bf16=work.recipe.bf16,
                on_rows=partial(work.listener.on_progress, "asking the teacher"),
            )
            course = replace(course, taught=replace(course.taught, beliefs=beliefs))
        result = run(model, course, phases)
    PartialState().wait_for_everyone()  # no file of another process is in use any more
    problem = Problem(model.network.problem_type)
    calibration = fit_calibration(result.dev_logits, result.dev_targets, problem, config.exits, dev.fingerprint)
    record = _record(trial, model, course, result, work)
    if environment.is_main_process():
        with replacing(place / "model") as new:
            new.mkdir()
            card = model_card(config, calibration, record, [rows.source for rows in (*work.fitted, dev)])
            write_folder(new, model, calibration, record, card, fitted=[*work.fitted, *work.before], dev=dev)
        # With the optimiser's state they are several times as large as the model.
        for phase in place.glob("phase-*"):
            shutil.rmtree(phase, ignore_errors=True)


def _course(trial: Trial, model: LoadedModel, place: Path, work: Work) -> Course:
    """What a trial trains on, as token ids, and how."""
    several, more = model.network.problem_type == Problem.MULTI_LABEL, work.unlabelled

    def labelled(rows: LabelledTexts) -> Rows:
        encoded = encode(model.tokenizer, rows.texts, rows.text_pairs)
        return Rows(encoded, encode_labels(rows, work.names, multi_label=several))

    train = taught = labelled(work.split.train)
    if more is not None:
        taught = with_unlabelled(train, encode(model.tokenizer, more.texts, more.text_pairs))
    return Course(
        train=train,
        dev=labelled(work.split.dev),
        taught=taught,
        recipe=work.recipe,
        exit_fit=ExitFit(),
        learning_rate=trial.learning_rate,
        seed=trial.seed,
        place=place,
        resume=work.resume,
        report_to=work.report_to,
        listener=work.listener,
    )


def _record(trial: Trial, model: LoadedModel, course: Course, result: Fit, work: Work) -> dict[str, Any]:
    """What ``training.json`` holds."""
    rows = {"train": len(course.train.encoded), "dev": len(course.dev.encoded)}
    more = {} if work.unlabelled is None else {"unlabelled": len(work.unlabelled)}
    return {
        "environment": environment.describe(),
        **work.settings,
        "max_length": model.tokenizer.model_max_length,
        **({"fit": asdict(course.exit_fit)} if work.regime.name == "frozen" else {}),
        "trial": asdict(trial),
        "rows": rows | more,
        "truncated": int(course.train.encoded.truncated.sum()),
        "blank": work.split.train.blank,
        "epochs": [asdict(epoch) for epoch in result.epochs],
        "best": asdict(result.best),
        "seconds": result.seconds,
        "parameters": {
            "total": model.network.num_parameters(),
            "exits": sum(parameter.numel() for parameter in model.network.heads.parameters()),
        },
    }
