"""One run of the plan: a trained model folder."""

import time
from dataclasses import replace
from pathlib import Path

import offramp
from benchmarks.finetune import fine_tune
from benchmarks.paper.place import Place
from benchmarks.paper.plan import CLASSIFIER, Run
from offramp.files import replacing
from offramp.training.recipe import Targets


def train(place: Place, run: Run) -> float | None:
    """Trains a run's model, unless it is there; goes on where it was interrupted.

    Returns:
        Seconds of processor time, which pauses of the machine do not count in; None if not all of it was spent here.
    """
    if place.is_trained(run):
        return None
    folder = place.model(run)
    resumed, started = _checkpoints(folder).is_dir(), time.process_time()
    if run.method == CLASSIFIER:
        _fine_tune(place, run, folder)
    elif run.targets is not None:
        _attach(place, run, run.targets, folder)
    else:
        _train(place, run, folder)
    return None if resumed else time.process_time() - started


def _train(place: Place, run: Run, folder: Path) -> None:
    data, encoder = place.plan.data_sets[run.data], place.plan.encoders[run.encoder]
    offramp.train(
        place.encoders[run.encoder] if run.start is None else str(place.model(run.start)),
        str(place.data_file(run.data, "train")),
        dev=str(place.data_file(run.data, "dev")),
        output=folder,
        columns=data.columns,
        architecture=offramp.Architecture(exits=place.plan.exits(run), layers=run.layers, max_length=data.max_length),
        regime=replace(
            run.regime,
            teacher=None if run.teacher is None else str(place.model(run.teacher)),
            unlabeled=str(place.unlabelled_file(run.data)) if run.unlabelled else None,
        ),
        recipe=encoder.recipe_for(run),
        seed=run.seed,
        resume=_checkpoints(folder).is_dir(),
    )


def _fine_tune(place: Place, run: Run, folder: Path) -> None:
    data, encoder = place.plan.data_sets[run.data], place.plan.encoders[run.encoder]
    with replacing(folder) as new:
        fine_tune(
            place.rows(run.data, "train"),
            place.rows(run.data, "dev"),
            place.encoders[run.encoder],
            new,
            recipe=encoder.recipe_for(run),
            max_length=data.max_length,
            seed=run.seed,
        )


def _attach(place: Place, run: Run, targets: Targets, folder: Path) -> None:
    """The texts are those that the classifier was trained on; where exits learn from it, the labels are not looked at.

    The dev texts serve as such in either case.
    """
    data = place.plan.data_sets[run.data]
    (attached_to,) = run.needed
    offramp.attach(
        str(place.model(attached_to)),
        str(place.data_file(run.data, "train")),
        dev=str(place.data_file(run.data, "dev")),
        output=folder,
        columns=data.columns,
        targets=targets,
        architecture=offramp.Architecture(exits=place.plan.exits(run), max_length=data.max_length),
        seed=run.seed,
    )


def _checkpoints(folder: Path) -> Path:
    return folder.with_name(folder.name + ".checkpoints")
