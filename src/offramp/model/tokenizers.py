"""The tokenizer that came with an encoder, and whether the two fit each other."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from offramp.errors import OptionError

# What XLNet says where others have the number of their positions, and less than what tokenizers without a limit say.
_NO_POSITIONS, _BOUNDLESS = -1, 10**9


def read_tokenizer(name: str | Path, **options: Any) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or a hub id. One that knows no words raises ``ValueError``.

    Whatever it was saved with, it pads on the right and gives masks, as networks are trained here: so does a pipeline
    of transformers that reads the folder.
    """
    tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **options)
    # Without its files, transformers makes one up that knows nothing but special tokens.
    if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
        raise ValueError("there is no tokenizer, or one without words")
    tokenizer.padding_side = "right"
    if "attention_mask" not in tokenizer.model_input_names:
        tokenizer.model_input_names = [*tokenizer.model_input_names, "attention_mask"]
    return tokenizer


def vocabulary_flaw(tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig) -> str | None:
    """What is wrong with a tokenizer whose tokens an encoder of this configuration has no embeddings for, or None.

    A text with such a token would end the encoder's run with an IndexError, however late it comes.
    """
    embeddings = getattr(config, "vocab_size", None)
    vocabulary = tokenizer.get_vocab()
    beyond = sorted((number, token) for token, number in vocabulary.items() if embeddings and number >= embeddings)
    if not beyond:
        return None
    number, token = beyond[0]
    return (
        f"has {len(beyond)} tokens beyond the encoder's {embeddings} embeddings, such as {token!r} (number {number}); "
        "take the tokenizer that the encoder was trained with, or add embeddings by resize_token_embeddings, train "
        "them and save both"
    )


def token_limit(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: int | None = None) -> int:
    """Tokens at which texts are cut, special tokens included: as many as were asked for, and both of them take.

    Args:
        asked: by default as many as possible, or 512 where neither the encoder nor its tokenizer has a limit.
    """
    positions = getattr(backbone.config, "max_position_embeddings", None) or _NO_POSITIONS
    # RoBERTa and its kin number positions from the padding index on.
    offset = getattr(getattr(backbone, "embeddings", None), "padding_idx", None)
    of_encoder = positions - (0 if offset is None else offset + 1)
    limits = [limit for limit in (tokenizer.model_max_length, of_encoder) if 0 < limit < _BOUNDLESS]
    limit = min(limits, default=asked or 512)
    return min(asked or limit, limit)


def check_length(tokenizer: PreTrainedTokenizerBase, asked: int | None) -> None:
    """Makes sure that texts are cut at no other length than was asked for, given the tokenizer with its final limit.

    Raises:
        OptionError: they are cut earlier.
    """
    limit = tokenizer.model_max_length
    if asked is not None and asked > limit:
        raise OptionError(
            f"max_length is {asked}, but the encoder and its tokenizer take at most {limit} tokens; give {limit} or "
            "less, or leave it out",
            option="max_length",
            value=asked,
        )
