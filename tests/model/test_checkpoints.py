"""Odd checkpoints of others: opened as they are, or refused in one sentence when they are opened."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import VOCABULARY, tiny_backbone, tiny_model, tiny_tokenizer, write_classifier
from helpers.damage import TOKENIZER_CONFIG, WEIGHTS, assert_plain, change_json
from offramp.calibration import Calibration
from offramp.engine import load as load_classifier
from offramp.errors import BackboneError, ModelFolderError, OptionError
from offramp.model import adopt, build, load, open_classifier, save


def build_from(folder):
    return build(str(folder), exits="1", labels=["no", "yes"], problem_type="single_label_classification")


def refusal(open_it, folder):
    with pytest.raises(BackboneError) as caught:
        open_it(str(folder))
    assert_plain(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


@pytest.fixture
def model_folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    model = tiny_model()
    save(model, folder)
    Calibration.neutral(model.network.config.exits).save(folder)
    return folder


@pytest.mark.parametrize("labels", [("neg", "neg", "pos"), ("neg", " neg", "pos"), ("pos", "neg\t", "neg")])
def test_two_outputs_of_one_name_are_refused(tmp_path, labels):
    folder = write_classifier(tmp_path / "classifier", labels=labels)
    for open_it in (adopt, open_classifier):
        said = refusal(open_it, folder)
        assert "2 of its 3 outputs have the name 'neg' under id2label in its config.json; give each a name" in said
    assert adopt(str(folder), labels=["neg", "neutral", "pos"]).network.config.labels == ("neg", "neutral", "pos")


def test_an_output_without_a_name_is_refused(tmp_path):
    assert "its output 1 has no name" in refusal(adopt, write_classifier(tmp_path / "classifier", labels=("a", " ")))


def test_blanks_around_a_name_do_not_count_as_they_do_not_in_data(tmp_path):
    folder = write_classifier(tmp_path / "classifier", labels=("negative ", " positive"))
    assert adopt(str(folder)).network.config.labels == ("negative", "positive")
    assert adopt(str(folder), labels=["no ", "yes"]).network.config.labels == ("no", "yes")
    with pytest.raises(OptionError, match="give 2 different names"):
        adopt(str(folder), labels=["no", "no "])


def test_two_outputs_of_one_name_in_a_model_folder_are_refused(model_folder):
    change_json(model_folder / "config.json", id2label={"0": "a", "1": "b", "2": "a "})
    with pytest.raises(ModelFolderError, match=r"2 of its 3 outputs have the name 'a' under id2label") as caught:
        load_classifier(model_folder)
    assert_plain(caught.value)


def with_more_words(folder):
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["newword", "zzz"])
    tokenizer.save_pretrained(folder)
    return folder


def test_tokens_without_embeddings_are_refused_before_any_text_has_them(encoder_folder, classifier_folder):
    for open_it, folder in ((build_from, encoder_folder), (adopt, classifier_folder)):
        said = refusal(open_it, with_more_words(folder))
        assert "has 2 tokens beyond the encoder's 65 embeddings, such as 'newword' (number 65); take the token" in said


def test_tokens_with_embeddings_of_their_own_are_welcome(tmp_path):
    encoder = tiny_backbone()
    encoder.resize_token_embeddings(VOCABULARY + 2, mean_resizing=False)
    encoder.save_pretrained(tmp_path)
    model = build_from(with_more_words(tmp_path))
    assert max(model.tokenizer("newword zzz").input_ids) == VOCABULARY + 1
    assert model.network(torch.tensor([[2, VOCABULARY + 1, 3]])).logits.isfinite().all()


def test_nor_does_a_model_folder_take_a_tokenizer_that_learnt_words_later(model_folder):
    with pytest.raises(ModelFolderError, match="has 2 tokens beyond the encoder's 65 embeddings") as caught:
        load_classifier(with_more_words(model_folder))
    assert_plain(caught.value)


def spoil(folder, name, value):
    tensors = load_file(folder / WEIGHTS)
    tensors[name].view(-1)[3] = value
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(value, encoder_folder, classifier_folder, model_folder):
    said = refusal(adopt, spoil(classifier_folder, "classifier.weight", value))
    assert "classifier.weight holds values that are NaN or infinite; fetch it again" in said
    name = "encoder.layer.1.output.dense.weight"
    assert f"{name} holds values that are NaN or infinite" in refusal(build_from, spoil(encoder_folder, name, value))
    with pytest.raises(
        ModelFolderError, match=r"heads\.1\.classifier\.weight holds values that are NaN or inf"
    ) as caught:
        load_classifier(spoil(model_folder, "heads.1.classifier.weight", value))
    assert_plain(caught.value)


def test_huge_weights_are_numbers(classifier_folder):
    for index in range(2):  # whose sum is not
        spoil(classifier_folder, "classifier.weight", 3e38)
        tensors = load_file(classifier_folder / WEIGHTS)
        tensors["classifier.weight"].view(-1)[index] = 3e38
        save_file(tensors, classifier_folder / WEIGHTS, metadata={"format": "pt"})
    open_classifier(str(classifier_folder))


def wrap(folder, prefix):
    """As ``save_pretrained`` writes a model with the names that the wrapper's ``state_dict`` has."""
    tensors = load_file(folder / WEIGHTS)
    save_file({prefix + name: tensor for name, tensor in tensors.items()}, folder / WEIGHTS, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module."])
class TestTensorsNamedByAWrapper:
    """torch.compile and DistributedDataParallel put something before the names of tensors."""

    def test_a_classifier(self, prefix, tmp_path):
        plain, wrapped = (write_classifier(tmp_path / name) for name in ("plain", "wrapped"))
        expected, found = (open_classifier(str(one)).network for one in (plain, wrap(wrapped, prefix)))
        torch.testing.assert_close(dict(found.state_dict()), dict(expected.state_dict()))
        adopted = adopt(str(wrapped))
        (tmp_path / "model").mkdir()
        save(adopted, tmp_path / "model")
        assert not any("_orig_mod" in name or "module." in name for name in load_file(tmp_path / "model" / WEIGHTS))
        torch.testing.assert_close(load(tmp_path / "model").network.state_dict(), adopted.network.state_dict())

    def test_an_encoder(self, prefix, encoder_folder):
        expected = build_from(encoder_folder).network.backbone.state_dict()
        torch.testing.assert_close(build_from(wrap(encoder_folder, prefix)).network.backbone.state_dict(), expected)

    def test_a_model_with_exits(self, prefix, model_folder, tmp_path):
        expected = build_from(model_folder).network.backbone.state_dict()
        adopted = adopt(str(model_folder)).network.state_dict()
        wrap(model_folder, prefix)
        torch.testing.assert_close(build_from(model_folder).network.backbone.state_dict(), expected)
        again = adopt(str(model_folder))
        torch.testing.assert_close(again.network.backbone.state_dict(), expected)
        assert adopted.keys() == again.network.state_dict().keys()
        (tmp_path / "again").mkdir()
        save(again, tmp_path / "again")
        assert not any("_orig_mod" in name or "module." in name for name in load_file(tmp_path / "again" / WEIGHTS))


def never(*_):
    raise AssertionError("asked whether to run code")


def bring_code(folder, **changes):
    kinds = ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification")
    change_json(folder / "config.json", auto_map={kind: f"my.{kind}" for kind in kinds}, **changes)
    change_json(folder / TOKENIZER_CONFIG, tokenizer_class="MyTokenizer", auto_map={"AutoTokenizer": [None, "my.One"]})
    (folder / "my.py").write_text("raise SystemExit('ran')")
    return folder


def test_code_that_comes_with_a_checkpoint_is_neither_run_nor_asked_about(
    encoder_folder, classifier_folder, monkeypatch
):
    monkeypatch.setattr("builtins.input", never)
    for open_it, folder in ((build_from, encoder_folder), (adopt, classifier_folder)):
        said = refusal(open_it, bring_code(folder, model_type="mybert"))
        assert "it brings program code of its own, and code from checkpoints is never run" in said


def test_nor_does_it_matter_where_transformers_has_its_own(encoder_folder, classifier_folder, monkeypatch):
    monkeypatch.setattr("builtins.input", never)
    for open_it, folder in ((build_from, encoder_folder), (adopt, classifier_folder)):
        open_it(str(bring_code(folder)))


def test_an_adapter_without_its_model_is_told_apart(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "enc", "peft_type": "LORA"}))
    save_file({"x": torch.zeros(2)}, tmp_path / "adapter_model.safetensors")
    for with_tokenizer in (False, True):
        if with_tokenizer:
            tiny_tokenizer().save_pretrained(tmp_path)
        for open_it in (build_from, adopt):
            said = refusal(open_it, tmp_path)
            assert "it holds an adapter only; merge it into the model that it was trained on" in said
