"""A classifier's own head as the last exit: at full depth nothing may change, not even the last bit."""

import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from conftest import FAMILIES, LAYERS, tiny_backbone, tiny_network, tiny_tokenizer, write_classifier
from helpers.damage import TOKENIZER_CONFIG, change_json
from offramp.errors import BackboneError, OptionError
from offramp.model import EarlyExitConfig, adopt, build, load, save
from offramp.model.heads import ExitHead, OwnHead

PADDED = {
    "input_ids": torch.tensor([[2, 9, 8, 7, 6, 3], [2, 30, 3, 0, 0, 0], [2, 12, 40, 41, 3, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]]),
}
ALONE = {"input_ids": PADDED["input_ids"][:1]}
BATCHES = {
    "padded": PADDED,
    "not padded, with a mask": {name: tensor[:1] for name, tensor in PADDED.items()},
    "no mask": ALONE,
    "pairs": PADDED | {"token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0]])},
}
# Not every checkpoint reads its text as its family usually does.
VARIANTS = [*((family, {}) for family in FAMILIES), ("modernbert", {"classifier_pooling": "mean"})]


def aligned(model):
    """The model with its weights where memory allocation puts them.

    Weights that were read from a file lie at any address, and matrix products as small as here round differently then,
    in Hugging Face's model as well as in ours.
    """
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
    return model


def reference(folder):
    """The checkpoint as Hugging Face runs it."""
    return aligned(AutoModelForSequenceClassification.from_pretrained(folder).eval())


def accepted(model, batch):
    names = ("input_ids", "attention_mask", "token_type_ids")
    takes = model.forward.__wrapped__ if hasattr(model.forward, "__wrapped__") else model.forward
    return {name: batch[name] for name in names if name in batch and name in takes.__code__.co_varnames}


@pytest.mark.parametrize(("family", "config"), VARIANTS)
@torch.no_grad()
def test_logits_at_full_depth_are_those_of_hugging_face_to_the_last_bit(family, config, tmp_path):
    folder = write_classifier(tmp_path / "classifier", family, **config)
    theirs, ours = reference(folder), adopt(str(folder), exits=(1, 2))
    (tmp_path / "model").mkdir()
    save(ours, tmp_path / "model")
    for network in (aligned(ours.network), aligned(load(tmp_path / "model").network)):
        assert network.config.exits == [1, 2, LAYERS]
        for name, batch in BATCHES.items():
            expected = theirs(**accepted(theirs, batch)).logits
            assert torch.equal(network(**batch).logits, expected), name
            assert expected.std() > 0.01


@pytest.mark.parametrize("pooling", ["pooler", "cls", "mean"])
@torch.no_grad()
def test_the_pooling_of_the_other_exits_does_not_matter(classifier_folder, pooling):
    ours = aligned(adopt(str(classifier_folder), exits=(1, 3), pooling=pooling).network)
    assert torch.equal(ours(**PADDED).logits, reference(classifier_folder)(**PADDED).logits)


@torch.no_grad()
def test_every_row_is_answered_alike_where_it_stops_at_the_other_exits_first(classifier_folder):
    network = adopt(str(classifier_folder), exits=(1, 2)).network
    whole = network(**PADDED).exit_logits
    state, history = network.run_layers(network.stack.embed(PADDED), None, network.stages[0])
    for index, layers in enumerate(network.stages[1:], start=1):
        some = network.stack.resume(state.hidden[1:, :5], PADDED["attention_mask"][1:, :5])
        logits = network.exit_logits(*network.run_layers(some, history[1:], layers), index)
        torch.testing.assert_close(logits, whole[1:, index])
        state, history = network.run_layers(state, history, layers)


def test_what_it_holds(classifier_folder):
    model = adopt(str(classifier_folder), exits=(1, 2), head="mlp", text_pair=True, max_length=20)
    config = model.network.config
    assert config.own_head
    assert config.text_pair
    assert config.labels == ("a", "b", "c")
    assert config.problem_type == "single_label_classification"
    assert config.pooling == "mean"
    assert model.tokenizer.model_max_length == 20
    assert [type(head) for head in model.network.heads] == [ExitHead, ExitHead, OwnHead]
    assert str(classifier_folder) not in config.to_json_string()
    theirs = reference(classifier_folder)
    assert model.network.num_parameters() == theirs.num_parameters() + sum(
        parameter.numel() for head in model.network.heads[:-1] for parameter in head.parameters()
    )


def test_several_labels_and_one(tmp_path):
    kind = "multi_label_classification"
    for number, labels in enumerate([("a", "b"), ("only",)]):
        folder = write_classifier(tmp_path / str(number), labels=labels, problem_type=kind)
        assert adopt(str(folder)).network.config.problem_type == kind


def test_labels_may_be_named(tmp_path):
    folder = str(write_classifier(tmp_path / "classifier", labels=("LABEL_0", "LABEL_1")))
    assert adopt(folder).network.config.labels == ("LABEL_0", "LABEL_1")
    assert adopt(folder, labels=["no", "yes"]).network.config.labels == ("no", "yes")
    for wrong in (["no"], ["no", "no"], ["no", "yes", "maybe"]):
        with pytest.raises(OptionError, match=r"has 2 outputs \(LABEL_0, LABEL_1\): give 2 different names, in"):
            adopt(folder, labels=wrong)


@pytest.mark.parametrize(
    ("config", "seen"),
    [
        ({"labels": ("LABEL_0",)}, "1 output, problem_type None"),
        ({"labels": ("LABEL_0",), "problem_type": "regression"}, "1 output, problem_type 'regression'"),
        ({"problem_type": "regression"}, "3 output, problem_type 'regression'"),
    ],
)
def test_what_predicts_a_number_is_refused(tmp_path, config, seen):
    folder = write_classifier(tmp_path / "classifier", **config)
    with pytest.raises(BackboneError, match=rf"predicts a number \({seen}.*; give a classifier of at least two labels"):
        adopt(str(folder))


def test_labels_that_are_numbers_are_names_too(classifier_folder):
    change_json(classifier_folder / "config.json", id2label={"0": 4, "1": 0, "2": 2})
    assert adopt(str(classifier_folder)).network.config.labels == ("4", "0", "2")


def test_labels_have_to_count_from_0(classifier_folder):
    change_json(classifier_folder / "config.json", id2label={"1": "a", "2": "b", "3": "c"})
    with pytest.raises(BackboneError, match=r"numbers its labels 1, 2, 3 under id2label in its config\.json; they"):
        adopt(str(classifier_folder))


def test_a_tokenizer_without_padding_is_refused(classifier_folder, encoder_folder):
    for folder in (classifier_folder, encoder_folder):
        change_json(folder / TOKENIZER_CONFIG, pad_token=None)
    for open_it in (
        lambda: adopt(str(classifier_folder)),
        lambda: build(str(encoder_folder), exits=None, labels=["a", "b"], problem_type="single_label_classification"),
    ):
        with pytest.raises(BackboneError, match=r"has no token to pad with, .*; name one as pad_token in its token"):
            open_it()


def test_a_head_that_needs_more_is_refused(classifier_folder, monkeypatch):
    forward = BertForSequenceClassification.forward

    def looks_at_the_words(self, input_ids=None, **inputs):
        output = forward(self, input_ids, **inputs)
        return output if input_ids is None else type(output)(logits=output.logits + input_ids[:, 1:2])

    monkeypatch.setattr(BertForSequenceClassification, "forward", looks_at_the_words)
    with pytest.raises(BackboneError, match="bert cannot keep its own head: the head needs more than the last token"):
        adopt(str(classifier_folder))


def test_what_has_no_head_is_refused(encoder_folder):
    with pytest.raises(
        BackboneError, match=r"is not a whole fine-tuned classifier: 2 missing tensors.*'offramp train'"
    ):
        adopt(str(encoder_folder))


def with_exits(folder, **config):
    tiny_network(**config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("before", [(), (2,)])
@torch.no_grad()
def test_of_a_model_with_exits_the_last_stays_to_the_last_bit(family, before, tmp_path):
    folder = with_exits(tmp_path / "before", family=family, exits=(*before, LAYERS), pooling="mean", head="mlp")
    theirs, ours = reference(folder), adopt(str(folder), exits=(1, 3), labels=("x", "y", "z"))
    (tmp_path / "after").mkdir()
    save(ours, tmp_path / "after")
    for network in (aligned(ours.network), aligned(load(tmp_path / "after").network)):
        assert not any(module.training for module in network.modules())
        assert network.config.exits == [1, 3, LAYERS]
        assert (network.config.pooling, network.config.head, network.config.labels) == ("mean", "mlp", ("x", "y", "z"))
        for batch in BATCHES.values():
            found = network(**accepted(network, batch))
            assert found.exit_logits.shape[1] == 3
            assert torch.equal(found.logits, theirs(**accepted(theirs, batch)).logits)
    assert str(tmp_path) not in (tmp_path / "after" / "config.json").read_text()


@torch.no_grad()
def test_so_does_an_own_head_beside_exits_of_another_kind(classifier_folder, tmp_path):
    (tmp_path / "first").mkdir()
    save(adopt(str(classifier_folder), exits=(2,)), tmp_path / "first")
    network = aligned(adopt(str(tmp_path / "first"), exits=(1, 3), pooling="cls", head="mlp").network)
    assert (network.config.exits, network.config.own_head) == ([1, 3, LAYERS], True)
    assert isinstance(network.heads[-1], OwnHead)
    assert all(isinstance(head, ExitHead) and head.hidden is not None for head in network.heads[:-1])
    theirs = reference(classifier_folder)
    assert torch.equal(network(**PADDED).logits, theirs(**PADDED).logits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "mean"}, "pooling is 'mean', but the last exit, which is kept, has 'cls', and all exits share"),
        ({"head": "mlp"}, "head is 'mlp', but the last exit, which is kept, has 'linear', and all exits share that"),
        ({"head": "deep"}, "head 'deep' is not known"),
    ],
)
def test_exits_share_what_they_are_made_of_with_a_last_one_of_ours(tmp_path, options, message):
    folder = with_exits(tmp_path)
    with pytest.raises(OptionError, match=message):
        adopt(str(folder), **options)


@pytest.mark.parametrize("damage", ["{", json.dumps({"model_type": "bert", "hidden_size": "wide"})])
def test_what_is_damaged_is_told_in_one_line(classifier_folder, damage):
    (classifier_folder / "config.json").write_text(damage)
    with pytest.raises(BackboneError, match=r"cannot load the classifier .* give the folder of a Hugging Face classif"):
        adopt(str(classifier_folder))


def test_exits_have_to_fit(classifier_folder):
    with pytest.raises(OptionError, match="no exit fits after layer 9"):
        adopt(str(classifier_folder), exits=(9,))
    with pytest.raises(OptionError, match="head 'large' is not known; valid: linear, mlp"):
        EarlyExitConfig(tiny_backbone().config, head="large")
