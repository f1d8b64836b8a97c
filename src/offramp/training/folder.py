"""What every new model folder holds, and what its record tells."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from offramp import environment
from offramp.backends import REFERENCE
from offramp.data import remember, temperatures_of
from offramp.data.seen import EPOCH, FITTING
from offramp.folder import CARD, TRAINING
from offramp.model import LoadedModel, save
from offramp.training.attaching import AttachJob
from offramp.training.card import model_card
from offramp.training.job import TrainingJob
from offramp.training.rows import Rows
from offramp.training.words_exit import Front

# How long texts are that the model was fitted to, for those that it may be asked to make itself.
_DECILES = np.linspace(0, 1, 11)


def write_folder(
    new: Path,
    model: LoadedModel,
    job: TrainingJob | AttachJob,
    front: Front,
    train: Rows,
    *,
    heads: nn.ModuleList,
    told: dict[str, Any],
) -> None:
    """Writes a model with all that belongs to it into an empty folder.

    Args:
        front: its temperatures, and what comes before the encoder.
        train: the rows that it was fitted to, with labels or, where it has a teacher, without.
        heads: the exits that are new.
        told: what its record tells beside what those of all models do.
    """
    data, network = job.data, model.network
    config = network.config
    record = {
        "environment": environment.describe(),
        **job.to_dict(),
        "exits": config.exits,
        "pooling": config.pooling,
        "head": config.head,
        "max_length": model.tokenizer.model_max_length,
        "rows": {name: len(rows) for name, rows in data.parts.items()},
        "lengths": np.quantile(train.encoded.lengths, _DECILES, method="nearest").tolist(),
        "truncated": int(train.encoded.truncated.sum()),
        "blank": data.train.blank,
        "parameters": {
            "total": network.num_parameters(),
            "exits": sum(parameter.numel() for parameter in heads.parameters()),
        },
        "long_trial": None if front.long is None else asdict(front.long),
        "words_wanted": job.architecture.words,
        "words": None if front.trial is None else asdict(front.trial),
        **told,
    }
    save(model, new)
    front.calibration.save(new)
    if front.words is not None:
        front.words.save(new)
    TRAINING.write(new, record)
    for rows in (*data.fitted, *data.before):
        remember(new, rows, FITTING)
    remember(new, data.dev, EPOCH, temperatures_of(REFERENCE))
    card = model_card(config, front.calibration, record, [rows.source for rows in data.parts.values()])
    (new / CARD).write_text(card, encoding="utf-8")
