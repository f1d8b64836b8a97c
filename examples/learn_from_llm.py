"""From a large language model's labels to a small model that is certified to agree with it.

    python examples/learn_from_llm.py    # Reuters newswires; a few labels are changed, as a language model would err

Your file has a column with what the language model said of each text; here it is called `llm`.
"""

import csv
import random
from pathlib import Path
from typing import Any

import offramp
from offramp.demonstration import r8_rows
from offramp.making.encoder import packaged_encoder

RECIPE = offramp.Recipe(epochs=1, learning_rates=(2e-4,), head_learning_rate=5e-3)


def main(encoder: Path, rows: list[tuple[str, str]], output: str, limit: float = 0.1, **options: Any) -> None:
    """Learns from the labels of the language model, and promises how often the small model disagrees with it."""
    options = {"recipe": RECIPE, "architecture": offramp.Architecture(max_length=96), **options}
    to_tune = len(rows) // 3
    write("learn.csv", rows[to_tune:])
    write("certify.csv", rows[:to_tune])
    offramp.train(encoder, "learn.csv", teacher_column="llm", output=output, **options)

    # Not only the exits are on trial here, full depth is as well.
    tuned = offramp.tune(output, "certify.csv", max_disagreement=limit, reference_column="llm", name="like-llm")
    if not tuned.points:
        raise SystemExit(tuned.missed[0].reason)
    (point,) = tuned.points
    print(f"at most {limit:.0%} of the answers differ from the language model's, with 95 % confidence")
    print(f"seen: {point.seen.speedup:.1f} times as fast as full depth, which is a small model's already")
    print(offramp.load(output).predict([rows[0][1]], at="like-llm").label)


def write(name: str, rows: list[tuple[str, str]]) -> None:
    """Writes texts with labels of which one in fifty is another row's: in place of a language model's."""
    randomly = random.Random(0)
    with Path(name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "llm"])
        for label, text in rows:
            writer.writerow([text, randomly.choice(rows)[0] if randomly.random() < 0.02 else label])


if __name__ == "__main__":
    main(packaged_encoder(), r8_rows("train"), "like-llm-model")
