"""What a network reads while it is trained, calibrated and attached to is what the engine has it read, always.

Tokenizers differ in where they pad and cut, in what they return and in how they were left by whoever saved them.
"""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import offramp
from conftest import write_classifier, write_encoder
from helpers.damage import TOKENIZER, TOKENIZER_CONFIG, change_json
from helpers.toys import LABELS, pairs, single, write_jsonl
from offramp.data import Columns
from offramp.model import LayerStack
from offramp.training import Architecture, ExitFit, Recipe, Regime, train

RECIPE = Recipe(epochs=1, batch_size=8, head_learning_rate=5e-2, learning_rates=(1e-2,), dropout=0, precision="fp32")
FIT = ExitFit(epochs=1)
FIXED = {
    "truncation": {"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0},
    "padding": {
        "strategy": {"Fixed": 16},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    },
}
ODDITIES = {
    "ordinary": (TOKENIZER_CONFIG, {}),
    "pads left": (TOKENIZER_CONFIG, {"padding_side": "left"}),
    "gives no mask": (TOKENIZER_CONFIG, {"model_input_names": ["input_ids"]}),
    "cuts left": (TOKENIZER_CONFIG, {"truncation_side": "left"}),
    "has no limit": (TOKENIZER_CONFIG, {"model_max_length": 10**30}),
    "was saved padding and cutting": (TOKENIZER, FIXED),
    "frames nothing": (TOKENIZER, {"post_processor": None}),
}
# 12 tokens, so that some texts are cut.
LIMIT = 12
ARCHITECTURE = Architecture(exits=(1, 2), max_length=LIMIT)
# The only token of the batches with which encoders are tried out.
PROBE = {5}
LONG = {"text": " ".join(f"w{number}" for number in range(40)), "label": "a"}
SINGLE = [*single(60, seed=1), LONG, {"text": "w1", "label": "b"}, {"text": "", "label": "c"}]
PAIRS = [*pairs(60, seed=1), {"first": "w1 w2", "second": LONG["text"], "label": "a"}]


def odd(folder, oddity):
    file, changes = ODDITIES[oddity]
    change_json(folder / file, **changes)
    return str(folder)


@pytest.fixture
def read(monkeypatch):
    """Every row that a network reads: its token ids, their types and their positions."""
    rows = set()
    embed = LayerStack.embed

    def noted(stack, inputs):
        positions = []
        table = stack.backbone.embeddings.position_embeddings
        hook = table.register_forward_pre_hook(lambda _, given: positions.append(given[0]))
        state = embed(stack, inputs)
        hook.remove()
        ids = inputs["input_ids"]
        mask = inputs.get("attention_mask", torch.ones_like(ids)).bool()
        types = inputs.get("token_type_ids", torch.zeros_like(ids))
        for row, place in enumerate(positions[-1].expand_as(ids)):
            tokens = mask[row]
            if set(ids[row, tokens].tolist()) != PROBE:
                rows.add(tuple(tuple(values[tokens].tolist()) for values in (ids[row], types[row], place)))
        return state

    monkeypatch.setattr(LayerStack, "embed", noted)
    return rows


def read_by_engine(read, folder, rows):
    read.clear()
    classifier = offramp.load(folder, backend="torch", threads=1)
    if classifier.takes_pairs:
        classifier.predict([row["first"] for row in rows], [row["second"] for row in rows], threshold=2)
    else:
        classifier.predict([row["text"] for row in rows], threshold=2)
    return set(read)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("oddity", ODDITIES)
def test_trained_and_calibrated_on_what_the_engine_reads(oddity, family, read, tmp_path):
    write_encoder(tmp_path / "encoder", family)
    train_file, dev_file = (write_jsonl(tmp_path / f"{n}.jsonl", rows) for n, rows in (("t", SINGLE), ("d", single(9))))
    options = {"dev": dev_file, "architecture": ARCHITECTURE, "recipe": RECIPE}
    summary = train(odd(tmp_path / "encoder", oddity), train_file, output=tmp_path / "model", **options)
    trained = set(read)
    assert read_by_engine(read, tmp_path / "model", [*SINGLE, *single(9)]) == trained
    dev = single(9)
    logits = offramp.load(tmp_path / "model", backend="torch").exit_answers([row["text"] for row in dev]).logits
    right = (logits.argmax(2) == [LABELS.index(row["label"]) for row in dev]).mean(1)
    assert [one.accuracy for one in summary.calibration.exits] == pytest.approx(right.tolist())


@pytest.mark.parametrize("oddity", ODDITIES)
def test_so_it_is_for_pairs_and_frozen_encoders(oddity, read, tmp_path, encoder_folder):
    train_file, dev_file = (write_jsonl(tmp_path / f"{n}.jsonl", rows) for n, rows in (("t", PAIRS), ("d", pairs(9))))
    options = {"dev": dev_file, "architecture": ARCHITECTURE, "recipe": RECIPE}
    for regime in ("joint", "frozen"):
        read.clear()
        train(
            odd(encoder_folder, oddity),
            train_file,
            output=tmp_path / regime,
            columns=Columns(text="first", text_pair="second"),
            regime=Regime(name=regime),
            **options,
        )
        trained = set(read)
        assert read_by_engine(read, tmp_path / regime, [*PAIRS, *pairs(9)]) == trained


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("oddity", ODDITIES)
def test_attached_to_what_the_engine_reads_and_hugging_face_says_of_each_text_alone(oddity, family, read, tmp_path):
    folder = odd(write_classifier(tmp_path / "classifier", family), oddity)
    data = write_jsonl(tmp_path / "data.jsonl", [{"text": row["text"]} for row in SINGLE])
    offramp.attach(folder, data, output=tmp_path / "model", architecture=ARCHITECTURE, fit=FIT)
    attached = set(read)
    assert read_by_engine(read, tmp_path / "model", SINGLE) == attached

    theirs, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    texts = [row["text"] for row in SINGLE if row["text"]]
    expected = []
    for text in texts:
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=LIMIT)["input_ids"]])
        with torch.no_grad():
            expected.append(theirs(ids, attention_mask=torch.ones_like(ids)).logits[0].numpy())
    found = offramp.load(tmp_path / "model", backend="torch").exit_answers(texts).logits[-1]
    np.testing.assert_allclose(found, expected, atol=2e-5)
