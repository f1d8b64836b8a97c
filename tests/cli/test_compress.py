import re

import offramp as package
from helpers.toys import names, single, write_csv, write_jsonl


def compress(offramp, *more, model="../model", data="../data.csv", output="narrow"):
    return offramp("compress", model, "--data", data, "--output", output, *more)


def test_layers_become_narrower_and_figures_are_shown(offramp, place):
    texts = write_csv(place.parent / "texts.csv", [{"text": row["text"]} for row in single(150, seed=3)])
    result = compress(offramp, "--flops", "0.8", data=texts)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert re.search(r"^layer  neurons  before  reached by$", result.stderr, re.M)
    assert re.search(r"^    1 +(32|64) +64 +100\.0%$", result.stderr, re.M)
    assert re.search(r"^7\d\.\d% of the multiply-adds are left; full depth is \d\.\d\d times", result.stderr, re.M)
    differ = re.search(r"on 30 held-out texts (\d+\.\d\d)% of the answers at full depth differ from", result.stderr)
    tune = "offramp tune narrow --data UNSEEN-TEXTS --reference ../model --max-disagreement"
    limit = re.search(rf"{re.escape(tune)} (\S+)$", result.stderr, re.M)
    assert 0.02 <= float(limit[1]) > float(differ[1]) / 100  # one that full depth keeps
    assert names(place) == ["narrow"]
    assert package.load("narrow").config.feed_forward_widths
    assert "exists and is not empty" in compress(offramp, data=texts).stderr
    assert compress(offramp, "--flops", "1", "--overwrite", data=texts).exit_code == 0


def test_layers_get_experts_and_they_are_told(offramp, place):
    texts = write_csv(place.parent / "texts.csv", [{"text": row["text"]} for row in single(150, seed=3)])
    result = compress(offramp, "--flops", "0.8", "--experts", "2", data=texts)
    assert result.exit_code == 0, result.stderr
    assert "each layer has 2 experts of so many neurons, of which a token runs through one" in result.stderr
    assert package.load("narrow").config.experts == 2
    assert "experts is 1; use a whole number" in compress(offramp, "--experts", "1", "--overwrite", data=texts).stderr
    refused = offramp("export", "narrow", "--backend", "onnxruntime")
    assert refused.exit_code == 2
    assert "narrow has experts, among which tokens are dealt out" in refused.stderr


def test_labels_are_told_or_ignored(offramp, place):
    data = write_jsonl(place.parent / "labeled.jsonl", single(150, seed=3))
    dev = write_jsonl(place.parent / "dev.jsonl", single(60, seed=4))
    result = compress(offramp, "--flops", "0.8", "--dev", dev, data=data)
    assert re.search(r"^\d+\.\d\d% are right, and \d+\.\d\d% were before$", result.stderr, re.M)
    result = compress(offramp, "--flops", "0.8", "--dev", dev, "--ignore-labels", "--overwrite", data=data)
    assert "are right" not in result.stderr


def test_a_goal_that_is_not_met_is_a_check_that_failed(offramp, place):
    texts = write_jsonl(place.parent / "texts.jsonl", single(150, seed=3))
    result = compress(offramp, "--max-disagreement", "0.001", data=texts)
    assert result.exit_code == 1
    assert "or choose by --flops" in result.stderr
    assert names(place) == []
