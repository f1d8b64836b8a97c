import pytest

from helpers.toys import write_model
from offramp.backends import Engine
from offramp.calibration import Calibration
from offramp.data import Texts
from offramp.engine import save_calibration
from offramp.engine.exports import Export, export_folder, read_export, weights_fingerprint
from offramp.errors import ModelFolderError

INT8 = Engine("openvino", "int8")
ROWS = Texts(["a text", "another"], None, 0, "rows")
NEW = Calibration((1.0, 2.0, 3.0), "sha256:00", 0, ())


@pytest.fixture
def folder(tmp_path):
    """A model with the note of an export, without its graphs."""
    folder = write_model(tmp_path / "model")
    note = Export(INT8, weights_fingerprint(folder), 48, Calibration.neutral((1, 2, 4)), 9, 1.0, 0.1, ())
    export_folder(folder, INT8).mkdir(parents=True)
    note.save(export_folder(folder, INT8))
    return folder


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pytorchs_precisions_share_their_temperatures(folder, precision):
    save_calibration(folder, Engine("torch", precision), NEW, ROWS)
    assert Calibration.load(folder) == NEW
    assert read_export(folder, INT8).calibration == Calibration.neutral((1, 2, 4))


def test_an_export_has_temperatures_of_its_own(folder):
    before = read_export(folder, INT8)
    save_calibration(folder, INT8, NEW, ROWS)
    after = read_export(folder, INT8)
    assert after.calibration == NEW
    assert (after.weights, after.rows, after.difference) == (before.weights, before.rows, before.difference)
    assert Calibration.load(folder) == Calibration.neutral((1, 2, 4))


def test_there_has_to_be_an_export(folder):
    with pytest.raises(ModelFolderError, match="has no export for onnxruntime in fp32"):
        save_calibration(folder, Engine("onnxruntime", "fp32"), NEW, ROWS)
