"""The network: backbone adapter, exit heads, losses, configuration. Importing it registers the Auto classes."""

from offramp.model.config import EarlyExitConfig, default_exits, resolve_exits
from offramp.model.loading import LoadedModel, build, load, save
from offramp.model.network import EarlyExitForSequenceClassification, EarlyExitOutput
from offramp.model.stack import LayerStack, State

__all__ = [
    "EarlyExitConfig",
    "EarlyExitForSequenceClassification",
    "EarlyExitOutput",
    "LayerStack",
    "LoadedModel",
    "State",
    "build",
    "default_exits",
    "load",
    "resolve_exits",
    "save",
]
