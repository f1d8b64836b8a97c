"""The whole reproduction in small: made-up texts, random encoders, seconds a model. Its figures mean nothing."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from benchmarks.paper.analysis import analyse
from benchmarks.paper.document import read_results, write_document, write_results
from benchmarks.paper.place import PARTS, Place
from benchmarks.paper.plan import (
    AGAIN,
    CLASSIFIER,
    EFFICIENT,
    JOINT,
    PLAN,
    STANDARD,
    DataSet,
    Encoder,
    Plan,
    Wave,
)
from benchmarks.paper.running import run_all, time_all
from benchmarks.paper.ways import Models
from offramp.training import Recipe

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
FILLERS, PER_LABEL = 40, 3
ROWS = {"train": 300, "dev": 60, "test": 120}
RECIPE = Recipe(
    epochs=3, batch_size=16, learning_rates=(5e-3,), head_learning_rate=3e-2, dropout=0, patience=9, precision="fp32"
)


def smoke(folder: Path, plan: Plan, say: Callable[[str], None]) -> None:
    """Goes through all steps; what is in the folder already is not made again."""
    for number, data in enumerate(plan.data_sets.values()):
        make_data(folder / "source" / data.name, data, seed=number)
    for encoder in plan.encoders.values():
        make_encoder(folder / encoder.name, encoder)
    place = place_in(folder, plan)
    run_all(place, plan.runs(), say)
    time_all(place, plan.runs(), say)
    for found in Models.of(place, plan.runs()):
        write_results(analyse(found), place.results)
    write_document(plan, read_results(plan, place.results), {}, folder / "docs")


def place_in(folder: Path, plan: Plan) -> Place:
    """Where a small reproduction lies."""
    encoders = {name: str(folder / name) for name in plan.encoders}
    return Place(plan, folder / "work", folder / "results", folder / "source", encoders)


def small_plan() -> Plan:
    """Everything that the plan has, but for most of it on one data set only."""
    methods = {name: tuple({run.method: 0 for run in PLAN.runs() if run.encoder == name}) for name in PLAN.encoders}
    core = Wave(tuple(PLAN.data_sets), "minilm", (STANDARD, JOINT, *EFFICIENT))
    waves = (core, *(Wave(("sst2",), name, methods[name]) for name in PLAN.encoders))
    return Plan(PLAN.data_sets, _quick(PLAN.encoders), waves)


def tiny_plan() -> Plan:
    """One data set of texts and one of pairs, and of every kind of run one: for tests."""
    alone = (STANDARD, "cut 1", "cut 4", CLASSIFIER)
    methods = (*alone, JOINT, AGAIN, "sweet", "weighted", "attach model", "attach model classifier")
    data = {name: PLAN.data_sets[name] for name in ("sst2", "snli")}
    waves = (Wave(("sst2",), "minilm", methods), Wave(("snli",), "minilm", (STANDARD, JOINT)))
    return Plan(data, _quick({"minilm": PLAN.encoders["minilm"]}), waves)


def _quick(encoders: dict[str, Encoder]) -> dict[str, Encoder]:
    """Trained in seconds."""
    return {name: replace(one, recipe=RECIPE, recipes={}, early={}) for name, one in encoders.items()}


def make_data(folder: Path, data: DataSet, seed: int) -> None:
    """Writes texts whose label is decided by some of their words; in pairs, by words of the second text."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for part in PARTS:
        if (file := folder / f"{part}.jsonl.gz").is_file():
            continue
        with gzip.open(file, "wt", encoding="utf-8") as stream:
            for _ in range(ROWS[part]):
                stream.write(json.dumps(_row(random, data.pairs)) + "\n")


def _row(random: np.random.Generator, pair: bool) -> dict[str, str]:
    label = int(random.integers(3))
    fillers = [f"f{number}" for number in random.integers(FILLERS, size=random.integers(2, 14))]
    # One row in ten lies, so that no exit is ever sure of all.
    meant = label if random.random() < 0.9 else int(random.integers(3))
    telling = [f"l{meant}{number}" for number in random.integers(PER_LABEL, size=random.integers(1, 3))]
    words = " ".join(random.permutation([*fillers, *telling]).tolist())
    texts = {"text": " ".join(fillers), "text_pair": words} if pair else {"text": words}
    return {**texts, "label": f"label {label}"}


def make_encoder(folder: Path, encoder: Encoder) -> Path:
    """Writes a random encoder of the same depth with a tokenizer that knows the words."""
    if (folder / "config.json").is_file():
        return folder
    telling = [f"l{label}{number}" for label in range(3) for number in range(PER_LABEL)]
    vocabulary = [*SPECIAL, *telling, *(f"f{number}" for number in range(FILLERS))]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(vocabulary)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=encoder.layers,
        num_attention_heads=4,
        intermediate_size=64,
        initializer_range=0.1,
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=256, **names).save_pretrained(folder)
    BertModel(config).save_pretrained(folder)
    return folder
