"""Early exit in a hundred lines: what offramp does at its core, with nothing of offramp in it.

    python examples/early_exit_in_100_lines.py MODEL < texts.txt

MODEL is what `offramp train --exits 1,2,4,6` made of a BERT; answers are those of `offramp predict --threshold 0.9`.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoTokenizer, BertConfig, BertModel


@dataclass
class Row:
    """A text on its way through the network."""

    place: int
    hidden: Tensor  # (tokens, width), after the layers so far
    pooled: list[Tensor]  # one vector (width,) for each layer so far


class EarlyExit:
    """A BERT encoder with a classifier, an exit, after some of its layers."""

    def __init__(self, folder: str) -> None:
        files = Path(folder)
        config = json.loads((files / "config.json").read_text())
        self.temperatures = json.loads((files / "calibration.json").read_text())["temperatures"]
        weights = load_file(files / "model.safetensors")
        self.pooling, self.exits = config["pooling"], config["exits"]
        self.labels = [config["id2label"][str(index)] for index in range(len(config["id2label"]))]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.bert = BertModel(BertConfig(**config["backbone_config"]), self.pooling == "pooler").eval()
        self.bert.load_state_dict(
            {name.removeprefix("backbone."): one for name, one in weights.items() if name.startswith("backbone.")}
        )
        parts = ("mix", "classifier.weight", "classifier.bias")
        self.heads = [[weights[f"heads.{index}.{part}"] for part in parts] for index in range(len(self.exits))]

    @torch.inference_mode()
    def predict(self, texts: list[str], threshold: float, batch_size: int = 32) -> list[tuple[str, float, int]]:
        """Each text's label, the confidence in it, and the number of layers that it took."""
        answers: list[tuple[str, float, int]] = [("", 0.0, 0)] * len(texts)
        waiting = [Row(place, self.embed(text), []) for place, text in enumerate(texts)]
        for index, (start, end) in enumerate(zip([0, *self.exits], self.exits, strict=False)):
            staying = []
            # Rows that left are gone, so the others fill batches again; rows of like length need the least padding.
            waiting.sort(key=lambda row: len(row.hidden))
            for first in range(0, len(waiting), batch_size):
                batch = waiting[first : first + batch_size]
                self.run_layers(batch, start, end)
                confidence, label = self.leave(batch, index).max(-1)
                for row, sure, best in zip(batch, confidence.tolist(), label.tolist(), strict=True):
                    if sure >= threshold or end == self.exits[-1]:
                        answers[row.place] = (self.labels[best], sure, end)
                    else:
                        staying.append(row)
            waiting = staying
        return answers

    def embed(self, text: str) -> Tensor:
        """What the first layer sees of a text."""
        tokens = self.tokenizer(text, truncation=True, return_tensors="pt")
        return self.bert.embeddings(tokens["input_ids"])[0]

    def run_layers(self, batch: list[Row], start: int, end: int) -> None:
        """Runs some layers on rows that were padded to one length, and pools what comes out of each."""
        lengths = torch.tensor([len(row.hidden) for row in batch])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        hidden = torch.nn.utils.rnn.pad_sequence([row.hidden for row in batch], batch_first=True)
        for layer in self.bert.encoder.layer[start:end]:
            hidden = layer(hidden, mask[:, None, None, :])
            for row, vector in zip(batch, self.pool(hidden, mask), strict=True):
                row.pooled.append(vector)
        for row, states, length in zip(batch, hidden, lengths, strict=True):
            row.hidden = states[:length]

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """One vector a row: the mean of its tokens, the first token, or that through BERT's pooler."""
        if self.pooling == "mean":
            return (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return self.bert.pooler(hidden) if self.pooling == "pooler" else hidden[:, 0]

    def leave(self, batch: list[Row], index: int) -> Tensor:
        """Probabilities (rows, labels) at an exit: a mix of all layers so far, a linear layer, a temperature."""
        mix, weight, bias = self.heads[index]
        pooled = torch.stack([torch.stack(row.pooled) for row in batch])  # (rows, layers so far, width)
        logits = (mix.softmax(0)[:, None] * pooled).sum(1) @ weight.T + bias
        return (logits.double() / self.temperatures[index]).softmax(-1)


if __name__ == "__main__":
    for answer in EarlyExit(sys.argv[1]).predict([line.strip() for line in sys.stdin], threshold=0.9):
        print(*answer)
