import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offramp.backends import Engine
from offramp.calibration import Calibration, Problem, fit_calibration
from offramp.data import Texts, remember, uses_of
from offramp.drift import (
    CalibrationSummaries,
    CalibrationSummary,
    Observed,
    Vocabulary,
    read_summaries,
    save_summaries,
)
from offramp.engine.exports import Export, ExportSpeed
from offramp.engine.tuning import Tuning, read_tunings, save_tunings
from offramp.errors import ModelFolderError
from offramp.folder import CALIBRATION, EXPORT, POINTS, SEEN, SUMMARIES, TUNING, export_folder
from offramp.policy import (
    Agreement,
    Gate,
    Limit,
    Method,
    OperatingPoint,
    OperatingPoints,
    PatientCertainty,
    PerExit,
    Promise,
    Risk,
    Seen,
    Threshold,
    read_operating_points,
    save_operating_points,
)

ENGINE, SINGLE = Engine("openvino", "int8"), Problem.SINGLE_LABEL
LOGITS = np.random.default_rng(0).normal(size=(2, 40, 3))
CALIBRATED = fit_calibration(LOGITS, LOGITS[1].argmax(axis=1), SINGLE, layers=(1, 2), fingerprint="sha256:1")
ON_ROWS = Seen("sha256:2", 100, 0.01, None, 0.9, 1.5, 2.1, (0.5, 0.5), "a CPU", 2)
POINT = [
    OperatingPoint(
        criterion.__class__.__name__,
        ENGINE,
        "sha256:3",
        Threshold(1.0, criterion),
        Promise(Limit(Risk.DISAGREEMENT, 0.01), Method.LTT, 0.95, 0.004, 0.009, 1000),
        ON_ROWS,
    )
    for criterion in (
        PerExit(Agreement(SINGLE, (0.5, 1.0)), ((0.5,), (0.7,))),
        Gate(SINGLE, ((0.1, 0.2, 0.3),), (0.5,)),
        PatientCertainty(SINGLE, 3),
    )
]
TEXTS = Texts(["one", "two", "three"], None, source="here", blank=0)
SUMMARY = CalibrationSummary.of(
    Observed(np.array([0, 1]), *np.random.default_rng(0).random((5, 2))),
    2,
    point="safe",
    engine=ENGINE,
    model="sha256:3",
    data="sha256:2",
)
WATCHED = CalibrationSummaries((SUMMARY,), {"sha256:2": Vocabulary.of(["one two"], None).to_text()})

FILES = {
    CALIBRATION: (CALIBRATED.save, Calibration.load),
    POINTS: (
        lambda folder: save_operating_points(folder, OperatingPoints(tuple(POINT), "PerExit")),
        read_operating_points,
    ),
    SUMMARIES: (lambda folder: save_summaries(folder, WATCHED), read_summaries),
    TUNING: (lambda folder: save_tunings(folder, [Tuning("a CPU", ENGINE, 2, 4096)]), read_tunings),
    SEEN: (lambda folder: remember(folder, TEXTS, "training"), lambda folder: uses_of(folder, TEXTS)),
    EXPORT: (
        Export(ENGINE, "sha256:4", 64, CALIBRATED, 10, 1.0, 0.1, (ExportSpeed("a CPU", 2, 9.0, 3.0),), "few").save,
        lambda folder: EXPORT.read(folder, Export),
    ),
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=4,
)


def places(content, path=()):
    """The paths of all values in JSON."""
    yield path
    if isinstance(content, dict | list):
        for key, part in content.items() if isinstance(content, dict) else enumerate(content):
            yield from places(part, (*path, key))


def changed(content, path, value):
    """JSON with another value at a path; ``...`` takes away what is there."""
    *outer, last = path
    part = content = json.loads(json.dumps(content))
    for key in outer:
        part = part[key]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return content


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
@given(st.data())
def test_whatever_is_damaged_the_file_is_read_or_named_with_its_cure(file, data):
    write, read = FILES[file]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        content = json.loads((folder / file.name).read_text())
        path = data.draw(st.sampled_from([path for path in places(content) if path]))
        (folder / file.name).write_text(json.dumps(changed(content, path, data.draw(st.just(...) | values))))
        told = None
        try:
            read(folder)
        except ModelFolderError as error:
            told = str(error)
        if told is not None:
            assert told.startswith(f"{folder / file.name} is ")
            assert told.endswith(file.cure)
            assert "\n" not in told


def test_the_graphs_of_an_engine_lie_in_a_folder_of_their_own():
    assert export_folder(Path("model"), ENGINE) == Path("model/openvino/int8")
