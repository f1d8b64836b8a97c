"""One linear layer on sparse features, by maximum likelihood with an L2 penalty."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import expit, log_softmax

from offramp.calibration import Problem

Weights = NDArray[np.float32]

# Where another step changes the mean loss of a row by less, it is the last.
_LEAST_CHANGE = 1e-6


class Layer(NamedTuple):
    """Weights (features, labels) and biases (labels,)."""

    weights: Weights
    biases: Weights

    def logits(self, features: csr_array) -> NDArray[np.float32]:
        """(rows, labels); each row is worked out alone, from its first feature to its last."""
        return np.asarray(features @ self.weights, np.float32) + self.biases


def fit_layer(
    features: csr_array,
    targets: NDArray[np.float32],
    problem: Problem,
    strength: float,
    start: Layer | None = None,
    steps: int = 100,
) -> Layer:
    """Finds the layer under which the targets are likeliest, by L-BFGS.

    Args:
        features: (rows, features).
        targets: probabilities of labels, (rows, labels); for a single label they sum to 1.
        strength: how much the rows count against the penalty, half the sum of squared weights; often called C.
        start: where to begin; at zero if not given.
        steps: at most so many.
    """
    import torch

    rows, labels = targets.shape
    transposed = features.T.tocsr()
    flat = torch.zeros((features.shape[1] + 1) * labels)
    slopes = torch.zeros_like(flat)
    layer, slope = (_layer(one.numpy(), labels) for one in (flat, slopes))
    if start is not None:
        layer.weights[:], layer.biases[:] = start
    flat.grad = slopes
    search = torch.optim.LBFGS(
        [flat],
        max_iter=steps,
        history_size=8,
        tolerance_grad=1e-7,
        tolerance_change=_LEAST_CHANGE,
        line_search_fn="strong_wolfe",
    )

    def loss() -> float:
        likelihood, errors = loss_of(layer.logits(features), targets, problem)
        np.multiply(layer.weights, 1 / (strength * rows), out=slope.weights)
        penalty = 0.5 * float(np.vdot(layer.weights, slope.weights))
        slope.weights[:] += transposed @ (errors / rows)
        slope.biases[:] = errors.mean(axis=0)
        return float(likelihood / rows + penalty)

    search.step(loss)  # type: ignore[no-untyped-call]
    return layer


def loss_of(logits: Weights, targets: Weights, problem: Problem) -> tuple[float, Weights]:
    """The loss, summed over rows, and its slope by logits."""
    if problem.multi_label:
        losses = np.logaddexp(np.float32(0), logits) - targets * logits
        return float(losses.sum(dtype=np.float64)), expit(logits) - targets
    logs = log_softmax(logits, axis=1)
    return -float((targets * logs).sum(dtype=np.float64)), np.exp(logs) - targets


def _layer(flat: Weights, labels: int) -> Layer:
    return Layer(flat[:-labels].reshape(-1, labels), flat[-labels:])
