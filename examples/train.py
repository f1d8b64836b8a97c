"""Train a classifier with early exits, step by step, and see what it is worth on texts it has never seen.

    python examples/train.py          # Reuters newswires and a small encoder; some minutes on two cores

`offramp.make` does all of this in one call; here every step is yours.
"""

from pathlib import Path
from typing import Any

import offramp
from offramp.demonstration import r8_rows
from offramp.making.encoder import packaged_encoder

RECIPE = offramp.Recipe(epochs=1, learning_rates=(2e-4,), head_learning_rate=5e-3)


def main(encoder: Path, rows: list[tuple[str, str]], test: list[tuple[str, str]], output: str, **options: Any) -> None:
    """Trains on four rows in five, chooses operating points on the others, and evaluates on test rows."""
    options = {"recipe": RECIPE, "architecture": offramp.Architecture(max_length=96), **options}
    to_tune = len(rows) // 5
    trained = offramp.train(encoder, columns_of(rows[to_tune:]), output=output, **options)
    print(f"exits after layers {trained.exits}, trained in {trained.seconds:.0f} s")

    # Among a hundred predictions at most five, two or one differ from full depth: fast, balanced and safe.
    tuned = offramp.tune(output, columns_of(rows[:to_tune]))
    for point in tuned.points:
        print(f"{point.name}: {point.seen.speedup:.1f} times as fast as full depth")

    evaluation = offramp.evaluate(output, columns_of(test), seconds=10)
    print(f"right at full depth: {evaluation.full.accuracy:.1%} of {evaluation.data.rows} texts")
    for tested in evaluation.operating_points:
        print(f"right at {tested.point.name}: {tested.point.accuracy:.1%}")

    texts = [text for _, text in test[:3]]
    for text, answer in zip(texts, offramp.load(output).predict(texts, threshold=0.9), strict=True):
        print(f"{answer.label} ({answer.confidence:.0%}, {answer.exit}): {text[:60]}")


def columns_of(rows: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Rows as columns: any file, data frame or `datasets.Dataset` will do as well."""
    return {"text": [text for _, text in rows], "label": [label for label, _ in rows]}


if __name__ == "__main__":
    main(packaged_encoder(), r8_rows("train"), r8_rows("test"), "newswires-model")
