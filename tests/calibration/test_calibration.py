import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.problems import PROBLEMS
from offramp.calibration import LEAST_ROWS, Calibration, Problem, fit_agreement, fit_calibration, fit_temperatures
from offramp.errors import DataError, ModelFolderError
from offramp.folder import CALIBRATION


def fitted(problem=Problem.SINGLE_LABEL):
    rng = np.random.default_rng(5)
    logits = rng.normal(scale=4, size=(2, 200, 3))
    targets = (logits[1] + rng.normal(scale=3, size=(200, 3))).argmax(axis=1)
    if problem is Problem.MULTI_LABEL:
        targets = np.eye(3, dtype=int)[targets]
    expected = tuple(fit_temperatures(logits, targets, problem).tolist())
    return fit_calibration(logits, targets, problem, layers=(2, 6), fingerprint="abc"), expected


def read(content):
    """Reads a calibration whose file has this content."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "calibration.json").write_text(json.dumps(content))
        return Calibration.load(Path(folder))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_fit(problem):
    calibration, expected = fitted(problem)
    assert calibration.temperatures == expected
    assert calibration.fitted_on == "abc"
    assert calibration.rows == 200
    assert [(each.exit, each.layers, each.temperature) for each in calibration.exits] == [
        (0, 2, expected[0]),
        (1, 6, expected[1]),
    ]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_without_labels_the_last_exit_is_right(problem):
    logits = np.random.default_rng(5).normal(scale=2, size=(3, 200, 4)) + np.linspace(0, 2, 4)
    found = fit_agreement(logits, problem, (1, 2, 6), "abc")
    believed = problem.predicted(problem.probabilities(logits[-1]))
    expected = fit_calibration(logits, believed, problem, (1, 2, 6), "abc")
    assert found.temperatures == (*expected.temperatures[:-1], 1.0)
    assert found.exits[:-1] == expected.exits[:-1]
    assert found.exits[-1].accuracy == 1
    assert found.exits[-1].nll_before == found.exits[-1].nll_after
    assert (found.against, expected.against) == ("model", "labels")
    assert [found.judges(one) for one in found.exits] == [True, True, False]
    assert all(map(expected.judges, expected.exits))
    assert read(CALIBRATION.content(found)) == found


def test_few_rows_and_fits_that_end_at_a_limit_are_doubted():
    assert Calibration.neutral((1, 4)).doubt is None
    random = np.random.default_rng(5)
    targets = random.integers(3, size=200)
    logits = 2 * np.eye(3)[targets] + random.normal(scale=1.5, size=(2, 200, 3))
    assert fit_calibration(logits, targets, Problem.SINGLE_LABEL, (2, 6), "abc").doubt is None
    logits[0] = 9 * np.eye(3)[targets]  # always right: the surer, the better
    few = fit_calibration(logits[:, :12], targets[:12], Problem.SINGLE_LABEL, (2, 6), "abc").doubt
    assert "they were fitted to 12 rows and after layer 2 the fit ended at a limit (0.05); run" in few


def test_where_many_rows_end_at_a_limit_no_more_rows_are_asked_for():
    targets = np.random.default_rng(5).integers(3, size=200)
    sure = 9 * np.eye(3)[targets]  # always right: the surer, the better
    wrong = 9 * np.eye(3)[(targets + 1) % 3]
    doubt = fit_calibration(np.stack([sure, wrong]), targets, Problem.SINGLE_LABEL, (2, 6), "abc").doubt
    assert "offramp calibrate" not in doubt
    assert (
        "after layer 2 no confidence is too high for these 200 texts (the temperature ended at its limit, 0.05)"
        in doubt
    )
    assert "after layer 6 answers fit these 200 texts no better than chance" in doubt
    # Where an exit leaves all to words, its own temperature tells nothing.
    calibrated = fit_calibration(np.stack([sure, wrong]), targets, Problem.SINGLE_LABEL, (2, 6), "abc")
    assert "layer 6" not in replace(calibrated, evidence=(0.0, 1.0)).doubt


@pytest.mark.parametrize("fit", ["labels", "model"])
def test_an_exit_without_a_best_temperature_keeps_another(fit):
    logits = np.random.default_rng(5).normal(scale=2, size=(3, 200, 3))
    targets = logits[1].argmax(axis=1)  # the second exit is always right
    logits[2] = logits[1]

    def temperatures(*otherwise):
        if fit == "model":
            return fit_agreement(logits, Problem.SINGLE_LABEL, (1, 2, 6), "abc", *otherwise).temperatures
        return fit_calibration(logits, targets, Problem.SINGLE_LABEL, (1, 2, 6), "abc", *otherwise).temperatures

    plain = temperatures()
    assert plain[1] == 0.05
    kept = temperatures((7.0, 1.5, 1.5))
    assert kept[1] == 1.5
    assert kept[0] == (plain[0] if plain[0] < 20 else 7.0)
    assert kept[2] == (1.0 if fit == "model" else 1.5)


def test_a_temperature_fitted_to_the_least_rows_is_within_a_factor_of_two():
    random, problem, factors = np.random.default_rng(0), Problem.SINGLE_LABEL, []
    for _ in range(200):
        logits = random.normal(scale=2, size=(LEAST_ROWS, 2))
        targets = (
            (random.random((LEAST_ROWS, 1)) > problem.probabilities(logits).cumsum(axis=1)).sum(axis=1).clip(max=1)
        )
        (found,) = fit_temperatures(1.5 * logits[None], targets, problem) / 1.5
        factors.append(max(found, 1 / found))
    assert np.quantile(factors, 0.88) < 2


def test_neutral_changes_nothing():
    assert Calibration.neutral((1, 4, 6)) == Calibration(temperatures=(1.0, 1.0, 1.0), fitted_on="", rows=0, exits=())


@pytest.mark.parametrize("calibration", [fitted()[0], Calibration.neutral((3, 6))], ids=["fitted", "neutral"])
def test_survives_json(calibration):
    content = CALIBRATION.content(calibration)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert read(content) == calibration


def test_all_right_has_no_auroc_and_survives_json():
    logits = np.array([[[2.0, 0.0], [0.0, 2.0]]])
    calibration = fit_calibration(logits, np.array([0, 1]), Problem.SINGLE_LABEL, layers=[1], fingerprint="")
    assert calibration.exits[0].auroc is None
    assert read(CALIBRATION.content(calibration)) == calibration


@pytest.mark.parametrize("key", ["schema", "temperatures", "fitted_on", "rows", "exits", "against"])
def test_missing_key(key):
    content = CALIBRATION.content(fitted()[0])
    del content[key]
    with pytest.raises(ModelFolderError, match=rf"calibration.json is damaged \({key} is "):
        read(content)


@pytest.mark.parametrize("key", CALIBRATION.content(fitted()[0])["exits"][0])
@pytest.mark.parametrize("value", ["1", True, float("nan"), []])
def test_bad_value_in_an_exit(key, value):
    content = CALIBRATION.content(fitted()[0])
    content["exits"][1][key] = 1 if key == "name" and value == "1" else value
    with pytest.raises(ModelFolderError, match=rf"damaged \(exits\[1\].{key} is "):
        read(content)
    del content["exits"][1][key]
    with pytest.raises(ModelFolderError, match=rf"damaged \(exits\[1\].{key} is missing\); restore it"):
        read(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 2),
        ("schema", "1"),
        ("temperatures", 1.0),
        ("temperatures", []),
        ("temperatures", [1.0]),
        ("temperatures", [1.0, 0]),
        ("temperatures", [1.0, -2.0]),
        ("temperatures", [1.0, float("nan")]),
        ("temperatures", [1.0, float("inf")]),
        ("temperatures", [1.0, 10**400]),
        ("temperatures", [1.0, True]),
        ("temperatures", [1.0, None]),
        ("fitted_on", 3),
        ("rows", -1),
        ("rows", 1.5),
        ("exits", {}),
        ("exits", [1, 2]),
        ("against", "luck"),
    ],
)
def test_bad_value(key, value):
    with pytest.raises(ModelFolderError, match=r"calibration\.json") as error:
        read(CALIBRATION.content(fitted()[0]) | {key: value})
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("content", [None, [], "text", 1])
def test_not_an_object(content):
    with pytest.raises(ModelFolderError, match="not an object"):
        read(content)


@pytest.mark.parametrize(
    ("logits", "layers"),
    [((2, 0, 3), (1, 2)), ((2, 4, 3), (1, 2, 3)), ((4, 3), (1, 2, 3, 4)), ((0, 4, 3), ()), ((1, 5, 3), (1,))],
)
def test_unusable_data(logits, layers):
    targets = np.zeros(0 if 0 in logits[1:] else 4, dtype=int)
    with pytest.raises(DataError):
        fit_calibration(np.zeros(logits), targets, Problem.SINGLE_LABEL, layers, fingerprint="")
