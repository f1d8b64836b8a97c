"""The HTTP server: continuous batching over the stages, an interface with adapters, and a drift monitor.

Settings are at hand at once; what needs PyTorch or FastAPI is imported with its first use.
"""

from typing import TYPE_CHECKING

from offramp._lazy import lazy
from offramp.serving.settings import Settings

if TYPE_CHECKING:
    from offramp.serving.run import make_service
    from offramp.serving.starting import serve

__all__ = ["Settings", "make_service", "serve"]

__getattr__ = lazy(__name__, {"make_service": "run", "serve": "starting"})
