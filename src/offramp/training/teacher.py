"""A fine-tuned classifier that exits learn from: what it believes of texts, whose labels nobody need know."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray

from offramp.calibration import Problem
from offramp.environment import fast_bf16
from offramp.errors import OptionError
from offramp.model import FineTuned, open_classifier
from offramp.model.encoding import encode, padded_batches
from offramp.training.recipe import Precision


@dataclass(frozen=True, slots=True)
class Teacher:
    """A classifier of the labels that are to be learnt.

    Attributes:
        classifier: of any architecture, with a tokenizer of its own.
        order: for each label its place among the classifier's outputs.
    """

    classifier: FineTuned
    order: tuple[int, ...]

    @classmethod
    def open(cls, name: str, labels: Sequence[str], problem: Problem, max_length: int | None) -> Self:
        """Loads a checkpoint for ``AutoModelForSequenceClassification``, or a folder of ours.

        Raises:
            BackboneError: it cannot be found or read, or holds no classifier.
            OptionError: its labels are others.
        """
        classifier = open_classifier(name)
        config, tokenizer = classifier.network.config, classifier.tokenizer
        known = [config.id2label[index] for index in range(config.num_labels)]
        if sorted(known) != sorted(labels):
            raise OptionError(
                f"the teacher's labels are {_shortened(known)}, those of the data {_shortened(labels)}; "
                "give a teacher of the same labels, or name its own as the data do under id2label in its config.json"
            )
        if classifier.problem_type != problem:
            raise OptionError(
                f"the teacher's problem type is {classifier.problem_type}, that of the data {problem}; "
                "give a teacher that was fine-tuned on such data"
            )
        tokenizer.model_max_length = min(max_length or tokenizer.model_max_length, tokenizer.model_max_length)
        return cls(classifier, tuple(known.index(label) for label in labels))

    @torch.inference_mode()
    def logits(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
        precision: Precision,
        on_rows: Callable[[int, int], None] = lambda done, total: None,
    ) -> NDArray[np.float32]:
        """What it says of texts, (rows, labels).

        Args:
            precision: as of a recipe.
            on_rows: is told about rows done and rows in all.
        """
        device = PartialState().device
        network = self.classifier.network.to(device)
        accepted = inspect.signature(network.forward).parameters
        encoded = encode(self.classifier.tokenizer, texts, text_pairs)
        found = np.empty((len(encoded), len(self.order)), np.float32)
        done = 0
        low = precision == "bf16" or (precision == "auto" and fast_bf16())
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            for rows, inputs in padded_batches(self.classifier.tokenizer, encoded, device):
                given = {name: tensor for name, tensor in inputs.items() if name in accepted}
                found[rows] = network(**given).logits.float().cpu().numpy()[:, list(self.order)]
                done += len(rows)
                on_rows(done, len(encoded))
        network.to("cpu")
        return found


def _shortened(labels: Sequence[str]) -> str:
    named = ", ".join(labels[:10])
    return f"{named}, … ({len(labels)})" if len(labels) > 10 else named
