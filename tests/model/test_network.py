import copy

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import AutoConfig, AutoModelForSequenceClassification, pipeline

from conftest import FAMILIES, LAYERS, VOCABULARY, WIDTH, tiny_backbone, tiny_model, tiny_network
from offramp.errors import BackboneError
from offramp.model import EarlyExitConfig, EarlyExitForSequenceClassification, save
from offramp.model.heads import OWN_LAYER

EXITS = (1, 2, LAYERS)
MULTI = "multi_label_classification"
POOLERS = ["bert", "roberta", "albert", "mpnet"]
COMBINATIONS = [(family, pooling) for family in FAMILIES for pooling in ("cls", "mean")]
COMBINATIONS += [(family, "pooler") for family in POOLERS]


def batch(lengths=(9, 4, 1), seed=0):
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(5, VOCABULARY, mask.shape, generator=torch.Generator().manual_seed(seed)) * mask
    return {"input_ids": ids, "attention_mask": mask}


def reference(network, inputs):
    """Every exit's logits written out by hand on what Hugging Face's own forward gives: (rows, exits, labels)."""
    output = network.backbone(**inputs, output_hidden_states=True)
    states = list(output.hidden_states[1:])
    if network.config.backbone_config.model_type == "modernbert":
        states = [network.backbone.final_norm(state) for state in states[:-1]] + [output.last_hidden_state]
    torch.testing.assert_close(states[-1], output.last_hidden_state)
    mask = inputs["attention_mask"].unsqueeze(2)
    pooled = []
    for state in states:
        if network.config.pooling == "mean":
            pooled.append((state * mask).sum(1) / mask.sum(1))
        elif network.config.pooling == "cls":
            pooled.append(state[:, 0])
        elif isinstance(network.backbone.pooler, torch.nn.Linear):
            pooled.append(torch.tanh(network.backbone.pooler(state[:, 0])))
        else:
            pooled.append(network.backbone.pooler(state))
    logits = []
    for head, layers in zip(network.heads, network.config.exits, strict=True):
        weights = head.mix.softmax(0)
        mixed = sum(weights[layer] * pooled[layer] for layer in range(layers))
        logits.append(head.classifier(mixed))
    return torch.stack(logits, 1)


@pytest.mark.parametrize(("family", "pooling"), COMBINATIONS)
@torch.no_grad()
def test_equals_the_network_written_by_hand(family, pooling):
    network = tiny_network(family, pooling=pooling)
    output = network(**batch())
    torch.testing.assert_close(output.exit_logits, reference(network, batch()), rtol=1e-4, atol=1e-5)
    assert output.exit_logits.shape == (3, len(EXITS), 3)
    assert torch.equal(output.logits, output.exit_logits[:, -1])
    assert output.loss is None
    assert not torch.allclose(output.exit_logits[:, 0], output.logits)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_an_exit_needs_no_layer_behind_it(family):
    network = tiny_network(family)
    whole = network(**batch()).exit_logits
    state, history = network.stack.embed(batch()), None
    for index, layers in enumerate(network.stages):
        state, history = network.run_layers(state, history, layers)
        assert history.shape == (3, EXITS[index], WIDTH)
        truncated = network.exit_logits(state, history, index)
        torch.testing.assert_close(truncated, whole[:, index], rtol=0, atol=0)
        for earlier in range(index):  # and a later history serves an earlier exit
            torch.testing.assert_close(
                network.exit_logits(state, history[:, : EXITS[earlier]], earlier), whole[:, earlier]
            )


@torch.no_grad()
def test_layers_behind_an_exit_do_not_change_it():
    network = tiny_network()
    before = network(**batch()).exit_logits
    for parameter in network.backbone.encoder.layer[2:].parameters():
        parameter.normal_()
    after = network(**batch()).exit_logits
    assert torch.equal(after[:, :2], before[:, :2])
    assert not torch.allclose(after[:, 2], before[:, 2])


@pytest.mark.parametrize("rows", [1, 2, 5])
@torch.no_grad()
def test_what_the_last_exit_says_does_not_depend_on_where_others_are(rows):
    # Wide enough for matrix products to be done in other ways for other numbers of rows.
    wide = FAMILIES["bert"].to_dict() | {"hidden_size": 384, "intermediate_size": 384, "num_attention_heads": 6}
    networks = []
    for exits in ((1, 2, LAYERS), (3, LAYERS), (LAYERS,)):
        config = tiny_network(exits=exits, pooling="pooler").config
        config.backbone_config = type(FAMILIES["bert"])(**wide)
        torch.manual_seed(0)
        networks.append(EarlyExitForSequenceClassification(config).eval())
    first, *others = networks
    for other in others:
        other.backbone.load_state_dict(first.backbone.state_dict())
        other.heads[-1].load_state_dict(first.heads[-1].state_dict())
        ids = torch.randint(5, VOCABULARY, (rows, 12), generator=torch.Generator().manual_seed(rows))
        assert torch.equal(other(ids).logits, first(ids).logits)


def test_stages_partition_the_layers():
    assert tiny_network().stages == (range(1), range(1, 2), range(2, 4))
    assert tiny_network(exits=(4,)).stages == (range(4),)
    assert tiny_network(exits=(1, 2, 3, 4)).stages == tuple(range(layer, layer + 1) for layer in range(4))


@torch.no_grad()
def test_loss_is_the_sum_over_exits():
    network, labels = tiny_network(), torch.tensor([0, 2, 1])
    output = network(**batch(), labels=labels)
    expected = sum(cross_entropy(output.exit_logits[:, index], labels) for index in range(len(EXITS)))
    torch.testing.assert_close(output.loss, expected)


@torch.no_grad()
def test_multi_label_loss():
    network, labels = tiny_network(problem_type=MULTI), torch.tensor([[0, 1, 1], [0, 0, 0], [1, 1, 1]])
    output = network(**batch(), labels=labels)
    logits = output.exit_logits
    expected = sum(binary_cross_entropy_with_logits(logits[:, i], labels.float()) for i in range(len(EXITS)))
    torch.testing.assert_close(output.loss, expected)
    assert network.problem_type == MULTI


def test_answers_as_a_tuple():
    network = tiny_network()
    loss, logits, exit_logits = network(**batch(), labels=torch.tensor([0, 2, 1]), return_dict=False)
    assert (loss.ndim, logits.shape, exit_logits.shape) == (0, (3, 3), (3, 3, 3))
    assert len(network(**batch(), return_dict=False)) == 2


def test_all_parameters_learn():
    """The mixing weights too: in the code released with the paper they kept their first values."""
    network = tiny_network(pooling="pooler").train()
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    network(**batch(), labels=torch.tensor([0, 2, 1])).loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
    assert [bool(head.mix.grad.abs().max() > 0) for head in network.heads] == [False, True, True]  # one layer: weight 1
    optimizer.step()
    for index, head in enumerate(network.heads):
        # Adam moves every weight that has a gradient by about the learning rate.
        moved = (head.mix - before[f"heads.{index}.mix"]).abs()
        assert bool((moved > 5e-3).all()) == (index > 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_parameter_is_unused(family):
    """Distributed training stops at parameters without a gradient."""
    network = tiny_network(family).train()
    network(**batch(), labels=torch.tensor([0, 2, 1])).loss.backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


def test_a_backbone_comes_in_unchanged():
    backbone = tiny_backbone(seed=7)
    before = copy.deepcopy(backbone.state_dict())
    network = EarlyExitForSequenceClassification(EarlyExitConfig(backbone_config=backbone.config), backbone)
    assert network.backbone is backbone
    kept = {name: value for name, value in before.items() if not name.startswith("pooler")}
    assert network.backbone.state_dict().keys() == kept.keys()
    assert all(torch.equal(value, kept[name]) for name, value in network.backbone.state_dict().items())


def test_new_heads_start_on_their_own_layer():
    network = EarlyExitForSequenceClassification(EarlyExitConfig(backbone_config=FAMILIES["bert"], num_labels=5))
    for head in network.heads:
        assert head.mix.tolist() == [0.0] * (len(head.mix) - 1) + [OWN_LAYER]
        assert not head.classifier.bias.any()
        assert 0.01 < head.classifier.weight.std() < 0.03


def test_pooling_that_the_encoder_does_not_have():
    with pytest.raises(BackboneError, match="has no pooler"):
        tiny_network("distilbert", pooling="pooler")


@torch.no_grad()
def test_deepcopy():
    network = tiny_network(pooling="pooler")
    expected = network(**batch()).exit_logits
    twin = copy.deepcopy(network)
    for parameter in network.parameters():
        parameter.zero_()
    assert torch.equal(twin(**batch()).exit_logits, expected)
    assert twin.get_input_embeddings() is twin.backbone.get_input_embeddings()


def test_embeddings_can_be_replaced():
    network = tiny_network()
    wider = torch.nn.Embedding(VOCABULARY + 8, WIDTH)
    network.set_input_embeddings(wider)
    assert network.get_input_embeddings() is wider
    logits = network(input_ids=torch.tensor([[2, VOCABULARY + 7, 3]])).logits
    assert logits.isfinite().all()


@pytest.mark.parametrize(("family", "pooling"), [*((family, "cls") for family in FAMILIES), ("bert", "pooler")])
@torch.no_grad()
def test_round_trip_is_bit_identical(family, pooling, tmp_path):
    network = tiny_network(family, pooling=pooling)
    expected = network(**batch()).exit_logits
    network.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    again = EarlyExitForSequenceClassification.from_pretrained(tmp_path)
    before, after = network.state_dict(), again.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
    assert after["heads.2.mix"].any()
    # Sums may be taken in another order: tensors read from a file lie in memory otherwise.
    torch.testing.assert_close(again(**batch()).exit_logits, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@torch.no_grad()
def test_attention_can_be_chosen_on_loading(attention, tmp_path):
    network = tiny_network()
    network.save_pretrained(tmp_path)
    again = EarlyExitForSequenceClassification.from_pretrained(tmp_path, attn_implementation=attention)
    assert again.backbone.config._attn_implementation == attention
    torch.testing.assert_close(again(**batch()).exit_logits, network(**batch()).exit_logits, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_transformers_own_ways_in(tmp_path):
    model = tiny_model(pooling="pooler")
    save(model, tmp_path)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), EarlyExitConfig)
    network = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert isinstance(network, EarlyExitForSequenceClassification)
    answers = pipeline("text-classification", model=str(tmp_path), device="cpu", top_k=None)(["w1 w2 w3", "w9"])
    inputs = model.tokenizer(["w1 w2 w3", "w9"], padding=True, return_tensors="pt", return_token_type_ids=False)
    expected = model.network(**inputs).logits.softmax(1)
    for row, answer in enumerate(answers):
        found = {entry["label"]: entry["score"] for entry in answer}
        assert found == pytest.approx(dict(zip("abc", expected[row].tolist(), strict=True)), abs=1e-5)
