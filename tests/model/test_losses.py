import pytest
import torch
from torch.nn.functional import cross_entropy, logsigmoid

from offramp.model.losses import exit_loss, joint_loss

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def logits(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_single_label_is_mean_cross_entropy():
    values, labels = logits(5, 3), torch.tensor([0, 2, 1, 1, 0])
    expected = -values.log_softmax(1)[torch.arange(5), labels].mean()
    torch.testing.assert_close(exit_loss(values, labels, SINGLE), expected)


def test_multi_label_is_mean_binary_cross_entropy():
    values, labels = logits(5, 3), torch.tensor([[0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0]])
    expected = -torch.where(labels.bool(), logsigmoid(values), logsigmoid(-values)).mean()
    torch.testing.assert_close(exit_loss(values, labels, MULTI), expected)
    torch.testing.assert_close(exit_loss(values, labels.float(), MULTI), expected)


def test_joint_loss_is_the_unweighted_sum():
    values, labels = logits(5, 4, 3), torch.tensor([0, 2, 1, 1, 0])
    expected = sum(cross_entropy(values[:, index], labels) for index in range(4))
    torch.testing.assert_close(joint_loss(values, labels, SINGLE), expected)
    assert joint_loss(values[:, :1], labels, SINGLE) == cross_entropy(values[:, 0], labels)


@pytest.mark.parametrize(("problem_type", "labels"), [(SINGLE, [0, 1]), (MULTI, [[0, 1], [1, 1]])])
def test_losses_are_taken_in_fp32(problem_type, labels):
    values = logits(2, 2).to(torch.bfloat16)
    loss = exit_loss(values, torch.tensor(labels), problem_type)
    assert loss.dtype == torch.float32
    assert loss == exit_loss(values.float(), torch.tensor(labels), problem_type)
