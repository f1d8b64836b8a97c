"""The options of work on a cluster."""

from dataclasses import dataclass
from typing import Annotated

from offramp.errors import OptionError


@dataclass(frozen=True, slots=True)
class Workers:
    """The number of processes that classify, and the resources of each.

    Raises:
        OptionError: a value is out of range.
    """

    workers: Annotated[
        int | None, "processes of the cluster that classify; by default as many as the cluster has processors for"
    ] = None
    worker_threads: Annotated[int, "processor threads of each process on the cluster"] = 1
    worker_gpus: Annotated[float, "GPUs of each process on the cluster; 0.5 lets two share one"] = 0.0

    def __post_init__(self) -> None:
        for name, value in (("workers", self.workers), ("worker_threads", self.worker_threads)):
            if value is not None and value < 1:
                raise OptionError(f"{name} is {value}; use a whole number from 1 on", option=name, value=value)
        if not 0 <= self.worker_gpus < float("inf"):
            raise OptionError(
                f"worker_gpus is {self.worker_gpus}; use a number from 0 on",
                option="worker_gpus",
                value=self.worker_gpus,
            )
