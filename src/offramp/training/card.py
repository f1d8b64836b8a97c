"""The model card that lies in the folder as ``README.md``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from offramp.calibration import Calibration
from offramp.engine.choosing import default_threshold_of
from offramp.exit_names import in_column
from offramp.model import EarlyExitConfig
from offramp.model.origin import card_front, card_use, origin_of

_HEAD = """---
{front}
---

# Early-exit text classifier

Exits after {exits} of {depth} layers on `{backbone}`; {kind}; {count} labels: {labels}. An input leaves at the first
exit that is sure enough: by the default operating point of `operating_points.json`, if there is one, or where the
calibrated confidence reaches {default:g}.

{use}

`transformers` reads the folder too, at full depth, {without}, once `offramp` is imported.
"""

_WORDS = """
A model of words comes first, in `words.safetensors`: it reads raw texts, and one that leaves there is never tokenized.
{alone}{added}
"""
_NO_WORDS = """
There is no model of words before the encoder: on the dev data it did not pay. {alone}
"""
_UNTRIED = """
There is no model of words before the encoder, and none was tried: the exits were named without it.
"""
_ADDED = """
Some exits add what it says to their own answers, by weights that were fitted on the dev data: {weights}.
"""
_CHANGED = """The last exit is one of them: full depth of offramp then differs from what `transformers` reads.
"""

_LONG = """
Texts that are longer than the encoder reads at once are read window by window, up to {windows} windows that overlap by
{overlap} tokens: where no exit of one was sure, the next follows, and the answer is the {combination} of the logits of
all windows read. `transformers` reads the first window alone.
"""

_TABLE = """
## When it was made, on the dev data ({rows} rows)

| exit {after} | {right} | temperature | ECE before | ECE after |
|---|---|---|---|---|
{table}

The temperatures{weights} in use are those of `calibration.json`.
"""

_TRAINED = """
Trained on {train_rows} rows, texts cut at their end where they are longer than the model reads.
These dev rows also chose the epoch and the temperatures: measure on data of your own with `offramp evaluate`.
"""


_ATTACHED = """
The exits were put on a classifier that was fine-tuned before; its own head is the last exit, and at full depth its
logits are unchanged. They were fitted to {targets} on {train_rows} texts.{meaning}
Texts like these also chose the epoch and the temperatures: measure on data of your own with `offramp evaluate`.
"""
_SHOWN = 20  # labels
_TARGETS = {
    "labels": "labels",
    "model": "what the classifier believes at full depth, without labels,",
    "both": "labels and what the classifier believes at full depth",
}
_MEANING = """
There were no labels: an exit's confidence says how likely the classifier at full depth is to agree. On labeled texts,
`offramp calibrate` makes it say how likely the prediction is to be right.
"""


def model_card(
    config: EarlyExitConfig, calibration: Calibration, record: dict[str, Any], sources: Sequence[str] = ()
) -> str:
    """Renders the card from the network's configuration, its calibration and the content of ``training.json``.

    Args:
        sources: names of the data that it learned from; those on the hub are told.
    """
    rows = record["rows"]["train"]
    if "attached_to" in record:
        source, meaning = record["attached_to"], _MEANING if calibration.against == "model" else ""
        told = _ATTACHED.format(targets=_TARGETS[record["targets"]], train_rows=rows, meaning=meaning)
    else:
        source, told = record["backbone"], _TRAINED.format(train_rows=rows)
    trial = record.get("words")
    words = _UNTRIED if record.get("words_wanted") is False else "" if trial is None else _words(calibration, trial)
    long = "" if config.reading is None else _LONG.format(**asdict(config.reading))
    front = _head(config, source, sources, trial, default_threshold_of(calibration))
    return front + words + long + _table(calibration) + told


def _head(
    config: EarlyExitConfig, source: str, sources: Sequence[str], trial: Mapping[str, Any] | None, default: float
) -> str:
    with_words = trial is not None and trial["kept"]
    return _HEAD.format(
        without="without words and temperatures" if with_words else "without temperatures",
        front=card_front(origin_of(source), sources=sources),
        exits=", ".join(map(str, config.exits)),
        depth=config.exits[-1],
        default=default,
        backbone=source.rstrip("/").rsplit("/", 1)[-1],
        count=len(config.labels),
        labels=_named(config.labels),
        kind="pairs of texts" if config.text_pair else "single texts",
        use=card_use(pairs=config.text_pair),
    )


def _words(calibration: Calibration, trial: Mapping[str, Any]) -> str:
    """What comes before the encoder, or why nothing does; ``trial`` is a :class:`WordsTrial` as a dict."""
    if trial["against"] == "labels":
        alone = (
            f"Alone, words are right on {trial['alone']:.2%} of the dev rows, full depth on {trial['full_right']:.2%}."
        )
    else:
        alone = f"Alone, words answer {trial['alone']:.2%} of the dev rows as full depth does."
    if not trial["kept"]:
        return _NO_WORDS.format(alone=alone)
    weights = dict(zip([row.name for row in calibration.exits], calibration.evidence, strict=False))
    added = ", ".join(f"{weight:.2f} after {name}" for name, weight in weights.items() if weight)
    told = _ADDED.format(weights=added) if added else ""
    return _WORDS.format(alone=alone, added=told + (_CHANGED if any(calibration.evidence[-1:]) else ""))


def _named(labels: Sequence[str]) -> str:
    """The first labels, as code: a name may hold anything."""
    shown = [" ".join(label.replace("`", "'").split()) for label in labels[:_SHOWN]]
    return ", ".join(f"`{label}`" for label in shown) + (", …" if len(labels) > _SHOWN else "")


def _table(calibration: Calibration) -> str:
    after, exits = in_column([row.name for row in calibration.exits])
    lines = [
        f"| {name} | {row.accuracy:.2%} | {row.temperature:.3f} | {row.ece_before:.3f} | {row.ece_after:.3f} |"
        if calibration.judges(row)
        else f"| {name} | – | {row.temperature:.3f} | – | – |"
        for name, row in zip(exits, calibration.exits, strict=True)
    ]
    right = "accuracy" if calibration.against == "labels" else "agrees with full depth"
    weights = " and weights" if any(calibration.evidence) else ""
    return _TABLE.format(rows=calibration.rows, after=after, right=right, table="\n".join(lines), weights=weights)
