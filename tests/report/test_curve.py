import importlib.util
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from evaluations import evaluation
from offramp.errors import MissingExtraError, OptionError, StorageError
from offramp.evaluation import Point, Way
from offramp.policy import Interval
from offramp.report import check_picture, curve, curve_picture

POINT = Point(
    way=Way.THRESHOLD,
    name=None,
    rule="confidence at least 0.8",
    threshold=0.9,
    accuracy=0.9,
    macro_f1=0.9,
    agreement=0.9,
    accuracy_difference=Interval(-0.05, -0.06, -0.04),
    mean_layers=3.0,
    layer_speedup=2.0,
    bound_speedup=2.5,
    measured_speedup=2.0,
    measured_speedup_spread=(1.9, 2.2),
    efficiency=0.8,
    texts_per_second=200.0,
    exits=(0.5, 0.5),
)
EVALUATION = replace(
    evaluation(),
    full=replace(POINT, way=Way.FULL, threshold=None, accuracy=0.95),
    points=(
        replace(POINT, threshold=0.5, accuracy=0.80, measured_speedup=4.0, measured_speedup_spread=(3.9, 4.2)),
        POINT,
        replace(POINT, threshold=1.01, accuracy=0.95, measured_speedup=0.9, bound_speedup=1.0),
    ),
)


def test_points_come_in_the_order_of_their_speed():
    shown = curve(EVALUATION)
    assert shown.thresholds == (1.01, 0.9, 0.5)
    assert shown.accuracy == (95, 90, 80)
    assert shown.measured == (0.9, 2.0, 4.0)
    assert (shown.low[-1], shown.high[-1]) == (3.9, 4.2)
    assert shown.bound == (1.0, 2.5, 2.5)
    assert shown.full_accuracy == 95


def test_an_svg_is_well_formed_and_the_same_every_time(tmp_path):
    for name in ("one.svg", "two.svg"):
        curve_picture(EVALUATION, tmp_path / name)
    content = (tmp_path / "one.svg").read_bytes()
    assert content == (tmp_path / "two.svg").read_bytes()
    assert ElementTree.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_png_is_one(tmp_path):
    curve_picture(EVALUATION, tmp_path / "new" / "curve.PNG")
    assert (tmp_path / "new" / "curve.PNG").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_one_point_is_drawn_too(tmp_path):
    alone = replace(EVALUATION, points=(POINT,), environment=EVALUATION.environment | {"gpu": "GPU"})
    curve_picture(alone, tmp_path / "curve.svg")


@pytest.mark.parametrize("name", ["curve.pdf", "curve", "curve.svgz"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(OptionError, match=rf"{name} ends in none of \.svg, \.png; choose one of them"):
        curve_picture(EVALUATION, tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_without_matplotlib_the_cure_is_told(tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: (name != "matplotlib" and real(name, *more)) or None
    )
    with pytest.raises(MissingExtraError, match=r"a picture needs .* pip install 'offramp\[report\]'"):
        check_picture(tmp_path / "curve.svg")


def test_a_folder_of_the_name_is_left_alone(tmp_path):
    folder = tmp_path / "curve.svg"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="not a file"):
        curve_picture(EVALUATION, folder)
    assert (folder / "mine.txt").exists()
