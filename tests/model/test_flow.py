"""Where gradients go: what must be zero is zero, what must be scaled is scaled, and forward nothing changes."""

import pytest
import torch

from conftest import LAYERS, VOCABULARY, tiny_network
from offramp.model.flow import GradientFlow, scale_gradient

EXITS = (1, 2, LAYERS)
IDS = torch.randint(5, VOCABULARY, (4, 9), generator=torch.Generator().manual_seed(0))


def gradients(network, flow, exit_index):
    """The largest gradient that one exit's loss leaves in the layers of each stage, and the gradients themselves."""
    network.zero_grad()
    network(IDS, flow=flow).exit_logits[:, exit_index].square().sum().backward()
    named = {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in network.named_parameters()
    }
    layers = [max(named[name].abs().max() for name in named if f".layer.{number}." in name) for number in range(LAYERS)]
    return [max(layers[number] for number in stage) for stage in network.stages], named


@pytest.fixture(params=["cls", "mean", "pooler"])
def network(request):
    return tiny_network(pooling=request.param)


@pytest.mark.parametrize("make", [GradientFlow.full, GradientFlow.stopped, GradientFlow.balanced])
def test_forward_nothing_changes(network, make):
    assert torch.equal(network(IDS, flow=make(3)).exit_logits, network(IDS).exit_logits)


def test_full_flow_is_the_plain_gradient_to_the_digit(network):
    for index in range(3):
        _, plain = gradients(network, None, index)
        _, found = gradients(network, GradientFlow.full(3), index)
        assert all(torch.equal(found[name], plain[name]) for name in plain)


def test_stopped_exits_shape_their_own_stage_only(network):
    for index in range(3):
        stages, found = gradients(network, GradientFlow.stopped(3), index)
        assert [bool(largest > 0) for largest in stages] == [stage == index for stage in range(3)]
        _, plain = gradients(network, None, index)
        own = [name for name in plain if any(f".layer.{number}." in name for number in network.stages[index])]
        assert all(torch.equal(found[name], plain[name]) for name in [*own, f"heads.{index}.classifier.weight"])
        embeddings = [name for name in found if "embeddings" in name]
        assert any(found[name].any() for name in embeddings) == (index == 0)


def test_balanced_exits_share_a_layer_evenly(network):
    for index in range(3):
        _, plain = gradients(network, None, index)
        _, found = gradients(network, GradientFlow.balanced(3), index)
        for number in range(EXITS[index]):
            behind = sum(exit_layers > number for exit_layers in EXITS)
            for name in (name for name in plain if f".layer.{number}." in name):
                torch.testing.assert_close(found[name], plain[name] / behind, rtol=1e-3, atol=1e-4)
        for name in (name for name in plain if name.startswith("heads.")):  # the exits themselves learn at full speed
            assert torch.equal(found[name], plain[name])


def test_the_balance_adds_up_behind_every_exit():
    assert GradientFlow.balanced(1) == GradientFlow((1.0,), (0.0,))
    flow = GradientFlow.balanced(4)
    assert flow.to_exit == (1 / 4, 1 / 3, 1 / 2, 1)
    assert all(here + behind == pytest.approx(1) for here, behind in zip(flow.to_exit, flow.onward, strict=True))


def test_a_scaled_gradient():
    start = torch.ones(2, requires_grad=True)
    assert scale_gradient(start, 1) is start
    assert not scale_gradient(start, 0).requires_grad
    (scale_gradient(start, 0.25) * torch.tensor([1.0, 4.0])).sum().backward()
    assert start.grad.tolist() == [0.25, 1.0]
