"""Tokenizers of many kinds, trained on a few words, and texts that are hard for them."""

from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = ["the cat don't sat on 1234 mats", "aaaa aaab", "été naïve 12 345", "中文字 文", "A-b, c."]
CORPUS += ["low lower lowest   newer  wider"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def trained(model, trainer, normalizer=None, splitter=None):
    tokenizer = Tokenizer(model)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if splitter is not None:
        tokenizer.pre_tokenizer = splitter
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    return tokenizer


def pieces(**more):
    return trainers.WordPieceTrainer(vocab_size=90, special_tokens=SPECIAL, **more)


def merges(**more):
    return trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL, **more)


def unigrams():
    return trainers.UnigramTrainer(vocab_size=60, special_tokens=SPECIAL, unk_token="[UNK]")


one_space = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()])
byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
KINDS = {
    "bert": lambda: trained(
        models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=9),
        pieces(),
        normalizers.BertNormalizer(),
        pre_tokenizers.BertPreTokenizer(),
    ),
    "byte-level": lambda: trained(
        models.BPE(), merges(initial_alphabet=pre_tokenizers.ByteLevel.alphabet()), normalizers.NFC(), byte_level
    ),
    "sentencepiece": lambda: trained(models.Unigram(), unigrams(), one_space, pre_tokenizers.Metaspace()),
    "no words": lambda: trained(models.BPE(unk_token="[UNK]"), merges(), normalizers.Replace(" ", "▁")),
    "words by punctuation": lambda: trained(
        models.Unigram(), unigrams(), splitter=pre_tokenizers.Punctuation(behavior="isolated")
    ),
    "without spaces": lambda: trained(
        models.BPE(unk_token="[UNK]"),
        merges(),
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Replace(" ", "")]),
        pre_tokenizers.Digits(individual_digits=True),
    ),
}


def wrapped(kind, side, frame=True):
    tokenizer = KINDS[kind]()
    if frame:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
        )
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        truncation_side=side,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")},
    )
    made.add_tokens(["newer", "low-er"])
    return made


BITS = ["the", "cat", "don't", "sat", "1234", "12345678901", "aaaa", "a", "été", "e\u0301", "\u0301", "中文", "newer"]
BITS += ["low-er", "low", "[MASK]", "A-b,", ".", "'t", " ", " ", " ", "  ", "\n", "\t", "\r\n", "\0", "\u00a0"]
BITS += ["\u200b", "▁", "ﬁ", "🙂"]


def texts_of(bits, times):
    """Texts of some bits, each repeated."""
    bit = st.tuples(st.sampled_from(BITS), st.sampled_from(times))
    return st.lists(bit, max_size=bits).map(lambda chosen: "".join(one * often for one, often in chosen))
