"""The same engine on many machines, with Ray: files and datasets in batches, and an application of Ray Serve.

Options can be imported without Ray; the rest imports it on first use.
"""

from typing import TYPE_CHECKING

from offramp._lazy import lazy
from offramp.scale.workers import Workers

if TYPE_CHECKING:
    from offramp.scale.batch import WorkerPool, pool, predict_dataset
    from offramp.scale.serving import Application, app

__all__ = ["Application", "WorkerPool", "Workers", "app", "pool", "predict_dataset"]

__getattr__ = lazy(
    __name__,
    {"Application": "serving", "WorkerPool": "batch", "app": "serving", "pool": "batch", "predict_dataset": "batch"},
)
