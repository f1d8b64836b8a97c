"""What a multi-exit network is trained on: functions of its exits' logits and the rows' labels."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax

# Stands in the place of a label, or of all labels of a row, where there is none. PyTorch's losses ignore it, too.
UNLABELLED = -100
# Softens both sides of a distillation, so that labels that are out of the question teach something, too.
DISTILLATION_TEMPERATURE = 2.0


def exit_loss(logits: Tensor, labels: Tensor, problem_type: str, row_weights: Tensor | None = None) -> Tensor:
    """Mean loss of one exit.

    Args:
        logits: (rows, labels).
        labels: class indices (rows,), or 0/1 (rows, labels) where several labels can hold at once.
        problem_type: ``single_label_classification`` or ``multi_label_classification``.
        row_weights: (rows,); by default all rows count the same.
    """
    reduction = "mean" if row_weights is None else "none"
    if problem_type == "multi_label_classification":
        losses = binary_cross_entropy_with_logits(logits.float(), labels.float(), reduction=reduction)
    else:
        losses = cross_entropy(logits.float(), labels, reduction=reduction)
    return losses if row_weights is None else _weighted(losses, row_weights)


def joint_loss(exit_logits: Tensor, labels: Tensor, problem_type: str) -> Tensor:
    """The paper's loss: the unweighted sum over the exits (Schwartz et al. 2020, §3).

    Args:
        exit_logits: (rows, exits, labels).
    """
    losses = [exit_loss(logits, labels, problem_type) for logits in exit_logits.unbind(1)]
    return sum(losses[1:], start=losses[0])


def distillation_loss(logits: Tensor, teacher: Tensor, problem_type: str, row_weights: Tensor | None = None) -> Tensor:
    """How far an exit is from what a later one believes; needs no labels.

    The divergence KL(teacher || exit) of softened probabilities, times the square of the temperature so that its
    gradients keep their size (Hinton et al. 2015, §2); from the last exit to the earlier ones of the same network as in
    FastBERT (Liu et al., ACL 2020, §3.2.2) and Phuong & Lampert (ICCV 2019).

    Args:
        logits: (rows, labels).
        teacher: (rows, labels); no gradient flows into it.
        problem_type: with several labels a row, each label is a question of its own, and their mean is taken.
        row_weights: (rows,); by default all rows count the same.
    """
    expected, predicted = (
        log_softmax(_answers(values.float(), problem_type) / DISTILLATION_TEMPERATURE, -1)
        for values in (teacher.detach(), logits)
    )
    losses = (expected.exp() * (expected - predicted)).sum(-1) * DISTILLATION_TEMPERATURE**2
    return losses.mean() if row_weights is None else _weighted(losses, row_weights)


def training_loss(
    exit_logits: Tensor,
    labels: Tensor,
    problem_type: str,
    *,
    weights: Sequence[float],
    labeled: float = 1.0,
    distill: float = 0.0,
    row_weights: Tensor | None = None,
    teacher: Tensor | None = None,
) -> Tensor:
    """The weighted sum of the exits' losses, on labels, on what a teacher or the last exit believes, or on both.

    Args:
        exit_logits: (rows, exits, labels).
        labels: as for :func:`exit_loss`; :data:`UNLABELLED` stands for no label.
        weights: of the exits, (exits,). An exit of weight 0 is left out: nothing that only it uses gets a gradient.
        labeled: weight of the loss on labels, taken over the rows that have one.
        distill: weight of the distillation, taken over all rows: from a teacher into all exits, or else from the last
            exit into the others.
        row_weights: (rows, exits).
        teacher: another network's logits, (rows, labels).
    """
    known = (labels != UNLABELLED).reshape(len(labels), -1).all(1)
    rows = slice(None) if known.all() else known
    believed = exit_logits[:, -1] if teacher is None else teacher
    pupils = len(weights) - (teacher is None)
    losses = []
    for index, (weight, logits) in enumerate(zip(weights, exit_logits.unbind(1), strict=True)):
        by_row = None if row_weights is None else row_weights[:, index]
        if weight and labeled and known.any():
            counts = None if by_row is None else by_row[rows]
            losses.append(weight * labeled * exit_loss(logits[rows], labels[rows], problem_type, counts))
        if weight and distill and index < pupils:
            losses.append(weight * distill * distillation_loss(logits, believed, problem_type, by_row))
    return sum(losses[1:], start=losses[0]) if losses else exit_logits.sum() * 0


def exit_likelihoods(exit_logits: Tensor, problem_type: str) -> Tensor:
    """How likely a row is to leave at each exit, if the threshold can be anything from chance to certainty.

    A row leaves at the first exit whose confidence reaches the threshold, so this is by how much an exit's confidence
    exceeds the highest before it; what is left leaves at the last.

    Args:
        exit_logits: (rows, exits, labels).

    Returns:
        (rows, exits), without gradient; every row sums to 1.
    """
    probabilities = torch.softmax(_answers(exit_logits.detach().float(), problem_type), -1)
    confidences = probabilities.amax(-1)
    chance = 1 / probabilities.shape[-1]
    if problem_type == "multi_label_classification":  # the set is right if every label is
        chance **= confidences.shape[-1]
        confidences = confidences.prod(-1)
    reached = confidences.cummax(1).values
    reached = torch.cat([torch.full_like(reached[:, :1], chance), reached[:, :-1], torch.ones_like(reached[:, :1])], 1)
    return reached.diff(dim=1) / (1 - chance)


def consistent_weights(likelihoods: Tensor, sharpness: float) -> Tensor:
    """Weights rows at each exit by how near to it they are likely to leave.

    After COSEE (He et al., AAAI 2025): a row that leaves at exit e weighs softmax(-sharpness |i - e|) at exit i. There
    e is simulated with a few random thresholds; here the expectation over all thresholds is taken.

    Args:
        likelihoods: (rows, exits), see :func:`exit_likelihoods`.
        sharpness: 0 weighs all exits the same; from 10 on little is left but the exit itself.

    Returns:
        (rows, exits); the mean of every row is 1.
    """
    exits = likelihoods.shape[1]
    places = torch.arange(exits, device=likelihoods.device)
    nearness = torch.softmax(-sharpness * (places[:, None] - places).abs().float(), -1)
    return exits * likelihoods @ nearness


def _answers(logits: Tensor, problem_type: str) -> Tensor:
    """Logits of all answers of each question: of yes and no for every label where several can hold at once."""
    multi_label = problem_type == "multi_label_classification"
    return torch.stack([logits, torch.zeros_like(logits)], -1) if multi_label else logits


def _weighted(losses: Tensor, row_weights: Tensor) -> Tensor:
    """The mean of losses (rows,) or (rows, labels) with rows that weigh differently."""
    return (losses.flatten(1).mean(1) if losses.ndim > 1 else losses).mul(row_weights).mean()
