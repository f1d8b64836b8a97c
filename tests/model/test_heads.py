import pytest
import torch
from transformers import AutoModel

from conftest import FAMILIES, WIDTH, tiny_backbone
from offramp.errors import BackboneError
from offramp.model.heads import ExitHead, Pooling, default_pooling, has_pooler

POOLERS = {"bert", "roberta", "xlm-roberta", "albert", "mpnet"}
HIDDEN = torch.randn(3, 6, WIDTH, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize("family", FAMILIES)
def test_pooling_by_default(family):
    # Of those with a pooler only BERT and ALBERT trained it; ModernBERT's configuration says "cls".
    assert default_pooling(tiny_backbone(family)) == {"bert": "pooler", "albert": "pooler", "modernbert": "cls"}.get(
        family, "mean"
    )
    assert has_pooler(tiny_backbone(family)) == (family in POOLERS)


def test_what_the_encoder_declares_comes_first():
    backbone = tiny_backbone("modernbert")
    backbone.config.classifier_pooling = "mean"
    assert default_pooling(backbone) == "mean"


def test_without_its_pooler_bert_is_read_as_a_mean():
    backbone = tiny_backbone()
    backbone.pooler = None
    assert default_pooling(backbone) == "mean"
    assert not has_pooler(backbone)


def test_first_token():
    assert torch.equal(Pooling("cls", tiny_backbone()).gather(HIDDEN, MASK), HIDDEN[:, 0])


def test_mean_over_tokens_not_padding():
    pooling = Pooling("mean", tiny_backbone())
    expected = torch.stack([HIDDEN[0].mean(0), HIDDEN[1, :3].mean(0), HIDDEN[2, 0]])
    torch.testing.assert_close(pooling.gather(HIDDEN, MASK), expected)
    torch.testing.assert_close(pooling.gather(HIDDEN, None), HIDDEN.mean(1))
    torch.testing.assert_close(pooling.gather(HIDDEN.double(), MASK), expected.double())


@pytest.mark.parametrize("family", sorted(POOLERS))
def test_pooler_is_the_encoders_own(family):
    backbone = tiny_backbone(family)
    pooling = Pooling("pooler", backbone)
    with torch.no_grad():
        output = backbone(input_ids=torch.tensor([[2, 7, 8, 3], [2, 9, 9, 3]]))
        gathered = pooling.gather(output.last_hidden_state, None)
        torch.testing.assert_close(pooling.transform(gathered), output.pooler_output)
    assert not list(pooling.parameters())


@pytest.mark.parametrize("kind", ["cls", "mean"])
def test_without_pooler_nothing_is_transformed(kind):
    assert Pooling(kind, tiny_backbone()).transform(HIDDEN) is HIDDEN


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - POOLERS))
def test_no_pooler_to_use(family):
    with pytest.raises(BackboneError, match=f"a {family} encoder has no pooler; choose pooling 'cls' or 'mean'"):
        Pooling("pooler", tiny_backbone(family))


def test_a_backbone_made_without_pooler():
    backbone = AutoModel.from_config(FAMILIES["bert"], add_pooling_layer=False)
    with pytest.raises(BackboneError, match="has no pooler"):
        Pooling("pooler", backbone)


def test_head_mixes_layers_and_then_classifies():
    torch.manual_seed(0)
    head = ExitHead(layers=6, width=WIDTH, labels=4, dropout=0.5).eval()
    with torch.no_grad():
        head.mix.normal_()
        weights = head.mix.exp() / head.mix.exp().sum()
        mixed = sum(weights[layer] * HIDDEN[:, layer] for layer in range(6))
        expected = mixed @ head.classifier.weight.T + head.classifier.bias
        torch.testing.assert_close(head(HIDDEN), expected)
        assert head.double()(HIDDEN.double()).dtype == torch.float64


def test_a_hidden_layer_between_mix_and_classifier():
    torch.manual_seed(0)
    head = ExitHead(layers=1, width=WIDTH, labels=4, dropout=0.5, hidden=7).eval()
    with torch.no_grad():
        inner = torch.tanh(HIDDEN[:, 0] @ head.hidden.weight.T + head.hidden.bias)
        torch.testing.assert_close(head(HIDDEN[:, :1]), inner @ head.classifier.weight.T + head.classifier.bias)
    assert inner.shape == (3, 7)


@pytest.mark.parametrize("layers", [1, 2, 6])
def test_the_own_layer_weighs_most_at_the_start_and_the_others_the_same(layers):
    head = ExitHead(layers=layers, width=WIDTH, labels=2, dropout=0.0).eval()
    weights = head.mix.softmax(0)
    assert weights[-1] > 0.75
    assert len(set(weights[:-1].tolist())) <= 1


def test_dropout_only_in_training():
    head = ExitHead(layers=6, width=WIDTH, labels=2, dropout=0.5)
    torch.manual_seed(0)
    assert not torch.equal(head.train()(HIDDEN), head(HIDDEN))
    assert torch.equal(head.eval()(HIDDEN), head(HIDDEN))
