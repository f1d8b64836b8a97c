"""A whole course of training: one phase after the other on the same network, each resumable."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from accelerate import PartialState
from safetensors.torch import load_file, save_file

from offramp import environment
from offramp.calibration import Problem, ProblemType
from offramp.files import replacing
from offramp.model import LoadedModel
from offramp.records import RecordFile
from offramp.training.frozen import fit_on_states
from offramp.training.job import TrainingJob, Trial
from offramp.training.listening import TRAINING, Epoch
from offramp.training.phases import Phase
from offramp.training.recipe import ExitFit
from offramp.training.rows import Rows
from offramp.training.teacher import beliefs_of
from offramp.training.trainer import Fit, accuracies_of, fit

_WEIGHTS = "weights.safetensors"
_FIT = RecordFile("fit.json", 1, "delete the folder that it lies in to train the phase again")


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a phase took: its epochs, and seconds."""

    epochs: tuple[Epoch, ...]
    seconds: float


# How the exits are fitted in regime ``frozen``.
EXIT_FIT = ExitFit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What all phases of a trial share.

    Attributes:
        train: rows with their labels; so are those of ``dev``.
        taught: rows of the phases that distill: those of ``train``, unlabeled ones, and what a teacher believes.
        place: folder for what a resumed run needs.
    """

    job: TrainingJob
    trial: Trial
    train: Rows
    dev: Rows
    taught: Rows
    place: Path


def run(model: LoadedModel, course: Course, phases: tuple[Phase, ...]) -> Fit:
    """Goes through all phases and leaves the last one's best weights in the network.

    Returns:
        The epochs and seconds of all phases, the rest as of the last.
    """
    before: tuple[Epoch, ...] = ()
    seconds = 0.0
    for number, phase in enumerate(phases):
        place = course.place / f"phase-{number}"
        last = number == len(phases) - 1
        if not last and (place / _FIT.name).is_file():
            epochs, spent = _taken_up(model, place)
        else:
            if number and phase.distill and phase.flow is not None and course.taught.beliefs is None:
                course = _taught_by_itself(model, course)
            fitted = (_fit if phase.flow is None else _train)(model, course, phase, place)
            epochs, spent = fitted.epochs, fitted.seconds
            if not last:
                _put_down(model, fitted, place)
        before, seconds = (*before, *epochs), seconds + spent
    return replace(fitted, epochs=before, seconds=seconds)


def _train(model: LoadedModel, course: Course, phase: Phase, place: Path) -> Fit:
    """A phase in which the encoder is trained."""
    return fit(model, _rows_for(phase, course), course.dev, phase, course.job, course.trial, place)


def _fit(model: LoadedModel, course: Course, phase: Phase, place: Path) -> Fit:
    """A phase in which the encoder stays as it is: the exits are fitted to what it makes of the rows."""
    network, listener = model.network, course.job.listener
    folder = place / f"states-{PartialState().process_index}"  # each process does the same, on files of its own
    folder.mkdir(parents=True, exist_ok=True)
    fitted = fit_on_states(
        model,
        _rows_for(phase, course),
        course.dev,
        phase,
        EXIT_FIT,
        seed=course.trial.seed,
        folder=folder,
        on_step=partial(listener.on_progress, TRAINING),
    )
    targets = course.dev.targets
    accuracies = accuracies_of(fitted.dev_logits, targets, Problem(ProblemType(network.problem_type)))
    epoch = Epoch(float(EXIT_FIT.epochs), tuple(network.config.exits), accuracies, None, fitted.dev_seconds)
    if environment.is_main_process():
        listener.on_epoch(epoch)
    return Fit((epoch,), epoch, fitted.encoder_seconds + fitted.exit_seconds)


def _taught_by_itself(model: LoadedModel, course: Course) -> Course:
    """From here on the last exit as it is now is the teacher of all exits."""
    beliefs = beliefs_of(
        model.network,
        model.tokenizer,
        course.taught.encoded,
        bf16=course.job.recipe.bf16,
        on_rows=partial(course.job.listener.on_progress, "asking the last exit"),
    )
    return replace(course, taught=replace(course.taught, beliefs=beliefs))


def _rows_for(phase: Phase, course: Course) -> Rows:
    return course.taught if phase.distill else course.train


def _put_down(model: LoadedModel, fitted: Fit, place: Path) -> None:
    """Notes the end of a phase, the numbers after the weights, so that they vouch for them."""
    if environment.is_main_process():
        with replacing(place / _WEIGHTS) as new:
            save_file({name: tensor.contiguous() for name, tensor in model.network.state_dict().items()}, new)
        _FIT.write(place, _Taken(fitted.epochs, fitted.seconds))
    PartialState().wait_for_everyone()


def _taken_up(model: LoadedModel, place: Path) -> tuple[tuple[Epoch, ...], float]:
    model.network.load_state_dict(load_file(place / _WEIGHTS))
    model.network.to(PartialState().device)
    taken = _FIT.read(place, _Taken)
    return taken.epochs, taken.seconds
