"""Exits fitted on an encoder that stays as it is."""

import numpy as np
import pytest
import torch

from conftest import VOCABULARY, tiny_model
from offramp.model import padding
from offramp.model.encoding import Encoded
from offramp.model.losses import UNLABELLED
from offramp.training import frozen
from offramp.training.frozen import exit_logits_of, fit_exits, keep_states
from offramp.training.phases import exits_alone
from offramp.training.recipe import ExitFit


def rows(number, seed=0, pairs=False):
    random = np.random.default_rng(seed)
    ids = [random.integers(5, VOCABULARY, random.integers(1, 12)).tolist() for _ in range(number)]
    types = [[int(place > 2) for place in range(len(one))] for one in ids] if pairs else None
    return Encoded(ids, types, np.array([len(one) for one in ids]), np.zeros(number, np.bool_))


@pytest.fixture(params=["cls", "mean", "pooler"])
def model(request):
    return tiny_model(pooling=request.param)


@torch.no_grad()
def whole(model, encoded):
    """The network's logits, one row after the other: (exits, rows, labels)."""
    types = encoded.token_type_ids or [None] * len(encoded)
    return np.stack(
        [
            model.network(torch.tensor([ids]), token_type_ids=None if one is None else torch.tensor([one]))
            .exit_logits[0]
            .numpy()
            for ids, one in zip(encoded.input_ids, types, strict=True)
        ],
        1,
    )


@pytest.mark.parametrize("pairs", [False, True])
def test_kept_states_give_the_networks_logits(model, tmp_path, pairs, monkeypatch):
    monkeypatch.setattr(padding, "_TOKENS_IN_BATCH", 40)
    monkeypatch.setattr(frozen, "_ROWS_AT_ONCE", 7)
    encoded, done = rows(30, pairs=pairs), []
    kept = keep_states(model, encoded, tmp_path / "states.npy", done.append)
    np.testing.assert_allclose(exit_logits_of(model.network, kept), whole(model, encoded), atol=1e-5)
    assert done == sorted(done)
    assert done[-1] == 30
    assert len(done) > 3
    assert isinstance(kept.pooled, np.memmap)
    assert kept.pooled.shape == (30, 2, 32)  # the last exit needs no states: its logits are kept


def test_an_own_head_is_kept_too(tmp_path):
    model, encoded = tiny_model("roberta", own_head=True, pooling="mean"), rows(20)
    kept = keep_states(model, encoded, tmp_path / "states.npy")
    np.testing.assert_allclose(exit_logits_of(model.network, kept), whole(model, encoded), atol=1e-5)


def fitted(model, folder, phase, targets=None, fit=None, number=120, seed=0):
    """Kept dev states and their targets, after the exits were fitted."""
    parts = []
    for name, size in (("train", number), ("dev", 40)):
        kept = keep_states(model, rows(size, seed=len(parts)), folder / f"{name}.npy")
        parts.append((kept, kept.logits.argmax(1) if targets is None else np.full(size, targets)))
    fit_exits(model.network, *parts, phase, fit or ExitFit(epochs=20, learning_rate=1e-2), seed=seed)
    return parts[1]


def before_and_after(model, folder, phase, **options):
    untrained = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    dev, targets = fitted(model, folder, phase, **options)
    return untrained, exit_logits_of(model.network, dev), targets


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("targets", [None, UNLABELLED])
def test_exits_learn_what_the_last_one_says(tmp_path, head, targets):
    model = tiny_model(pooling="mean", head=head)
    phase = exits_alone(3, labeled=0, distill=1) if targets else exits_alone(3)
    _, logits, _ = before_and_after(model, tmp_path, phase, targets=targets)
    agree = (logits.argmax(-1) == logits[-1].argmax(-1)).mean(1)
    assert agree[:-1].min() > 0.55
    assert agree[-1] == 1


def test_nothing_but_the_exits_changes(tmp_path):
    model = tiny_model(pooling="pooler")
    before, *_ = before_and_after(model, tmp_path, exits_alone(3))
    after = model.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    parts = ("mix", "classifier.weight", "classifier.bias")
    # Of one layer there is nothing to mix: its weight is 1 whatever the parameter is.
    assert changed >= {f"heads.{index}.{part}" for index in range(2) for part in parts} - {"heads.0.mix"}
    assert all(name.startswith(("heads.0.", "heads.1.")) for name in changed)


def test_every_exit_keeps_its_best_epoch(tmp_path):
    # At this rate later epochs are worse than earlier ones.
    wild = ExitFit(epochs=6, learning_rate=0.5, batch_size=8)
    model = tiny_model(pooling="mean")
    losses = []
    plain = frozen._better

    def noted(network, dev, phase, best):
        found = plain(network, dev, phase, best)
        losses.append([one.loss for one in found])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frozen, "_better", noted)
        dev, targets = fitted(model, tmp_path, exits_alone(3), fit=wild)
    logits = torch.from_numpy(exit_logits_of(model.network, dev))
    final = [torch.nn.functional.cross_entropy(one, torch.from_numpy(targets)).item() for one in logits[:-1]]
    assert final == pytest.approx(losses[-1])
    assert losses[-1] == np.min(losses, 0).tolist()


def test_what_runs_away_keeps_what_it_had(tmp_path):
    model = tiny_model(pooling="mean")
    dev, _ = fitted(model, tmp_path, exits_alone(3, labeled=float("inf")), fit=ExitFit(epochs=1))
    assert np.isfinite(exit_logits_of(model.network, dev)).all()


def test_the_seed_decides_everything(tmp_path):
    found = []
    for seed in (1, 1, 2):
        model = tiny_model(pooling="mean")
        dev, _ = fitted(model, tmp_path, exits_alone(3), fit=ExitFit(epochs=2), seed=seed)
        found.append(exit_logits_of(model.network, dev))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_rows_weigh_by_where_they_leave(tmp_path):
    plain, consistent = (tiny_model(pooling="mean") for _ in range(2))
    one, _ = fitted(plain, tmp_path, exits_alone(3), fit=ExitFit(epochs=3))
    other, _ = fitted(consistent, tmp_path, exits_alone(3, consistent=True), fit=ExitFit(epochs=3))
    assert not np.array_equal(exit_logits_of(plain.network, one), exit_logits_of(consistent.network, other))
