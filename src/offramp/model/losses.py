"""What a multi-exit network is trained on."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy


def exit_loss(logits: Tensor, labels: Tensor, problem_type: str) -> Tensor:
    """Mean loss of one exit.

    Args:
        logits: (rows, labels).
        labels: class indices (rows,), or 0/1 (rows, labels) where several labels can hold at once.
        problem_type: ``single_label_classification`` or ``multi_label_classification``.
    """
    if problem_type == "multi_label_classification":
        return binary_cross_entropy_with_logits(logits.float(), labels.float())
    return cross_entropy(logits.float(), labels)


def joint_loss(exit_logits: Tensor, labels: Tensor, problem_type: str) -> Tensor:
    """The paper's loss: the unweighted sum over the exits (Schwartz et al. 2020, §3).

    Args:
        exit_logits: (rows, exits, labels).
    """
    losses = [exit_loss(logits, labels, problem_type) for logits in exit_logits.unbind(1)]
    return sum(losses[1:], start=losses[0])
