"""Experts from a dense encoder: groups of tokens, their neurons, and their repair."""

import numpy as np
import pytest
import torch

import offramp
from conftest import tiny_model, write_encoder
from helpers.toys import grouped, names, single, write_jsonl
from offramp.compressing.allotting import SHARED, Work, dealt_neurons
from offramp.compressing.dealing import deals_of, dealt, fit_router
from offramp.compressing.repairing import repair
from offramp.errors import BackboneError, DataError, OptionError
from offramp.model.padding import padded_batches
from offramp.model.widths import feed_forwards
from offramp.training.rows import rows_of

TEXTS = [row["text"] for row in single(300, seed=5)]


def unheard(*_):
    pass


def test_a_router_finds_groups_and_makes_them_about_as_large():
    random = np.random.default_rng(0)
    places = random.normal(size=(3, 16)) * 4
    groups = random.integers(0, 3, 900)
    tokens = torch.from_numpy(places[groups] + random.normal(size=(900, 16))).float()
    weight, bias = fit_router(tokens, 3, 0)
    chosen = (tokens @ weight.T + bias).argmax(1).numpy()
    for group in range(3):
        assert np.bincount(chosen[groups == group]).max() > 0.9 * (groups == group).sum()
    for found, again in zip((weight, bias), fit_router(tokens, 3, 0), strict=True):
        assert torch.equal(found, again)
    lopsided = torch.cat([tokens[groups == 0], tokens[groups == 1][:30], tokens[groups == 2][:30]])
    weight, bias = fit_router(lopsided, 3, 0)
    shares = np.bincount((lopsided @ weight.T + bias).argmax(1).numpy()) / len(lopsided)
    np.testing.assert_allclose(shares, 1 / 3, atol=0.1)


def test_a_router_of_tokens_that_are_the_same_is_still_a_number():
    weight, bias = fit_router(torch.ones(100, 8), 4, 0)
    assert weight.isfinite().all()
    assert bias.isfinite().all()


def test_the_neurons_that_matter_most_are_shared_and_the_others_dealt_out():
    random = np.random.default_rng(0)
    importances, own = random.random(64), random.random((3, 64))
    (kept,) = dealt_neurons([importances], [own], [32])
    assert kept.shape == (3, 32)
    shared = set(np.argsort(-importances)[: int(32 * SHARED)])
    for mine, values in zip(kept, own, strict=True):
        assert list(mine) == sorted(set(mine))
        assert shared <= set(mine)
        others = np.setdiff1d(np.arange(64), list(shared))
        assert set(mine) - shared == set(others[np.argsort(-values[others])][: 32 - len(shared)])


def test_a_router_is_work_too():
    dense, routed = (Work((500.0, 500.0), (2.0, 2.0), (256, 256), router) for router in (0, 40.0))
    assert routed.share((64, 64)) - dense.share((64, 64)) == pytest.approx(80 / (1000 + 4 * 256))


@pytest.mark.parametrize("family", ["bert", "distilbert", "modernbert"])
def test_experts_of_all_neurons_are_the_dense_layer_and_a_repair_helps_those_of_fewer(family):
    model = tiny_model(family)
    encoded = rows_of(model, offramp.data.Texts.of(TEXTS)).encoded
    deals = deals_of(model, encoded, 3, 0, unheard)
    batches = list(padded_batches(encoded, 0))

    def logits(one):
        with torch.no_grad():
            return torch.cat([one.network(**batch.inputs(torch.device("cpu"))).exit_logits for batch in batches])

    expected = logits(model)
    whole = dealt(model, deals, [np.tile(np.arange(64), (3, 1))] * 4)
    torch.testing.assert_close(logits(whole), expected, atol=1e-4, rtol=1e-4)
    fewer = dealt(
        model,
        deals,
        dealt_neurons([deal.importances.sum(0) for deal in deals], [deal.importances for deal in deals], [32] * 4),
    )
    broken = logits(fewer)
    repair(model.network.stack, fewer.network.stack, batches)
    assert (logits(fewer) - expected).square().mean() < 0.8 * (broken - expected).square().mean()
    torch.testing.assert_close(logits(model), expected)
    assert {block.router.weight.shape for block in feed_forwards(fewer.network.stack)} == {(3, 32)}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    dev = write_jsonl(folder / "dev.jsonl", single(60, seed=2))
    train = write_jsonl(folder / "train.jsonl", single(240, seed=1))
    offramp.train(write_encoder(folder / "encoder"), train, output=folder / "model", dev=dev, **grouped(exits="1,2"))
    return folder


@pytest.fixture(scope="module")
def made(stage):
    return offramp.compress(stage / "model", TEXTS, output=stage / "experts", flops=0.85, experts=3)


def test_a_model_with_experts_is_written_and_answers(stage, made):
    assert made.experts == 3
    assert made.flops <= 0.85
    assert set(made.widths) == {32, 64}
    classifier = offramp.load(made.folder)
    assert (classifier.config.experts, classifier.config.feed_forward_widths) == (3, list(made.widths))
    assert made.compared.disagreement < 0.5
    card = (made.folder / "README.md").read_text()
    assert "for each token, which runs through one of 3 experts" in card
    tuned = offramp.tune(made.folder, [row["text"] for row in single(100, seed=8)], threshold=0.6, name="mine")
    assert [point.name for point in tuned.points] == ["mine"]


def test_it_is_repeatable(stage, made, tmp_path):
    offramp.compress(stage / "model", TEXTS, output=tmp_path / "again", flops=0.85, experts=3)
    contents = [(folder / "model.safetensors").read_bytes() for folder in (made.folder, tmp_path / "again")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("experts", [0, 1, 65, 2.5])
def test_a_number_of_experts_that_cannot_be_is_refused(stage, tmp_path, experts):
    with pytest.raises(OptionError, match=r"use a whole number from 2 to 64, or leave it out"):
        offramp.compress(stage / "model", TEXTS, output=tmp_path / "new", experts=experts)
    assert names(tmp_path) == []


def test_what_cannot_have_experts_is_refused_and_leaves_nothing(stage, made, tmp_path):
    with pytest.raises(BackboneError, match="have experts already, which are not made narrower once more"):
        offramp.compress(made.folder, [row["text"] for row in single(200, seed=9)], output=tmp_path / "new")
    with pytest.raises(OptionError, match=r"flops is 0.3; of this encoder's multiply-adds"):
        offramp.compress(stage / "model", TEXTS, output=tmp_path / "new", experts=2, flops=0.3)
    with pytest.raises(DataError, match=r"the texts have \d+ tokens, and 64 experts take 2048 at least"):
        offramp.compress(stage / "model", TEXTS[:40], output=tmp_path / "new", experts=64, dev=TEXTS[40:80])
    assert names(tmp_path) == []
