"""Contenders, ready to run."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offramp.backends import Engine
from offramp.benchmark.contenders import Contender, Kind
from offramp.evaluation import Request

if TYPE_CHECKING:
    from offramp.engine import Classifier

PIPELINE_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """A loaded contender.

    Attributes:
        classifier: of its engine, shared with the engine's other contenders.
        predict: classifies texts in the contender's way; the pipeline does it without the classifier.
    """

    classifier: "Classifier"
    predict: Callable[[Request], object]

    def run(self, request: Request, token_budget: int | None = None) -> None:
        """Classifies texts with a token budget, or with the one used last."""
        self.classifier.token_budget = token_budget or self.classifier.token_budget
        self.predict(request)


def open_engine(model: Path, engine: Engine, threads: int | None = None) -> "Classifier":
    """Loads a model folder in an engine."""
    from offramp.engine import load  # with it comes PyTorch, which takes seconds

    return load(model, **asdict(engine), threads=threads)


def runners(model: Path, contenders: Sequence[Contender], threads: int) -> dict[Contender, Runner]:
    """Loads everything; each engine once."""
    engines = dict.fromkeys(contender.engine for contender in contenders)
    classifiers = {engine: open_engine(model, engine, threads) for engine in engines}
    return {
        contender: Runner(classifiers[contender.engine], _predict(contender, classifiers[contender.engine], model))
        for contender in contenders
    }


def _predict(contender: Contender, classifier: "Classifier", model: Path) -> Callable[[Request], object]:
    match contender.kind:
        case Kind.PIPELINE:
            return pipeline(model)
        case Kind.FULL:
            predict: Callable[..., object] = classifier.predict_full
        case Kind.TRUNCATED:
            assert contender.layers is not None
            predict = partial(classifier.predict_truncated, exit_index=classifier.exits.index(contender.layers))
        case Kind.EARLY_EXIT:
            predict = partial(classifier.predict, rule=contender.rule)
    return lambda request: predict(request.texts, request.text_pairs)


def pipeline(model: Path) -> Callable[[Request], list[dict[str, Any]]]:
    """The pipeline of transformers on a model folder; texts are cut where the model's reading ends."""
    import torch
    import transformers

    classify: Any = transformers.pipeline("text-classification", model=str(model), dtype=torch.float32)

    def predict(request: Request) -> list[dict[str, Any]]:
        texts: Sequence[Any] = request.texts
        if request.text_pairs is not None:
            pairs = zip(request.texts, request.text_pairs, strict=True)
            texts = [{"text": first, "text_pair": second} for first, second in pairs]
        answers: list[dict[str, Any]] = classify(texts, batch_size=PIPELINE_BATCH, truncation=True)
        return answers

    return predict
