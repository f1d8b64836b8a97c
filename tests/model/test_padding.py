import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from conftest import tiny_tokenizer
from offramp.model.encoding import Encoded
from offramp.model.padding import batch_of, mask_of, on_device, padded_batches, padding_id_of

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 9), max_size=30)


def encoded_of(lengths, pairs=False):
    ids = [list(range(10, 10 + length)) for length in lengths]
    types = [[int(place > 1) for place in range(length)] for length in lengths] if pairs else None
    return Encoded(ids, types, np.array(lengths, np.int64), np.zeros(len(lengths), np.bool_))


def test_what_a_network_reads():
    inputs = batch_of(encoded_of([3, 5], pairs=True), np.array([1, 0]), padding_id=7).inputs(CPU)
    assert inputs["input_ids"].tolist() == [[10, 11, 12, 13, 14], [10, 11, 12, 7, 7]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert inputs["token_type_ids"].tolist() == [[0, 0, 1, 1, 1], [0, 0, 1, 0, 0]]
    assert {tensor.dtype for tensor in inputs.values()} == {torch.int64}


def test_no_mask_where_nothing_is_padded():
    assert set(batch_of(encoded_of([3, 3]), np.arange(2), 7).inputs(CPU)) == {"input_ids"}
    assert mask_of(np.array([3, 3]), 3, CPU) is None
    assert mask_of(np.array([3, 3]), 4, CPU).tolist() == [[1, 1, 1, 0]] * 2


@given(LENGTHS.filter(bool), st.integers(0, 4))
def test_a_row_is_its_tokens_and_then_padding(lengths, more):
    encoded, longest = encoded_of(lengths, pairs=True), max(lengths) + more
    batch = batch_of(encoded, np.arange(len(lengths)), 7, longest)
    mask = mask_of(batch.lengths, longest, CPU)
    masks = [[1] * longest] * len(lengths) if mask is None else mask.tolist()
    for row, length in enumerate(lengths):
        left = longest - length
        assert batch.input_ids[row].tolist() == encoded.input_ids[row] + [7] * left
        assert batch.token_type_ids[row].tolist() == encoded.token_type_ids[row] + [0] * left
        assert masks[row] == [1] * length + [0] * left


def test_a_gpu_fetches_from_pinned_memory_and_nobody_waits(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: asked.append("pinned") or tensor)
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, *where, **how: asked.append((where, how)) or tensor)
    gpu = torch.device("cuda")
    assert on_device(np.arange(3), gpu).tolist() == [0, 1, 2]
    assert asked == ["pinned", ((gpu,), {"non_blocking": True})]
    asked.clear()
    on_device(np.arange(3), CPU)
    assert asked == [((CPU,), {})]


@given(LENGTHS, st.booleans())
def test_batches_hold_every_row_once_the_longest_first(lengths, alike):
    made = list(padded_batches(encoded_of(lengths), 7, of_one_length=alike))
    assert sorted(row for batch in made for row in batch.ids.tolist()) == list(range(len(lengths)))
    assert [length for batch in made for length in batch.lengths.tolist()] == sorted(lengths, reverse=True)
    if alike:
        assert not any((batch.input_ids == 7).any() for batch in made)


def test_a_tokenizer_without_a_token_to_pad_with_pads_with_any():
    tokenizer = tiny_tokenizer()
    assert padding_id_of(tokenizer) == tokenizer.pad_token_id
    tokenizer.pad_token = None
    assert padding_id_of(tokenizer) == 0
