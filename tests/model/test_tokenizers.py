import pytest
import torch

from conftest import tiny_tokenizer
from offramp.model.tokenizers import read_tokenizer


@pytest.mark.parametrize("names", [["input_ids"], ["input_ids", "token_type_ids"]])
def test_what_a_folder_of_ours_holds_pads_as_its_network_was_trained(tmp_path, names):
    tokenizer = tiny_tokenizer()
    tokenizer.padding_side, tokenizer.model_input_names = "left", names
    tokenizer.save_pretrained(tmp_path / "theirs")
    read_tokenizer(tmp_path / "theirs").save_pretrained(tmp_path / "ours")
    inputs = read_tokenizer(tmp_path / "ours")(["w0 w1 w2", "w3"], padding=True, return_tensors="pt")
    assert inputs["input_ids"][1].tolist() == [2, 8, 3, 0, 0]
    assert torch.equal(inputs["attention_mask"], torch.tensor([[1] * 5, [1, 1, 1, 0, 0]]))
