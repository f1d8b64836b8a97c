"""How long a step will take on this machine, from a few texts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_TEXTS = 32
# Of a pass over the rows: backward and update beside forward; and exits, words and files beside the pass itself.
_TRAINING, _ATTACHING = 3.5, 1.5
# Seconds that do not depend on the rows.
_EXPORT, _STAGES = 25.0, 15.0


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds that an encoder takes for a text at full depth, in batches."""

    text: float

    def training(self, rows: int, epochs: float) -> float:
        """Seconds of a training with exits."""
        return self.text * rows * epochs * _TRAINING

    def attaching(self, rows: int) -> float:
        """Seconds that putting exits on a classifier takes."""
        return self.text * rows * _ATTACHING

    def exporting(self, rows: int) -> float:
        """Seconds of an export with its check."""
        return _EXPORT + 3 * self.text * rows

    def tuning(self, rows: int) -> float:
        """Seconds of choosing operating points."""
        return _STAGES + self.text * rows


def measure_durations(
    model: str, texts: Sequence[str], max_length: int | None, *, classifier: bool, seed: int
) -> Durations:
    """Runs a few texts through an encoder as it is, or through a classifier.

    Raises:
        BackboneError: it cannot be loaded.
    """
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    from offramp.model.checkpoints import backbone_errors, read_network
    from offramp.model.loading import quiet
    from offramp.model.tokenizers import read_tokenizer, token_limit

    some = np.random.default_rng(seed).permutation(len(texts))[:_TEXTS]
    kind = AutoModelForSequenceClassification if classifier else AutoModel
    with quiet(), backbone_errors(model, "classifier" if classifier else "encoder"):
        tokenizer = read_tokenizer(model)
        network, _ = read_network(kind, model, AutoConfig.from_pretrained(model, trust_remote_code=False), {})
        network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        limit = token_limit(network.base_model, tokenizer, max_length)
        batch = tokenizer(
            [texts[row] for row in some], truncation=True, max_length=limit, padding=True, return_tensors="pt"
        ).to(network.device)
        with torch.inference_mode():
            seconds = [_seconds(lambda: network(**batch)) for _ in range(2)]
    return Durations(min(seconds) / len(some))


def _seconds(action: Callable[[], object]) -> float:
    """How long something takes where nothing else runs: on a CPU by the time that its threads computed."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
        started = time.perf_counter()
        action()
        torch.cuda.synchronize()
        return time.perf_counter() - started
    started = time.process_time()
    action()
    return (time.process_time() - started) / torch.get_num_threads()


def in_words(seconds: float) -> str:
    """Such as ``about 4 min``."""
    return f"about {max(10, round(seconds, -1)):.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"
