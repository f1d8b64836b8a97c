"""Experts: the same as a loop over tokens, in any company, and kept in a folder."""

import copy
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModelForSequenceClassification

import offramp
from conftest import FAMILIES, LAYERS, VOCABULARY, tiny_model, tiny_network
from helpers.toys import names, single
from offramp.calibration import Calibration
from offramp.chaining import chain
from offramp.errors import BackboneError, ModelFolderError, OptionError
from offramp.model import EarlyExitConfig, adopt, build, load
from offramp.model.experts import Down, Up
from offramp.model.widths import feed_forwards, narrow

EXPERTS = 3
WIDTHS = [16, 32, 24, 8]
OWN_LAYERS = [family for family in FAMILIES if family != "albert"]
TEXTS = [row["text"] for row in single(60)]


def randomize(module, seed=0):
    """Random weights, and routers that send tokens to all experts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, Up | Down):
                for weight in part.parameters():
                    weight.normal_(0, 0.3, generator=generator)
            if isinstance(part, Up):
                part.router.weight.normal_(generator=generator)


def with_experts(network):
    network = copy.deepcopy(network)
    narrow(network.stack, WIDTHS, EXPERTS)
    network.config.feed_forward_widths, network.config.experts = WIDTHS, EXPERTS
    randomize(network)
    return network


@pytest.fixture(scope="module")
def model():
    whole = tiny_model()
    return type(whole)(with_experts(whole.network), whole.tokenizer)


def write(model, folder, exits=None):
    folder.mkdir(exist_ok=True)
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    Calibration.neutral(exits or model.network.config.exits).save(folder)
    return folder


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return write(model, tmp_path_factory.mktemp("experts") / "model")


def linear(layer, expert, token):
    """What one expert makes of one token."""
    return functional.linear(token, layer.weight[expert], None if layer.bias is None else layer.bias[expert])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (1, 300)])
def test_a_block_is_a_loop_over_tokens(shape, bias):
    up, down = Up(EXPERTS, nn.Linear(12, 20, bias)), Down(EXPERTS, nn.Linear(20, 12, bias))
    randomize(up)
    randomize(down, 1)
    hidden = torch.randn(*shape, 12, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        found = down(functional.gelu(up(hidden))).flatten(0, 1)
        for token, answer in zip(hidden.flatten(0, 1), found, strict=True):
            expert = int((up.router.weight @ token + up.router.bias).argmax())
            torch.testing.assert_close(answer, linear(down, expert, functional.gelu(linear(up, expert, token))))


def test_all_tokens_may_go_to_one_expert():
    up, down = Up(EXPERTS, nn.Linear(12, 20)), Down(EXPERTS, nn.Linear(20, 12))
    randomize(up)
    randomize(down, 1)
    up.router.bias[1] = 1e6
    hidden = torch.randn(4, 5, 12)
    with torch.no_grad():
        alone = functional.linear(hidden, up.weight[1], up.bias[1])
        torch.testing.assert_close(down(up(hidden)), functional.linear(alone, down.weight[1], down.bias[1]))


def test_only_the_experts_that_were_asked_learn():
    up, down = Up(EXPERTS, nn.Linear(12, 20)), Down(EXPERTS, nn.Linear(20, 12))
    randomize(up)
    randomize(down, 1)
    up.router.bias[0] = -1e6
    down(functional.gelu(up(torch.randn(4, 50, 12)))).sum().backward()
    for layer in (up, down):
        assert layer.weight.grad.flatten(1).abs().sum(1).bool().tolist() == [False, True, True]


def put_a_loop(block):
    """Lets a block go through its tokens one after another, each where it stands."""

    def of_each(layer, values):
        flat = [linear(layer, expert, token) for token, expert in zip(values.flatten(0, 1), chosen, strict=True)]
        return torch.stack(flat).view(*values.shape[:2], -1)

    def up(hidden):
        chosen[:] = block.router(hidden.flatten(0, 1)).tolist()
        return of_each(block.up, hidden)

    chosen = []
    block.up.forward, block.down.forward = up, lambda neurons: of_each(block.down, neurons)


@pytest.mark.parametrize("family", OWN_LAYERS)
def test_a_whole_network_is_a_loop_over_tokens(family):
    network = with_experts(tiny_network(family))
    blocks = feed_forwards(network.stack)
    assert [block.width for block in blocks] == WIDTHS
    assert {block.parts for block in blocks} == {2 if family == "modernbert" else 1}
    assert {block.post_norm for block in blocks} == {family != "modernbert"}
    ids = torch.randint(5, VOCABULARY, (3, 9))
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    with torch.no_grad():
        network.stack.check()
        found = network(ids, mask).exit_logits
        for block in blocks:
            put_a_loop(block)
        torch.testing.assert_close(found, network(ids, mask).exit_logits, atol=1e-5, rtol=1e-4)


def test_answers_are_the_same_in_any_company_and_after_rows_leave(folder):
    classifier = offramp.load(folder, backend="torch")
    whole = classifier.exit_answers(TEXTS).logits
    alone = np.concatenate([classifier.exit_answers([text]).logits for text in TEXTS], 1)
    np.testing.assert_allclose(alone, whole, atol=1e-5)
    together = classifier.predict(TEXTS, threshold=0.6)
    assert len(set(together.exit)) == 3  # rows left, and others went on without them
    each = [classifier.predict([text], threshold=0.6) for text in TEXTS]
    assert [one.label[0] for one in each] == list(together.label)
    assert [one.exit[0] for one in each] == list(together.exit)
    np.testing.assert_allclose([one.confidence[0] for one in each], together.confidence, atol=1e-5)


def test_several_threads_share_a_model(folder):
    classifier = offramp.load(folder, backend="torch")
    expected = classifier.predict_full(TEXTS).probabilities
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: classifier.predict_full(TEXTS).probabilities, range(12)):
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_folder_keeps_the_experts_for_us_and_for_transformers(model, folder):
    theirs = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for name, tensor in model.network.state_dict().items():
        assert torch.equal(theirs.state_dict()[name], tensor)
    inputs = model.tokenizer(TEXTS, return_tensors="pt", padding=True)
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        logits = theirs(**inputs).logits.numpy()
    np.testing.assert_allclose(offramp.load(folder).exit_answers(TEXTS).logits[-1], logits, atol=1e-5)


def test_half_precision_computes_too(folder):
    found = offramp.load(folder, backend="torch", precision="bf16").predict_full(TEXTS).probabilities
    assert np.abs(found - offramp.load(folder).predict_full(TEXTS).probabilities).mean() < 0.05


def test_exports_are_refused_before_anything_is_written(folder, tmp_path):
    before = names(folder)
    message = (
        "has experts, among which tokens are dealt out as they come, and only PyTorch runs those; compress the model"
    )
    for backend in ("onnxruntime", "openvino"):
        with pytest.raises(OptionError, match=message):
            offramp.export(folder, backend=backend)
    plain = write(tiny_model(), tmp_path / "plain")
    chained = chain([folder, plain], output=tmp_path / "chain").folder
    with pytest.raises(OptionError, match=message):
        offramp.export(chained, backend="onnxruntime")
    assert names(folder) == before


def test_new_exits_keep_the_experts_and_the_encoder_is_not_trained_anew(folder, tmp_path):
    again = adopt(str(folder), exits=(2,))
    assert (again.network.config.experts, again.network.config.feed_forward_widths) == (EXPERTS, WIDTHS)
    assert load(write(again, tmp_path / "again")).network.config.exits == [2, LAYERS]
    with pytest.raises(BackboneError, match="were made narrower, and its encoder is not trained anew"):
        build(str(folder), exits=None, labels=("a", "b"), problem_type="single_label_classification")


def test_experts_that_cannot_be_are_refused(folder, tmp_path):
    config = tiny_network().config.to_dict() | {"feed_forward_widths": WIDTHS}
    for experts in (1, 0, -2, 2.5, "4"):
        with pytest.raises(OptionError, match="give a whole number from 2 up"):
            EarlyExitConfig(**{**config, "experts": experts})
    with pytest.raises(OptionError, match="and with it feed_forward_widths"):
        EarlyExitConfig(**{**config, "experts": 4, "feed_forward_widths": None})
    other = write(load(folder), tmp_path / "other")
    content = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**content, "experts": EXPERTS + 1}))
    with pytest.raises(ModelFolderError, match="tensors of another shape"):
        load(other)
