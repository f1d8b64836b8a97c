"""The verb as a function: what it writes, and that everything else takes it."""

import json
import shutil

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

import offramp
from conftest import write_classifier, write_encoder
from helpers.toys import grouped, names, quick, single, write_jsonl, write_model
from offramp.calibration import Calibration
from offramp.compressing import run as compressing
from offramp.data import Texts, uses_of
from offramp.data.seen import FITTING
from offramp.errors import BackboneError, CheckFailed, DataError, OptionError

TEXTS = [row["text"] for row in single(300, seed=5)]
MORE = [row["text"] for row in single(200, seed=9)]


class Stage:
    def __init__(self, folder):
        self.folder = folder
        self.model = folder / "model"
        encoder = write_encoder(folder / "encoder")
        dev = write_jsonl(folder / "dev.jsonl", single(60, seed=2))
        train = write_jsonl(folder / "train.jsonl", single(240, seed=1))
        offramp.train(encoder, train, output=self.model, dev=dev, **grouped(exits="words,1,2"))
        self.texts = write_jsonl(folder / "texts.jsonl", [{"text": text} for text in TEXTS])

    def compress(self, output, model=None, **options):
        return offramp.compress(model or self.model, options.pop("data", self.texts), output=output, **options)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def made(stage):
    heard = []
    return stage.compress(stage.folder / "narrow", flops=0.85, on_progress=lambda *told: heard.append(told[0])), heard


def test_what_is_written_and_told(stage, made):
    made, heard = made
    assert (made.widths_before, made.rows, made.compared.rows) == ((64,) * 4, 240, 60)
    assert set(made.widths) == {32, 64}
    assert made.flops <= 0.85
    assert made.reached[0] <= 1
    assert list(made.reached) == sorted(made.reached, reverse=True)
    assert made.compared.disagreement <= made.compared.bound < 1
    assert made.compared.accuracy is None
    assert set(names(made.folder)) == set(names(stage.model))
    record = json.loads((made.folder / "training.json").read_text())
    assert record["compressed"]["widths"] == list(made.widths)
    assert record["backbone"] == json.loads((stage.model / "training.json").read_text())["backbone"]
    assert Calibration.load(made.folder) == made.calibration
    assert made.calibration.against == "model"
    assert uses_of(made.folder, Texts.of(TEXTS))[FITTING] > 0.5
    assert uses_of(made.folder, Texts.of([row["text"] for row in single(240, seed=1)]))[FITTING] == 1
    assert not [name for name in names(stage.folder) if name.startswith(".") or name.endswith(".npy")]
    assert {"asking the original", "ranking neurons", "refitting layers", "fitting exits"} <= set(heard)


def test_transformers_reads_the_folder(made):
    classifier = offramp.load(made[0].folder)
    theirs = AutoModelForSequenceClassification.from_pretrained(made[0].folder).eval()
    inputs = classifier.tokenizer(TEXTS[:30], return_tensors="pt", padding=True)
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        logits = theirs(**inputs).logits.numpy()
    np.testing.assert_allclose(classifier.exit_answers(TEXTS[:30]).logits[-1], logits, atol=1e-5)


def test_other_verbs_take_it(stage, made, tmp_path):
    folder = tmp_path / "narrow"
    shutil.copytree(made[0].folder, folder)
    tuned = offramp.tune(folder, [row["text"] for row in single(300, seed=8)], **quick(threshold=0.6, name="mine"))
    assert [point.name for point in tuned.points] == ["mine"]
    chained = offramp.chain([folder, stage.model], output=tmp_path / "chain").folder
    assert len(offramp.load(chained, backend="torch").predict(TEXTS[:5]).label) == 5
    again = stage.compress(tmp_path / "again", model=folder, data=MORE, flops=0.95)
    assert again.widths_before == made[0].widths


def test_all_neurons_change_no_answer(stage, tmp_path):
    made = stage.compress(tmp_path / "same", flops=1)
    assert (made.widths, made.flops, made.compared.disagreement) == ((64,) * 4, 1, 0)
    before, after = (offramp.load(one).exit_answers(TEXTS).logits for one in (stage.model, made.folder))
    np.testing.assert_array_equal(after, before)


def test_it_is_repeatable(stage, made, tmp_path):
    stage.compress(tmp_path / "again", flops=0.85)
    contents = [(folder / "model.safetensors").read_bytes() for folder in (made[0].folder, tmp_path / "again")]
    assert contents[0] == contents[1]


def test_labels_judge_and_calibrate(stage, tmp_path):
    data = write_jsonl(tmp_path / "labeled.jsonl", single(300, seed=6))
    made = stage.compress(tmp_path / "narrow", data=data, flops=0.9, dev=0.5)
    assert made.calibration.against == "labels"
    assert made.compared.accuracy_before > 0.8
    assert made.compared.rows == 150


def test_the_head_of_a_classifier_stays(tmp_path, stage):
    classifier = write_classifier(tmp_path / "classifier")
    offramp.attach(classifier, TEXTS, output=tmp_path / "model", architecture=offramp.Architecture(exits=(2,)))
    made = stage.compress(tmp_path / "narrow", model=tmp_path / "model", data=MORE, flops=0.8)
    before, after = (offramp.load(one).stages._network for one in (tmp_path / "model", made.folder))
    for name, tensor in before.heads[-1].state_dict().items():
        assert torch.equal(after.heads[-1].state_dict()[name], tensor)
    assert not torch.equal(after.heads[0].classifier.weight, before.heads[0].classifier.weight)


def test_the_narrowest_within_a_disagreement(stage, tmp_path):
    made = stage.compress(tmp_path / "narrow", max_disagreement=0.6)
    assert made.compared.disagreement < 0.6
    assert made.flops < 1
    with pytest.raises(CheckFailed, match=r"no width is shown to differ on at most 0\.10% of texts"):
        stage.compress(tmp_path / "none", max_disagreement=0.001)
    assert names(tmp_path) == ["narrow"]


def test_the_widest_that_is_so_much_faster(stage, tmp_path, monkeypatch):
    def timed(original, narrow, rows):
        from offramp.compressing.run import widths_of
        from offramp.evaluation.timing import Ratio
        from offramp.model import LoadedModel

        speed = 256 / sum(widths_of(LoadedModel(narrow.stages._network, narrow.tokenizer)))
        return Ratio(speed, speed, speed)

    monkeypatch.setattr(compressing, "_timed", timed)
    made = stage.compress(tmp_path / "narrow", speedup=1.3)
    assert sum(made.widths) == 192
    with pytest.raises(CheckFailed, match=r"full depth is not 3 times as fast here"):
        stage.compress(tmp_path / "none", speedup=3)
    assert names(tmp_path) == ["narrow"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"flops": 0}, OptionError, "flops is 0; it is the share"),
        ({"flops": 0.1}, OptionError, r"flops is 0.1; of this encoder's multiply-adds"),
        ({"speedup": 1}, OptionError, "speedup is 1; use a number above 1"),
        ({"max_disagreement": 1}, OptionError, "max_disagreement is 1; use a share"),
        ({"flops": 0.5, "speedup": 2}, OptionError, "flops and speedup are given; choose one goal"),
        ({"at": "none"}, OptionError, "there is no operating point 'none'"),
        ({"dev": 0.01}, DataError, "3 texts are held out"),
        ({"dev": TEXTS[:100]}, DataError, "are among the rows"),
        ({"data": [row["text"] for row in single(240, seed=1)]}, DataError, "were used to make this model"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(stage, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        stage.compress(tmp_path / "new", **options)
    assert names(tmp_path) == []


def test_an_encoder_without_widths_of_its_own_is_refused(stage, tmp_path):
    with pytest.raises(BackboneError, match="the layers of albert share their parameters"):
        stage.compress(tmp_path / "new", model=write_model(tmp_path / "albert", family="albert"))
    assert names(tmp_path) == ["albert"]
