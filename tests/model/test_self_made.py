"""Texts that a model makes itself, of what its tokenizer knows."""

import json

import numpy as np
import pytest
from transformers import AutoModelForMaskedLM

from conftest import FAMILIES, SPECIAL, WORDS, tiny_backbone, tiny_tokenizer, write_classifier
from helpers.tokenizer_kinds import KINDS, wrapped
from offramp.data import SelfMade
from offramp.model.masked import masked_model, written_over
from offramp.model.self_made import by_frequency, drawn, make_texts


def write_masked(folder, family="bert"):
    """An encoder with its masked-language-model head."""
    AutoModelForMaskedLM.from_config(FAMILIES[family]).eval().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def test_common_words_come_first_and_what_is_no_text_not_at_all():
    tokenizer = tiny_tokenizer(words=["[unused1]", "<unused_2>", "z", "the", "of", "rare"])
    order = tokenizer.convert_ids_to_tokens(by_frequency(tokenizer).tolist())
    assert order == ["the", "of", "rare", "z"]
    tokens = " ".join(drawn(tokenizer, np.full(300, 10), np.random.default_rng(0))).split()
    counts = [tokens.count(word) for word in order]
    assert len(tokens) == 3000
    assert sorted(counts, reverse=True) == counts


@pytest.mark.parametrize("kind", KINDS)
def test_tokenizers_of_every_kind_can_write(kind):
    tokenizer = wrapped(kind, "right")
    order = by_frequency(tokenizer)
    assert len(order)
    assert not set(order.tolist()) & set(tokenizer.all_special_ids)
    texts = drawn(tokenizer, np.array([1, 5, 20]), np.random.default_rng(0))
    assert all(isinstance(text, str) for text in texts)
    assert any(texts)


def test_lengths_are_as_declared_or_as_the_model_has_seen(tmp_path):
    folder = write_classifier(tmp_path / "classifier")

    def lengths(wanted, **options):
        made = make_texts(folder, wanted, 200, pairs=False, **options)
        return [len(text.split()) + 2 for text in made.texts]  # framed by two special tokens

    declared = lengths(SelfMade((5, 20)))
    assert min(declared) >= 4
    assert 17 <= max(declared) <= 21
    assert max(lengths(SelfMade((40, 400)))) == 48  # the tokenizer's limit
    (folder / "training.json").write_text(json.dumps({"lengths": [6] * 6 + [12] * 5}))
    seen = lengths(SelfMade(None))
    assert min(seen) == 6
    assert max(seen) == 12
    assert lengths(SelfMade((5, 20))) == declared
    (folder / "training.json").write_text('{"lengths": "of another program"}')
    assert max(lengths(SelfMade(None))) > 40


def test_the_same_seed_makes_the_same_texts_and_pairs_are_two_columns(tmp_path):
    folder = write_classifier(tmp_path / "classifier")
    one, again, other = (make_texts(folder, SelfMade(None), 20, pairs=True, seed=seed) for seed in (3, 3, 4))
    assert one == again
    assert one.texts != other.texts
    assert len(one.text_pairs) == len(one.texts) == 20
    assert one.texts != one.text_pairs


def test_an_encoder_with_its_head_writes_over_the_texts(tmp_path):
    folder = write_masked(tmp_path / "encoder")
    plain = make_texts(write_classifier(tmp_path / "classifier"), SelfMade((8, 30)), 30, pairs=False)
    written = make_texts(folder, SelfMade((8, 30)), 30, pairs=False, labels=["w7 w8", "w9"])
    assert [text.split()[:2] for text in written.texts[::4]] == [["w7", "w8"]] * 8
    assert [text.split()[0] for text in written.texts[2::4]] == ["w9"] * 7
    changed = [one != two for one, two in zip(plain.texts[1::2], written.texts[1::2], strict=True)]
    assert np.mean(changed) > 0.9
    assert {word for text in written.texts for word in text.split()} <= set(WORDS)
    assert make_texts(folder, SelfMade((8, 30)), 30, pairs=False, labels=["w7 w8", "w9"]) == written


def test_what_has_no_head_writes_nothing_over(tmp_path):
    assert masked_model([str(write_classifier(tmp_path / "classifier")), "nobody/here", str(tmp_path / "gone")]) is None
    backbone = tmp_path / "backbone"
    tiny_backbone().save_pretrained(backbone)
    tiny_tokenizer().save_pretrained(backbone)
    config = json.loads((backbone / "config.json").read_text())
    (backbone / "config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))
    assert masked_model([str(backbone)]) is None  # which only says that it has one
    found = masked_model([str(backbone), str(write_masked(tmp_path / "masked"))])
    assert found is not None
    (text,) = written_over(found, ["w1 w2 w3"], (), np.random.default_rng(0))
    assert len(text.split()) == 3


def test_a_model_remembers_the_encoder_that_it_began_as(tmp_path):
    folder, encoder = write_classifier(tmp_path / "model"), write_masked(tmp_path / "encoder")
    (folder / "training.json").write_text(json.dumps({"backbone": str(encoder)}))
    made = make_texts(folder, SelfMade((8, 9)), 4, pairs=False, labels=["w7"])
    assert made.texts[0].startswith("w7 ")
    assert not set(SPECIAL) & set(" ".join(made.texts).split())
