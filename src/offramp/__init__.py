"""offramp: early-exit text classifiers from any Hugging Face encoder.

    import offramp

    classifier = offramp.load("model-folder")
    classifier.predict(["a text"], threshold=0.9)[0].label

The verbs of the command line are functions here: ``train``, ``attach``, ``calibrate``, ``tune``, ``evaluate``,
``predict``, ``export``, ``bench``, ``serve``, ``monitor``, ``chain``, ``compress``, ``make`` and ``demo``. Importing
this package costs next to nothing; PyTorch and transformers come with the first use. ``transformers`` knows the model
type "offramp" as soon as both are imported, in either order.
"""

from typing import TYPE_CHECKING

from offramp import _auto
from offramp._lazy import lazy

if TYPE_CHECKING:
    from offramp.backends import Runtime as Runtime
    from offramp.benchmark import Contenders as Contenders
    from offramp.benchmark import bench as bench
    from offramp.chaining import chain as chain
    from offramp.compressing import compress as compress
    from offramp.data import Columns as Columns
    from offramp.data import LabeledTexts as LabeledTexts
    from offramp.data import Texts as Texts
    from offramp.demonstration import demo as demo
    from offramp.engine import Classifier as Classifier
    from offramp.engine import Prediction as Prediction
    from offramp.engine import Predictions as Predictions
    from offramp.engine import load as load
    from offramp.engine import predict as predict
    from offramp.errors import OfframpError as OfframpError
    from offramp.evaluation import calibrate as calibrate
    from offramp.evaluation import evaluate as evaluate
    from offramp.exporting import export as export
    from offramp.making import make as make
    from offramp.model import EarlyExitConfig as EarlyExitConfig
    from offramp.model import EarlyExitForSequenceClassification as EarlyExitForSequenceClassification
    from offramp.model import LongTexts as LongTexts
    from offramp.monitoring import monitor as monitor
    from offramp.serving import serve as serve
    from offramp.training import Architecture as Architecture
    from offramp.training import Recipe as Recipe
    from offramp.training import Regime as Regime
    from offramp.training import attach as attach
    from offramp.training import train as train
    from offramp.tuning import Selection as Selection
    from offramp.tuning import tune as tune

_HOMES = {
    "Architecture": "training",
    "Classifier": "engine",
    "Columns": "data",
    "Contenders": "benchmark",
    "EarlyExitConfig": "model",
    "EarlyExitForSequenceClassification": "model",
    "LabeledTexts": "data",
    "LongTexts": "model",
    "OfframpError": "errors",
    "Prediction": "engine",
    "Predictions": "engine",
    "Recipe": "training",
    "Regime": "training",
    "Runtime": "backends",
    "Selection": "tuning",
    "Texts": "data",
    "attach": "training",
    "bench": "benchmark",
    "calibrate": "evaluation",
    "chain": "chaining",
    "compress": "compressing",
    "demo": "demonstration",
    "evaluate": "evaluation",
    "export": "exporting",
    "load": "engine",
    "make": "making",
    "monitor": "monitoring",
    "predict": "engine",
    "serve": "serving",
    "train": "training",
    "tune": "tuning",
}
__version__ = "0.1.0"
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604


__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)


_auto.register_with_transformers()
