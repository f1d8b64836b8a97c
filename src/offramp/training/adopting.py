"""The work of an attach job: exits are fitted to what a classifier makes of texts, which needs PyTorch."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from offramp.data import LabeledTexts, Texts
from offramp.errors import DataError
from offramp.files import replacing
from offramp.model import LoadedModel, adopt
from offramp.model.exits import check_new_exits
from offramp.training.attaching import AttachJob
from offramp.training.folder import calibrated, write_folder
from offramp.training.frozen import fit_on_states
from offramp.training.phases import exits_alone
from offramp.training.rows import Rows, rows_of


def run(job: AttachJob, folder: Path) -> None:
    """Puts exits on the classifier, fits and calibrates them and leaves the model in ``folder``."""
    shape = asdict(job.architecture)
    del shape["layers"]  # there are as many as before
    model = adopt(job.model, **shape, labels=job.labels, text_pair=job.data.text_pair)
    network = model.network
    check_new_exits(network.config.exits)
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    train, dev = (_rows(model, texts) for texts in (job.data.train, job.data.dev))
    weights = {"labeled": float(job.targets != "model"), "distill": float(job.targets != "labels")}
    with replacing(folder) as new:
        new.mkdir()
        fitted = fit_on_states(
            model,
            train,
            dev,
            exits_alone(len(network.heads), **weights),
            job.fit,
            seed=job.seed,
            folder=new.parent,
            on_rows=partial(job.on_progress, "running texts"),
            on_step=partial(job.on_progress, "fitting exits"),
        )
        calibration = calibrated(model, job, fitted.dev_logits, dev.targets)
        told = {"seconds": {"encoder": fitted.encoder_seconds, "exits": fitted.exit_seconds}}
        write_folder(new, model, job, calibration, train, heads=network.heads[:-1], told=told)


def _rows(model: LoadedModel, texts: LabeledTexts | Texts) -> Rows:
    try:
        return rows_of(model, texts)
    except DataError as error:
        error.add_note("or name the classifier's outputs as the data do, in `labels`")
        raise
