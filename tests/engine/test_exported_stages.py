"""Exported stages against the network in PyTorch: the same answers from every backend, in any company."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import FAMILIES, LAYERS, SHORT, VOCABULARY, tiny_network
from helpers.cached import every_criterion
from helpers.cascades import cascade_of, leaving, logits_of
from helpers.toy_backend import write_toy
from offramp.backends import Engine
from offramp.calibration import Problem
from offramp.engine.batching import batches
from offramp.engine.loading import open_stages
from offramp.engine.torch_stages import TorchStages
from offramp.model.encoding import Encoded
from offramp.policy import Confidence, Threshold, replay, score_exits

pytestmark = pytest.mark.usefixtures("toy_backend")

EXITS = (1, 2, LAYERS)
BACKENDS = ("onnxruntime", "openvino", "toy")
KINDS = [("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"), ("toy", "fp32")]
# Heads of their own as the last exit, among others. ModernBERT's layers differ.
ENCODERS = {
    **dict.fromkeys(FAMILIES, SHORT),
    "roberta": {**SHORT, "own_head": True},
    "modernbert": {"exits": (1, LAYERS), "own_head": True, "head": "mlp"},
    "deberta-v2": {**SHORT, "own_head": True},
}


@pytest.fixture(scope="module")
def exported(graphs, tmp_path_factory):
    """Stages of a tiny network."""

    @functools.cache
    def written(family, attention, **config):
        network, folder = tiny_network(family, **config), tmp_path_factory.mktemp(family)
        graphs.write(network, folder, attention=attention)
        write_toy(network, folder, "fp32", ())
        return network, folder

    def make(family="bert", backend="onnxruntime", precision="fp32", attention="sdpa", **config):
        network, folder = written(family, attention, **config)
        engine, layers = Engine(backend, precision), tuple(network.config.exits)
        return TorchStages(network), open_stages(folder, engine, layers, threads=1)

    return make


def encoded_of(lengths, pairs=False, seed=0):
    random = np.random.default_rng(seed)
    ids = [random.integers(5, VOCABULARY, length).tolist() for length in lengths]
    types = [[int(position > 1) for position in range(length)] for length in lengths] if pairs else None
    return Encoded(ids, types, np.array(lengths, np.int64), np.zeros(len(lengths), np.bool_))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_networks_logits(exported, family, backend):
    network, stages = exported(family, backend, **ENCODERS[family])
    for lengths in ([9, 4, 1], [5, 5], [1], [30]):
        same_logits(network, stages, encoded_of(lengths))


def same_logits(network, stages, encoded):
    expected = logits_of(network, encoded)
    np.testing.assert_allclose(logits_of(stages, encoded), expected, atol=1e-4)
    for batch in batches(encoded, 10**6, 0):
        np.testing.assert_allclose(stages.full(batch), expected[-1, batch.ids], atol=1e-4)


def test_attention_in_single_steps_and_a_head_of_its_own_with_a_pooler(exported):
    own = {"pooling": "mean", "own_head": True, **SHORT}
    same_logits(*exported("bert", "openvino", attention="eager", **own), encoded_of([9, 4, 1]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_pairs(exported, backend):
    network, stages = exported("bert", backend, text_pair=True, **SHORT)
    same_logits(network, stages, encoded_of([9, 4, 6], pairs=True))


@pytest.mark.parametrize(("backend", "precision"), KINDS)
def test_names_what_it_is(exported, backend, precision):
    _, stages = exported("bert", backend, precision)
    assert (stages.engine, stages.layers) == (Engine(backend, precision), EXITS)
    assert stages.fingerprint() == stages.fingerprint()
    assert stages.fingerprint() != exported("bert", backend, text_pair=True, **SHORT)[1].fingerprint()


def test_several_processes_share_the_machine(exported):
    _, stages = exported(backend="openvino")
    compiled = stages._requests[0].get_compiled_model()
    assert not compiled.get_property("ENABLE_CPU_PINNING"), "every process would use the first core"


@pytest.mark.parametrize(("backend", "precision"), KINDS)
@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=12), budget=st.integers(1, 200), data=st.data())
def test_early_exit_is_replay_in_any_company(exported, backend, precision, lengths, budget, data):
    _, stages = exported("bert", backend, precision)
    encoded, problem = encoded_of(lengths), Problem.SINGLE_LABEL
    probabilities = problem.probabilities(logits_of(stages, encoded), 1.0)
    threshold = data.draw(st.floats(0.3, 1.1))
    if np.abs(problem.confidence(probabilities, 0) - threshold).min() < 0.02:
        return  # rounding decides
    expected = replay(probabilities, Threshold(threshold, Confidence(problem)))
    cascade, rule = cascade_of(stages, problem, (1.0,) * 3, 3), Threshold(threshold, Confidence(problem))
    for part in leaving(cascade, encoded, budget, rule):
        assert (expected.exits[part.ids] == part.exit).all()
        tolerance = 1e-4 if precision == "fp32" else 0.05
        np.testing.assert_allclose(part.probabilities, expected.probabilities[part.ids], atol=tolerance)


@pytest.mark.parametrize("backend", ["torch", *BACKENDS])
def test_every_rule_takes_the_exits_of_replay(exported, backend):
    network, stages = exported("bert", BACKENDS[0] if backend == "torch" else backend)
    stages = network if backend == "torch" else stages
    encoded, problem, budget = encoded_of([3, 30, 7, 12, 5, 22, 9, 14, 6, 28, 4, 17]), Problem.SINGLE_LABEL, 60
    probabilities = problem.probabilities(logits_of(stages, encoded), 1.0)
    for criterion in every_criterion(problem, len(EXITS)):
        # In the widest gap between two scores, so that rounding decides nothing.
        scores = np.unique(score_exits(probabilities, criterion).scores)
        scores = np.append(scores, [] if len(scores) > 1 else scores[-1] + 1)
        widest = np.diff(scores).argmax()
        rule = Threshold(float(scores[widest : widest + 2].mean()), criterion)
        expected = replay(probabilities, rule)
        taken = np.full(len(encoded), -1)
        for part in leaving(cascade_of(stages, problem, (1.0,) * 3, 3), encoded, budget, rule):
            taken[part.ids] = part.exit
            np.testing.assert_allclose(part.probabilities, expected.probabilities[part.ids], atol=1e-4)
        np.testing.assert_array_equal(taken, expected.exits)


@pytest.mark.parametrize("backend", BACKENDS)
def test_graphs_may_be_links_as_in_the_cache_of_the_hub(graphs, backend, tmp_path):
    network, real, linked = tiny_network(), tmp_path / "real", tmp_path / "snapshot" / "graphs"
    real.mkdir()
    graphs.write(network, real, attention="sdpa")
    write_toy(network, real, "fp32", ())
    linked.mkdir(parents=True)
    for place, path in enumerate(sorted(real.iterdir())):
        path.rename(tmp_path / str(place))
        (linked / path.name).symlink_to(f"../../{place}")
    encoded = encoded_of([3, 9, 20])
    stages = open_stages(linked, Engine(backend, "fp32"), tuple(network.config.exits), threads=1)
    np.testing.assert_allclose(logits_of(stages, encoded), logits_of(TorchStages(network), encoded), atol=1e-4)
