"""Learning from another classifier: what it says, and what comes of it."""

import inspect
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer, GPT2Config, T5Config, XLNetConfig

import offramp
from conftest import FAMILIES, VOCABULARY, tiny_tokenizer, write_classifier, write_encoder
from helpers.damage import TOKENIZER_CONFIG, change_json
from helpers.toys import EXITS, LABELS, QUICK, grouped, multi, names, single, write_jsonl, write_model
from offramp.calibration import Problem
from offramp.errors import BackboneError, OptionError
from offramp.training import Listener, Regime, train
from offramp.training.teacher import Teacher

TEXTS = ["w1 w2", "w3 w30 w31 w7 w12", "", "w5", " ".join(f"w{number}" for number in range(60))]
PAIRS = ["w3", "w9 w8", "w2 w1 w0", "", "w4 w5"]
SINGLE = Problem.SINGLE_LABEL


def one_by_one(folder, texts, pairs):
    """As Hugging Face runs a checkpoint."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pairs = pairs or [None] * len(texts)
    found = []
    with torch.no_grad():
        for text, pair in zip(texts, pairs, strict=True):
            inputs = tokenizer(  # as lists: a single empty pair would count as none
                [text],
                None if pair is None else [pair],
                truncation=True,
                return_tensors="pt",
                return_token_type_ids=pair is not None,
            )
            taken = inspect.signature(model.forward).parameters
            found.append(model(**{name: inputs[name] for name in inputs if name in taken}).logits[0])
    return torch.stack(found).numpy()


@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["single", "pairs"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_says_what_the_checkpoint_says(family, pairs, tmp_path):
    folder = write_classifier(tmp_path / "classifier", family)
    labels = list(LABELS)
    expected = one_by_one(folder, TEXTS, pairs)
    found = Teacher.open(str(folder), labels, SINGLE, None).logits(TEXTS, pairs, bf16=False)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    turned = Teacher.open(str(folder), labels[::-1], SINGLE, None).logits(TEXTS, pairs, bf16=False)
    np.testing.assert_array_equal(turned, found[:, ::-1])
    low = Teacher.open(str(folder), labels, SINGLE, None).logits(TEXTS, pairs, bf16=True)
    assert 0 < np.abs(low - expected).mean() < 0.05


# XLNet and T5 take texts of any length.
OTHERS = {
    "xlnet": XLNetConfig(vocab_size=VOCABULARY, d_model=32, n_layer=2, n_head=4, d_inner=64, pad_token_id=0),
    "t5": T5Config(
        vocab_size=VOCABULARY,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        eos_token_id=3,
        pad_token_id=0,
        decoder_start_token_id=0,
    ),
    "gpt2": GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, pad_token_id=0),
}


def write_other(folder, kind, **changes):
    config = OTHERS[kind].to_dict() | {"id2label": dict(enumerate(LABELS)), **changes}
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(type(OTHERS[kind])(**config)).save_pretrained(folder)
    tiny_tokenizer(max_length=10**30).save_pretrained(folder)
    if kind == "xlnet":  # which looks at the last token
        change_json(folder / TOKENIZER_CONFIG, padding_side="left")
    return str(folder)


@pytest.mark.parametrize("kind", OTHERS)
def test_it_need_not_be_able_to_take_exits(kind, tmp_path):
    folder = write_other(tmp_path / "classifier", kind)
    found = Teacher.open(folder, LABELS, SINGLE, None).logits(TEXTS, None, bf16=False)
    np.testing.assert_allclose(found, one_by_one(folder, TEXTS, None), atol=1e-4)
    cut = [Teacher.open(folder, LABELS, SINGLE, asked).classifier.tokenizer.model_max_length for asked in (None, 2000)]
    assert cut == ([1024, 1024] if kind == "gpt2" else [512, 2000])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_it_says_of_a_text_depends_neither_on_company_nor_on_the_side_of_padding(kind, side, tmp_path):
    folder = write_other(tmp_path / "classifier", kind)
    change_json(tmp_path / "classifier" / TOKENIZER_CONFIG, padding_side=side)
    teacher = Teacher.open(folder, LABELS, SINGLE, None)
    alone = [teacher.logits([text], None, bf16=False)[0] for text in TEXTS]
    np.testing.assert_allclose(teacher.logits(TEXTS, None, bf16=False), alone, atol=1e-4)


def test_texts_are_cut_where_the_pupil_cuts_them(tmp_path):
    folder = write_classifier(tmp_path / "classifier")
    text = TEXTS[-1]
    whole, cut = (
        Teacher.open(str(folder), LABELS, SINGLE, length).logits([text], None, bf16=False) for length in (99, 7)
    )
    assert not np.allclose(whole, cut)
    np.testing.assert_allclose(cut, one_by_one(folder, [" ".join(text.split()[:5])], None), atol=1e-5)


def test_a_model_of_ours_teaches_with_its_last_exit(tmp_path):
    folder = write_model(tmp_path / "model")
    classifier = offramp.load(folder, backend="torch", threads=1)
    found = Teacher.open(str(folder), classifier.labels, SINGLE, None).logits(TEXTS, None, bf16=False)
    np.testing.assert_allclose(found, classifier.exit_answers(TEXTS).logits[-1], atol=1e-5)


def test_rows_are_told_as_they_are_done(tmp_path):
    told = []
    teacher = Teacher.open(str(write_classifier(tmp_path / "model")), LABELS, SINGLE, None)
    teacher.logits(TEXTS, None, bf16=False, on_rows=lambda *rows: told.append(rows))
    assert told[-1] == (5, 5)


class School:
    """A teacher that knows the labels, and pupils whose data has none that are right."""

    def __init__(self, folder):
        write_encoder(folder / "encoder")
        self.encoder = str(folder / "encoder")
        self.dev = write_jsonl(folder / "dev.jsonl", single(80, seed=2))
        right = write_jsonl(folder / "right.jsonl", single(600, seed=1))
        chance = random.Random(0)
        guessed = [row | {"label": chance.choice(LABELS)} for row in single(40, seed=4)]
        self.wrong = write_jsonl(folder / "wrong.jsonl", guessed)
        self.more = write_jsonl(folder / "more.jsonl", [{"text": row["text"]} for row in single(500, seed=5)])
        self.teacher = str(
            self.train(
                folder / "teacher", right, exits="4", regime=None, teacher=None, recipe=replace(QUICK, epochs=6)
            ).folder
        )

    def train(self, output, data=None, **options):
        settings = {"exits": EXITS, "recipe": QUICK, "regime": Regime(distill=100.0), **options}
        settings.setdefault("teacher", getattr(self, "teacher", None))
        settings.setdefault("model", self.encoder)
        options = grouped(dev=self.dev, pooling="mean", **settings)
        return train(options.pop("model"), data or self.wrong, output=output, **options)


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    return School(tmp_path_factory.mktemp("school"))


@pytest.mark.parametrize(
    ("name", "exits"), [("joint", (4,)), *((name, EXITS) for name in ("joint", "alternating", "mixed", "sweet"))]
)
def test_all_exits_learn_what_the_labels_do_not_say(school, tmp_path, name, exits):
    regime = Regime(name=name, distill=100.0)
    taught = school.train(tmp_path / "taught", exits=exits, regime=regime, unlabeled=school.more)
    assert min(one.accuracy for one in taught.calibration.exits) > 0.9
    alone = school.train(tmp_path / "alone", exits=exits, regime=None, teacher=None)
    assert max(one.accuracy for one in alone.calibration.exits) < 0.6


def test_a_pupil_can_start_where_its_teacher_ended(school, tmp_path):
    still = replace(QUICK, learning_rates=(1e-9,))
    pupil = school.train(tmp_path / "pupil", model=school.teacher, unlabeled=school.more, recipe=still)
    assert pupil.calibration.exits[-1].accuracy > 0.9


def test_a_resumed_run_does_not_ask_again(school, tmp_path):
    options = {"unlabeled": school.more, "trials": 2, "recipe": replace(QUICK, epochs=1)}

    def hear(what, done, total):
        if (what, done) == ("training", 5):
            raise KeyboardInterrupt
        if what == "asking the teacher":
            asked.append((done, total))

    asked, listener = [], Listener(on_progress=hear)
    with pytest.raises(KeyboardInterrupt):
        school.train(tmp_path / "broken", listener=listener, **options)
    assert asked[-1] == (540, 540)
    asked.clear()
    listener = Listener(on_progress=lambda what, *rows: asked.append(rows) if what == "asking the teacher" else None)
    resumed = school.train(tmp_path / "broken", resume=True, listener=listener, **options)
    assert not asked
    whole = school.train(tmp_path / "whole", **options)
    first, second = (load_file(summary.folder / "model.safetensors") for summary in (resumed, whole))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_a_teacher_without_answers_is_refused_and_leaves_nothing(school, tmp_path):
    teacher = write_other(tmp_path / "gpt2", "gpt2", pad_token_id=None)
    with pytest.raises(BackboneError, match=r"teacher cannot classify texts such as .*wrong\.jsonl \(Cannot handle"):
        school.train(tmp_path / "model", teacher=teacher)
    assert names(tmp_path) == ["gpt2"]


def test_who_cannot_teach_is_refused_and_leaves_nothing(school, tmp_path):
    other = write_classifier(tmp_path / "other", id2label={0: "x", 1: "y", 2: "z"})
    several = write_jsonl(tmp_path / "several.jsonl", multi(60))
    for options, error, message in (
        (
            {"teacher": str(other)},
            OptionError,
            "the teacher's labels are x, y, z, those of the data a, b, c; give",
        ),
        ({"teacher": school.encoder}, BackboneError, "is not a whole fine-tuned classifier"),
        ({"teacher": str(tmp_path / "no")}, BackboneError, "cannot load the classifier"),
        ({"regime": None}, OptionError, "a teacher teaches through distillation; give `distill` a weight, such as 1"),
        ({"regime": Regime(name="frozen", distill=1.0)}, OptionError, "in regime 'frozen' the exits learn what"),
    ):
        with pytest.raises(error, match=message):
            school.train(tmp_path / "model", **options)
    with pytest.raises(
        OptionError, match="the teacher's problem type is single_label_classification, that of the data"
    ):
        train(school.encoder, several, output=tmp_path / "m", regime=Regime(distill=1.0, teacher=school.teacher))
    assert names(tmp_path) == ["other", "several.jsonl"]
