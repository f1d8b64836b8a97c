"""A fine-tuned classifier that exits learn from: what it believes of texts, whose labels nobody need know."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from offramp import environment
from offramp.calibration import Problem
from offramp.data import LabeledTexts, Texts
from offramp.errors import BackboneError, OptionError, first_line
from offramp.files import replacing
from offramp.model import FineTuned, open_classifier
from offramp.model.encoding import Encoded, encode
from offramp.model.padding import Batch, batch_of, padded_batches, padding_id_of

# How far answers of one classifier to one text may be apart for reasons of rounding.
_TOLERANCE = 1e-3


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
        classifier = open_classifier(name, max_length)
        known = classifier.labels
        if sorted(known) != sorted(labels):
            raise OptionError(
                f"the teacher's labels are {_shortened(known)}, those of the data {_shortened(labels)}; "
                "give a teacher of the same labels, or name its own as the data do under id2label in its config.json",
                option="teacher",
                path=name,
            )
        if classifier.problem_type != problem.type:
            raise OptionError(
                f"the teacher's problem type is {classifier.problem_type}, that of the data {problem.type}; "
                "give a teacher that was fine-tuned on such data",
                option="teacher",
                path=name,
            )
        return cls(classifier, tuple(known.index(label) for label in labels))

    def check(self, rows: LabeledTexts) -> None:
        """Asks about the first rows, so that what fails at all fails at once.

        Raises:
            BackboneError: there is no answer.
        """
        some = rows.subset(range(min(4, len(rows))))
        try:
            self.logits(some.texts, some.text_pairs, bf16=False)
        except Exception as error:  # a classifier of an unknown build can fail in any way
            raise BackboneError(
                f"the teacher cannot classify texts such as those in {rows.source} ({first_line(error)}); give a "
                "classifier that was fine-tuned on such data"
            ) from error

    def logits(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None,
        *,
        bf16: bool,
        on_rows: Callable[[int, int], None] = lambda done, total: None,
    ) -> NDArray[np.float32]:
        """What it says of texts, (rows, labels); see :func:`beliefs_of`."""
        tokenizer, network = self.classifier.tokenizer, self.classifier.network.to(PartialState().device)
        logits = beliefs_of(network, tokenizer, encode(tokenizer, texts, text_pairs), bf16=bf16, on_rows=on_rows)
        network.to("cpu")
        return logits[:, list(self.order)]

    def kept_logits(
        self, parts: Sequence[LabeledTexts | Texts], file: Path, *, bf16: bool, on_rows: Callable[[int, int], None]
    ) -> NDArray[np.float32]:
        """What it says of the texts of all parts, one after the other, from a file; asked for if there is none.

        Args:
            parts: all of single texts, or all of pairs.
        """
        if environment.is_main_process() and not file.is_file():
            texts = [text for part in parts for text in part.texts]
            pairs = [pair for part in parts for pair in part.text_pairs or ()] or None
            with replacing(file) as new, new.open("wb") as stream:
                np.save(stream, self.logits(texts, pairs, bf16=bf16, on_rows=on_rows))
        PartialState().wait_for_everyone()
        logits: NDArray[np.float32] = np.load(file)
        return logits


@torch.inference_mode()
def beliefs_of(
    network: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    encoded: Encoded,
    *,
    bf16: bool,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.float32]:
    """What a classifier says of rows, (rows, labels) of logits; one with exits says it at full depth.

    Args:
        bf16: compute in bfloat16, which is faster where the processor or GPU is made for it.
        on_rows: is told about rows done and rows in all.
    """
    network.eval()
    accepted = inspect.signature(network.forward).parameters

    def answered(batch: Batch) -> NDArray[np.float32]:
        given = {name: tensor for name, tensor in batch.inputs(network.device).items() if name in accepted}
        logits: NDArray[np.float32] = network(**given).logits.float().cpu().numpy()
        return logits

    padding_id = padding_id_of(tokenizer)
    alone = _minds_padding(answered, encoded, padding_id)
    beliefs = np.empty((len(encoded), network.config.num_labels), np.float32)
    done = 0
    with torch.autocast(network.device.type, torch.bfloat16, enabled=bf16):
        for batch in padded_batches(encoded, padding_id, of_one_length=alone):
            beliefs[batch.ids] = answered(batch)
            done += len(batch.ids)
            on_rows(done, len(encoded))
    return beliefs


def _minds_padding(answered: Callable[[Batch], NDArray[np.float32]], encoded: Encoded, padding_id: int) -> bool:
    """Whether padding changes the answer, as it does where the last token is looked at without regard to the mask."""
    if not len(encoded):
        return False
    shortest, longest = (np.array([row]) for row in (encoded.lengths.argmin(), encoded.lengths.argmax()))
    together = answered(batch_of(encoded, np.concatenate([shortest, longest]), padding_id))[0]
    alone = answered(batch_of(encoded, shortest, padding_id))[0]
    return not np.allclose(together, alone, rtol=_TOLERANCE, atol=_TOLERANCE)


def _shortened(labels: Sequence[str]) -> str:
    named = ", ".join(labels[:10])
    return f"{named}, … ({len(labels)})" if len(labels) > 10 else named
