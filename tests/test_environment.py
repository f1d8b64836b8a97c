import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import torch

from offramp import environment
from offramp.errors import OptionError


@pytest.fixture(autouse=True)
def _fresh():
    environment.cpu_name.cache_clear()
    yield
    environment.cpu_name.cache_clear()


def test_what_is_told():
    told = environment.describe()
    assert json.loads(json.dumps(told)) == told
    for package in ("offramp", "torch", "transformers", "tokenizers", "numpy"):
        assert told[package] == version(package)
    assert {"onnxruntime", "openvino"} <= set(told)
    assert told["threads"] == torch.get_num_threads()
    assert told["cores"] == os.cpu_count()
    assert told["cpu"]


def test_nothing_that_names_the_machine_or_the_user():
    told = json.dumps(environment.describe())
    assert os.uname().nodename not in told
    assert str(Path.home()) not in told


def test_processor_of_linux(monkeypatch):
    text = "processor\t: 0\nmodel name\t: A Fine CPU: 3 GHz\nflags\t: fpu\nmodel name\t: another\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert environment.cpu_name() == "A Fine CPU: 3 GHz"


def test_processor_without_a_name(monkeypatch):
    monkeypatch.setattr(environment.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(environment.platform, "processor", lambda: "")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "processor : 0\n")
    assert environment.cpu_name() == "arm64"

    def missing(*_, **__):
        raise FileNotFoundError

    environment.cpu_name.cache_clear()
    monkeypatch.setattr(Path, "read_text", missing)
    assert environment.cpu_name() == "arm64"
    environment.cpu_name.cache_clear()
    monkeypatch.setattr(environment.platform, "processor", lambda: "a chip")
    assert environment.cpu_name() == "a chip"


@pytest.mark.parametrize(
    ("capabilities", "fast"),
    [
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False}, False),
        ({}, False),
    ],
)
def test_bf16_on_the_processor(capabilities, fast, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert environment.fast_bf16() is fast


def test_bf16_where_torch_cannot_tell(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert environment.fast_bf16() is False


@pytest.mark.parametrize("fast", [True, False])
def test_bf16_on_a_gpu(fast, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: fast)
    assert environment.fast_bf16() is fast


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    def missing(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr(environment, "version", missing)
    assert environment.describe()["openvino"] is None


def test_the_processor_is_a_gpu_where_pytorch_computes_on_one(monkeypatch):
    assert environment.processor_name("cpu") == environment.cpu_name()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device}")
    assert environment.processor_name() == "GPU cuda"
    assert environment.processor_name("cuda:1") == "GPU cuda:1"
    assert environment.processor_name("cpu") == environment.cpu_name()


@pytest.mark.parametrize(("cores", "most"), [(1, 64), (2, 64), (96, 384)])
def test_many_times_more_threads_than_cores_are_a_mistake(monkeypatch, cores, most):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    for threads in (None, 1, 2, most):
        environment.check_threads(threads)
    for threads in (-1, 0, most + 1, 10_000):
        with pytest.raises(OptionError, match=rf"^threads is {threads}; .* at most {most}; .* {cores} cores"):
            environment.check_threads(threads)
    with pytest.raises(OptionError, match=r"^compute_threads is 0"):
        environment.check_threads(0, "compute_threads")
