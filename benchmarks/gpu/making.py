"""Networks of known shapes with random weights, and texts that mean nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from offramp.calibration import Calibration
from offramp.engine.encoder import Encoder
from offramp.engine.loading import torch_classifier
from offramp.engine.runner import Runner
from offramp.model import EarlyExitConfig, EarlyExitForSequenceClassification, LoadedModel
from offramp.model.encoding import Encoded
from offramp.policy import ExitRule

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


@dataclass(frozen=True, slots=True)
class Shape:
    """An encoder's size, where its exits are, and which share of all rows takes each.

    The shares are made up: random weights cannot tell which rows are easy.
    """

    name: str
    width: int
    layers: int
    heads: int
    vocabulary: int
    exits: tuple[int, ...]
    shares: tuple[float, ...]


BERT_BASE = Shape("BERT-base", 768, 12, 12, 30_522, (2, 4, 6, 12), (0.5, 0.2, 0.1, 0.2))
BERT_LARGE = Shape("BERT-large", 1024, 24, 16, 30_522, (4, 8, 12, 24), (0.5, 0.2, 0.1, 0.2))
TINY = Shape("tiny", 32, 4, 4, 400, (1, 2, 4), (0.5, 0.3, 0.2))


@dataclass(frozen=True, slots=True)
class Mix:
    """How long texts are: tokens are distributed log-normally.

    Attributes:
        median, spread: of the distribution; ``spread`` is the standard deviation of the logarithm.
        longest: tokens at which texts are cut.
    """

    name: str
    median: int
    spread: float
    longest: int


SHORT = Mix("short texts", 48, 0.6, 256)
LONG = Mix("long texts", 220, 0.6, 512)


class Tokenized(Encoder):
    """An encoder whose texts have been read before, each handed in as its place among them."""

    def __init__(self, encoder: Encoder, read: Encoded) -> None:
        super().__init__(encoder.stages, encoder.tokenizer, encoder.config)
        self._read = read

    def read(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Encoded:
        """Looks up what was read."""
        rows = [int(text) for text in texts]
        ids = [self._read.input_ids[row] for row in rows]
        return Encoded(ids, None, self._read.lengths[rows], self._read.truncated[rows])


@dataclass(frozen=True, slots=True)
class Shares(ExitRule):
    """A rule that lets so many of the rows that reach an exit leave there, whatever the network says of them."""

    leaving: tuple[float, ...]
    random: np.random.Generator

    def decide(self, probabilities: NDArray[np.float64], history: NDArray[np.float64]) -> NDArray[np.bool_]:
        """See :meth:`offramp.policy.ExitRule.decide`."""
        return self.random.random(len(probabilities)) < self.leaving[len(history)]

    def answer(self, probabilities: NDArray[np.float64], history: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :meth:`offramp.policy.ExitRule.answer`."""
        return probabilities

    def asks(self, exit_index: int) -> bool:
        """See :meth:`offramp.policy.ExitRule.asks`."""
        return True


def rule_of(shape: Shape) -> Shares:
    """Lets the shape's shares of all rows leave; the same rows each time that it is made."""
    left = 1 - np.cumsum([0, *shape.shares[:-1]])
    return Shares(tuple((np.array(shape.shares) / left).tolist()), np.random.default_rng(0))


def network_of(shape: Shape, longest: int) -> EarlyExitForSequenceClassification:
    """A random multi-exit BERT."""
    torch.manual_seed(0)
    backbone = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
        max_position_embeddings=max(512, longest),
    )
    config = EarlyExitConfig(backbone_config=backbone.to_dict(), exits=shape.exits, pooling="cls")
    network = EarlyExitForSequenceClassification(config)
    network.eval()
    return network


def runner_of(network: EarlyExitForSequenceClassification, tokenizer: PreTrainedTokenizerBase, device: str) -> Runner:
    """offramp's engine around a network, in bfloat16."""
    calibration = Calibration.neutral(network.config.exits)
    return torch_classifier(LoadedModel(network, tokenizer), calibration, device=device, bf16=True).runner


def reading(runner: Runner, read: Encoded) -> Runner:
    """The same runner for texts that have been read before."""
    cascade = runner.cascade
    return replace(runner, cascade=replace(cascade, members=(Tokenized(cascade.last, read),)))


def tokenizer_of(shape: Shape, longest: int) -> PreTrainedTokenizerFast:
    """A WordPiece tokenizer, as BERT's, of made-up words and endings."""
    random = np.random.default_rng(0)
    pieces = list(_SPECIAL) + _LETTERS.tolist() + [f"##{letter}" for letter in _LETTERS]
    known = set(pieces)
    while len(pieces) < shape.vocabulary:
        piece = "".join(random.choice(_LETTERS, random.integers(2, 7))) if len(pieces) % 4 else _ending(random)
        if piece not in known:
            known.add(piece)
            pieces.append(piece)
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=longest, **names)


def _ending(random: np.random.Generator) -> str:
    return "##" + "".join(random.choice(_LETTERS, random.integers(2, 5)))


def texts_of(mix: Mix, number: int, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Texts of such lengths; one word in four has an ending of its own."""
    random = np.random.default_rng(1)
    vocabulary = sorted(tokenizer.get_vocab())
    pieces = [piece for piece in vocabulary if piece.isalpha()]
    endings = random.choice([piece[2:] for piece in vocabulary if piece.startswith("##")], len(pieces))
    ends = random.random(len(pieces)) < 0.25
    words = [piece + ending * end for piece, ending, end in zip(pieces, endings.tolist(), ends.tolist(), strict=True)]
    # Two tokens of each text are special, and five words make about six or seven tokens.
    lengths = np.exp(random.normal(np.log(mix.median), mix.spread, number)).clip(4, mix.longest) - 2
    return [
        " ".join(words[place] for place in random.integers(len(words), size=max(1, int(length / 1.3))).tolist())
        for length in lengths
    ]
