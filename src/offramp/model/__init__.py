"""The network: backbone adapter, exit heads, losses, configuration.

Names are imported when they are first used: the configuration must be importable while transformers itself is still
being imported (see ``offramp/_auto.py``), and the network is not.
"""

from typing import TYPE_CHECKING

from offramp._lazy import lazy

if TYPE_CHECKING:
    from offramp.model.building import adopt as adopt
    from offramp.model.building import build as build
    from offramp.model.checkpoints import FineTuned as FineTuned
    from offramp.model.checkpoints import open_classifier as open_classifier
    from offramp.model.config import EarlyExitConfig as EarlyExitConfig
    from offramp.model.exits import default_exits as default_exits
    from offramp.model.exits import resolve_exits as resolve_exits
    from offramp.model.loading import LoadedModel as LoadedModel
    from offramp.model.loading import load as load
    from offramp.model.loading import save as save
    from offramp.model.network import EarlyExitForSequenceClassification as EarlyExitForSequenceClassification
    from offramp.model.output import EarlyExitOutput as EarlyExitOutput
    from offramp.model.stack import LayersState as LayersState
    from offramp.model.stack import LayerStack as LayerStack
    from offramp.model.windows import LongTexts as LongTexts

_HOMES = {
    "EarlyExitConfig": "config",
    "EarlyExitForSequenceClassification": "network",
    "EarlyExitOutput": "output",
    "FineTuned": "checkpoints",
    "LayerStack": "stack",
    "LoadedModel": "loading",
    "LongTexts": "windows",
    "LayersState": "stack",
    "adopt": "building",
    "build": "building",
    "default_exits": "exits",
    "load": "loading",
    "open_classifier": "checkpoints",
    "resolve_exits": "exits",
    "save": "loading",
}
__all__ = [*_HOMES]  # noqa: PLE0604

__getattr__ = lazy(__name__, _HOMES)
