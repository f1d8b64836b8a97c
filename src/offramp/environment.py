"""What a figure was measured on: it goes into every JSON file beside the figure."""

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from offramp.backends import backends
from offramp.errors import OptionError


def describe() -> dict[str, Any]:
    """Processor or accelerator, threads, and the versions that results depend on."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "platform": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: _version(package) for package in packages()},
    }


def packages() -> tuple[str, ...]:
    """Those that results depend on."""
    ours = ("offramp", "torch", "transformers", "tokenizers", "numpy")
    return (*ours, *(package for backend in backends().values() for package in backend.packages))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def cores() -> int:
    """Processor cores of the machine, as the operating system counts them."""
    return os.cpu_count() or 1


def check_threads(threads: int | None, name: str = "threads") -> None:
    """Refuses numbers of threads that can only be a mistake; None stands for whatever is usual.

    A few more than cores do little harm, and a script that names them may run on smaller machines, too.

    Args:
        threads: to compute with.
        name: of the option.

    Raises:
        OptionError: there are fewer than 1, or many times more than cores.
    """
    most = max(64, 4 * cores())
    if threads is not None and not 1 <= threads <= most:
        raise OptionError(
            f"{name} is {threads}; use at least 1 and at most {most}; this machine has {cores()} cores, and more "
            "threads than these make nothing faster",
            option=name,
            value=threads,
        )


def processor_name(device: str | None = None) -> str:
    """The name of what PyTorch computes on: ``device``, or by default a GPU if there is one."""
    import torch

    on = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    return torch.cuda.get_device_name(on) if on.type == "cuda" else cpu_name()


@functools.cache
def cpu_name() -> str:
    """The processor's name as the operating system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def is_main_process() -> bool:
    """Whether this is the one process of a ``torchrun`` that writes files and speaks; true without ``torchrun``."""
    return int(os.environ.get("RANK", "0")) == 0


def fast_bf16() -> bool:
    """Whether this machine multiplies bfloat16 matrices faster than float32 ones."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older releases of torch cannot tell; float32 is always right, if slower.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
