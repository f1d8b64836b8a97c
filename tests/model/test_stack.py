"""The stack of layers against Hugging Face's own forward, which is always the reference."""

import copy
import functools
import inspect
import threading

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import (
    AlbertConfig,
    AutoModel,
    ConvBertConfig,
    DebertaV2Config,
    FNetConfig,
    GPT2Config,
    LongformerConfig,
    XLMConfig,
)

from conftest import FAMILIES, LAYERS, VOCABULARY, tiny_backbone
from offramp.errors import BackboneError
from offramp.model import LayerStack

WITHOUT_SDPA = {"mpnet", "deberta-v2"}
NO_CHECKPOINTS = {"mpnet", "albert"}
KINDS = [
    (family, attention)
    for family in FAMILIES
    for attention in ("sdpa", "eager")
    if attention == "eager" or family not in WITHOUT_SDPA
]
WINDOW = FAMILIES["modernbert"].local_attention  # in tokens; texts below are several times as long


def backbone_with(family, attention="eager", **changes):
    torch.manual_seed(0)
    config = FAMILIES[family]
    changed = type(config)(**{**config.to_dict(), **changes})
    return AutoModel.from_config(changed, attn_implementation=attention).eval()


def inputs_of(lengths, seed=0, masked=True):
    """Random tokens; the mask is there where asked for, even if nothing is padded."""
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(5, VOCABULARY, mask.shape, generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask} if masked else {"input_ids": ids}


def run(stack, inputs):
    state = stack.embed(inputs)
    for index in range(stack.depth):
        state = stack.layer(state, index)
    return stack.normalize(state.hidden)


def difference(stack, inputs):
    """Largest deviation from Hugging Face over all tokens."""
    mask = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    with torch.no_grad():
        expected = stack.backbone(**inputs).last_hidden_state
        return (run(stack, inputs) - expected)[mask].abs().max().item()


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def stack(request):
    return LayerStack(backbone_with(*request.param))


@functools.cache
def stack_of(family):
    return LayerStack(tiny_backbone(family))


@pytest.mark.parametrize(
    "inputs",
    [
        inputs_of([7, 7, 7], masked=False),
        inputs_of([7, 7, 7]),
        inputs_of([9, 30, 3, 1]),
        inputs_of([30]),
        inputs_of([1], masked=False),
        inputs_of([2], masked=False),
        inputs_of([2, 1]),
        inputs_of([8 * WINDOW, 3 * WINDOW], masked=True),
        inputs_of([8 * WINDOW, 8 * WINDOW], masked=False),
    ],
    ids=["no mask", "all ones", "padded", "one row", "one token", "two tokens", "tiny", "long padded", "long"],
)
def test_equals_hugging_face(stack, inputs):
    assert difference(stack, inputs) <= 1e-5


def test_token_types(stack):
    inputs = inputs_of([20, 12, 5])
    inputs["token_type_ids"] = ((torch.arange(20) >= 4) & inputs["attention_mask"].bool()).long()
    plain = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    takes_types = "token_type_ids" in inspect.signature(stack.backbone.forward).parameters
    assert difference(stack, inputs if takes_types else plain) <= 1e-5
    with torch.no_grad():
        same = torch.equal(run(stack, inputs), run(stack, plain))
    # RoBERTa's kin and DeBERTa take types by name; what is not taken at all must be dropped without a word.
    assert same or takes_types
    if stack.backbone.config.model_type in {"bert", "electra", "albert"}:
        assert not same


@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_positions_of_its_own_for_every_row(family):
    inputs = inputs_of([6, 6, 6])
    inputs["position_ids"] = torch.stack([torch.arange(6), torch.arange(6) + 3, torch.arange(6).flip(0)]) + 1
    assert difference(stack_of(family), inputs) <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_other_numbers(family):
    backbone = tiny_backbone(family)
    stack = LayerStack(backbone)
    inputs = inputs_of([9, 4])
    assert difference(stack, inputs) <= 1e-5
    backbone.double()
    assert run(stack, inputs).dtype == torch.float64
    assert difference(stack, inputs) <= 1e-12
    backbone.to(torch.bfloat16)
    assert run(stack, inputs).dtype == torch.bfloat16
    assert difference(stack, inputs) == 0


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "deberta-v2"])
def test_half(family):
    # DeBERTa in fp16 leaves its range with weights as large as the tests'.
    backbone = tiny_backbone(family)
    stack = LayerStack(backbone.half())
    assert difference(stack, inputs_of([9, 4])) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_deepcopy_has_a_life_of_its_own(family):
    stack = LayerStack(tiny_backbone(family))
    inputs = inputs_of([9, 4])
    before = run(stack, inputs)
    twin = copy.deepcopy(stack)
    with torch.no_grad():
        for parameter in stack.backbone.parameters():
            parameter.mul_(0.5)
    assert torch.equal(run(twin, inputs), before)
    assert difference(twin, inputs) <= 1e-5
    assert difference(stack, inputs) <= 1e-5
    assert not torch.equal(run(stack, inputs), before)


def without_dropout(family):
    return {name: 0.0 for name, value in FAMILIES[family].to_dict().items() if "dropout" in name and value is not None}


@pytest.mark.parametrize(
    ("family", "checkpointing"),
    [(family, False) for family in FAMILIES] + [(family, True) for family in FAMILIES if family not in NO_CHECKPOINTS],
)
def test_gradients_are_hugging_faces(family, checkpointing):
    backbone = backbone_with(family, **without_dropout(family)).train()
    if checkpointing:
        backbone.activation_checkpointing_enable()
    stack = LayerStack(backbone)
    inputs = inputs_of([9, 4, 1])
    mask = inputs["attention_mask"].bool()

    def gradients(hidden):
        backbone.zero_grad()
        hidden[mask].pow(2).mean().backward()
        return {name: parameter.grad for name, parameter in backbone.named_parameters() if parameter.grad is not None}

    expected, found = gradients(backbone(**inputs).last_hidden_state), gradients(run(stack, inputs))
    assert found.keys() == expected.keys()
    assert any("embed" in name for name in found)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "modernbert"])
def test_first_use_draws_no_random_numbers(family):
    backbone = tiny_backbone(family).train()
    outcomes = []
    fresh = LayerStack(backbone)
    for _ in range(2):  # the first time the stack learns how the encoder calls its layers
        torch.manual_seed(1)
        outcomes.append(run(fresh, inputs_of([9, 4])))
    assert torch.equal(*outcomes)


@pytest.mark.parametrize("family", ["bert", "deberta-v2", "modernbert"])
def test_threads_do_not_mix(family):
    stack = LayerStack(tiny_backbone(family))
    batches = [inputs_of([9, 4], seed=1), inputs_of([5, 17, 2], seed=2)]
    expected = [run(stack, inputs) for inputs in batches]
    together = threading.Barrier(2, timeout=30)

    def meet(*_):
        together.wait()

    # So both are inside the encoder's forward at the same time.
    hook = stack.backbone.get_input_embeddings().register_forward_pre_hook(meet)
    found = [None, None]

    def work(number):
        found[number] = run(stack, batches[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hook.remove()
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])


@st.composite
def cuts(draw, family=None):
    """A family, lengths of rows, and up to three moments at which some rows are kept."""
    family = family or draw(st.sampled_from(sorted(FAMILIES)))
    lengths = draw(st.lists(st.integers(1, 5 * WINDOW), min_size=1, max_size=6))
    left, steps = list(range(len(lengths))), {}
    for layer in sorted(draw(st.sets(st.integers(0, LAYERS), min_size=1, max_size=3))):
        left = sorted(draw(st.sets(st.sampled_from(left), min_size=1)))
        steps[layer] = left
    return family, lengths, steps


def assert_survivors_unchanged(family, lengths, steps, masked=True):
    stack = stack_of(family)
    inputs = inputs_of(lengths, seed=len(lengths), masked=masked)
    here = list(range(len(lengths)))
    with torch.no_grad():
        expected = stack.backbone(**inputs).last_hidden_state
        state = stack.embed(inputs)
        for layer in range(LAYERS + 1):
            if layer in steps:
                rows = [here.index(row) for row in steps[layer]]
                here = steps[layer]
                kept = [lengths[row] for row in here]
                hidden = state.hidden[rows, : max(kept)]
                mask = (torch.arange(max(kept)) < torch.tensor(kept)[:, None]).long()
                state = stack.resume(hidden, mask if min(kept) < max(kept) else None)
            if layer < LAYERS:
                state = stack.layer(state, layer)
        hidden = stack.normalize(state.hidden)
    for position, row in enumerate(here):
        deviation = hidden[position, : lengths[row]] - expected[row, : lengths[row]]
        assert deviation.abs().max().item() <= 5e-5


@settings(max_examples=60)
@given(cuts())
@example(("mpnet", [9, 4, 4], {1: [1, 2]}))
@example(("bert", [1, 2], {0: [0]}))
def test_rows_that_stay_do_not_notice(cut):
    assert_survivors_unchanged(*cut)


@settings(max_examples=20)
@given(cuts(family="modernbert"))
@example(("modernbert", [30, 20, 20, 2], {1: [1, 2]}))  # unpadded survivors, beyond the window
@example(("modernbert", [30, 20, 25, 2], {1: [1, 2], 3: [2]}))  # padded ones, then one alone
@example(("modernbert", [30, 2, 2], {2: [1, 2]}))  # within the window
def test_sliding_windows(cut):
    assert_survivors_unchanged(*cut)


@pytest.mark.parametrize("family", FAMILIES)
def test_resume_without_a_mask(family):
    assert_survivors_unchanged(family, [20, 20, 20], {1: [0, 2], 3: [2]}, masked=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_check_accepts(family):
    stack_of(family).check()


def test_check_accepts_an_encoder_that_answers_with_a_tuple():
    LayerStack(backbone_with("bert", return_dict=False)).check()


SMALL = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
SMALL |= {"intermediate_size": 64, "initializer_range": 0.3, "pad_token_id": 0}


def test_encoder_without_a_layer_list():
    torch.manual_seed(0)
    config = XLMConfig(vocab_size=VOCABULARY, emb_dim=32, n_layers=2, n_heads=4, pad_index=0, pad_token_id=0)
    with pytest.raises(BackboneError, match="xlm cannot take exits: it has no single list of layers"):
        LayerStack(AutoModel.from_config(config))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (DebertaV2Config(**SMALL, conv_kernel_size=3), "it differs from the whole encoder by"),  # between layers
        (FNetConfig(**SMALL), "it differs from the whole encoder by"),  # padding changes answers
        (ConvBertConfig(**SMALL, embedding_size=16), "it differs from the whole encoder by"),  # so it does here
        (GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4), "cannot take exits"),
        (LongformerConfig(**SMALL, attention_window=4), "it cannot be run layer by layer"),
    ],
    ids=lambda value: getattr(value, "model_type", ""),
)
def test_encoder_that_is_more_than_its_layers(config, reason):
    torch.manual_seed(0)
    with pytest.raises(BackboneError, match=reason) as caught:
        LayerStack(AutoModel.from_config(config).eval()).check()
    assert str(caught.value).startswith(f"{config.model_type} cannot take exits")
    assert "supported are BERT" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_depth_and_list_must_agree():
    backbone = tiny_backbone()
    backbone.encoder.layer.append(copy.deepcopy(backbone.encoder.layer[0]))
    backbone.config.num_hidden_layers = LAYERS + 2
    with pytest.raises(BackboneError, match="where its configuration says 6"):
        LayerStack(backbone).check()


def test_the_encoder_itself_is_left_alone():
    backbone = tiny_backbone()
    names, children = list(dict(backbone.named_parameters())), dict(backbone.named_modules())
    LayerStack(backbone).check()
    assert list(dict(backbone.named_parameters())) == names
    assert dict(backbone.named_modules()) == children
    assert not any(module._forward_hooks for module in backbone.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_which_encoders_use_parameters_twice(family):
    assert LayerStack(tiny_backbone(family)).tied == (family == "albert")


def test_groups_of_layers_may_be_as_many_as_the_layers():
    for groups, tied in ((LAYERS, False), (2, True)):
        config = AlbertConfig(**{**FAMILIES["albert"].to_dict(), "num_hidden_groups": groups})
        assert LayerStack(AutoModel.from_config(config)).tied == tied


@torch.no_grad()
def test_where_an_encoder_knows_one_kind_of_text_pairs_are_of_that_kind():
    backbone = backbone_with("roberta", type_vocab_size=1)
    inputs = {"input_ids": torch.tensor([[2, 9, 3, 8, 3]]), "token_type_ids": torch.tensor([[0, 0, 0, 1, 1]])}
    state = LayerStack(backbone).embed(inputs)
    assert torch.equal(state.hidden, backbone.embeddings(inputs["input_ids"]))
