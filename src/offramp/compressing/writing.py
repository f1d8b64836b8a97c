"""The folder of a narrowed model."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from offramp import environment
from offramp.backends import REFERENCE
from offramp.compressing.compression import CompressJob
from offramp.compressing.summary import Compressed
from offramp.data import remember, temperatures_of
from offramp.data.seen import FITTING, made_with
from offramp.engine.loading import words_of
from offramp.files import is_there
from offramp.folder import CARD, TRAINING
from offramp.model import LoadedModel, save
from offramp.model.origin import card_front, card_use, origin_of

_CARD = """---
{front}
---

# Early-exit text classifier with narrower layers

Made of `{name}` by taking neurons out of its feed-forward blocks, without labels: of {before} neurons its layers keep
{widths}{experts}, and {flops:.0%} of the multiply-adds. The second matrices and the exits were refitted on {rows}
texts to what the original says. On {held_out} other texts {disagreement:.2%} of the answers at full depth differ from
the original's (at most {bound:.2%} of such texts, with 95 % confidence).

{use}

`transformers` reads the folder too, at full depth, without temperatures, once `offramp` is imported.
"""


def write_folder(new: Path, model: LoadedModel, job: CompressJob, made: Compressed) -> None:
    """Writes a narrowed model with all that belongs to it into an empty folder."""
    save(model, new)
    made.calibration.save(new)
    if (words := words_of(job.model, model.network.config)) is not None:
        words.save(new)
    TRAINING.write(new, _record(job, made))
    for seen in made_with(job.model):
        remember(new, seen, *seen.uses)
    remember(new, job.fitting, FITTING)
    remember(new, job.held_out, temperatures_of(REFERENCE))
    (new / CARD).write_text(_card(model, job, made), encoding="utf-8")


def _record(job: CompressJob, made: Compressed) -> dict[str, Any]:
    """What the original's record tells, and how the model was narrowed."""
    before = TRAINING.read(job.model, dict[str, Any]) if is_there(job.model / TRAINING.name) else {}
    told = {
        "environment": environment.describe(),
        "goal": asdict(job.goal),
        "at": job.at,
        "seed": job.seed,
        "data": {"fitting": job.fitting.fingerprint, "held_out": job.held_out.fingerprint},
        "rows": {"fitting": len(job.fitting), "held_out": len(job.held_out)},
        "widths": made.widths,
        "widths_before": made.widths_before,
        "experts": made.experts,
        "reached": made.reached,
        "flops": made.flops,
        "compared": asdict(made.compared),
        "speedup": asdict(made.speedup),
        "seconds": made.seconds,
    }
    return {**before, "compressed": told}


def _card(model: LoadedModel, job: CompressJob, made: Compressed) -> str:
    return _CARD.format(
        front=card_front(origin_of(str(job.model))),
        name=job.model.name.replace("`", "'"),
        before=made.widths_before[0],
        widths=", ".join(map(str, made.widths)),
        experts="" if made.experts is None else f" for each token, which runs through one of {made.experts} experts",
        flops=made.flops,
        rows=made.rows,
        held_out=made.compared.rows,
        disagreement=made.compared.disagreement,
        bound=made.compared.bound,
        use=card_use(pairs=model.network.config.text_pair),
    )
