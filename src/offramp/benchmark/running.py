"""Loads and runs contenders."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offramp.backends import Engine
from offramp.benchmark.contenders import Contender, Kind
from offramp.evaluation import Request
from offramp.folder import models_of

if TYPE_CHECKING:
    from offramp.engine import Classifier

PIPELINE_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Entrant:
    """A loaded contender.

    Attributes:
        classifier: of its engine, shared with the engine's other contenders.
        predict: classifies texts in the contender's way; the pipeline ignores the classifier.
    """

    classifier: "Classifier"
    predict: "Callable[[Classifier, Request], object]"

    def run(self, request: Request, token_budget: int | None = None) -> None:
        """Classifies texts with a token budget, or with the classifier's own."""
        budgeted = self.classifier if token_budget is None else self.classifier.with_token_budget(token_budget)
        self.predict(budgeted, request)


def open_engine(model: Path, engine: Engine, threads: int | None = None) -> "Classifier":
    """Loads a model folder in an engine."""
    from offramp.engine import load  # with it comes PyTorch, which takes seconds

    return load(model, **asdict(engine), threads=threads)


def entrants(model: Path, contenders: Sequence[Contender], threads: int) -> dict[Contender, Entrant]:
    """Loads all contenders, each engine once."""
    engines = dict.fromkeys(contender.engine for contender in contenders)
    classifiers = {engine: open_engine(model, engine, threads) for engine in engines}
    return {contender: Entrant(classifiers[contender.engine], _predict(contender, model)) for contender in contenders}


def _predict(contender: Contender, model: Path) -> "Callable[[Classifier, Request], object]":
    if contender.kind is Kind.PIPELINE:
        classify = pipeline(model)
        return lambda classifier, request: classify(request)

    def predict(classifier: "Classifier", request: Request) -> object:
        texts, pairs = request.texts, request.text_pairs
        match contender.kind:
            case Kind.FULL:
                return classifier.predict_full(texts, pairs)
            case Kind.TRUNCATED | Kind.ALONE:
                assert contender.end is not None
                place = classifier.exit_names.index(contender.end)
                return classifier.predict_truncated(texts, pairs, exit_index=place)
        return classifier.predict(texts, pairs, rule=contender.rule)

    return predict


def pipeline(model: Path) -> Callable[[Request], list[dict[str, Any]]]:
    """The pipeline of transformers on a model folder, with truncation; of a chain, on its last model."""
    import torch
    import transformers

    classify: Any = transformers.pipeline("text-classification", model=str(models_of(model)[-1]), dtype=torch.float32)

    def predict(request: Request) -> list[dict[str, Any]]:
        texts: Sequence[Any] = request.texts
        if request.text_pairs is not None:
            pairs = zip(request.texts, request.text_pairs, strict=True)
            texts = [{"text": first, "text_pair": second} for first, second in pairs]
        answers: list[dict[str, Any]] = classify(texts, batch_size=PIPELINE_BATCH, truncation=True)
        return answers

    return predict
