"""Feed-forward blocks: found in every family, made narrower, and kept so in a folder."""

import copy
import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

import offramp
from conftest import FAMILIES, LAYERS, tiny_model, tiny_network
from helpers.toys import single
from offramp.calibration import Calibration
from offramp.errors import BackboneError, ModelFolderError, OptionError
from offramp.model import EarlyExitConfig, adopt, build, load, save
from offramp.model.widths import check_removed, feed_forwards

OWN_LAYERS = [family for family in FAMILIES if family != "albert"]
WIDTHS = [16, 64, 40, 8]


def narrowed(network):
    """A copy with some neurons of each layer, and their indices."""
    narrow = copy.deepcopy(network)
    kept = [torch.arange(64)[-width:] for width in WIDTHS]
    for block, neurons in zip(feed_forwards(narrow.stack), kept, strict=True):
        block.keep(neurons)
    narrow.config.feed_forward_widths = WIDTHS
    return narrow, kept


@pytest.mark.parametrize("family", OWN_LAYERS)
def test_a_neuron_taken_out_is_one_that_counts_for_nothing(family):
    network = tiny_network(family)
    narrow, kept = narrowed(network)
    ids = torch.randint(5, 60, (4, 9))
    with torch.no_grad():
        before = network(ids).exit_logits
        found = narrow(ids).exit_logits
        for block, neurons in zip(feed_forwards(network.stack), kept, strict=True):
            gone = torch.ones(64, dtype=torch.bool)
            gone[neurons] = False
            block.down.weight[:, gone] = 0
        torch.testing.assert_close(found, network(ids).exit_logits, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(found, before, atol=1e-3)
    assert [block.width for block in feed_forwards(narrow.stack)] == WIDTHS
    assert {block.parts for block in feed_forwards(narrow.stack)} == {2 if family == "modernbert" else 1}
    assert {block.post_norm for block in feed_forwards(narrow.stack)} == {family != "modernbert"}


def test_layers_that_share_their_parameters_have_no_width_of_their_own():
    with pytest.raises(BackboneError, match="the layers of albert share their parameters"):
        feed_forwards(tiny_network("albert").stack)


def test_a_layer_without_a_block_is_told():
    network = tiny_network()
    network.stack.layers[2].output.dense = torch.nn.Identity()
    with pytest.raises(BackboneError, match="no feed-forward block is found in layer 3 of bert"):
        feed_forwards(network.stack)


def test_a_block_that_needs_all_of_its_neurons_is_told():
    network = tiny_network()
    for layer in network.stack.layers:
        layer.intermediate.intermediate_act_fn = torch.nn.Softmax(-1)
    narrow, kept = narrowed(network)
    with pytest.raises(BackboneError, match="neurons cannot be taken out of bert"):
        check_removed(network.stack, narrow.stack, kept)


@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
def test_a_folder_keeps_the_widths_for_us_and_for_transformers(family, tmp_path):
    model = tiny_model(family)
    narrow, _ = narrowed(model.network)
    narrow.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    Calibration.neutral(narrow.config.exits).save(tmp_path)
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    texts = [row["text"] for row in single(20)]
    with torch.no_grad():
        inputs = model.tokenizer(texts, return_tensors="pt", padding=True)
        inputs.pop("token_type_ids", None)
        expected = narrow(**inputs).logits
        assert torch.equal(theirs(**inputs).logits, expected)
    found = offramp.load(tmp_path).predict_full(texts).probabilities
    np.testing.assert_allclose(found, expected.softmax(1), atol=1e-5)


def test_an_export_is_as_narrow(tmp_path):
    model = tiny_model(exits=(LAYERS,))
    narrow, _ = narrowed(model.network)
    narrow.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    Calibration.neutral((LAYERS,)).save(tmp_path)
    assert offramp.export(tmp_path, backend="onnxruntime", threads=1).export.difference < 1e-4


def test_widths_that_cannot_be_are_refused(tmp_path):
    config = tiny_network().config.to_dict()
    for widths in ([32], [32] * (LAYERS - 1) + [0], [32] * (LAYERS - 1) + ["64"]):
        with pytest.raises(OptionError, match="give one number above 0 for each of the 4 layers"):
            EarlyExitConfig(**{**config, "feed_forward_widths": widths})
    save(tiny_model(), tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**content, "feed_forward_widths": [32, 32, 65, 32]}))
    with pytest.raises(ModelFolderError, match="has 65 for layer 3, which has 64 neurons at most"):
        load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**content, "feed_forward_widths": [32, 32, 32, 32]}))
    with pytest.raises(ModelFolderError, match="tensors of another shape"):
        load(tmp_path)


def test_a_narrower_encoder_is_not_trained_anew(tmp_path):
    model = tiny_model()
    narrow, _ = narrowed(model.network)
    narrow.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(BackboneError, match="were made narrower, and its encoder is not trained anew"):
        build(str(tmp_path), exits=None, labels=("a", "b"), problem_type="single_label_classification")


def test_new_exits_on_a_narrower_model_keep_its_widths(tmp_path):
    model = tiny_model()
    narrow, _ = narrowed(model.network)
    narrow.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    again = adopt(str(tmp_path), exits=(2,)).network
    assert again.config.feed_forward_widths == WIDTHS
    again.save_pretrained(tmp_path / "again")
    model.tokenizer.save_pretrained(tmp_path / "again")
    assert load(tmp_path / "again").network.config.exits == [2, 4]
