import os
import subprocess
import sys
from dataclasses import replace

import pytest

from helpers.toy_backend import TOY, ToyStages, write_toy
from offramp.backends import AUTO, TORCH, Engine, backend_names, backends, imported, precisions_of, register_backend
from offramp.errors import OptionError


def test_an_engine_is_a_backend_in_a_precision():
    assert str(Engine("openvino", "int8")) == "openvino int8"
    assert Engine("openvino", "int8").exported
    assert not Engine(TORCH, "bf16").exported
    assert len({Engine(TORCH, "fp32"), Engine(TORCH, "fp32"), Engine(TORCH, "bf16")}) == 2


def test_the_table():
    assert backend_names() == (TORCH, *backends()) == ("torch", "onnxruntime", "openvino")
    assert precisions_of(TORCH) == ("fp32", "bf16")
    assert precisions_of("openvino") == precisions_of(AUTO) == ("fp32", "bf16", "int8")
    for backend in backends().values():
        assert callable(imported(backend.open))
        assert callable(imported(backend.write))


def test_a_registered_backend_stands_in_it(monkeypatch):
    table = dict(backends())
    monkeypatch.setattr("offramp.backends._table", lambda: table)
    register_backend(TOY)
    assert backend_names()[-1] == "toy"
    assert precisions_of(AUTO)[-1] == "fp8"
    register_backend(TOY)  # once more, as where a module is read again
    assert imported(backends()["toy"].open).__name__ == ToyStages.__name__
    assert imported(backends()["toy"].write) is write_toy


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "openvino"}, "already a backend 'openvino'"),
        ({"name": "torch"}, "already a backend 'torch'"),
        ({"name": "auto"}, "already a backend 'auto'"),
        ({"name": "../toy"}, "cannot be called '../toy'; use small letters"),
        ({"name": "Toy"}, "cannot be called 'Toy'"),
        ({"name": ""}, "cannot be called ''"),
        ({"precisions": ()}, "has no precision"),
    ],
)
def test_what_cannot_be_registered(changes, reason):
    before = backend_names()
    with pytest.raises(OptionError, match=reason):
        register_backend(replace(TOY, **changes))
    assert backend_names() == before


def test_the_table_is_read_without_pytorch_and_runtimes():
    code = "import sys, offramp.cli.options, offramp.engine.choosing as it; print(sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {f"'{name}'" for name in ("torch", "openvino", "onnxruntime", "onnx")} & set(
        loaded.strip("[]\n").split(", ")
    )


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with a backend, one that cannot be imported, and one whose backend has the name of ours."""
    (tmp_path / "theirs.py").write_text(
        "from offramp.backends import Backend\n"
        'MINE = Backend("mine", ("fp4",), open="theirs:open", write="theirs:write")\n'
        'OURS = Backend("openvino", ("fp4",), open="theirs:open", write="theirs:write")\n'
    )
    metadata = tmp_path / "theirs-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    points = "mine = theirs:MINE\nbroken = not_there:BACKEND\ntaken = theirs:OURS\n"
    (metadata / "entry_points.txt").write_text(f"[offramp.backends]\n{points}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))


def test_backends_of_installed_packages_are_there_and_broken_ones_are_left_out(installed):
    code = "from offramp.backends import *; print(*backend_names(), *precisions_of('mine'), *precisions_of('openvino'))"
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ended.stdout.split() == ["torch", "onnxruntime", "openvino", "mine", "fp4", "fp32", "bf16", "int8"]
    assert "the backend 'broken' (not_there:BACKEND) is left out: No module named 'not_there'" in ended.stderr
    assert "the backend 'taken' (theirs:OURS) is left out: there is already a backend 'openvino'" in ended.stderr


def test_the_command_line_knows_backends_of_installed_packages(installed):
    command = [sys.executable, "-W", "ignore", "-m", "offramp", "export", "model", "--backend", "no"]
    said = subprocess.run(command, check=False, capture_output=True, text=True).stderr
    assert "'mine'" in said
