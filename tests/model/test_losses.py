import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, kl_div, logsigmoid

from offramp.model.losses import (
    UNLABELLED,
    consistent_weights,
    distillation_loss,
    exit_likelihoods,
    exit_loss,
    joint_loss,
    training_loss,
)

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


KNOWN = torch.tensor([0, 2, 1, 1, 0])
SEVERAL = torch.tensor([[0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0]])
PROBLEMS = pytest.mark.parametrize(("problem_type", "labels"), [(SINGLE, KNOWN), (MULTI, SEVERAL)])


def gradient(loss, values):
    return torch.autograd.grad(loss, values)[0]


@PROBLEMS
def test_rows_that_weigh_the_same_give_the_plain_mean(problem_type, labels):
    values = logits(5, 3)
    weighted = exit_loss(values, labels, problem_type, torch.full((5,), 2.0))
    torch.testing.assert_close(weighted, 2 * exit_loss(values, labels, problem_type))
    only = torch.tensor([0.0, 0, 5, 0, 0])
    torch.testing.assert_close(
        exit_loss(values, labels, problem_type, only), exit_loss(values[2:3], labels[2:3], problem_type)
    )
    torch.testing.assert_close(
        distillation_loss(values, logits(5, 3) + 1, problem_type, only),
        distillation_loss(values[2:3], (logits(5, 3) + 1)[2:3], problem_type),
    )


@PROBLEMS
def test_nothing_is_left_to_distill_where_both_agree(problem_type, labels):
    values = logits(5, 3).requires_grad_()
    loss = distillation_loss(values, values, problem_type)
    assert loss == 0
    assert gradient(loss, values).abs().max() < 1e-6
    assert distillation_loss(values, values.flip(1), problem_type) > 0


def test_distillation_is_the_divergence_of_softened_probabilities():
    values, teacher = logits(5, 3), logits(5, 3).flip(0)
    found = distillation_loss(values, teacher, SINGLE)
    expected = kl_div((values / 2).log_softmax(1), (teacher / 2).softmax(1), reduction="batchmean") * 4
    torch.testing.assert_close(found, expected)
    p, q = (teacher / 2).sigmoid(), (values / 2).sigmoid()
    expected = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean() * 4
    torch.testing.assert_close(distillation_loss(values, teacher, MULTI), expected)


def test_the_teacher_learns_nothing_from_its_pupils():
    values = logits(5, 4, 3).requires_grad_()
    loss = training_loss(values, KNOWN, SINGLE, weights=(1, 1, 1, 1), labeled=0, distill=1)
    moved = gradient(loss, values).abs().amax((0, 2))
    assert (moved[:3] > 0).all()
    assert moved[3] == 0


@PROBLEMS
def test_a_teacher_teaches_every_exit(problem_type, labels):
    values, teacher = logits(5, 3, 3), logits(5, 3).flip(0)
    found = training_loss(values, labels, problem_type, weights=(1, 0, 2), labeled=0, distill=0.5, teacher=teacher)
    first, _, last = (distillation_loss(one, teacher, problem_type) for one in values.unbind(1))
    torch.testing.assert_close(found, 0.5 * first + last)


@PROBLEMS
def test_without_any_switch_it_is_the_joint_loss_to_the_digit(problem_type, labels):
    values = logits(5, 4, 3).requires_grad_()
    joint = joint_loss(values, labels, problem_type)
    loss = training_loss(values, labels, problem_type, weights=(1.0,) * 4)
    assert torch.equal(loss, joint)
    assert torch.equal(gradient(loss, values), gradient(joint, values))


@PROBLEMS
def test_weights_scale_the_gradients_of_their_exits(problem_type, labels):
    values = logits(5, 3, 3).requires_grad_()
    plain = gradient(training_loss(values, labels, problem_type, weights=(1, 1, 1)), values)
    found = gradient(training_loss(values, labels, problem_type, weights=(0, 0.5, 2)), values)
    torch.testing.assert_close(found, plain * torch.tensor([0, 0.5, 2])[:, None])


def test_an_exit_without_weight_is_no_part_of_the_loss():
    exits = [logits(5, 3).requires_grad_() for _ in range(3)]
    training_loss(torch.stack(exits, 1), KNOWN, SINGLE, weights=(0, 0, 1), distill=1).backward()
    assert [bool(values.grad.any()) for values in exits] == [False, False, True]


@PROBLEMS
def test_labels_and_distillation_add_up(problem_type, labels):
    values = logits(5, 3, 3)
    both, hard, soft = (
        training_loss(values, labels, problem_type, weights=(1, 2, 3), labeled=a, distill=b)
        for a, b in ((1, 0.5), (1, 0), (0, 0.5))
    )
    torch.testing.assert_close(both, hard + soft)


@PROBLEMS
def test_rows_without_a_label_count_in_the_distillation_only(problem_type, labels):
    values, some = logits(5, 3, 3), labels.clone()
    some[[1, 4]] = UNLABELLED
    known = [0, 2, 3]
    hard = training_loss(values, some, problem_type, weights=(1, 1, 1))
    torch.testing.assert_close(hard, joint_loss(values[known], labels[known], problem_type))
    soft = training_loss(values, some, problem_type, weights=(1, 1, 1), labeled=0, distill=1)
    torch.testing.assert_close(
        soft, training_loss(values, labels, problem_type, weights=(1, 1, 1), labeled=0, distill=1)
    )
    nothing = values.clone().requires_grad_()
    loss = training_loss(nothing, torch.full_like(labels, UNLABELLED), problem_type, weights=(1, 1, 1))
    assert loss == 0
    assert not gradient(loss, nothing).any()


def leaving(values, thresholds):
    """How often each row leaves at each exit, by trying thresholds one by one."""
    confidences = values.softmax(-1).amax(-1)
    counts = torch.zeros(values.shape[:2])
    for threshold in thresholds:
        sure = confidences >= threshold
        sure[:, -1] = True
        counts[torch.arange(len(values)), sure.int().argmax(1)] += 1
    return counts / len(thresholds)


def test_likelihoods_are_those_of_random_thresholds():
    values = 2 * logits(6, 4, 3)
    found = exit_likelihoods(values, SINGLE)
    torch.testing.assert_close(found.sum(1), torch.ones(6))
    torch.testing.assert_close(found, leaving(values, torch.linspace(1 / 3, 1, 4001)), atol=2e-3, rtol=0)


def test_likelihoods_with_several_labels():
    values = torch.tensor([[[0.0, 0.0], [9.0, -9.0], [0.0, 3.0]]])  # no idea; sure; less sure than before
    found = exit_likelihoods(values, MULTI)
    torch.testing.assert_close(found, torch.tensor([[0.0, 1.0, 0.0]]), atol=1e-3, rtol=0)


@given(exits=st.integers(1, 6), sharpness=st.floats(0, 20), seed=st.integers(0, 99))
def test_consistent_weights_have_the_mean_one(exits, sharpness, seed):
    likelihoods = torch.rand((5, exits), generator=torch.Generator().manual_seed(seed)).softmax(1)
    weights = consistent_weights(likelihoods, sharpness)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.mean(1), torch.ones(5))


def test_consistent_weights_go_from_even_to_the_exit_itself():
    likelihoods = torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5]])
    torch.testing.assert_close(consistent_weights(likelihoods, 0), torch.ones(2, 3))
    torch.testing.assert_close(consistent_weights(likelihoods, 50), 3 * likelihoods)
    near = consistent_weights(likelihoods, 1)[0]
    assert near[0] > near[1] > near[2] > 0
