import json

import numpy as np
import pytest

from offramp.backends import REFERENCE
from offramp.benchmark.contenders import Contender, Kind
from offramp.benchmark.measuring import Timing, Tried
from offramp.benchmark.quality import Quality
from offramp.benchmark.result import Benchmark, rows_of, spread
from offramp.calibration import Problem
from offramp.policy import Confidence, Threshold

PIPELINE, FULL = Contender(Kind.PIPELINE, REFERENCE), Contender(Kind.FULL, REFERENCE)
EARLY = Contender(Kind.EARLY_EXIT, REFERENCE, rule=Threshold(0.9, Confidence(Problem.SINGLE_LABEL)))
TOKENS = np.array([10, 30])


def timing(seconds, requests=2, budget=64, bounds=(None, None)):
    """Five rounds; every text of a single stream takes a tenth of all texts at once."""
    offline = tuple(seconds * factor for factor in (1.0, 0.9, 1.1, 0.8, 1.2))
    single = tuple((one / 10,) * requests for one in offline)
    return Timing(budget, (Tried(64, seconds),), offline, 1.0, single, *bounds)


def rows(requests=2):
    timings = {
        PIPELINE: timing(8.0, requests, budget=None),
        FULL: timing(4.0, requests),
        EARLY: timing(2.0, requests, bounds=(1.0, 0.1 * requests)),
    }
    qualities = {contender: Quality(0.9, 1.0) for contender in timings}
    return {row.name: row for row in rows_of(timings, qualities, 1, TOKENS)}


def test_throughput_and_its_spread():
    offline = rows()["torch fp32, exits at 0.9"].offline
    assert offline.texts_per_second.median == 1.0
    assert (offline.texts_per_second.low, offline.texts_per_second.high) == pytest.approx((1 / 1.1, 1 / 0.9))
    assert len(offline.texts_per_second.rounds) == 5
    assert offline.tokens_per_second == 20.0
    assert [(one.token_budget, one.texts_per_second) for one in offline.tried] == [(64, 1.0)]


def test_speed_ups_are_over_the_pipeline_and_over_full_depth():
    row = rows()["torch fp32, exits at 0.9"]
    for scenario in (row.offline, row.single_stream):
        assert scenario.over_pipeline.median == pytest.approx(4)
        assert scenario.over_full.median == pytest.approx(2)
        # At most fourfold was possible.
        assert scenario.efficiency == pytest.approx(0.5)
    assert rows()["torch fp32, full depth"].offline.over_full.median == 1
    assert rows()["torch fp32, full depth"].offline.efficiency is None


def test_latencies_are_in_milliseconds():
    single = rows()["torch fp32, exits at 0.9"].single_stream
    assert single.requests == 10
    assert single.p50 == single.p50_of_rounds.median == pytest.approx(200)
    assert single.p90 == pytest.approx(240)


@pytest.mark.parametrize(("texts", "shown"), [(199, False), (200, True)])
def test_the_slowest_hundredth_needs_a_thousand_requests(texts, shown):
    assert (rows(texts)["transformers.pipeline"].single_stream.p99 is not None) == shown


def test_quartiles_are_a_spread():
    found = spread(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert (found.low, found.median, found.high, found.rounds) == (2, 3, 4, (1, 2, 3, 4, 5))


def test_everything_is_json():
    result = Benchmark(1, {}, {}, {}, {}, tuple(rows().values()))
    content = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert content["rows"][0]["kind"] == "pipeline"
    assert content["rows"][2]["single_stream"]["p99"] is None
