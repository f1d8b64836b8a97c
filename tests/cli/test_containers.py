import json

import datasets
import pytest

from helpers.toys import single, write_csv, write_model
from offramp.data import Columns, read_labeled

NAMES = ["a", "b", "c"]
FEATURES = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=NAMES)})


@pytest.fixture
def sources(place):
    """One data set with the names of classes, and with their numbers and the names in the metadata."""
    rows = single(120, seed=5)
    columns = {name: [row[name] for row in rows] for name in ("text", "label")}
    datasets.Dataset.from_dict(columns, features=FEATURES).to_parquet(place / "numbers.parquet")
    return [write_csv(place / "names.csv", rows), "numbers.parquet"]


@pytest.mark.parametrize(
    ("verb", "options"),
    [("calibrate", []), ("evaluate", ["--seconds", "1"]), ("tune", ["--max-accuracy-drop", "0.5", "--name", "one"])],
)
def test_verbs_see_the_same_data_whatever_holds_them(verb, options, offramp, place, sources):
    (fingerprint,) = {read_labeled(str(source), Columns()).fingerprint for source in sources}
    for number, source in enumerate(sources):
        model = write_model(place / f"model-{number}")  # calibrate and tune remember the rows
        result = offramp(verb, model, "--data", source, *options, "--json", "out.json")
        assert result.exit_code == 0, result.stderr
        assert fingerprint in (place / "out.json").read_text()


def test_predict_keeps_the_names_of_classes(offramp, place, sources):
    for source in sources:
        result = offramp("predict", "../model", "--input", source, "--output", "out.jsonl", "--keep", "label=gold")
        assert result.exit_code == 0, result.stderr
        gold = [json.loads(line)["gold"] for line in (place / "out.jsonl").read_text().splitlines()]
        assert gold == [row["label"] for row in single(120, seed=5)]
