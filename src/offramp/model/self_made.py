"""Texts that nobody wrote: a model makes them of what its tokenizer knows, where there are no others.

They go through a network where it matters little what they say: to see which values its layers take (int8), or what its
full depth makes of anything at all (exits that learn from it). How sure an exit should be, and how often it errs, only
real texts can tell.

Where the encoder is there with its masked-language-model head, it writes over them: see :mod:`offramp.model.masked`.

Source: the idea of data that a model generates for its own calibration: Williams, Chrysostomou and Aletras,
"Self-calibration for Language Model Quantization and Pruning", NAACL 2025; the law of word frequencies: Zipf, 1949, as
amended by Mandelbrot, 1953.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from offramp.data import SelfMade, Texts
from offramp.errors import ModelFolderError
from offramp.files import is_there, read_json
from offramp.folder import TRAINING
from offramp.model.masked import masked_model, written_over
from offramp.model.tokenizers import read_tokenizer

SOURCE = "texts that the model made itself"

# Where neither the user nor the model's folder says how long texts are.
_SHORTEST, _LONGEST = 8, 128
# Mandelbrot's shift of the rank: the commonest words are not quite as common as Zipf's law says.
_SHIFT = 2.7
_UNUSED = re.compile(r"\W*(unused_?|madeupword|extra_id_)\d+\W*|<0x[0-9A-F]{2}>", re.IGNORECASE)
_MOST_TOKENS = 4096


def make_texts(
    model: str | Path, wanted: SelfMade, rows: int, *, pairs: bool, labels: Sequence[str] = (), seed: int = 0
) -> Texts:
    """Makes texts of the tokens that a model knows.

    Args:
        model: a folder, or a hub id; its tokenizer decides what can be written.
        wanted: what is known of the lengths.
        rows: how many to make.
        pairs: whether pairs of texts.
        labels: names that some texts are written around, where there is a head to write with.
        seed: the same texts for the same seed.
    """
    tokenizer, random = read_tokenizer(model), np.random.default_rng(seed)
    lengths = _lengths(model, wanted, tokenizer, rows, pairs, random)
    writer = masked_model([str(model), *_began_as(model)])
    columns = []
    for _ in range(1 + pairs):
        texts = drawn(tokenizer, lengths, random)
        if writer is not None:
            texts = written_over(writer, texts, labels, random)
        columns.append(texts)
    return Texts(columns[0], columns[1] if pairs else None, columns[0].count(""), SOURCE)


def drawn(tokenizer: PreTrainedTokenizerBase, lengths: NDArray[np.int64], random: np.random.Generator) -> list[str]:
    """Texts of so many tokens each, (texts,), drawn one by one as often as their place in the vocabulary says."""
    order = by_frequency(tokenizer)
    chances = 1.0 / (np.arange(len(order)) + _SHIFT)
    tokens = random.choice(order, size=int(lengths.sum()), p=chances / chances.sum())
    parts = np.split(tokens, np.cumsum(lengths)[:-1])
    decoded = tokenizer.batch_decode([part.tolist() for part in parts], skip_special_tokens=True)
    return [text.strip() for text in decoded]


def by_frequency(tokenizer: PreTrainedTokenizerBase) -> NDArray[np.int64]:
    """The tokens that texts are made of, the commonest first.

    Vocabularies are written in the order in which their tokens were found, the commonest first. Left out are special
    and unused tokens, and parts of characters. Single characters come last: vocabularies begin with an alphabet,
    however rare a character is.
    """
    left_out = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    named = sorted((number, token) for token, number in tokenizer.get_vocab().items() if number not in left_out)
    numbers = [number for number, token in named if not _UNUSED.fullmatch(token)]
    written = [text.strip().removeprefix("##") for text in tokenizer.batch_decode([[number] for number in numbers])]
    known = [(len(text) == 1, number) for number, text in zip(numbers, written, strict=True) if text.strip("\ufffd")]
    return np.array([number for _, number in sorted(known)], np.int64)


def _lengths(
    model: str | Path,
    wanted: SelfMade,
    tokenizer: PreTrainedTokenizerBase,
    rows: int,
    pairs: bool,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Tokens of each text without special ones: as was asked for, as the model's training texts had, or any."""
    shares, seen = random.random(rows), _seen_lengths(model)
    if wanted.lengths is None and seen is not None:
        lengths = np.interp(shares, np.linspace(0, 1, len(seen)), seen)
    else:
        shortest, longest = wanted.lengths or (_SHORTEST, _LONGEST)
        lengths = shortest * (longest / shortest) ** shares
    most = min(tokenizer.model_max_length, _MOST_TOKENS)
    special = tokenizer.num_special_tokens_to_add(pair=pairs)
    free = (np.minimum(lengths, most) - special) / (1 + pairs)
    return np.maximum(1, np.rint(free)).astype(np.int64)


def _seen_lengths(model: str | Path) -> list[int] | None:
    """Quantiles of the lengths of training texts at even distances, from the shortest to the longest, if known."""
    lengths = _record(model).get("lengths")
    if not isinstance(lengths, list) or len(lengths) < 2 or not all(isinstance(one, int) for one in lengths):
        return None
    return lengths


def _began_as(model: str | Path) -> list[str]:
    """The encoder that a model folder was trained from, if it says so."""
    backbone = _record(model).get("backbone")
    return [backbone] if isinstance(backbone, str) else []


def _record(model: str | Path) -> dict[str, object]:
    """What a model folder tells of its training; nothing where it is no folder of ours."""
    if not is_there(Path(model) / TRAINING.name):
        return {}
    try:
        return read_json(Path(model) / TRAINING.name)
    except ModelFolderError:
        return {}  # of another program, whose records are its own affair
