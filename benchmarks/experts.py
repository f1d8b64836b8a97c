"""What experts are worth beside one block of the width that a token runs through, refitted on the same texts.

python -m benchmarks.experts MODEL TEXTS TEST --output FILE [--experts 4] [--flops 0.6] [--texts 1000] [--rows 1000]

TEXTS are what the model was not trained on, TEST labeled rows. Both networks are made of the same model, within the
same share of its multiply-adds, and compared with it at full depth on the first rows of TEST. One feed-forward block
(that of the layer in the middle) is timed on token states of TEST: the original, narrowed, and with experts; on some
tokens at a time, in fp32 and bf16, one thread, in turn, the median of 9 rounds over 1,024 tokens. Full depth is timed
the same way, on 128 of the test texts in batches and on 32 of them one at a time.
"""

import argparse
import copy
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.compression import parser_of
from offramp import environment
from offramp.calibration import Calibration
from offramp.compressing.activations import activity
from offramp.compressing.allotting import allot, dealt_neurons, kept_neurons
from offramp.compressing.dealing import deals_of, dealt
from offramp.compressing.narrowing import Lesson, importances_of, narrowed, repaired, work_of
from offramp.compressing.run import widths_of
from offramp.data import Columns, LabeledTexts, Texts, read_labeled, read_texts
from offramp.engine import Classifier, answers_of
from offramp.engine.loading import torch_classifier
from offramp.evaluation import interleave
from offramp.files import write_json
from offramp.model import LoadedModel, load
from offramp.model.padding import padded_batches
from offramp.model.widths import FeedForward, feed_forwards
from offramp.policy import ExitAnswers
from offramp.progress import unheard
from offramp.training.rows import Rows, rows_of

TOKENS, DTYPES = (1, 32, 1024), (torch.float32, torch.bfloat16)
ROUNDS, TIMED_TEXTS, TIMED_ALONE = 9, 128, 32


@dataclass(frozen=True)
class Line:
    """One network; times are shares of the original's.

    Attributes:
        widths: neurons that a token runs through in each layer.
        parameters: of the encoder's layers, over the original's.
        logit_change: the mean difference of a logit at full depth from the original's.
        time, time_alone: at full depth, in batches and one text at a time.
    """

    name: str
    widths: tuple[int, ...]
    parameters: float
    accuracy: float
    disagreement: float
    logit_change: float
    time: float
    time_alone: float


@dataclass(frozen=True)
class BlockTime:
    """Microseconds that a block takes for so many tokens, by network."""

    tokens: int
    precision: str
    original: float
    narrowed: float
    experts: float


def both(
    model: LoadedModel, texts: LabeledTexts | Texts, beliefs: np.ndarray, share: float, experts: int
) -> dict[str, LoadedModel]:
    """The model narrowed and with experts, each repaired."""
    rows = rows_of(model, texts)
    length = float(rows.encoded.lengths.mean())
    importances = importances_of(model, rows.encoded, np.ones(model.network.stack.depth), 0, unheard)
    deals = deals_of(model, rows.encoded, experts, 0, unheard)
    widths = [allot(importances, work_of(model.network, length, number), share) for number in (None, experts)]
    made = {
        "narrowed": narrowed(model, kept_neurons(importances, widths[0])),
        "experts": dealt(model, deals, dealt_neurons(importances, [deal.importances for deal in deals], widths[1])),
    }
    with tempfile.TemporaryDirectory() as folder:
        for one in made.values():
            repaired(model, one, Lesson(Rows(rows.encoded, rows.targets, beliefs), Path(folder), 0, unheard))
    return made


def line_of(name: str, model: LoadedModel, original: LoadedModel, before: ExitAnswers, test: LabeledTexts) -> Line:
    """What a network is worth beside the original."""
    slim, whole = (torch_classifier(one, Calibration.neutral(one.network.config.exits)) for one in (model, original))
    answers = answers_of(slim, test)
    spread = np.linspace(0, len(test) - 1, TIMED_TEXTS).astype(np.int64)
    layers = [
        sum(weight.numel() for weight in one.network.stack.layers.state_dict().values()) for one in (model, original)
    ]
    return Line(
        name,
        widths_of(model),
        layers[0] / layers[1],
        float(answers.accuracy(answers.full) or 0),
        float(1 - before.agree(answers.full).mean()),
        float(np.abs(answers.logits[-1] - before.logits[-1]).mean()),
        _share(partial(_at_once, test.subset(spread)), slim, whole),
        _share(partial(_one_by_one, test.subset(spread[:: TIMED_TEXTS // TIMED_ALONE])), slim, whole),
    )


def _at_once(rows: LabeledTexts, classifier: Classifier) -> None:
    classifier.predict_full(rows.texts, rows.text_pairs)


def _one_by_one(rows: LabeledTexts, classifier: Classifier) -> None:
    for text in rows.texts:
        classifier.predict_full([text])


def _share(run: Callable[[Classifier], None], slim: Classifier, whole: Classifier) -> float:
    seconds = interleave({"slim": partial(run, slim), "whole": partial(run, whole)}, ROUNDS)
    return float(np.median(seconds["slim"] / seconds["whole"]))


def block_times(networks: Sequence[LoadedModel], test: LabeledTexts) -> list[BlockTime]:
    """Of the layer in the middle of the original, narrowed, and with experts, on states that the original has there."""
    original = networks[0]
    middle = original.network.stack.depth // 2
    encoded = rows_of(original, test.subset(np.arange(min(300, len(test))))).encoded
    states = list(activity(original.network.stack, list(padded_batches(encoded, 0))))[middle][0]
    states = states[torch.from_numpy(np.random.default_rng(0).permutation(len(states))[: max(TOKENS)])]
    times = []
    for dtype in DTYPES:
        blocks = [_in(feed_forwards(one.network.stack)[middle], dtype) for one in networks]
        for tokens in TOKENS:
            parts = states.to(dtype).view(-1, tokens, states.shape[1])
            actions = {
                name: partial(_run, block, parts)
                for name, block in zip(("original", "narrowed", "experts"), blocks, strict=True)
            }
            seconds = interleave(actions, ROUNDS)
            each = {name: float(np.median(seconds[name])) / len(parts) * 1e6 for name in actions}
            times.append(BlockTime(tokens, str(dtype).removeprefix("torch."), **each))
            print(times[-1], flush=True)
    return times


def _in(block: FeedForward, dtype: torch.dtype) -> FeedForward:
    return FeedForward(copy.deepcopy(block.up).to(dtype), copy.deepcopy(block.down).to(dtype), block.post_norm)


@torch.inference_mode()
def _run(block: FeedForward, parts: Tensor) -> None:
    for part in parts:
        block.down(functional.gelu(block.up(part[None])))


def main(options: argparse.Namespace) -> None:
    """Makes and compares both networks."""
    torch.set_num_threads(1)
    model = load(options.model)
    texts = read_texts(str(options.data), Columns())
    texts = texts.subset(np.arange(min(options.texts, len(texts))))
    test = read_labeled(str(options.test), Columns())
    test = test.subset(np.arange(min(options.rows, len(test))))
    classifier = torch_classifier(model, Calibration.neutral(model.network.config.exits))
    beliefs = np.asarray(classifier.exit_answers(texts.texts, texts.text_pairs).logits[-1], np.float32)
    before = answers_of(classifier, test)
    made = both(model, texts, beliefs, options.flops, options.experts)
    lines = []
    for name, one in made.items():
        lines.append(line_of(name, one, model, before, test))
        print(lines[-1], flush=True)
    write_json(
        options.output,
        {
            "environment": environment.describe(),
            "data": {"texts": len(texts), "test": len(test), "fingerprint": test.fingerprint},
            "experts": options.experts,
            "flops": options.flops,
            "accuracy": before.accuracy(before.full),
            "lines": [asdict(line) for line in lines],
            "blocks": [asdict(time) for time in block_times([model, *made.values()], test)],
        },
    )


if __name__ == "__main__":
    parser = parser_of(__doc__)
    parser.add_argument("--experts", type=int, default=4)
    parser.add_argument("--flops", type=float, default=0.6)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1000)
    main(parser.parse_args())
